// Package handshake is what the outside (the command that the user called) and
// the inside (the init process in the container's namespaces) say to each
// other while a container is made.
//
// The outside sends one message: config.json as it was read, and what it has
// resolved. The inside answers with progress frames and at most one error. The
// conversation, over one stream socket:
//
//	outside                         inside
//	Config, Message    ->
//	Proc               ->           with a handle of /proc, if Message.Proc
//	Network            ->           with the namespace's file, if there is a new one
//	HookOutput         ->           with a file, for each of Message.HookStdout and HookStderr
//	Filter             ->           if Message.Filter
//	                   <-  Network                                   if there are network devices to be moved
//	Network            ->           when they are
//	                   <-  Source (a SourceRequest)                   for each mount whose source the inside cannot open
//	Source             ->           with the source's descriptor, or Failed
//	                   <-  Terminal (with the master's descriptor)   if a terminal is asked for
//	                   <-  Mounted                                   if Message.PauseForHooks
//	HooksDone          ->
//	                   <-  Listener (the number of a descriptor)     if the filter has one
//	ListenerTaken      ->
//	                   <-  Ready, or Failed
//	Release            ->           the inside goes to the gate
//
// An end of file instead of an expected frame means that the other side died;
// the inside then ends by itself.
package handshake

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// Message is, beside config.json, all that the inside gets to know. It is sent
// once and not changed afterwards.
//
// The config itself crosses as the bytes that were validated: to decode them
// again takes 0.15 ms, to encode the decoded form first would add 0.4.
type Message struct {
	// State is what hooks that run inside get on standard input.
	State specs.State `json:"state"`
	// Root is the host path of the root filesystem, without symbolic links.
	Root string `json:"root"`
	// Mounts and Env are added to those of config.json.
	Mounts []specs.Mount `json:"mounts,omitempty"`
	Env    []string      `json:"env,omitempty"`
	// Preserve is the number of descriptors from 3 on for the program.
	Preserve int `json:"preserve,omitempty"`
	// NoPivot asks for MS_MOVE and chroot instead of pivot_root.
	NoPivot bool `json:"noPivot,omitempty"`
	// Keyring is the name of the container's session keyring, or "" if it has
	// none of its own.
	Keyring string `json:"keyring,omitempty"`
	// Foreground says that the standard streams stay the caller's.
	Foreground bool `json:"foreground,omitempty"`
	// Immediate asks for no gate: the program runs at Release, and the
	// conversation goes on as it would with start.
	Immediate bool `json:"immediate,omitempty"`
	// Join says that the container stands: the process is in its namespaces
	// already, and only has to become the user's program. Config is then a
	// config.json with the process object and little else.
	Join bool `json:"join,omitempty"`
	// Userns says that the container has another user namespace than the
	// outside, which then does what takes rights on the host.
	Userns bool `json:"userns,omitempty"`
	// NoHugePages says that the caller does without transparent huge pages
	// (PR_SET_THP_DISABLE), which the program inherits. The inside always does.
	NoHugePages bool `json:"noHugePages,omitempty"`
	// Proc says that a Proc frame follows: the process that joins has something
	// to write to /proc, where the container may have put anything.
	Proc bool `json:"proc,omitempty"`
	// PauseForHooks asks for a Mounted frame and the wait for HooksDone.
	PauseForHooks bool `json:"pauseForHooks,omitempty"`
	// Filter says that a Filter frame follows.
	Filter bool `json:"filter,omitempty"`
	// HookStdout and HookStderr say that HookOutput frames follow, with the
	// files that are standard output and error of hooks.
	HookStdout bool `json:"hookStdout,omitempty"`
	HookStderr bool `json:"hookStderr,omitempty"`
	// KeepGroups leaves the process the supplementary groups of the outside.
	KeepGroups bool `json:"keepGroups,omitempty"`
	// LabelOption is the mount option for linux.mountLabel, "" for "context".
	LabelOption string `json:"labelOption,omitempty"`
	// CgroupV1 is the destination of a mount that shows the v1 hierarchy
	// name=systemd, or "".
	CgroupV1 string `json:"cgroupV1,omitempty"`
	// Cgroup is what mounts of type cgroup show.
	Cgroup CgroupView `json:"cgroup"`
}

// CgroupView tells which cgroup hierarchies the host has and which folder of
// each is the container's.
type CgroupView struct {
	// Unified is true on a host with cgroup v2 only.
	Unified bool `json:"unified,omitempty"`
	// Path is the container's cgroup on such a host.
	Path string `json:"path,omitempty"`
	// Mounts are the hierarchies of any other host.
	Mounts []CgroupMount `json:"mounts,omitempty"`
}

// CgroupMount is one hierarchy of a cgroup v1 or hybrid host.
type CgroupMount struct {
	// Dir is its folder below /sys/fs/cgroup: "memory", "cpu,cpuacct".
	Dir string `json:"dir"`
	// Mountpoint is the hierarchy's root on the host.
	Mountpoint string `json:"mountpoint"`
	// Type is "cgroup" or "cgroup2"; Data the options that mount it, such
	// as "memory" or "none,name=systemd".
	Type string `json:"type"`
	Data string `json:"data,omitempty"`
	// Path is the container's folder in it.
	Path string `json:"path"`
	// Links are symbolic links to Dir: "cpu" and "cpuacct".
	Links []string `json:"links,omitempty"`
}

// Kind is the kind of a frame.
type Kind byte

// The frames. See the package comment for their order.
const (
	KindNetwork Kind = 'N'
	// KindHookOutput comes with a file that hooks write to.
	KindHookOutput Kind = 'O'
	KindConfig     Kind = 'C'
	KindMessage    Kind = 'M'
	KindProc       Kind = 'P'
	KindSource     Kind = 's'
	KindTerminal   Kind = 'T'
	KindMounted    Kind = 'H'
	KindHooksDone  Kind = 'h'
	KindReady      Kind = 'R'
	KindRelease    Kind = 'G'
	KindFailed     Kind = 'E'
	// KindFilter has the bytes of a seccomp.Program as its body.
	KindFilter        Kind = 'S'
	KindListener      Kind = 'L'
	KindListenerTaken Kind = 'l'
)

// SourceRequest is the body of a Source frame of the inside. The outside
// answers with such a frame and a descriptor: of a detached tree of mounts if
// the mount is id-mapped, else of the source itself, opened with O_PATH in the
// container's mount namespace.
type SourceRequest struct {
	// Mount is the index of the mount, those of Message after those of the
	// config, or RootSource.
	Mount int `json:"mount"`
}

// RootSource stands for the root filesystem.
const RootSource = -1

// Timing is how long a step of the inside took.
type Timing struct {
	Step   string `json:"step"`
	Micros int64  `json:"us"`
}

// Report is the body of a Ready frame.
type Report struct {
	Timings  []Timing `json:"timings,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// maxFrame bounds what either side reads at once, in bytes. A config.json is
// at most 16 MiB, and comes out no longer than it went in by much.
const maxFrame = 64 << 20

// Conn is one end of the conversation.
type Conn struct{ f *os.File }

// Pair returns the two ends: the first for the outside, the second to be
// inherited by the inside.
func Pair() (*Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return NewConn(os.NewFile(uintptr(fds[0]), "handshake")), os.NewFile(uintptr(fds[1]), "handshake"), nil
}

// NewConn returns the end that f is.
func NewConn(f *os.File) *Conn { return &Conn{f} }

// Close closes this end.
func (c *Conn) Close() error { return c.f.Close() }

// HungUp tells whether the other side has closed its end, or died. It may be
// called while another goroutine waits in Receive.
func (c *Conn) HungUp() bool { return HungUp(c.f) }

// HungUp tells whether nobody holds the other end of a socket or pipe any more.
func HungUp(f *os.File) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLRDHUP}}, 0)
	return n > 0 && err == nil
}

// Send writes a frame with body as JSON; a nil body makes an empty frame.
func (c *Conn) Send(kind Kind, body any) error {
	var payload []byte
	if body != nil {
		payload = jsonfield.Marshal(body)
	}
	return c.SendBytes(kind, payload)
}

// SendBytes writes a frame with the given body.
func (c *Conn) SendBytes(kind Kind, payload []byte) error {
	frame := make([]byte, 5, 5+len(payload))
	frame[0] = byte(kind)
	binary.NativeEndian.PutUint32(frame[1:], uint32(len(payload)))
	_, err := c.f.Write(append(frame, payload...))
	return err
}

// ListenerFrame returns a Listener frame in the making, and its part for the
// number: all else is there before the filter is, and whoever makes that writes
// the frame himself, to FD (see seccomp.LoadNotify).
func ListenerFrame() (frame []byte, number *[4]byte) {
	frame = make([]byte, 9)
	frame[0] = byte(KindListener)
	binary.NativeEndian.PutUint32(frame[1:], 4)
	return frame, (*[4]byte)(frame[5:])
}

// FD returns the connection's descriptor.
func (c *Conn) FD() int { return int(c.f.Fd()) }

// Listener returns the number that a Listener frame carries.
func (fr *Frame) Listener() (int, error) {
	if fr.Kind != KindListener || len(fr.Body) != 4 {
		return -1, errors.New("handshake: malformed listener frame")
	}
	return int(binary.NativeEndian.Uint32(fr.Body)), nil
}

// SendFile writes an empty frame with a descriptor.
func (c *Conn) SendFile(kind Kind, f *os.File) error {
	frame := make([]byte, 5)
	frame[0] = byte(kind)
	return os.NewSyscallError("sendmsg", unix.Sendmsg(int(c.f.Fd()), frame, unix.UnixRights(int(f.Fd())), nil, unix.MSG_NOSIGNAL))
}

// SendError writes err as a Failed frame.
func (c *Conn) SendError(err error) error {
	return c.Send(KindFailed, errdefs.ToWire(err))
}

// Frame is one received frame.
type Frame struct {
	Kind Kind
	Body []byte
	// File came with a Terminal, Proc, Network, Source or HookOutput frame.
	File *os.File
}

// Receive reads the next frame. It returns io.EOF where the other side is
// gone.
func (c *Conn) Receive() (*Frame, error) {
	fr := &Frame{}
	if err := c.receive(fr); err != nil {
		// What a long-lived caller never hears of must not stay open in it.
		if fr.File != nil {
			fr.File.Close()
		}
		return nil, err
	}
	return fr, nil
}

func (c *Conn) receive(fr *Frame) error {
	var head [5]byte
	if err := c.readHead(head[:], fr); err != nil {
		return err
	}
	fr.Kind = Kind(head[0])
	size := binary.NativeEndian.Uint32(head[1:])
	if size > maxFrame {
		return fmt.Errorf("handshake: a frame of %d bytes is too large", size)
	}
	fr.Body = make([]byte, size)
	_, err := io.ReadFull(c.f, fr.Body)
	return eof(err)
}

// readHead reads the five bytes of a header, and into fr the descriptor beside
// them.
func (c *Conn) readHead(head []byte, fr *Frame) error {
	oob := make([]byte, unix.CmsgSpace(4))
	for n := 0; n < len(head); {
		m, oobn, _, _, err := unix.Recvmsg(int(c.f.Fd()), head[n:], oob, unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return eof(os.NewSyscallError("recvmsg", err))
		case m == 0:
			return io.EOF
		}
		n += m
		if oobn == 0 {
			continue
		}
		f, err := rights(oob[:oobn])
		if err != nil {
			return err
		}
		if fr.File != nil {
			f.Close()
			return errors.New("handshake: more than one descriptor beside a frame")
		}
		fr.File = f
	}
	return nil
}

// rights returns the one descriptor of a control message. There is room for
// two where addresses have 64 bits, for the sake of alignment.
func rights(oob []byte) (*os.File, error) {
	var fds []int
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err == nil && len(msgs) == 1 {
		fds, err = unix.ParseUnixRights(&msgs[0])
	}
	if err == nil && len(fds) == 1 {
		return os.NewFile(uintptr(fds[0]), "received"), nil
	}
	for _, fd := range fds {
		unix.Close(fd)
	}
	return nil, errors.New("handshake: malformed descriptor message")
}

// eof maps what a dead peer looks like on a socket to io.EOF. It returns nil if
// err is nil.
func eof(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) {
		return io.EOF
	}
	return err
}

// Decode fills v from the frame's body.
func (fr *Frame) Decode(v any) error { return jsonfield.Unmarshal(fr.Body, v) }

// Err returns the error that a Failed frame carries.
func (fr *Frame) Err() error {
	var w errdefs.Wire
	if err := fr.Decode(&w); err != nil {
		return fmt.Errorf("handshake: unreadable error from the init process: %w", err)
	}
	return w.Err()
}
