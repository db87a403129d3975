package libcontainer

import (
	"errors"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/cgroup"
)

// Processes returns the pids of all processes of the container, those in
// cgroups of its own making included, in ascending order and as the caller's
// pid namespace sees them. A container that has stopped may have some left, if
// it shares a pid namespace; else it has none.
func (c *Container) Processes() ([]int, error) {
	cg, err := cgroup.Load(c.state.Cgroup)
	if err != nil {
		return nil, err
	}
	if cg.HasFolder() {
		return cg.Processes()
	}
	switch err := c.running(); {
	case err == nil:
		return nil, &errdefs.Error{Doing: "list the processes of container " + c.state.ID,
			Err: errors.New("it has no cgroup, by which its processes could be told from others")}
	case !errors.Is(err, ErrNotRunning):
		return nil, err
	}
	return cg.Processes()
}
