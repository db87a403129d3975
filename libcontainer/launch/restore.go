package launch

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/spawn"
	"github.com/rungoci/rung/internal/thread"
	"github.com/rungoci/rung/libcontainer/criu"
	"github.com/rungoci/rung/libcontainer/network"
	"github.com/rungoci/rung/libcontainer/notify"
	"github.com/rungoci/rung/libcontainer/rootfs"
)

// restoreTable is everything that happens when a container is restored from
// images. There is no inside: CRIU makes the processes, with all that they
// had, and what is left is what surrounds them.
var restoreTable = []row{
	{"labels", always, (*creation).labels, nil},
	{"journal", always, (*creation).journal, (*creation).poststop},
	{"cgroup", always, (*creation).makeCgroup, (*creation).removeCgroup},
	{"rdt", always, (*creation).makeRdt, (*creation).removeRdt},
	{"seccomp", always, (*creation).keepFilter, nil},
	{"early-limits", always, (*creation).restoredLimits, nil},
	{"device-rules", always, (*creation).deviceRules, nil},
	{"network-devices", always, (*creation).mayMoveDevices, (*creation).returnDevices},
	{"mount-points", always, (*creation).mountPoints, nil},
	{"criu", always, (*creation).criu, (*creation).endRestored},
	{"late-limits", always, (*creation).restoredLateLimits, nil},
	{"pidfd-socket", always, (*creation).sendPidfd, nil},
	{"pid-file", always, (*creation).writePidFile, (*creation).removePidFile},
	{"state", always, (*creation).record, nil},
	{"resume", always, (*creation).resume, nil},
}

// Images are what a container is restored from.
type Images struct {
	criu.Options
	// LSMProfile and LSMMountContext are the labels that processes and mounts
	// get in place of those that they had, or "".
	LSMProfile, LSMMountContext string
	// Log is called with what is worth saying, but not on standard error.
	Log func(text string)
}

// Restore makes a container as Create does, but with the processes that are in
// r.Images. They go on when it returns.
func Restore(ctx context.Context, r *Request) (*Result, error) {
	c := &creation{Request: r, ctx: ctx, spec: r.Bundle.Spec}
	c.userns = c.has(specs.UserNamespace)
	return c.walk(restoreTable)
}

// keepFilter compiles linux.seccomp for exec. The restored processes have the
// filters that they had.
func (c *creation) keepFilter() error {
	if !c.hasFilter() {
		return nil
	}
	program, err := c.program()
	if err != nil {
		return err
	}
	return c.Dir.WriteFilter(program.Bytes())
}

// restoredLimits is earlyLimits before there is a process.
func (c *creation) restoredLimits() error { return c.cgroup.SetEarly(resources(c.spec)) }

// restoredLateLimits does what restoredLimits could not do yet, and applies the
// limits that CRIU, which is in the container's cgroup, does not get in.
func (c *creation) restoredLateLimits() error {
	if err := c.delegate(); err != nil {
		return err
	}
	return c.lateLimits()
}

// mountPoints has the root filesystem have all folders and files that are mounted
// over in the container, and finds out what comes from the host there. It makes
// all mounts for that, as create does, in a mount namespace that is gone
// afterwards: CRIU mounts them again, and is only to be told where from.
func (c *creation) mountPoints() (err error) {
	if !c.hasNew(specs.MountNamespace) {
		return errdefs.Field("linux.namespaces", "has no mount namespace of the container's own, without which CRIU cannot restore it")
	}
	thread.Spend(func() {
		if err = ownMounts(); err != nil {
			return
		}
		if err = os.NewSyscallError("chdir", unix.Chdir(c.Bundle.Dir)); err == nil {
			err = c.findMounts()
		}
	})
	return err
}

// ownMounts gives the calling thread a mount namespace of its own, of which
// nothing goes back to the host.
func ownMounts() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return errdefs.Doing(err, "make a mount namespace")
	}
	return errdefs.Doing(unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""), "stop mounts from propagating to the host")
}

// findMounts is mountPoints in the mount namespace that is made for it.
func (c *creation) findMounts() error {
	root, err := rootfs.New(rootfs.Options{Spec: c.spec, Root: c.Bundle.Root, Cgroup: c.hierarchies()})
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Open(); err != nil {
		return err
	}
	if err := root.Mounts(); err != nil {
		return err
	}
	view := criu.View{Root: c.Bundle.Root, Prefix: c.Bundle.Root, Mountinfo: "/proc/thread-self/mountinfo"}
	binds, err := view.Binds(c.spec)
	if err != nil {
		return err
	}
	mount, _, err := notify.Prepare(c.Dir.Path())
	if err != nil {
		return err
	}
	others := map[string]string{mount.Destination: mount.Source}
	if !c.hasNew(specs.CgroupNamespace) {
		c.cgroupMounts(others)
	}
	c.external = criu.Given(c.spec, binds, c.source, others)
	return nil
}

// source returns the host's path of the source of a mount.
func (c *creation) source(index int) string {
	source := c.spec.Mounts[index].Source
	if !filepath.IsAbs(source) {
		source = filepath.Join(c.Bundle.Dir, source)
	}
	return source
}

// cgroupMounts adds what mounts of type cgroup show to others, for a container
// in the host's cgroup namespace.
func (c *creation) cgroupMounts(others map[string]string) {
	view := c.cgroup.View()
	for i := range c.spec.Mounts {
		m := &c.spec.Mounts[i]
		switch {
		case m.Type != "cgroup" && m.Type != "cgroup2":
		case view.Unified:
			others[filepath.Clean(m.Destination)] = "/sys/fs/cgroup"
		default:
			for _, h := range view.Mounts {
				others[filepath.Join(m.Destination, h.Dir)] = h.Path
			}
		}
	}
}

func (c *creation) hierarchies() rootfs.CgroupView {
	view := c.cgroup.View()
	out := rootfs.CgroupView{Unified: view.Unified, Path: view.Path}
	for _, m := range view.Mounts {
		out.Mountpoints = append(out.Mountpoints, rootfs.CgroupMount{
			Dir: m.Dir, Mountpoint: m.Mountpoint, Type: m.Type, Data: m.Data, Path: m.Path, Links: m.Links,
		})
	}
	return out
}

// criu has CRIU restore the processes, up to where they are to go on. CRIU gets
// a mount namespace to work in that ends with it: it wants the root filesystem
// to be a mount with nothing mounted over it, and of that nothing may be
// left, whatever dies here.
func (c *creation) criu() (err error) {
	thread.Spend(func() { err = c.criuHere() })
	if err != nil {
		return err
	}
	return c.identify()
}

func (c *creation) criuHere() error {
	root, err := c.Dir.MakeMountPoint()
	if err != nil {
		return err
	}
	if err := ownMounts(); err != nil {
		return err
	}
	if err := unix.Mount(c.Bundle.Root, root, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return &errdefs.Error{Doing: "mount the root filesystem for CRIU", Field: "root.path", Err: err}
	}
	images := c.Images
	o := &criu.RestoreOptions{
		Options: images.Options, Root: root, Namespaces: criu.Joined(c.spec), External: c.external,
		LSMProfile: images.LSMProfile, LSMMountContext: images.LSMMountContext,
		NoNewPrivileges: c.spec.Process.NoNewPrivileges, Log: images.Log,
	}
	if !c.spec.Process.Terminal {
		o.Stdio = c.Stdio
	}
	c.restoring, err = criu.Restore(c.ctx, o, criu.Steps{Placed: c.placed, Born: c.born, Terminal: c.restoredTerminal})
	return err
}

// placed moves CRIU into the container's cgroups and class of service.
func (c *creation) placed(pid int) (map[string]string, error) {
	if c.Cloned != nil {
		c.Cloned()
	}
	if err := c.state.Rdt.Join(pid); err != nil {
		return nil, err
	}
	if err := c.cgroup.AddProcess(pid); err != nil {
		return nil, err
	}
	return c.cgroup.PathsOf(pid)
}

// born is called when the namespaces of the container are there.
func (c *creation) born(pid int) (err error) {
	if c.process, err = spawn.Adopt(pid); err != nil {
		return err
	}
	if err := c.identify(); err != nil {
		return err
	}
	if err := c.restoreNetwork(pid); err != nil || !c.hasRuntimeHooks() {
		return err
	}
	return c.runRuntimeHooks()
}

// restoreNetwork does to a new network namespace what create does: CRIU leaves it
// empty. One that was joined is as it was.
func (c *creation) restoreNetwork(pid int) error {
	if !c.hasNew(specs.NetworkNamespace) {
		return nil
	}
	if err := loopbackOf(pid); err != nil || len(c.spec.Linux.NetDevices) == 0 {
		return err
	}
	return c.moveDevicesTo(pid)
}

// loopbackOf brings up the loopback interface of process pid.
func loopbackOf(pid int) (err error) {
	thread.Spend(func() {
		var fd int
		if fd, err = unix.PidfdOpen(pid, 0); err != nil {
			return
		}
		defer unix.Close(fd)
		if err = unix.Setns(fd, unix.CLONE_NEWNET); err == nil {
			err = network.LoopbackUp()
		}
	})
	return errdefs.Doing(err, "bring up the loopback interface")
}

func (c *creation) restoredTerminal(master *os.File) error {
	if c.Terminal == nil {
		return &errdefs.Error{Field: "process.terminal", Err: errors.New("the images are of a container with a terminal"),
			Hint: "set it to true, as it was when the container was saved"}
	}
	return c.Terminal(c.ctx, master)
}

// resume lets the processes go on.
func (c *creation) resume() error {
	if c.Commit != nil {
		c.Commit()
	}
	if !c.restoring.Keep() {
		return context.Cause(c.ctx)
	}
	c.settle()
	if err := c.restoring.Resume(); err != nil {
		return err
	}
	return c.Dir.RemoveMountPoint()
}

// endRestored ends CRIU, if it has processes in its hands, and these.
func (c *creation) endRestored() {
	if c.restoring != nil {
		c.restoring.Abandon()
	}
	c.kill()
	if err := c.Dir.RemoveMountPoint(); err != nil {
		c.Warn("undo of a failed restore: " + err.Error())
	}
}

// pipes returns which of the standard streams are pipes, for checkpoints.
func (c *creation) pipes() []string {
	if c.spec.Process.Terminal {
		return nil
	}
	return criu.Pipes(c.Stdio[:])
}
