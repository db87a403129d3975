// Package initproc is the inside: what the sealed copy of rung does in the
// container's namespaces between the clone and the user's program.
//
// It is a short table of named steps (see table.go). Whoever links
// libcontainer links this package, and with it the entry: a process whose
// argv[0] is "rung init" never reaches main.
package initproc

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"syscall"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/sys"
	"github.com/rungoci/rung/internal/sysmon"
	"github.com/rungoci/rung/libcontainer/bundle"
	"github.com/rungoci/rung/libcontainer/handshake"
)

func init() {
	if len(os.Args) != 3 || os.Args[0] != handshake.Arg0 {
		return
	}
	// Namespaces, credentials and the like are of the thread. This one, the
	// main thread, is locked for good: it runs the table and calls execve.
	runtime.LockOSThread()
	sysmon.Restore()
	os.Exit(run(os.Args))
}

// name is what the kernel calls the process up to the user's program, with a NUL.
var name = []byte(handshake.Arg0 + "\x00")

// run returns only if the container's program could not be run.
func run(args []string) int {
	fd, soft, ok := handshake.ParseArgs(args)
	if !ok {
		return 1
	}
	restoreNofile(soft)
	// The other processes of a pid namespace that is joined must not get at
	// this one's memory and descriptors (CVE-2016-9962).
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	// As spawn has set it; the kernel may have dropped it at execve. Should
	// the outside have died before, the conversation ends.
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	// Its own is a number, that of the descriptor by which it was executed.
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0)
	unix.CloseOnExec(fd)
	in := &inside{
		conn: handshake.NewConn(os.NewFile(uintptr(fd), "handshake")),
		by:   sys.Here(), streams: [3]int{0, 1, 2},
	}
	err := in.listen()
	if err == nil && !in.msg.Immediate {
		// Or what a hook leaves behind would keep the gate.
		unix.CloseOnExec(fd + 1)
		in.gate = os.NewFile(uintptr(fd+1), "gate")
	}
	if err == nil {
		err = in.walk(table)
	}
	// The connection is to create up to the gate, and to start behind it. If
	// nobody is there any more, there is nobody to tell either.
	_ = in.conn.SendError(err)
	return 1
}

// restoreNofile gives this process, the hooks and the program the limit of open
// files of rung's caller. The limit comes from package spawn (see there), and
// package syscall remembers it for the processes that it starts, until it is
// told another one.
func restoreNofile(soft uint64) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return // spawn has found the same, and set nothing
	}
	limit.Cur = min(soft, limit.Max)
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) // lowering needs no privilege
}

// listen receives the message.
func (in *inside) listen() error {
	config, err := in.conn.Receive()
	if err != nil {
		return err
	}
	if in.spec, err = bundle.Parse(config.Body); err != nil {
		return err
	}
	message, err := in.conn.Receive()
	if err != nil {
		return err
	}
	if config.Kind != handshake.KindConfig || message.Kind != handshake.KindMessage {
		return errors.New("handshake: the outside does not begin with its message")
	}
	if err := message.Decode(&in.msg); err != nil {
		return err
	}
	// "For hooks executed in the container namespace, it is the pid as seen by
	// the container" (runtime.md, State).
	in.msg.State.Pid = os.Getpid()
	in.add(*in.spec)
	return nil
}

// add makes spec the one of this process, with what the message adds to it.
func (in *inside) add(spec specs.Spec) {
	if spec.Linux == nil {
		spec.Linux = &specs.Linux{}
	}
	p := *spec.Process
	p.Env = slices.Concat(p.Env, in.msg.Env)
	spec.Process = &p
	spec.Mounts = slices.Concat(spec.Mounts, in.msg.Mounts)
	in.spec = &spec
}
