package launch

import (
	"errors"
	"os"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/spawn"
	"github.com/rungoci/rung/internal/sys"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
	"github.com/rungoci/rung/libcontainer/cgroup"
	"github.com/rungoci/rung/libcontainer/process"
	"github.com/rungoci/rung/libcontainer/state"
)

// Target is a container that stands, for a further process to join (exec).
type Target struct {
	// State is its record. It is not changed.
	State *state.State
	// Init is a pidfd of its init process: what is joined is where this very
	// process is, whoever has got its number by then.
	Init *os.File
	// Cgroups are cgroups below the container's to enter, by controller; see
	// cgroup.Manager.JoinBelow. Empty means the container's own.
	Cgroups map[string]string
	// Traceable says that its processes may have CAP_SYS_PTRACE; see Spent of
	// spawn.Request.
	Traceable bool
}

// target finds out what there is to join.
func (c *creation) target() (err error) {
	c.state = c.Into.State
	if c.cgroup, err = cgroup.Load(c.state.Cgroup); err != nil {
		return err
	}
	c.joins, err = otherNamespaces(c.state.Init.Pid)
	if !c.userns {
		// The init may have gone to one of its own, where its program has no
		// need for those of others.
		c.joins &^= unix.CLONE_NEWUSER
	}
	if err != nil {
		return c.gone(errdefs.Doing(err, "look at the namespaces of the container"))
	}
	// Of a pid namespace whose processes may trace it, the process had better be
	// the child of one that was never there.
	if c.joins&unix.CLONE_NEWPID != 0 && !c.userns && !c.Into.Traceable {
		c.joiner = beginWorker(func() error { return enterContainer(int(c.Into.Init.Fd()), c.joins) })
	}
	return nil
}

// surroundings fills in the namespaces and cgroups of the process: those of a
// new container, or those of the one that it joins. The returned function
// closes the files that were opened.
func (c *creation) surroundings(req *spawn.Request) (closeAll func(), err error) {
	var closeFiles func()
	switch {
	case c.Into != nil:
		closeFiles, err = c.joinTarget(req)
	case c.alongside():
		closeFiles, err = func() {}, c.initNamespaces(req)
	default:
		closeFiles, err = c.ownNamespaces(req)
	}
	if err != nil {
		return closeFiles, err
	}
	join, err := c.joinCgroups()
	if err != nil {
		return closeFiles, err
	}
	req.CgroupFD, req.Tasks = join.CgroupFD, join.Tasks
	c.placeLater(req, join)
	return func() { closeFiles(); join.Close() }, c.stillThere()
}

// placeLater arranges for a process that cannot be born in its cgroup to come
// there while it waits: in its new user namespace, before it makes its cgroup
// namespace, or, if it makes none, before it is told anything. Any other is born
// there or fails.
func (c *creation) placeLater(req *spawn.Request, join *cgroup.Join) {
	switch prepare := req.Prepare; {
	case join.Place == nil:
		return
	case prepare != nil:
		req.Prepare = func(pid int) error {
			if err := join.Place(pid); err != nil {
				return err
			}
			return prepare(pid)
		}
	case c.Into != nil || !c.hasNew(specs.CgroupNamespace):
		c.place = join.Place
	default:
		return
	}
	req.CgroupFD = -1
}

// joinCgroups opens the cgroups that the process enters.
func (c *creation) joinCgroups() (*cgroup.Join, error) {
	switch {
	case c.Into == nil:
		return c.cgroup.Join()
	case len(c.Into.Cgroups) > 0:
		return c.cgroup.JoinBelow(c.Into.Cgroups)
	}
	return c.cgroup.JoinRunning(c.state.Init.Pid)
}

// joinTarget fills in what a process that joins a container needs. One setns(2)
// on the pidfd of its init enters all of its namespaces that the process is not
// born in, of which the kernel sees to the order.
func (c *creation) joinTarget(req *spawn.Request) (closeFiles func(), err error) {
	closeFiles = func() {}
	flags := c.joins
	if c.joiner != nil {
		flags &^= ofThread
		req.Spent = true
	}
	if flags != 0 {
		req.Join = []spawn.Join{{FD: int(c.Into.Init.Fd()), Flag: flags}}
	}
	if c.state.Exec.Chroot {
		if req.Root, err = rootOf(c.state.Init.Pid); err != nil {
			return closeFiles, c.gone(errdefs.Doing(err, "open the root filesystem of the container"))
		}
		closeFiles = func() { req.Root.Close() }
	}
	// /proc may be anything in there.
	req.OOMScoreAdj, err = process.ChangedOOMScoreAdj(c.spec.Process.OOMScoreAdj)
	if err != nil || req.OOMScoreAdj == "" {
		return closeFiles, err
	}
	if req.Proc, err = os.OpenFile("/proc", unix.O_PATH|unix.O_DIRECTORY, 0); err != nil {
		return closeFiles, err
	}
	closeRoot := closeFiles
	return func() { closeRoot(); req.Proc.Close() }, nil
}

// rootOf opens the root folder of a process. Where the container's is not the
// root of a mount namespace, to join that alone would lead out of it.
func rootOf(pid int) (*os.File, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "/"), nil
}

// stillThere makes sure that what was learnt from /proc by the number of the
// init was learnt of the init: as long as that is there, if only as a zombie,
// nobody else has its number.
func (c *creation) stillThere() error {
	if c.Into == nil {
		return nil
	}
	return c.gone(unix.PidfdSendSignal(int(c.Into.Init.Fd()), 0, nil, 0))
}

// gone replaces an error by the reason for it, where that is the end of the
// container, or of its init's main thread.
func (c *creation) gone(err error) error {
	if err == nil || c.Into == nil {
		return err
	}
	fds := []unix.PollFd{{Fd: int32(c.Into.Init.Fd()), Events: unix.POLLIN}}
	if n, perr := unix.Poll(fds, 0); n > 0 && perr == nil {
		return errors.New("the container has stopped")
	}
	if c.state.Init.Headless() {
		return errdefs.Doing(state.ErrHeadless, "join container "+c.state.ID)
	}
	return err
}

// otherNamespaces returns the CLONE_NEW* flags of the namespaces in which the
// process pid is and this one is not. To join a namespace that one is in is
// refused for the user namespace, and two more processes to no purpose for the
// pid namespace.
func otherNamespaces(pid int) (flags int, err error) {
	self, other := "/proc/self/ns/", "/proc/"+strconv.Itoa(pid)+"/ns/"
	for _, k := range namespaceKinds {
		differs, err := differ(self+k.file, other+k.file)
		if err != nil {
			return 0, err
		}
		if differs {
			flags |= k.flag
		}
	}
	return flags, nil
}

// differ tells whether two namespace files are of different namespaces. A kernel
// without a kind of them has neither file.
func differ(a, b string) (bool, error) {
	var x, y unix.Stat_t
	if err := unix.Stat(a, &x); err != nil {
		if errors.Is(err, unix.ENOENT) {
			return false, nil
		}
		return false, err
	}
	if err := unix.Stat(b, &y); err != nil {
		return false, err
	}
	return x.Ino != y.Ino || x.Dev != y.Dev, nil
}

// spawn starts the process. One that joins a container is born on the CPUs of
// process.execCPUAffinity.initial, as the thread is that clones it: a cpuset
// that it is born into has the last word (config.md, "Linux Process").
func (c *creation) spawn(req *spawn.Request) (*spawn.Process, error) {
	a := c.spec.Process.ExecCPUAffinity
	if c.Into == nil || a == nil || a.Initial == "" {
		return spawn.Start(c.ctx, req)
	}
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return nil, errdefs.Doing(err, "read the CPU affinity")
	}
	if err := process.SetAffinity(sys.Here(), a.Initial); err != nil {
		return nil, err
	}
	// On failure this thread stays where it is, for a moment or two.
	defer func() { _ = unix.SchedSetaffinity(0, &before) }()
	return spawn.Start(c.ctx, req)
}

// who is what the process is called in errors.
func (c *creation) who() string {
	if c.Into == nil {
		return "the init process"
	}
	return "the process"
}

// identify notes the start time of the init.
func (c *creation) identify() (err error) {
	if c.Into != nil {
		return nil
	}
	c.state.Init, err = state.Identify(c.process.Pid)
	return errdefs.Doing(err, "read the start time of the init process")
}

// inherited is what the record keeps of config.json for exec.
func (c *creation) inherited() *state.Exec {
	joined := c.has(specs.PIDNamespace) && !c.hasNew(specs.PIDNamespace)
	mayTrace := joined || process.MayTrace(c.spec.Process.Capabilities)
	e := &state.Exec{Process: jsonfield.Marshal(c.spec.Process), Personality: c.spec.Linux.Personality, MemoryPolicy: c.spec.Linux.MemoryPolicy,
		MayTrace: &mayTrace,
		Chroot:   !c.hasNew(specs.MountNamespace), Userns: c.userns, NoKeyring: c.Keyring == "", Keyring: c.Keyring, KeepGroups: c.Annotated.KeepGroups}
	if s := c.spec.Linux.Seccomp; c.hasFilter() {
		e.Seccomp = &state.Seccomp{ListenerPath: s.ListenerPath, ListenerMetadata: s.ListenerMetadata}
	}
	return e
}
