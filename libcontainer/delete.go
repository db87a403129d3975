package libcontainer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/cgroup"
	"github.com/rungoci/rung/libcontainer/hook"
	"github.com/rungoci/rung/libcontainer/rootfs"
	"github.com/rungoci/rung/libcontainer/state"
)

// Delete removes the container id below root and everything that was made for
// it. Without force its init process must be gone, or never have been started;
// an empty state folder, which a crash leaves, is removed, and ErrNotExist returned.
// With force it is killed; a process that is still at work on creating the container
// is killed, too; a state folder that cannot be read is cleared as far as its journal
// goes; and that nothing is there is a success.
//
// A process does not kill itself: while another goroutine of the caller's creates the
// container, Delete fails with force as without (state.ErrLocked). The end of its context
// undoes that creation.
//
// What is worth saying but no error is passed to warn.
func Delete(root, id string, force bool, warn func(string)) error {
	dir, err := openDir(root, id)
	if errors.Is(err, ErrNotExist) && force {
		return nil
	}
	if err != nil {
		return err
	}
	c := &Container{dir: dir}
	defer c.Close()
	err = c.lockForDelete(force)
	if errors.Is(err, ErrNotExist) && force {
		return nil
	}
	if err != nil {
		return err
	}
	c.state, err = readForDelete(dir, force, warn)
	if errors.Is(err, state.ErrNoRecord) && dir.RemoveEmpty() {
		return ErrNotExist
	}
	if err != nil {
		return err
	}
	if c.state == nil {
		return dir.Remove() // forced, or there was an error
	}
	return c.destroy(force, warn)
}

// remove is Delete with force of a container that is at hand.
func (c *Container) remove(warn func(string)) error {
	err := c.dir.LockWithin(killTimeout)
	if errors.Is(err, ErrNotExist) {
		return nil // somebody else has deleted it
	}
	if err != nil {
		return err
	}
	return c.destroy(true, warn)
}

// lockForDelete takes the lock. With force, a creator that holds it is killed;
// its init process then ends by itself. A start that holds it waits for the
// init to answer, which a stopped or frozen one does not before it is killed.
func (c *Container) lockForDelete(force bool) error {
	err := c.dir.TryLock()
	if !errors.Is(err, state.ErrLocked) {
		return err
	}
	st, rerr := c.dir.Read()
	if rerr == nil {
		c.state = st
		switch {
		case !st.Created && !force:
			return c.busy()
		case !st.Created:
			if err := c.killCreator(); err != nil {
				return err
			}
		case force:
			if err := c.killInit(); err != nil {
				return err
			}
		}
	}
	// Every other holder (start, another delete) lets go by itself, as long as it is
	// well.
	err = c.dir.LockWithin(killTimeout)
	if err != nil || force || !errors.Is(rerr, state.ErrNoRecord) {
		return err
	}
	// That it was waited for is no reason to delete what was just begun.
	if c.state, err = c.dir.Read(); err == nil {
		c.dir.Unlock()
		return c.busy()
	}
	return nil
}

// killCreator ends the command that makes the container, and waits for that: it has
// the lock, and may be stuck in a mount. First it may undo what it did, and end the
// hook that it waits for, which would go on by itself otherwise.
func (c *Container) killCreator() error {
	creator, err := c.state.Creator.Open()
	if errors.Is(err, unix.ESRCH) {
		return nil // gone
	}
	if err != nil {
		return err
	}
	defer creator.Close()
	if c.state.Creator.Pid == os.Getpid() {
		return c.busy()
	}
	if unix.PidfdSendSignal(int(creator.Fd()), unix.SIGTERM, nil, 0) != nil {
		return nil // gone, or for the lock to wait for
	}
	if endsWithin(creator, undoTimeout) {
		return nil
	}
	if unix.PidfdSendSignal(int(creator.Fd()), unix.SIGKILL, nil, 0) != nil {
		return nil
	}
	return waitEnd(creator, fmt.Sprintf("process %d that creates the container", c.state.Creator.Pid))
}

// readForDelete returns the record to delete by, or nil where there is none, or with
// force none that says anything. One that may yet be read is not given up: with
// it would go what tells of the processes and the cgroup.
func readForDelete(dir *state.Dir, force bool, warn func(string)) (*state.State, error) {
	st, err := dir.Read()
	if err == nil || !force {
		return st, err
	}
	st, serr := dir.Salvage()
	switch {
	case serr == nil:
		warn(err.Error() + "; deleting by what can be read")
		return st, nil
	case state.IsDamaged(serr):
		warn(serr.Error() + "; if the container had a cgroup, it may be left")
	case !errors.Is(serr, unix.ENOENT):
		return nil, serr
	}
	return nil, nil
}

// destroy ends the processes and removes cgroup and state folder, in an order
// in which a kill at any point leaves what a second delete needs.
func (c *Container) destroy(force bool, warn func(string)) error {
	status, err := c.Status()
	if err != nil {
		if !force {
			return err
		}
		warn(err.Error())
	}
	if !force && !status.CanDelete() {
		return fmt.Errorf("cannot delete container %s that is not stopped: %s", c.state.ID, status)
	}
	// Force takes nothing for granted, not even that the record is true.
	over := !force && c.state.Created && c.state.PrivatePID && errors.Is(c.running(), ErrNotRunning)
	if err := c.killInit(); err != nil {
		return err
	}
	if err := c.removeCgroup(over); err != nil {
		return err
	}
	if err := c.state.Rdt.Remove(); err != nil {
		return err
	}
	if m := c.state.HostMounts; m != nil {
		if err := rootfs.RemoveMounts(c.state.Root, m.Before); err != nil {
			return err
		}
	}
	if err := c.dir.Remove(); err != nil {
		return err
	}
	// Without the lock and the folder, as in runc: other commands must not wait
	// for hooks, which may take long, never end, or be what calls them.
	c.dir.Unlock()
	c.poststop(warn)
	return nil
}

// removeCgroup removes the container's cgroup, with what processes it has left; over
// tells that there can be none.
func (c *Container) removeCgroup(over bool) error {
	cg, err := cgroup.Load(c.state.Cgroup)
	switch {
	case err != nil:
		return err
	case over:
		return cg.Remove()
	}
	return cg.Destroy()
}

// poststop runs the hooks that follow the deletion. What fails is warned of.
func (c *Container) poststop(warn func(string)) {
	if len(c.state.Hooks.Poststop) == 0 {
		return
	}
	out, err := hook.OpenOutput(c.state.HookStdout, c.state.HookStderr)
	if err != nil {
		warn(err.Error())
	}
	defer out.Close()
	for _, err := range out.RunLenient(context.Background(), c.state.Hooks.Poststop, "hooks.poststop", c.state.ForHooks(specs.StateStopped)) {
		warn(err.Error())
	}
}

// killInit kills the init process, if it is alive, and waits for its end. That it
// cannot be looked at is an error: what is deleted next tells where it is.
func (c *Container) killInit() error {
	init, err := c.Init()
	if errors.Is(err, ErrNotRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	defer init.Close()
	if err := unix.PidfdSendSignal(int(init.Fd()), unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return errdefs.Doing(err, "kill the init process")
	}
	c.thaw()
	err = waitEnd(init, "init process")
	if errors.Is(err, errStillThere) {
		return c.whyStillThere(err)
	}
	return err
}

// errStillThere is returned by waitEnd when the process has not ended in time.
var errStillThere = errors.New("it is still there")

// waitEnd waits until a process that was killed, who, has ended.
func waitEnd(pidfd *os.File, who string) error {
	fds := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, int(killTimeout.Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return os.NewSyscallError("poll", err)
		case n == 0:
			return &errdefs.Error{Doing: "wait for the end of the killed " + who, Err: fmt.Errorf("%w after %v", errStillThere, killTimeout),
				Hint: "a process in uninterruptible sleep (state D) waits for a device or a network filesystem"}
		default:
			return nil
		}
	}
}

// undoTimeout is how long a command that makes a container may take to undo that. It
// takes some 20 ms where nothing is stuck.
const undoTimeout = 2 * time.Second

// endsWithin waits for the end of the process, and tells whether it came in time.
func endsWithin(pidfd *os.File, timeout time.Duration) bool {
	deadline := time.Now().Add(timeout)
	fds := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, int(max(0, time.Until(deadline).Milliseconds())))
		if err != unix.EINTR {
			return n > 0
		}
	}
}

// killTimeout is how long a killed process may take to end, and another command to let
// go of the container. runc waits as long for the process. Tests have less time.
var killTimeout = 10 * time.Second
