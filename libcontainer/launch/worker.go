package launch

import (
	"context"
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/spawn"
	"github.com/rungoci/rung/internal/stub"
	"github.com/rungoci/rung/internal/sys"
	"github.com/rungoci/rung/internal/thread"
	"github.com/rungoci/rung/libcontainer/initproc"
	"github.com/rungoci/rung/libcontainer/network"
	"github.com/rungoci/rung/libcontainer/rootfs"
)

// A new container whose program runs at once needs a rung in it as little as a
// process that joins one. Namespaces, but for those of users, pids and time, are of
// a thread. So a thread of this process makes them, clones the init, which waits for
// a plan, and makes the root filesystem in them. What only a process in the pid
// namespace can do, the making of a procfs, it has the init do by a plan of its own.
//
// A thread is not a process: the descriptors are everybody's here, and so are limits
// and whatever else the kernel keeps per process. Steps that set such things are
// written down for the init.
//
// A process that joins a container is cloned by such a thread, too, if that
// is to happen in the container's pid namespace: the processes there see of it, in
// files of /proc that are open to all, what its other namespaces have in them, from
// the instant of its birth on. So they must be the container's by then.

// worker is that thread.
type worker struct {
	// made is closed when it is in the namespaces, or failed to be with err.
	made chan struct{}
	err  error
	// work is what it does next.
	work chan func()
	// ended is closed when it is to end, which ends an init that has not been
	// released; done when it does.
	ended, done chan struct{}
	// walked is closed when the table was walked, with plan or err.
	walked chan struct{}
	plan   *initproc.Plan
	// busy says that it may be at something: nobody has waited for the end of what
	// it was given. It is for the goroutine that gives it work.
	busy bool
}

// beginWorker begins to have a thread enter namespaces.
func beginWorker(enter func() error) *worker {
	w := &worker{made: make(chan struct{}), work: make(chan func()), ended: make(chan struct{}), done: make(chan struct{}), walked: make(chan struct{}), busy: true}
	go thread.Spend(func() {
		defer close(w.done)
		w.err = enter()
		close(w.made)
		for {
			select {
			case do := <-w.work:
				do()
			case <-w.ended:
				return
			}
		}
	})
	return w
}

// patience is how long a worker that is no longer needed is waited for.
const patience = time.Second

// end lets the thread end, and waits until it has done what it does: up to then it
// uses what is the creation's. It returns false if that takes too long: somebody has
// called a container off whose mounts wait for a file server that is gone, and no
// signal ends a thread alone.
func (w *worker) end() bool {
	close(w.ended)
	// Not for one that rests: Go's first timer sets up its network poller.
	if w.busy {
		select {
		case <-w.done:
		case <-time.After(patience):
			return false
		}
	}
	if w.plan != nil && w.plan.Handover != nil {
		w.plan.Handover.Close()
	}
	return true
}

// await waits for one of the worker's channels to be closed, or for the end of ctx.
func (w *worker) await(ctx context.Context, what <-chan struct{}) error {
	select {
	case <-what:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// enterNamespaces has the calling thread join and make namespaces.
func enterNamespaces(list []specs.LinuxNamespace) error {
	var req spawn.Request
	closeAll, err := namespaces(list, &req)
	defer closeAll()
	if err != nil {
		return err
	}
	for _, j := range req.Join {
		if err := unix.Setns(j.FD, j.Flag); err != nil {
			return &errdefs.Error{Doing: "join the namespace", Field: j.Field, Err: err}
		}
	}
	// The one with the mounts last: it is a copy of all there are by then.
	if err := unix.Unshare(unix.CLONE_FS | int(req.New)&(unix.CLONE_NEWNET|unix.CLONE_NEWUTS|unix.CLONE_NEWIPC|unix.CLONE_NEWNS)); err != nil {
		return errdefs.Doing(err, "make the namespaces")
	}
	if req.New&unix.CLONE_NEWNET != 0 {
		return errdefs.Doing(network.LoopbackUp(), "bring up the loopback interface")
	}
	return nil
}

// ofThread are the namespaces that a thread joins while others of its process are
// elsewhere (setns(2)). It could join a cgroup namespace, too; but from within, the
// kernel lets nobody bring in a process from outside (cgroup_attach_permissions), and
// /proc/PID/cgroup shows what the reader's namespace has.
const ofThread = unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC

// enterContainer has the calling thread join those of the process of a pidfd that
// are among flags.
func enterContainer(pidfd, flags int) error {
	if flags &= ofThread; flags == 0 {
		return nil
	}
	// A mount namespace is for who shares his root folder with nobody.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return errdefs.Doing(err, "get a root folder of its own")
	}
	return errdefs.Doing(unix.Setns(pidfd, flags), "join the namespaces of the container")
}

// spawn has the thread start a process.
func (w *worker) spawn(ctx context.Context, start func() (*spawn.Process, error)) (p *spawn.Process, err error) {
	if err := w.await(ctx, w.made); err != nil {
		return nil, err
	}
	if w.err != nil {
		return nil, w.err
	}
	done := make(chan struct{})
	w.work <- func() {
		defer close(done)
		p, err = start()
	}
	<-done
	w.busy = false
	return p, err
}

// makeRoot has the thread make the root filesystem, and write down the rest.
func (c *creation) makeRoot() {
	w := c.ahead.worker
	what := c.what()
	what.Procfs = c.ahead.procfs(int(c.process.PidFD.Fd()), c.Preserve)
	w.busy = true
	w.work <- func() {
		defer close(w.walked)
		if w.err = c.meetInit(); w.err == nil {
			w.plan, w.err = initproc.WriteInit(what)
		}
	}
}

// meetInit waits until the init waits for its plan, and follows it where that went
// alone.
func (c *creation) meetInit() error {
	if err := c.process.SetupError(); err != nil {
		return err
	}
	if err := c.ahead.hear(); err != nil {
		return err
	}
	if !c.hasNew(specs.CgroupNamespace) {
		return nil
	}
	return unix.Setns(int(c.process.PidFD.Fd()), unix.CLONE_NEWCGROUP)
}

// readyAhead waits until there is nothing left to do but what the process does
// itself.
func (c *creation) readyAhead() error {
	if !c.alongside() {
		return nil // it is on its own way to the byte that release writes
	}
	w := c.ahead.worker
	if err := w.await(c.ctx, w.walked); err != nil {
		return err
	}
	w.busy = false
	if w.err != nil {
		return again(w.err)
	}
	c.ahead.report = w.plan.Report
	if err := w.plan.Calls.WritePlan(c.ahead.plans, initproc.ReportFD.In(c.Preserve)); err != nil {
		return again(err)
	}
	return nil
}

// procfs returns a function that has the init make a procfs, and fetches that.
func (a *ahead) procfs(pidfd, preserve int) func(rootfs.Procfs) (int, error) {
	return func(fs rootfs.Procfs) (int, error) {
		mnt := initproc.MountFD.In(preserve)
		if err := procfsPlan(&fs, mnt-1, mnt).WritePlan(a.plans, initproc.ReportFD.In(preserve)); err != nil {
			return -1, err
		}
		if err := a.tellAhead(); err != nil {
			return -1, err
		}
		if err := a.hear(); err != nil {
			return -1, errdefs.Doing(err, "make a procfs")
		}
		fd, err := unix.PidfdGetfd(pidfd, mnt, 0)
		return fd, os.NewSyscallError("pidfd_getfd", err)
	}
}

// procfsPlan is the making of a procfs: as the descriptor mnt of the process, with
// the help of ctx. Both are behind all that it has.
func procfsPlan(fs *rootfs.Procfs, ctx, mnt int) *stub.Program {
	p := stub.NewPlan()
	p.Call(unix.SYS_FSOPEN, sys.CString(p, "proc"), unix.FSOPEN_CLOEXEC)
	p.Prev(unix.SYS_DUP3, 0, uintptr(ctx), unix.O_CLOEXEC)
	set := func(command, key, value uintptr) { p.Call(unix.SYS_FSCONFIG, uintptr(ctx), command, key, value, 0) }
	if fs.Source != "" {
		set(unix.FSCONFIG_SET_STRING, sys.CString(p, "source"), sys.CString(p, fs.Source))
	}
	for _, d := range fs.Data {
		if d.HasValue {
			set(unix.FSCONFIG_SET_STRING, sys.CString(p, d.Key), sys.CString(p, d.Value))
		} else {
			set(unix.FSCONFIG_SET_FLAG, sys.CString(p, d.Key), 0)
		}
	}
	set(unix.FSCONFIG_CMD_CREATE, 0, 0)
	p.Call(unix.SYS_FSMOUNT, uintptr(ctx), unix.FSMOUNT_CLOEXEC, uintptr(fs.Attr&^unix.MOUNT_ATTR_NOSYMFOLLOW))
	p.Prev(unix.SYS_DUP3, 0, uintptr(mnt), unix.O_CLOEXEC)
	p.Back()
	return p
}
