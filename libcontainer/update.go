package libcontainer

import (
	"errors"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/cgroup"
	"github.com/rungoci/rung/libcontainer/state"
)

// Update changes the limits of a container that has not stopped. What r does
// not mention stays as it is, the rules for devices always; what those limits
// are is asked of the kernel each time, so nothing of an update is recorded.
//
// Either all of r is in force afterwards, or nothing of it and the error names
// the limit that was refused. A memory limit below what is in use makes the
// kernel reclaim; on cgroup v2 it may kill, unless r.Memory.CheckBeforeUpdate
// asks for an error instead.
func (c *Container) Update(r *specs.LinuxResources) error {
	err := c.dir.TryLock()
	if errors.Is(err, state.ErrLocked) && !c.state.Created {
		return c.busy()
	}
	if errors.Is(err, state.ErrLocked) {
		// Another update, a start or a delete, which let go by themselves.
		err = c.dir.Lock()
	}
	if err != nil {
		return err
	}
	defer c.dir.Unlock()
	if !c.state.Init.Alive() {
		return errdefs.Doing(ErrNotRunning, "update container "+c.state.ID)
	}
	cg, err := cgroup.Load(c.state.Cgroup)
	if err != nil {
		return err
	}
	return cg.Set(r)
}
