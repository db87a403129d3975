package seccomp

import (
	"encoding/binary"
	"errors"
	"os"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/sys"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// flagTsync is known to runc and not to the spec, and does nothing in either:
// the thread that the filter is loaded on executes the program, and so ends
// all others.
const flagTsync = "SECCOMP_FILTER_FLAG_TSYNC"

// flagWaitKillableRecv is in linux/seccomp.h since Linux 5.19.
const flagWaitKillableRecv = 1 << 5

// filterFlags returns linux.seccomp.flags as seccomp(2) takes them. Without
// the field it is SPEC_ALLOW: the mitigation of speculative store bypass, which
// the kernel otherwise switches on with a filter, costs programs dearly, and
// runc's users go without it (runc does the same since 1.1.5).
func filterFlags(s *specs.LinuxSeccomp) (uint32, error) {
	if s.Flags == nil {
		return unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, nil
	}
	var flags uint32
	for i, name := range s.Flags {
		flag, known := flagBit(name)
		if !known {
			return 0, errdefs.Field(jsonfield.Index("linux.seccomp.flags", i), "unknown flag "+jsonfield.Quote(string(name)))
		}
		flags |= flag
	}
	return flags, nil
}

func flagBit(name specs.LinuxSeccompFlag) (bit uint32, known bool) {
	switch name {
	case flagTsync:
		return 0, true
	case specs.LinuxSeccompFlagLog:
		return unix.SECCOMP_FILTER_FLAG_LOG, true
	case specs.LinuxSeccompFlagSpecAllow:
		return unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, true
	case specs.LinuxSeccompFlagWaitKillableRecv:
		return flagWaitKillableRecv, true
	}
	return 0, false
}

// FlagSupported tells whether this kernel takes the flag of linux.seccomp.flags
// with that name. It loads nothing: there is no program, and the kernel looks
// at the flags first.
func FlagSupported(name specs.LinuxSeccompFlag) bool {
	flag, known := flagBit(name)
	return known && supported(flag)
}

func supported(flag uint32) bool {
	if flag&flagWaitKillableRecv != 0 {
		flag |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER // it is for these alone
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(flag), 0)
	return errno == unix.EFAULT
}

// Load loads a program that has no listener on the thread of c; other threads are
// not affected, and what the thread executes is, for ever. It needs no_new_privs
// or CAP_SYS_ADMIN. It makes one system call.
func Load(c sys.Caller, p *Program) error {
	filter := unsafe.Slice((*byte)(unsafe.Pointer(&p.Filter[0])), len(p.Filter)*int(unsafe.Sizeof(p.Filter[0])))
	// struct sock_fprog
	prog := struct {
		length uint16
		filter uintptr
	}{uint16(len(p.Filter)), c.Mem(filter)}
	errno := c.Call(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(p.Flags), c.Mem(sys.Bytes(&prog)))
	if errno != 0 {
		return loadError(p, errno)
	}
	return nil
}

// Announcement is a message that carries the number of a listener.
type Announcement struct {
	Message []byte
	// Number is the part of Message that the number belongs in, as 32 bits of
	// the machine's byte order.
	Number *[4]byte
	// To is the descriptor that the message is written to.
	To int
}

// LoadNotify loads a program with a listener on the calling thread, which must be
// locked (runtime.LockOSThread), writes the announcement, and returns the
// descriptor of the listener, marked close-on-exec. Otherwise it is as Load.
func LoadNotify(p *Program, a Announcement) (listener int, err error) {
	prog := unix.SockFprog{Len: uint16(len(p.Filter)), Filter: &p.Filter[0]}
	fd, loading, writing := loadAndAnnounce(uintptr(p.Flags), &prog, &a)
	if loading != 0 {
		return -1, loadError(p, loading)
	}
	if writing != 0 {
		return -1, &errdefs.Error{Doing: "hand out the listener of the seccomp filter", Field: "linux.seccomp", Err: os.NewSyscallError("write", writing)}
	}
	return int(fd), nil
}

// loadAndAnnounce makes two system calls, and nothing in between: from the first
// on the thread's calls may be the listener's business, and up to the second
// nobody has it who could answer. So the Go runtime must not come to make one,
// such as the futex(2) with which the scheduler gives a goroutine's thread away
// that has run for 10 ms or that the collector wants to stop. A function looks
// whether it is to give way where it grows its stack, which without a split stack
// it does not, and a signal makes it do so in Go code only, which there is next
// to none of here: the calls themselves are assembly.
//
//go:nosplit
func loadAndAnnounce(flags uintptr, prog *unix.SockFprog, a *Announcement) (listener uintptr, loading, writing unix.Errno) {
	listener, _, loading = unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(prog)))
	if loading != 0 {
		return 0, loading, 0
	}
	binary.NativeEndian.PutUint32(a.Number[:], uint32(listener))
	_, _, writing = unix.RawSyscall(unix.SYS_WRITE, uintptr(a.To), uintptr(unsafe.Pointer(unsafe.SliceData(a.Message))), uintptr(len(a.Message)))
	return listener, 0, writing
}

func loadError(p *Program, errno unix.Errno) error {
	e := &errdefs.Error{Doing: "load the seccomp filter", Field: "linux.seccomp", Err: errno}
	switch errno {
	case unix.EACCES:
		e.Hint = "without CAP_SYS_ADMIN a filter needs process.noNewPrivileges"
	case unix.EINVAL:
		switch {
		case !supported(p.Flags & flagWaitKillableRecv):
			e.Field = "linux.seccomp.flags"
			e.Err = errors.New("this kernel does not know SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (Linux 5.19)")
		case !supported(0):
			e.Hint = "this kernel is built without CONFIG_SECCOMP_FILTER"
		}
	case unix.EBUSY:
		e.Hint = "rung runs under a filter with a listener already, and Linux allows only one"
	}
	return e
}
