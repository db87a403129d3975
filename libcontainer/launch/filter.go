package launch

import (
	"fmt"
	"os"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/seccomp"
	"github.com/rungoci/rung/libcontainer/state"
)

// hasFilter tells whether the process gets a filter of system calls.
func (c *creation) hasFilter() bool {
	if c.Into != nil {
		return c.state.Exec.Seccomp != nil
	}
	return bundle.WantsFilter(c.spec.Linux.Seccomp) || c.Annotated.SeccompProgram != nil
}

// filter hands the compiled linux.seccomp to the inside. Compiled here it costs
// no time: the inside is still starting up. It is kept for exec.
func (c *creation) filter() error {
	if c.ahead != nil {
		return c.filterAhead()
	}
	if !c.hasFilter() {
		return nil
	}
	if c.Into != nil {
		data, err := c.Dir.ReadFilter()
		if err != nil {
			return err
		}
		return c.lost(c.conn.SendBytes(handshake.KindFilter, data))
	}
	program, err := c.program()
	if err != nil {
		return err
	}
	data := program.Bytes()
	if err := c.conn.SendBytes(handshake.KindFilter, data); err != nil {
		return c.lost(err)
	}
	return c.Dir.WriteFilter(data)
}

// program compiles linux.seccomp, or takes what an annotation has in its place.
func (c *creation) program() (*seccomp.Program, error) {
	s := c.spec.Linux.Seccomp
	if raw := c.Annotated.SeccompProgram; raw != nil {
		p, err := seccomp.FromBytes(raw, s)
		return p, errdefs.AtField(err, `annotations["run.oci.seccomp_bpf_data"]`)
	}
	if c.Annotated.FailUnknownSyscall {
		if err := seccomp.CheckNames(s); err != nil {
			return nil, err
		}
	}
	p, err := seccomp.Compile(s)
	if err == nil {
		c.Debug("seccomp filter flags: " + strconv.FormatUint(uint64(p.Flags), 10)) // runc's words
	}
	return p, err
}

// listenerOf is where the listener of the filter goes.
func (c *creation) listenerOf() state.Seccomp {
	if c.Into != nil {
		return *c.state.Exec.Seccomp
	}
	s := c.spec.Linux.Seccomp
	return state.Seccomp{ListenerPath: s.ListenerPath, ListenerMetadata: s.ListenerMetadata}
}

// handListener sends the listener that the inside has made to the agent.
func (c *creation) handListener(fr *handshake.Frame) error {
	number, err := fr.Listener()
	if err != nil || !c.hasFilter() {
		return err
	}
	fd, err := unix.PidfdGetfd(int(c.process.PidFD.Fd()), number, 0)
	if err != nil {
		return &errdefs.Error{Doing: "fetch the listener of the seccomp filter from " + c.who(), Field: "linux.seccomp", Err: err,
			Hint: "it needs CAP_SYS_PTRACE"}
	}
	defer unix.Close(fd)
	to := c.listenerOf()
	// config-linux.md, "The Container Process State".
	err = sendListener(to.ListenerPath, fd, &specs.ContainerProcessState{
		Version:  specs.Version,
		Fds:      []string{specs.SeccompFdName},
		Pid:      c.process.Pid,
		Metadata: to.ListenerMetadata,
		State:    c.listenerState(),
	})
	if err != nil {
		return &errdefs.Error{Doing: "hand the listener to " + to.ListenerPath, Field: "linux.seccomp.listenerPath", Err: err}
	}
	return c.lost(c.conn.Send(handshake.KindListenerTaken, nil))
}

func (c *creation) listenerState() specs.State {
	if c.Into != nil {
		return c.state.ForHooks(specs.StateRunning)
	}
	return c.state.ForHooks(specs.StateCreating)
}

// sendListener sends the state and the descriptor in one message, over a
// connection of its own.
func sendListener(path string, fd int, st *specs.ContainerProcessState) error {
	sock, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(sock)
	if err := unix.Connect(sock, &unix.SockaddrUnix{Name: path}); err != nil {
		return fmt.Errorf("failed to connect with seccomp agent: %w", err)
	}
	data := jsonfield.Marshal(st)
	n, err := unix.SendmsgN(sock, data, unix.UnixRights(fd), nil, unix.MSG_NOSIGNAL)
	for err == nil && n < len(data) {
		// The descriptor went with the first byte.
		data = data[n:]
		n, err = unix.SendmsgN(sock, data, nil, nil, unix.MSG_NOSIGNAL)
	}
	return os.NewSyscallError("sendmsg", err)
}
