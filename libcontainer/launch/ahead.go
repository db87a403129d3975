package launch

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/memfd"
	"github.com/rungoci/rung/internal/spawn"
	"github.com/rungoci/rung/internal/stub"
	"github.com/rungoci/rung/internal/sys"
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/initproc"
	"github.com/rungoci/rung/libcontainer/process"
	"github.com/rungoci/rung/libcontainer/seccomp"
)

// A process can most often become the user's program without a rung in it. What
// rung would do there is written down ahead (package initproc), and the process
// makes the system calls of that list. For a process that joins a container that is
// all. For a new one whose program runs at once, a thread of this process makes the
// root filesystem meanwhile; see worker.go.
//
// Where it cannot, or where anything fails, the process is made anew with a rung in
// it, which knows what to say and what else to try.

// ahead is such a process.
type ahead struct {
	exe *os.File
	// release is a socket, from whose other end the process reads bytes, and
	// reports the pipe that it reports to.
	release, reports *os.File
	theirs           []*os.File
	// plans is where an init finds what it is to do next.
	plans  *os.File
	worker *worker
	filter *pendingFilter
	report handshake.Report
}

// pendingFilter is a filter of system calls that is still being made, perhaps while
// a worker waits for it.
type pendingFilter struct {
	set     sync.Once
	known   chan struct{} // closed when the two below are
	program *seccomp.Program
	err     error
}

// provide has what make returns become the filter, or why there is none, unless one
// of the two is known.
func (f *pendingFilter) provide(make func() (*seccomp.Program, error)) error {
	f.set.Do(func() {
		f.program, f.err = make()
		close(f.known)
	})
	return f.err
}

// await waits for the filter.
func (f *pendingFilter) await() (*seccomp.Program, error) {
	<-f.known
	return f.program, f.err
}

// giveUp ends the waiting: nobody is going to make it.
func (f *pendingFilter) giveUp() {
	_ = f.provide(func() (*seccomp.Program, error) { return nil, errors.New("the creation has ended") })
}

func newAhead() *ahead { return &ahead{filter: &pendingFilter{known: make(chan struct{})}} }

// errAgain says that the process has to be made with a rung in it.
var errAgain = errors.New("the process could not be set up by a list of system calls")

// again returns errAgain, with its reason, or nil if there is none.
func again(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errAgain, err)
}

// goesAhead tells whether the process can do without a rung in it, as far as one can
// see.
func goesAhead(r *Request) bool {
	// A gate is rung's.
	if !stub.Supported || !r.Immediate || r.PidfdSocket != "" || r.Annotated.PidfdReceiver != "" || r.Bundle.Spec.Process.Terminal {
		return false
	}
	if r.Into != nil {
		return !r.Into.State.Exec.Userns
	}
	// A thread without privileges cannot do what it takes, which includes
	// pidfd_getfd(2).
	if r.NoPivot || !sys.Capable(unix.CAP_SYS_ADMIN) || !sys.Capable(unix.CAP_SYS_PTRACE) || r.Annotated.DelegateCgroup != "" {
		return false
	}
	s := r.Bundle.Spec
	return !hasHooks(s.Hooks) && plainNamespaces(s.Linux.Namespaces) && plainMounts(s.Mounts) && len(s.Linux.NetDevices) == 0
}

// hasHooks tells whether there are hooks, other than poststart, which are long after.
// Those of createContainer and startContainer run in the container, all others see
// it half made, and those of poststop should not run twice.
func hasHooks(h *specs.Hooks) bool {
	//lint:ignore SA1019 prestart is deprecated, and Docker uses it
	return h != nil && len(h.Prestart)+len(h.CreateRuntime)+len(h.CreateContainer)+len(h.StartContainer)+len(h.Poststop) > 0
}

// plainMounts tells whether a thread in no cgroup of the container's can make these:
// it would have to pay for the memory of a copy. For id-mapped mounts the outside
// would have to ask itself.
func plainMounts(mounts []specs.Mount) bool {
	return !slices.ContainsFunc(mounts, func(m specs.Mount) bool {
		return idMapped(&m) || slices.Contains(m.Options, "tmpcopyup")
	})
}

// plainNamespaces tells whether a thread can make and join these, for an init that is
// cloned from it.
func plainNamespaces(list []specs.LinuxNamespace) bool {
	made := map[specs.LinuxNamespaceType]bool{}
	for _, ns := range list {
		switch ns.Type {
		case specs.PIDNamespace, specs.MountNamespace, specs.CgroupNamespace:
			if ns.Path != "" {
				return false
			}
		case specs.UTSNamespace, specs.IPCNamespace, specs.NetworkNamespace:
		default:
			return false
		}
		made[ns.Type] = true
	}
	return made[specs.PIDNamespace] && made[specs.MountNamespace]
}

// alongside tells that the process is the init of a new container, beside a worker.
func (c *creation) alongside() bool { return c.ahead != nil && c.Into == nil }

// writeAhead makes the program of the process.
func (c *creation) writeAhead() error {
	a := c.ahead
	var program *stub.Program
	if c.alongside() {
		program = initproc.Follower(c.Preserve)
		var err error
		if a.plans, err = memfd.New(); err != nil {
			return again(err)
		}
	} else {
		root, err := rootOf(c.state.Init.Pid)
		if err != nil {
			return again(err)
		}
		defer root.Close()
		if err := c.filterAhead(); err != nil {
			return err
		}
		what := c.what()
		what.Root = int(root.Fd())
		if program, a.report, err = initproc.Write(what); err != nil {
			return again(err)
		}
		a.report.Timings = nil // of nothing but the writing
	}
	exe, err := program.File(initproc.ReportFD.In(c.Preserve))
	if err != nil {
		return again(err)
	}
	a.exe = exe
	return nil
}

// what is all that has to be known of the process.
func (c *creation) what() *initproc.Ahead {
	what := &initproc.Ahead{Spec: c.spec, Message: *c.words(), Streams: [3]int{0, 1, 2}, Filter: c.ahead.filter.await}
	for i, f := range c.Stdio {
		if f != nil {
			what.Streams[i] = int(f.Fd())
		}
	}
	return what
}

// filterAhead provides the filter of system calls.
func (c *creation) filterAhead() error { return c.ahead.filter.provide(c.ownFilter) }

// ownFilter returns the process's filter, or nil, and keeps that of a container.
func (c *creation) ownFilter() (*seccomp.Program, error) {
	if !c.hasFilter() {
		return nil, nil
	}
	if c.Into != nil {
		data, err := c.Dir.ReadFilter()
		if err != nil {
			return nil, err
		}
		p, err := seccomp.Parse(data)
		return p, errdefs.Doing(err, "read the seccomp filter")
	}
	p, err := c.program()
	if err == nil {
		err = c.Dir.WriteFilter(p.Bytes())
	}
	return p, err
}

// program has the process execute it. proc is the host's /proc, or nil.
func (a *ahead) program(req *spawn.Request, proc *os.File) error {
	release, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	a.theirs, a.release = []*os.File{os.NewFile(uintptr(release[0]), "release")}, os.NewFile(uintptr(release[1]), "release")
	var report [2]int
	if err := unix.Pipe2(report[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	a.reports, a.theirs = os.NewFile(uintptr(report[0]), "report"), append(a.theirs, os.NewFile(uintptr(report[1]), "report"))
	req.Exe, req.Plain = a.exe, true
	req.Args = []string{handshake.Arg0}
	req.Files = append(slices.Clone(a.theirs), proc, a.plans)
	return nil
}

// initNamespaces fills in the namespaces that the thread cannot make for the init,
// and what it cannot do for it.
func (c *creation) initNamespaces(req *spawn.Request) (err error) {
	req.New = unix.CLONE_NEWPID
	if c.hasNew(specs.CgroupNamespace) {
		req.New |= unix.CLONE_NEWCGROUP
	}
	req.OOMScoreAdj, err = process.ChangedOOMScoreAdj(c.spec.Process.OOMScoreAdj)
	return err
}

// handedOver closes the ends that the process has.
func (a *ahead) handedOver() {
	for _, f := range a.theirs {
		f.Close()
	}
	a.theirs = nil
}

func (a *ahead) close() {
	if a.worker != nil {
		a.filter.giveUp() // it may wait for that
		if !a.worker.end() {
			return // it may still use the files
		}
	}
	a.handedOver()
	for _, f := range []*os.File{a.exe, a.release, a.reports, a.plans} {
		if f != nil {
			f.Close()
		}
	}
}

// hungUp tells whether the process runs the user's program, or is dead.
func (c *creation) hungUp() bool {
	if c.ahead != nil {
		return handshake.HungUp(c.ahead.reports)
	}
	return c.conn.HungUp()
}

// tellAhead has the process go on, with what it reads or with its plan.
func (a *ahead) tellAhead() error { return a.send(nil) }

// handOver gives the init the file that its plan has it wait for.
func (a *ahead) handOver() error {
	if a.worker == nil || a.worker.plan.Handover == nil {
		return nil
	}
	return a.send(unix.UnixRights(int(a.worker.plan.Handover.Fd())))
}

// send sends a byte. A process that has failed already says why.
func (a *ahead) send(rights []byte) error {
	err := unix.Sendmsg(int(a.release.Fd()), []byte{0}, rights, nil, unix.MSG_NOSIGNAL)
	if err != nil && err != unix.EPIPE && err != unix.ECONNRESET {
		return errdefs.Doing(err, "tell the process to go on")
	}
	return nil
}

// hear waits until the process says that it is ready.
func (a *ahead) hear() error {
	report, err := stub.ReadReport(a.reports)
	if err == nil && report.Failed() {
		err = report.Err()
	}
	return err
}

// releaseAhead has the process run the user's program, and waits until it does.
func (c *creation) releaseAhead() error {
	a := c.ahead
	if err := c.process.SetupError(); err != nil {
		return again(err)
	}
	if err := a.tellAhead(); err != nil {
		return err
	}
	if err := a.handOver(); err != nil {
		return err
	}
	switch err := a.hear(); {
	case errors.Is(err, io.EOF):
		return c.died()
	case err != nil:
		return again(err)
	}
	switch err := a.hear(); {
	case errors.Is(err, io.EOF) && c.neverRan():
		return again(errDied)
	case errors.Is(err, io.EOF):
		c.tell("ahead", &a.report)
		return nil
	case err != nil:
		return again(err)
	}
	return errors.New("unexpected report of the process")
}
