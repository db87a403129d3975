package initproc

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/process"
	"github.com/rungoci/rung/libcontainer/seccomp"
)

// The filter of system calls (linux.seccomp) binds this thread from the moment
// it is loaded. So that a profile need not allow what only rung does, that is
// as late as can be:
//
//   - Most often between the last step and execve(2). Without no_new_privs
//     loading it takes CAP_SYS_ADMIN, which the thread keeps until execve for
//     this.
//   - Before the hooks of startContainer: they are programs of the container.
//   - Before the gate, if there is a listener (SCMP_ACT_NOTIFY): create, not
//     start, hands it to the agent, which then sees what rung does at the gate
//     and may forbid it.
//
// Other threads of this process are not bound. They do the runtime's work until
// execve ends them.

// filter is the program and what has become of it.
type filter struct {
	program *seccomp.Program // nil if there is none
	loaded  bool
}

// receiveFilter takes the program, which the outside has made in the meantime.
func (in *inside) receiveFilter() error {
	if !in.msg.Filter {
		return nil
	}
	fr, err := in.conn.Receive()
	if err != nil {
		return errdefs.Doing(err, "wait for the outside")
	}
	if fr.Kind != handshake.KindFilter {
		return errors.New("handshake: the outside does not send the filter")
	}
	if in.filter.program, err = seccomp.Parse(fr.Body); err != nil {
		return errdefs.Doing(err, "read the seccomp filter")
	}
	return nil
}

// awaitFilter takes the program that is still being made.
func (in *inside) awaitFilter() (err error) {
	if in.comingFilter == nil {
		return nil
	}
	in.filter.program, err = in.comingFilter()
	in.comingFilter = nil
	if err == nil && in.filter.program != nil && in.filter.program.Notify() {
		return ErrNotAhead
	}
	return err
}

// capsForFilter returns the program's capabilities, and CAP_SYS_ADMIN with them
// if the filter needs that.
func (in *inside) capsForFilter() (process.Caps, error) {
	if err := in.awaitFilter(); err != nil {
		return in.caps, err
	}
	if in.filter.program == nil || in.spec.Process.NoNewPrivileges {
		return in.caps, nil
	}
	return in.caps.WithAdmin()
}

// loadFilter loads the program, once.
func (in *inside) loadFilter() error {
	f := &in.filter
	if f.program == nil || f.loaded {
		return nil
	}
	err := seccomp.Load(in.by, f.program)
	f.loaded = err == nil
	return err
}

// listener loads a filter with a listener, and hands that out. The outside
// fetches it (pidfd_getfd(2)), as a process under the filter cannot be sure to
// be able to send it.
func (in *inside) listener() error {
	if in.filter.program == nil || !in.filter.program.Notify() {
		return nil
	}
	frame, number := handshake.ListenerFrame()
	fd, err := seccomp.LoadNotify(in.filter.program, seccomp.Announcement{Message: frame, Number: number, To: in.conn.FD()})
	if err != nil {
		return err
	}
	in.filter.loaded = true
	if err := in.expect(handshake.KindListenerTaken); err != nil {
		return err
	}
	// As long as anybody has it, calls wait for an answer; here nobody would
	// give one. If the filter forbids it, execve closes it.
	_ = unix.Close(fd)
	return nil
}

// diagnose adds to an error of execve that the filter may be the reason.
func (f *filter) diagnose(err error) error {
	var e *errdefs.Error
	if f.loaded && errors.As(err, &e) && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) || errors.Is(err, os.ErrPermission)) {
		e.Hint = "linux.seccomp may forbid execve, which starts the program"
	}
	return err
}
