package launch

import (
	"errors"
	"os"
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/spawn"
	"github.com/rungoci/rung/libcontainer/cgroup"
	"github.com/rungoci/rung/libcontainer/idmap"
	"github.com/rungoci/rung/libcontainer/process"
)

// ownNamespaces fills in the namespaces of a new container.
func (c *creation) ownNamespaces(req *spawn.Request) (closeFiles func(), err error) {
	closeFiles, err = namespaces(c.spec.Linux.Namespaces, req)
	if err != nil {
		return closeFiles, err
	}
	switch {
	case !c.userns:
		// It takes the kernel longest, and is made while the init starts up.
		req.New &^= unix.CLONE_NEWNET
	case req.New&unix.CLONE_NEWUSER != 0:
		req.Prepare = c.prepareUser
	default:
		// To be written while that is still allowed.
		req.OOMScoreAdj, err = process.ChangedOOMScoreAdj(c.spec.Process.OOMScoreAdj)
	}
	return closeFiles, err
}

// prepareUser does to the process pid, which has just entered its new user
// namespace, what takes the rights of the parent namespace.
func (c *creation) prepareUser(pid int) error {
	if err := c.mappings().Write(pid); err != nil {
		return err
	}
	if offsets := timeOffsets(c.spec); offsets != "" {
		err := os.WriteFile("/proc/"+strconv.Itoa(pid)+"/timens_offsets", []byte(offsets), 0)
		if err != nil {
			return &errdefs.Error{Doing: "set the clocks of the time namespace", Field: "linux.timeOffsets", Err: err}
		}
	}
	return process.SetOOMScoreAdjOf(pid, c.spec.Process.OOMScoreAdj)
}

// mappings are those of the container's user namespace, if it is a new one.
func (c *creation) mappings() idmap.Mappings {
	return idmap.Mappings{UIDs: c.spec.Linux.UIDMappings, GIDs: c.spec.Linux.GIDMappings, Field: "linux"}
}

// checkMappings checks that a user namespace that was joined is the one that
// config.json describes, if it does.
func (c *creation) checkMappings() error {
	if !c.userns || c.Into != nil || c.hasNew(specs.UserNamespace) {
		return nil
	}
	if len(c.spec.Linux.UIDMappings) == 0 {
		return nil
	}
	have, err := idmap.Read(c.process.Pid)
	if err != nil {
		return errdefs.Doing(err, "read the mappings of the user namespace")
	}
	if want := c.mappings(); idmap.Format(want.UIDs) != idmap.Format(have.UIDs) {
		return otherMappings("linux.uidMappings", have.UIDs)
	} else if idmap.Format(want.GIDs) != idmap.Format(have.GIDs) {
		return otherMappings("linux.gidMappings", have.GIDs)
	}
	return nil
}

func otherMappings(field string, have []specs.LinuxIDMapping) error {
	return &errdefs.Error{
		Doing: "join the user namespace", Field: field,
		Err:  errors.New("are not those of the namespace: " + strconv.Quote(idmap.Format(have))),
		Hint: "leave them away where a user namespace is joined",
	}
}

// delegate gives the cgroup to the user of the program, if that can see it as
// the root of a hierarchy and write to it (config-linux.md, "Cgroup ownership").
func (c *creation) delegate() error {
	uid := c.spec.Process.User.UID
	if !c.userns && uid == 0 || c.cgroup.Record().Version != cgroup.V2 || !c.hasNew(specs.CgroupNamespace) || !writableCgroup(c.spec.Mounts) {
		return nil
	}
	if c.userns {
		ids, err := c.uidMappings()
		if err != nil {
			return err
		}
		host, ok := idmap.ToHost(ids, uid)
		if !ok {
			return errdefs.Field("process.user.uid", "is not mapped in the user namespace")
		}
		uid = host
	}
	if int(uid) == os.Geteuid() {
		return nil // who has made it
	}
	err := c.cgroup.Delegate(int(uid))
	if c.Rootless && errors.Is(err, unix.EPERM) {
		return nil // it is another of the user's ids, to which only root may give files
	}
	return err
}

// uidMappings returns the mappings of user ids, those of config.json or, of a
// user namespace that is joined, its own.
func (c *creation) uidMappings() ([]specs.LinuxIDMapping, error) {
	if ids := c.spec.Linux.UIDMappings; len(ids) > 0 {
		return ids, nil
	}
	m, err := idmap.Read(c.process.Pid)
	return m.UIDs, errdefs.Doing(err, "read the mappings of the user namespace")
}

// writableCgroup tells whether a mount shows the cgroups for writing.
func writableCgroup(mounts []specs.Mount) bool {
	return slices.ContainsFunc(mounts, func(m specs.Mount) bool {
		return (m.Type == "cgroup" || m.Type == "cgroup2") && !slices.Contains(m.Options, "ro")
	})
}

// rlimits sets the limits of an init that cannot: in a user namespace no
// capability raises a hard limit.
func (c *creation) rlimits() error {
	if !c.userns {
		return nil
	}
	return process.SetRlimitsOf(c.process.Pid, c.spec.Process.Rlimits)
}

// userNamespaceOf opens the user namespace of process pid.
func userNamespaceOf(pid int) (*os.File, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/ns/user", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, errdefs.Doing(err, "open the container's user namespace")
	}
	return os.NewFile(uintptr(fd), "userns"), nil
}
