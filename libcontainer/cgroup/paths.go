package cgroup

import (
	"strconv"
	"strings"

	"github.com/rungoci/rung/internal/errdefs"
)

// PathsOf returns where a process is in the container's hierarchies, as the
// kernel says it (cgroups(7), "/proc/pid/cgroup"): the paths by controllers,
// such as "cpu,cpuacct", "name=systemd", or "" for cgroup v2.
func (m *Manager) PathsOf(pid int) (map[string]string, error) {
	text, err := readFile("/proc/"+strconv.Itoa(pid), "cgroup")
	if err != nil {
		return nil, errdefs.Doing(err, "read the cgroups of process "+strconv.Itoa(pid))
	}
	paths := make(map[string]string)
	for line := range strings.Lines(text) {
		if h, ok := parseSelfLine(line); ok && m.has(h.controllers) {
			paths[h.controllers] = h.own
		}
	}
	return paths, nil
}

// has tells whether the container has a cgroup of its own in the hierarchy with
// these controllers.
func (m *Manager) has(controllers string) bool {
	for _, f := range m.rec.Folders {
		if f.Controllers == controllers {
			return true
		}
	}
	return false
}

// Freezer returns the folder by which the container is frozen, and whether it is
// in a hierarchy of v2; "" where there is none.
func (m *Manager) Freezer() (dir string, v2 bool) {
	dir, v1 := m.freezer()
	return dir, !v1
}
