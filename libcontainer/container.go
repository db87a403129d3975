// Package libcontainer makes, runs and removes containers from OCI bundles.
//
// A container lives in three places: its processes, its cgroup, and a folder
// below a root folder of the caller's choice, where its record is kept. Create
// makes one, Load finds it again from any other process, and the methods of
// Container act on it. Nothing is cached: each call asks the kernel.
//
// The init process is this same program, executed again. A program that links
// this package needs to do nothing for that: the entry runs before main.
//
// # A container's life
//
//	c, err := Create(ctx, Options{…})   // everything is in place; its program waits
//	err = c.Start()                     // the program runs
//	code, err := c.Exec(ctx, …)         // so does another one
//	err = c.Update(resources)           // other limits
//	err = c.Watch(ctx, interval, emit)  // what it uses, until it ends
//	err = c.Signal(unix.SIGTERM)        // …
//	err = Delete(root, id, false, warn)
//
// Run is all of it in one call. The example of the package is a program that
// can be run.
//
// # Errors
//
// Errors are one line and name what was being done and the field of config.json
// that asked for it. ErrNotExist, ErrExist, ErrNotRunning and ErrNotPaused can
// be told apart with errors.Is, and so can the kernel's errnos.
//
// # Who may call what
//
// A Container may be used by one goroutine at a time; for several, Load several.
// Any number of processes may act on one container at once: a lock in the state
// folder orders what must be. Create, Run and Exec make processes that are
// children of the caller, who has to wait for those that outlive the call. Run and
// Exec take the calling program's signals for as long as they last, and a container may
// hold up a program that calls Exec; see there.
package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle"
	"github.com/rungoci/rung/libcontainer/cgroup"
	"github.com/rungoci/rung/libcontainer/gate"
	"github.com/rungoci/rung/libcontainer/state"
)

// Errors that a caller may want to tell apart with errors.Is. Engines look for
// these texts.
var (
	// ErrNotExist: there is no container of that id.
	ErrNotExist = state.ErrNotExist
	// ErrExist: there is one already.
	ErrExist = state.ErrExist
	// ErrNotRunning: its init process is gone.
	ErrNotRunning = errors.New("container not running")
	// ErrNotPaused: it is not frozen.
	ErrNotPaused = errors.New("container not paused")
)

// Container is a container that has a state folder.
type Container struct {
	dir   *state.Dir
	state *state.State
}

// Load returns the container id below root. Close it after use.
func Load(root, id string) (*Container, error) {
	dir, err := openDir(root, id)
	if err != nil {
		return nil, err
	}
	st, err := dir.Read()
	if errors.Is(err, state.ErrNoRecord) {
		st, err = readUnmade(dir)
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	return &Container{dir: dir, state: st}, nil
}

// readUnmade reads a folder that had no record: where a command is at work it is making
// the container, and has nothing of it yet, or has removed all but the folder.
func readUnmade(dir *state.Dir) (*state.State, error) {
	err := dir.TryLock()
	if errors.Is(err, state.ErrLocked) {
		return nil, state.NotExist(dir.Root, dir.ID)
	}
	if err != nil {
		return nil, err
	}
	defer dir.Unlock()
	return dir.Read()
}

func openDir(root, id string) (*state.Dir, error) {
	if err := bundle.ValidateID(id); err != nil {
		return nil, err
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	return state.Open(root, id)
}

// Close releases what c holds open. The container goes on.
func (c *Container) Close() { c.dir.Close() }

// ID returns the container's id.
func (c *Container) ID() string { return c.state.ID }

// Info is what "state" prints: the state of the specification, and what runc
// and crun add to it.
type Info struct {
	OCIVersion string `json:"ociVersion"`
	ID         string `json:"id"`
	Pid        int    `json:"pid"`
	Status     Status `json:"status"`
	Bundle     string `json:"bundle"`
	Rootfs     string `json:"rootfs"`
	Created    string `json:"created"` // RFC 3339, UTC
	// SystemdScope is the container's scope, "" without the systemd driver.
	SystemdScope string            `json:"systemd-scope,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Owner        string            `json:"owner"`
}

// Info returns the container's state. Its Owner is a numeric user id with a
// "#" before it; the caller may know a name for it.
func (c *Container) Info() (*Info, error) {
	status, err := c.Status()
	if err != nil {
		return nil, err
	}
	s := c.state
	info := &Info{
		OCIVersion: s.OCIVersion, ID: s.ID, Pid: s.Init.Pid, Status: status, Bundle: s.Bundle, Rootfs: s.Root,
		Created: s.CreatedAt, SystemdScope: s.Cgroup.Unit, Annotations: s.Annotations, Owner: fmt.Sprintf("#%d", s.OwnerUID),
	}
	if status == Stopped {
		info.Pid = 0
	}
	return info, nil
}

// lockCreated takes the lock, of which the creator of a container that is not created
// yet does not let go: state.ErrLocked. Other commands, such as start, do by themselves,
// as long as they are well. What the creator has written since the container was loaded
// is taken over.
func (c *Container) lockCreated() error {
	err := c.dir.TryLock()
	if errors.Is(err, state.ErrLocked) && c.state.Created {
		err = c.dir.LockWithin(killTimeout)
	}
	if err != nil || c.state.Created {
		return err
	}
	st, err := c.dir.Read()
	if err != nil {
		c.dir.Unlock()
		return err
	}
	c.state = st
	return nil
}

// creating tells whether the container is being created still. A creator that is gone
// may have come to its end since the record was read, which is read anew then.
func (c *Container) creating() (bool, error) {
	if c.state.Created {
		return false, nil
	}
	if alive, err := c.state.Creator.Alive(); alive || err != nil {
		return alive, err
	}
	if st, err := c.dir.Read(); err == nil && st.Created {
		c.state = st
	}
	return false, nil
}

// running returns ErrNotRunning where the init process has ended, and another error
// where that cannot be told.
func (c *Container) running() error {
	alive, err := c.state.Init.Alive()
	if err == nil && !alive {
		return ErrNotRunning
	}
	return err
}

// Status asks the kernel where the container stands.
func (c *Container) Status() (Status, error) {
	if creating, err := c.creating(); err != nil {
		return "", err
	} else if creating {
		return Creating, nil
	}
	switch err := c.running(); {
	case errors.Is(err, ErrNotRunning):
		return Stopped, nil
	case err != nil:
		return "", err
	}
	// A frozen init does not come to its gate; ask about the freezer first.
	switch frozen, err := c.frozen(); {
	case err != nil:
		return "", err
	case frozen:
		return Paused, nil
	}
	switch closed, err := gate.Closed(c.dir.GatePath()); {
	case err != nil:
		return "", err
	case closed:
		return Created, nil
	}
	return Running, nil
}

// frozen tells whether the container is paused.
func (c *Container) frozen() (bool, error) {
	cg, err := cgroup.Load(c.state.Cgroup)
	if err != nil {
		return false, err
	}
	return cg.Frozen()
}

// List returns the ids of the containers below root.
func List(root string) ([]string, error) { return state.List(root) }

// Init returns a pidfd of the init process: readable when it ends. It returns
// ErrNotRunning where that happened already.
func (c *Container) Init() (*os.File, error) {
	f, err := c.state.Init.Open()
	if errors.Is(err, unix.ESRCH) {
		return nil, ErrNotRunning
	}
	return f, err
}

// Pid returns the pid of the init process, which may be gone.
func (c *Container) Pid() int { return c.state.Init.Pid }

// busy says who holds the container's lock.
func (c *Container) busy() error {
	return &errdefs.Error{Doing: "change container " + c.state.ID, Err: state.ErrLocked,
		Hint: fmt.Sprintf("process %d may be creating it still", c.state.Creator.Pid)}
}
