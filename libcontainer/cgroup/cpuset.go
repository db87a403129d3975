package cgroup

import (
	"path"
	"strings"

	"github.com/rungoci/rung/internal/errdefs"
)

// inheritCpuset gives the new v1 cpuset dir its CPUs and memory nodes: without
// them no process can enter it (cpusets(7)). Those of the configuration are
// written at once rather than the parent's first, which could clash with an
// exclusive cpuset.
func (m *Manager) inheritCpuset(mount, dir string) error {
	cpus, mems := "", ""
	if m.res != nil && m.res.CPU != nil {
		cpus, mems = m.res.CPU.Cpus, m.res.CPU.Mems
	}
	if err := inheritCpusetFile(mount, dir, "cpuset.cpus", cpus); err != nil {
		return atCpuset(err, dir, "linux.resources.cpu.cpus", "cpuset.cpus", cpus)
	}
	err := inheritCpusetFile(mount, dir, "cpuset.mems", mems)
	return atCpuset(err, dir, "linux.resources.cpu.mems", "cpuset.mems", mems)
}

// inheritCpusetFile writes value, or what the parent has where it is empty, to
// the file name of dir. A parent that has nothing itself gets it from its own
// parent first, up to the mount point: a cpuset can have no more than the one
// above it.
func inheritCpusetFile(mount, dir, name, value string) error {
	parent := path.Dir(dir)
	above, err := readFile(parent, name)
	if err != nil {
		return err
	}
	if strings.TrimSpace(above) == "" && len(parent) > len(mount) {
		if err := inheritCpusetFile(mount, parent, name, ""); err != nil {
			return err
		}
		if above, err = readFile(parent, name); err != nil {
			return err
		}
	}
	if value == "" {
		value = above
	}
	return writeFile(dir, name, value)
}

// atCpuset explains err, which writing value to the file name of dir gave.
func atCpuset(err error, dir, field, name, value string) error {
	if err == nil {
		return nil
	}
	e := &errdefs.Error{Doing: "set " + name + " of the cgroup " + dir, Field: field, Err: err}
	if value == "" {
		e.Doing = "copy " + name + " to the cgroup " + dir + " from the one above"
		e.Field = fieldPath
		return e
	}
	e.Doing += " to " + quote(value)
	// On v2 the file is empty, or missing, where a cgroup has all that the
	// one above it has; another file tells what that comes to.
	for _, file := range [...]string{name, name + ".effective"} {
		above, err := readFile(path.Dir(dir), file)
		if above = strings.TrimSpace(above); err == nil && above != "" {
			e.Hint = "the cgroup above has " + above
			break
		}
	}
	return e
}
