package initproc

import (
	"errors"
	"os"
	"strings"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/nofile"
	"github.com/rungoci/rung/internal/stub"
	"github.com/rungoci/rung/internal/sys"
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/process"
	"github.com/rungoci/rung/libcontainer/rootfs"
	"github.com/rungoci/rung/libcontainer/seccomp"
)

// Both tables can also be walked before there is a process for the second one, or
// beside it: most of its steps are system calls whose arguments are known. They are
// then written down, for a program that is nothing else (package stub), and what has
// to be done in the container's namespaces and not by its process is done by a
// thread that is in them. That saves a start of rung, of which an exec is a third.
//
// Such a program cannot explain itself. Where one of its calls fails, the outside
// goes the way with rung in the process, which does and which knows what else to
// try.

// Ahead is what the outside knows of such a process.
type Ahead struct {
	// Spec is config.json; for a process that joins a container, Spec.Process
	// and little else. It is not changed.
	Spec *specs.Spec
	// Message is what rung in the process would be told.
	Message handshake.Message
	// Streams are the descriptors, here, of the standard streams.
	Streams [3]int
	// Root is the root folder of the container that the process joins.
	Root int
	// Filter returns the filter of system calls, or nil.
	Filter func() (*seccomp.Program, error)
	// Procfs makes a procfs that shows the pid namespace of a new container,
	// and returns a detached mount of it; see rootfs.Options.
	Procfs func(rootfs.Procfs) (fd int, err error)
}

// Descriptor is one of the descriptors of such a program. None is left open.
type Descriptor int

const (
	// GoFD is a socket. It reads a byte before it runs the container's program.
	GoFD Descriptor = iota
	// ReportFD is the pipe that it reports to.
	ReportFD
	// ProcFD is the host's /proc, if the process object asks for labels.
	ProcFD
	// PlanFD is the file of the plans that it follows; see Follower.
	PlanFD
)

// MountFD, counted as the others, is where a plan may put what somebody fetches.
// There is room for more before it.
const MountFD = PlanFD + 9

// In returns its number in a process that inherits preserve descriptors beside the
// standard streams.
func (d Descriptor) In(preserve int) int { return 3 + preserve + int(d) }

// ErrNotAhead is returned by Write for a process that cannot be written down.
var ErrNotAhead = errors.New("it takes a process to find out")

// Write walks the table for a process that joins a container without another
// user namespace, and returns a program that makes its calls.
func Write(a *Ahead) (*stub.Program, handshake.Report, error) {
	p := stub.New()
	begin(p)
	in, err := a.walk(p)
	if err != nil {
		return nil, handshake.Report{}, err
	}
	return p, in.report, nil
}

// Follower returns the program of the init of a new container, which makes the calls
// of the plans that are written for it.
func Follower(preserve int) *stub.Program {
	p := stub.New()
	begin(p)
	p.Follow(GoFD.In(preserve), ReportFD.In(preserve), PlanFD.In(preserve))
	return p
}

// WriteInit walks the table for the init of a new container without another user
// namespace, on a thread that is in the container's other namespaces but that of
// pids, and returns the plan of what is left to the init. The thread is of no use
// to anybody else afterwards.
func WriteInit(a *Ahead) (*Plan, error) {
	plan := &Plan{Calls: stub.NewPlan()}
	in, err := a.walk(plan.Calls)
	if err != nil {
		return nil, err
	}
	plan.Report, plan.Handover = in.report, in.null
	return plan, nil
}

// Plan is what the init of a new container has to do.
type Plan struct {
	Calls  *stub.Program
	Report handshake.Report
	// Handover is a file that the init waits for at GoFD, which has to be a
	// socket, once it follows the plan; nil if it does not.
	Handover *os.File
}

// begin is what a rung in the process does before it walks the table; see run.
func begin(p *stub.Program) {
	p.Try(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0)
	p.Call(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL))
	p.Try(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, 0)
	p.Try(unix.SYS_PRCTL, unix.PR_SET_NAME, p.Mem(name))
	if soft, hard, ok := nofile.Original(); ok {
		p.Rlimit(unix.RLIMIT_NOFILE, soft, hard)
	}
}

// walk has the calls written to p. What is done at once is done by this thread.
func (a *Ahead) walk(p *stub.Program) (*inside, error) {
	if a.Spec.Process.Terminal {
		return nil, ErrNotAhead
	}
	in := &inside{msg: a.Message, by: p, program: p, streams: a.Streams, rootFD: a.Root, comingFilter: a.Filter, newProcfs: a.Procfs}
	// Nobody sends these.
	in.msg.Filter, in.msg.Proc, in.msg.HookStdout, in.msg.HookStderr = false, false, false, false
	in.add(*a.Spec)
	if in.alongside() {
		// What plans have left behind.
		p.Try(unix.SYS_CLOSE_RANGE, uintptr(in.fd(PlanFD+1)), uintptr(^uint32(0)), 0)
	}
	defer func() { _ = in.root.Close() }()
	err := in.walk(table)
	if err != nil && in.null != nil {
		in.null.Close()
	}
	return in, err
}

// fd returns the number of one of the program's descriptors.
func (in *inside) fd(d Descriptor) int { return d.In(in.msg.Preserve) }

// alongside tells that this is a thread beside the init of a new container.
func (in *inside) alongside() bool { return in.program != nil && !in.msg.Join }

// writeAttrs writes down the writing to files of the process in /proc, which the
// container cannot have replaced; see process.Proc.
func (in *inside) writeAttrs(attrs []process.Attr) {
	for _, a := range attrs {
		p, how := in.program, process.OpenHow(unix.O_WRONLY)
		p.Call(unix.SYS_OPENAT2, uintptr(in.fd(ProcFD)), sys.CString(p, "thread-self/"+a.File), p.Mem(sys.Bytes(&how)), unsafe.Sizeof(how))
		p.Prev(unix.SYS_WRITE, 0, p.Mem([]byte(a.Value)), uintptr(len(a.Value)))
	}
}

// writeExec writes down what exec does.
func (in *inside) writeExec() error {
	p, report := in.program, in.fd(ReportFD)
	if in.null != nil {
		p.Receive(in.fd(GoFD), in.nullStreams)
	}
	if in.alongside() {
		p.Call(unix.SYS_CLOSE, uintptr(in.fd(PlanFD)))
	}
	for _, fd := range [...]int{in.fd(GoFD), report} {
		p.Call(unix.SYS_FCNTL, uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
	}
	p.Ready(report)
	if err := in.loadFilter(); err != nil {
		return err
	}
	for _, s := range [...][]string{in.spec.Process.Args, in.env} {
		for _, word := range s {
			if strings.IndexByte(word, 0) >= 0 {
				return ErrNotAhead
			}
		}
	}
	args, env := sys.CStrings(p, in.spec.Process.Args), sys.CStrings(p, in.env)
	files := process.Candidates(in.spec.Process.Args[0], in.env)
	for i, file := range files {
		execve := p.Look
		if i == len(files)-1 {
			execve = p.Call
		}
		execve(unix.SYS_EXECVE, sys.CString(p, file), args, env)
	}
	return nil
}
