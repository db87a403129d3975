package libcontainer

import (
	"errors"
	"fmt"
	"slices"
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
	return c.signalInit(sig)
}

// signalInit sends sig to the init process alone. It returns ErrNotRunning
// where that has ended.
func (c *Container) signalInit(sig unix.Signal) error {
	init, err := c.Init()
	if err != nil {
		return err
	}
	defer init.Close()
	if err := c.running(); err != nil {
		return err
	}
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

// SignalAll sends sig to every process of the container: to those of its
// cgroup, and where it has none, to the init process. It returns ErrNotRunning
// where there is none.
func (c *Container) SignalAll(sig unix.Signal) error {
	cg, err := cgroup.Load(c.state.Cgroup)
	if err != nil {
		return err
	}
	pids, err := cg.Procs()
	if err != nil {
		return err
	}
	alive, err := c.state.Init.Alive()
	if err != nil {
		return err
	}
	if len(pids) == 0 && !alive {
		return ErrNotRunning
	}
	if err := cg.Signal(sig); err != nil || !alive || slices.Contains(pids, c.state.Init.Pid) {
		return err
	}
	// Without privileges the container may have no cgroup, so nothing tells which processes are its own but for the first.
	if err := c.signalInit(sig); err != nil && !errors.Is(err, ErrNotRunning) {
		return err
	}
	return nil
}

// thaw lets a killed process of a cgroup v1 freezer die, and those of its pid
// namespace, which the kernel kills with the init; they would only be woken by the
// thaw. That it fails where nothing is frozen is no news.
func (c *Container) thaw() {
	cg, err := cgroup.Load(c.state.Cgroup)
	if err != nil {
		return
	}
	_ = cg.ThawKilled()
}

// Pause freezes all processes of a created or running container. It returns
// ErrNotRunning for one in another state.
func (c *Container) Pause() error {
	return c.freeze("pause", ErrNotRunning, (*cgroup.Manager).Freeze, Running, Created)
}

// Resume undoes Pause. It returns ErrNotPaused for a container that is not
// paused.
func (c *Container) Resume() error {
	return c.freeze("resume", ErrNotPaused, (*cgroup.Manager).Thaw, Paused)
}

// freeze calls do if the container is in one of the states from.
func (c *Container) freeze(verb string, otherwise error, do func(*cgroup.Manager) error, from ...Status) error {
	doing := verb + " container " + c.state.ID
	status, err := c.Status()
	if err != nil {
		return err
	}
	if !slices.Contains(from, status) {
		return errdefs.Doing(fmt.Errorf("%w: it is %s", otherwise, status), doing)
	}
	cg, err := cgroup.Load(c.state.Cgroup)
	if err != nil {
		return err
	}
	return errdefs.Doing(do(cg), doing)
}
