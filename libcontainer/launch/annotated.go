package launch

import (
	"os"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/hook"
	"github.com/rungoci/rung/libcontainer/idmap"
)

// This is what annotations ask for (package annotation) and no step of its own
// does.

// openHookOutput opens the files that hooks write to, and notes them for the
// hooks of later commands.
func (c *creation) openHookOutput() (err error) {
	if c.spec.Hooks == nil {
		return nil
	}
	c.state.HookStdout, c.state.HookStderr = c.Annotated.HookStdout, c.Annotated.HookStderr
	c.hooks, err = hook.OpenOutput(c.state.HookStdout, c.state.HookStderr)
	return err
}

// sendHookOutput hands these files to the init, whose hooks could not open them
// in the container.
func (c *creation) sendHookOutput() error {
	for _, f := range [...]*os.File{c.hooks.Stdout, c.hooks.Stderr} {
		if f == nil {
			continue
		}
		if err := c.conn.SendFile(handshake.KindHookOutput, f); err != nil {
			return c.lost(err)
		}
	}
	return nil
}

// systemdSubgroup is the cgroup below the scope of the systemd driver.
func (c *creation) systemdSubgroup() string {
	if s := c.Annotated.SystemdSubgroup; s != nil {
		return *s
	}
	return c.Subgroup
}

// delegateBelow moves the init to a cgroup of its own below the container's, in
// which it may do as it likes. Its cgroup namespace, which was made before,
// shows the container's as the root.
func (c *creation) delegateBelow() error {
	sub := c.Annotated.DelegateCgroup
	if sub == "" {
		return nil
	}
	root := uint32(0)
	if c.userns {
		ids, err := c.uidMappings()
		if err != nil {
			return err
		}
		host, ok := idmap.ToHost(ids, 0)
		if !ok {
			return errdefs.Field("linux.uidMappings", "has no user to be the container's root, to whom to give the cgroup")
		}
		root = host
	}
	return errdefs.AtField(c.cgroup.MoveBelow(c.process.Pid, sub, int(root)), `annotations["run.oci.delegate-cgroup"]`)
}

// keepsGroups tells whether the process keeps the supplementary groups that
// this one has.
func (c *creation) keepsGroups() bool {
	if c.Into != nil {
		return c.state.Exec.KeepGroups
	}
	return c.Annotated.KeepGroups
}

// forcedCgroupV1 is the destination of the mount that is to show systemd's v1
// hierarchy. On a host with v1 controllers the mounts of cgroups do that anyway.
func (c *creation) forcedCgroupV1() string {
	if !c.cgroup.View().Unified {
		return ""
	}
	return c.Annotated.ForceCgroupV1
}
