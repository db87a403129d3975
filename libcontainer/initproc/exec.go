package initproc

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/sys"
	"github.com/rungoci/rung/libcontainer/gate"
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/process"
)

// The end of the table, from the search for the program to its execution, and the hooks that run in the container.

// environment makes that of the program where the thread that does has rights of
// the host, as long as it has the host's /proc: what it reads is the image's. A rung
// in the process does it when it has only the container's rights (executable).
func (in *inside) environment() error {
	if in.program == nil {
		return nil
	}
	root := process.Folder{FD: in.rootFD, Proc: in.proc}
	if in.alongside() {
		root.FD = in.root.FD()
	}
	in.env = process.Env(in.spec.Process.Env, in.spec.Process.User.UID, root)
	return nil
}

// executable finds the program with the rights of the user, so that a missing
// one is an error of create and not of start.
func (in *inside) executable() error {
	if in.program != nil {
		return nil // which looks for it itself
	}
	p := in.spec.Process
	in.env = process.Env(p.Env, p.User.UID, process.Folder{FD: unix.AT_FDCWD})
	exe, err := process.LookupExecutable(p.Args[0], in.env)
	if err != nil {
		return err
	}
	in.exe = exe
	return process.CheckExecutable(exe)
}

// ready tells the outside that only the gate is left, and waits for it to
// have written that down. From here on the init may outlive it.
func (in *inside) ready() error {
	if errno := sys.Prctl(in.by, unix.PR_SET_PDEATHSIG, 0, 0); errno != 0 {
		return errdefs.Doing(errno, "outlive create")
	}
	if in.program != nil {
		if in.msg.Join {
			in.program.Await(in.fd(GoFD))
		}
		return nil
	}
	if err := in.conn.Send(handshake.KindReady, &in.report); err != nil {
		return err
	}
	return in.expect(handshake.KindRelease)
}

// passGate waits for start, which takes the place of create at the other end
// of the conversation.
func (in *inside) passGate() error {
	if in.gate == nil {
		return nil
	}
	if err := in.conn.Close(); err != nil {
		return err
	}
	conn, err := gate.Wait(in.gate)
	if err != nil {
		return err
	}
	in.conn = conn
	return nil
}

func (in *inside) createContainerHooks() error {
	if in.spec.Hooks == nil || len(in.spec.Hooks.CreateContainer) == 0 {
		return nil
	}
	// As with runc, which hooks that put files into the container rely on. No
	// path is relative to the bundle from here on.
	if err := in.root.ChangeDir(); err != nil {
		return err
	}
	st := in.msg.State
	st.Status = specs.StateCreating
	return in.hooks.Run(context.Background(), in.spec.Hooks.CreateContainer, "hooks.createContainer", st)
}

// exec runs the startContainer hooks, and then the user's program. It returns
// only if that fails.
func (in *inside) exec() error {
	if in.program != nil {
		return in.writeExec()
	}
	if !in.msg.NoHugePages {
		// What spawn switched off for this process only. EINVAL: the kernel
		// has none.
		_ = unix.Prctl(unix.PR_SET_THP_DISABLE, 0, 0, 0, 0)
	}
	closeOnExecFrom(3 + in.msg.Preserve)
	if in.spec.Hooks != nil && len(in.spec.Hooks.StartContainer) > 0 {
		// They are the container's programs, and must not do what it may not.
		if err := in.loadFilter(); err != nil {
			return err
		}
		if err := in.hooks.Run(context.Background(), in.startContainerHooks(), "hooks.startContainer", in.msg.State); err != nil {
			return err
		}
	}
	if in.gate != nil {
		// execve closes it too, but perhaps after the connection: start
		// would return from a container that is not said to run yet.
		if err := in.gate.Close(); err != nil {
			return err
		}
	}
	// A start that was killed meanwhile has opened the gate all the same.
	if err := in.conn.Send(handshake.KindReady, nil); err != nil && (in.gate == nil || !errors.Is(err, unix.EPIPE)) {
		return err
	}
	return in.execve()
}

// startContainerHooks returns these hooks; those without an environment have
// the program's. The specification does not say, and runc's users count on it.
func (in *inside) startContainerHooks() []specs.Hook {
	hooks := slices.Clone(in.spec.Hooks.StartContainer)
	for i := range hooks {
		if hooks[i].Env == nil {
			hooks[i].Env = in.env
		}
	}
	return hooks
}

// execve returns why it could not execute the user's program.
func (in *inside) execve() error {
	args, err := syscall.SlicePtrFromStrings(in.spec.Process.Args)
	if err != nil {
		return errdefs.AtField(err, "process.args")
	}
	env, err := syscall.SlicePtrFromStrings(in.env)
	if err != nil {
		return errdefs.AtField(err, "process.env")
	}
	exe, err := unix.BytePtrFromString(in.exe)
	if err != nil {
		return errdefs.AtField(err, "process.args[0]")
	}
	// Whoever writes a profile need not allow more than this, where it can be
	// helped.
	if err := in.loadFilter(); err != nil {
		return err
	}
	_, _, errno := unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(exe)), uintptr(unsafe.Pointer(&args[0])), uintptr(unsafe.Pointer(&env[0])))
	return in.filter.diagnose(process.DiagnoseExec(in.exe, errno))
}

// closeOnExecFrom marks every descriptor from first on. rung opens all of its
// own that way; this is for those that it does not know of (CVE-2024-21626).
func closeOnExecFrom(first int) {
	// EINVAL before kernel 5.11: what rung opened is marked already.
	_ = unix.CloseRange(uint(first), uint(^uint32(0)), unix.CLOSE_RANGE_CLOEXEC)
}
