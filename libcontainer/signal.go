package libcontainer

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/cgroup"
)

// Signal sends sig to the init process. SIGKILL to a container that shares its
// pid namespace goes to all of its processes, as the kernel does where it has
// one of its own. It returns ErrNotRunning where there is none left.
func (c *Container) Signal(sig unix.Signal) error {
	if sig == unix.SIGKILL && !c.state.PrivatePID {
		return c.SignalAll(sig)
	}
	init, err := c.state.Init.Open()
	if err != nil || !c.state.Init.Alive() {
		if err == nil {
			init.Close()
		}
		return ErrNotRunning
	}
	defer init.Close()
	err = unix.PidfdSendSignal(int(init.Fd()), sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return ErrNotRunning
	}
	if err != nil {
		return errdefs.Doing(err, "send signal "+strconv.Itoa(int(sig))+" to the init process")
	}
	if sig == unix.SIGKILL {
		c.thaw()
	}
	return nil
}

// SignalAll sends sig to every process of the container. It returns
// ErrNotRunning where there is none.
func (c *Container) SignalAll(sig unix.Signal) error {
	cg, err := cgroup.Load(c.state.Cgroup)
	if err != nil {
		return err
	}
	pids, err := cg.Procs()
	if err != nil {
		return err
	}
	if len(pids) == 0 && !c.state.Init.Alive() {
		return ErrNotRunning
	}
	return cg.Signal(sig)
}

// thaw lets a killed process of a cgroup v1 freezer die; it would only be
// woken by the thaw. That it fails where nothing is frozen is no news.
func (c *Container) thaw() {
	cg, err := cgroup.Load(c.state.Cgroup)
	if err != nil {
		return
	}
	if frozen, err := cg.Frozen(); err == nil && frozen {
		_ = cg.Thaw()
	}
}

// Pause freezes all processes of a running container.
func (c *Container) Pause() error { return c.freeze(Running, (*cgroup.Manager).Freeze) }

// Resume undoes Pause.
func (c *Container) Resume() error { return c.freeze(Paused, (*cgroup.Manager).Thaw) }

func (c *Container) freeze(from Status, do func(*cgroup.Manager) error) error {
	status, err := c.Status()
	if err != nil {
		return err
	}
	if status != from && !(from == Running && status == Created) {
		return &errdefs.Error{Doing: "change container " + c.state.ID,
			Err: errors.New("the container is " + status.String() + ", not " + from.String())}
	}
	cg, err := cgroup.Load(c.state.Cgroup)
	if err != nil {
		return err
	}
	return do(cg)
}
