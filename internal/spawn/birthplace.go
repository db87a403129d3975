package spawn

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// openHome opens the caller's pid namespace as b.home, if the caller could come
// back to it: not where that is the host's, and the caller only the root of a
// user namespace of its own (rootless Podman).
func (b *builder) openHome() error {
	fd, err := unix.Open("/proc/self/ns/pid", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return errdefs.Doing(err, "open /proc/self/ns/pid")
	}
	// To join what one is in changes nothing, and takes the same rights.
	switch err := unix.Setns(fd, unix.CLONE_NEWPID); err {
	case nil:
		b.home = fd
		return nil
	case unix.EPERM:
		unix.Close(fd)
		return nil
	default:
		unix.Close(fd)
		return os.NewSyscallError("setns", err)
	}
}

// birthplace has the next process that the calling thread clones be born in the
// pid namespace that is to be joined, until leave is called. A pid namespace is
// joined by a process's children (pid_namespaces(7)), and what counts for them
// is the thread that clones them: with this one in the place of a first process
// that would clone a second, there is one process less to make.
//
// The child is in reach of the processes there before it makes its first call.
// So this process, which it is a copy of, is undumpable meanwhile: they cannot
// trace it nor look into its folder in /proc (CVE-2016-9962). Where they may have
// CAP_SYS_PTRACE that is not enough: see Request.Traceable.
//
// Meanwhile this thread must not make threads, which the kernel would refuse;
// the Go runtime has another one do that for a goroutine that is locked to its
// thread.
func (b *builder) birthplace() (leave func() error, err error) {
	if b.birth == nil {
		return func() error { return nil }, nil
	}
	shown := keepDumpable()
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil, errdefs.Doing(err, "hide from the processes of the container")
	}
	if err := unix.Setns(b.birth.FD, unix.CLONE_NEWPID); err != nil {
		shown()
		return nil, &errdefs.Error{Doing: "join the namespace", Field: b.birth.Field, Err: err}
	}
	return func() error {
		defer shown()
		return os.NewSyscallError("setns", unix.Setns(b.home, unix.CLONE_NEWPID))
	}, nil
}
