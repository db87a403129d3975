package libcontainer

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/gate"
	"github.com/rungoci/rung/libcontainer/hook"
	"github.com/rungoci/rung/libcontainer/state"
)

// Start runs the program of a created container. It returns when the program
// runs, or with the reason why it does not.
func (c *Container) Start() error {
	if err := c.openGate(); err != nil {
		return err
	}
	// Without the lock: delete must not wait for hooks, which may take long,
	// or be what calls it.
	return c.poststart()
}

// openGate lets the init go and waits until it runs the program.
func (c *Container) openGate() error {
	doing := "start container " + c.state.ID
	err := c.lockCreated()
	if errors.Is(err, state.ErrLocked) && !c.state.Created {
		return c.cannotStart(doing)
	}
	if err != nil {
		return err
	}
	defer c.dir.Unlock()
	if err := c.state.Known(); err != nil {
		return errdefs.Doing(err, doing)
	}
	// A frozen init cannot go.
	if frozen, err := c.frozen(); frozen || err != nil {
		return c.cannotStart(doing)
	}
	err = gate.Open(c.dir.GatePath())
	if errors.Is(err, gate.ErrOpen) {
		return c.cannotStart(doing)
	}
	return err
}

// poststart runs the hooks that follow the start of the program.
func (c *Container) poststart() error {
	if len(c.state.Hooks.Poststart) == 0 {
		return nil
	}
	out, err := hook.OpenOutput(c.state.HookStdout, c.state.HookStderr)
	if err == nil {
		defer out.Close()
		err = out.Run(context.Background(), c.state.Hooks.Poststart, "hooks.poststart", c.state.ForHooks(specs.StateRunning))
	}
	if err != nil {
		// runtime.md, lifecycle step 9: the container is stopped.
		_ = c.Signal(unix.SIGKILL)
		return err
	}
	return nil
}

// cannotStart says why nobody waits at the gate.
func (c *Container) cannotStart(doing string) error {
	status, err := c.Status()
	if err != nil {
		return err
	}
	switch status {
	case Stopped:
		return &errdefs.Error{Doing: doing, Err: errors.New("cannot start a container that has stopped")}
	case Creating:
		return &errdefs.Error{Doing: doing, Err: errors.New("the container is still being created")}
	}
	return &errdefs.Error{Doing: doing, Err: fmt.Errorf("cannot start an already %s container", status)}
}
