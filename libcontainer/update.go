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
	if err := c.lockForUpdate(); err != nil {
		return err
	}
	defer c.dir.Unlock()
	cg, err := cgroup.Load(c.state.Cgroup)
	if err != nil {
		return err
	}
	return cg.Set(r)
}

// UpdateIntelRdt changes the shares of the container's class of service, and
// with it of whoever else is in it. l3CacheSchema and memBwSchema are those of
// linux.intelRdt; what is "" stays as it is. The returned function takes the
// change back.
func (c *Container) UpdateIntelRdt(l3CacheSchema, memBwSchema string) (restore func() error, err error) {
	if err := c.lockForUpdate(); err != nil {
		return nil, err
	}
	defer c.dir.Unlock()
	return c.state.Rdt.Set(l3CacheSchema, memBwSchema)
}

// lockForUpdate takes the lock of a container that has not stopped.
func (c *Container) lockForUpdate() error {
	err := c.lockCreated()
	if errors.Is(err, state.ErrLocked) && !c.state.Created {
		return c.busy()
	}
	if err != nil {
		return err
	}
	if err = c.running(); err == nil {
		err = c.state.Known()
	}
	if err != nil {
		c.dir.Unlock()
		return errdefs.Doing(err, "update container "+c.state.ID)
	}
	return nil
}
