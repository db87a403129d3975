package cgroup

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// Procs returns the ids of all processes in the container's cgroup and in the
// cgroups below it, in no particular order. It returns none where the cgroup
// does not exist.
func (m *Manager) Procs() ([]int, error) {
	dir := m.primary()
	if dir == "" {
		return nil, nil
	}
	pids, err := pidsBelow(dir)
	if isGone(err) {
		return nil, nil
	}
	return pids, errdefs.Doing(err, "list the processes of the cgroup "+dir)
}

// isGone reports whether err says that a cgroup is not there, or ceased to be
// while it was looked at.
func isGone(err error) bool { return err == unix.ENOENT || err == unix.ENODEV }

// pidsBelow returns the processes in the cgroup dir and below it. Cgroups that
// vanish meanwhile have none; only dir itself must be there.
func pidsBelow(dir string) ([]int, error) {
	pids, err := pidsOf(dir)
	if err != nil {
		return nil, err
	}
	err = walkBelow(dir, func(sub int) {
		if more, err := pidsAt(sub); err == nil {
			pids = append(pids, more...)
		}
	}, nil)
	return pids, err
}

// pidsOf returns the processes in the cgroup dir itself.
func pidsOf(dir string) ([]int, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return pidsAt(fd)
}

// pidsAt returns the processes in the cgroup whose folder is dirfd.
func pidsAt(dirfd int) ([]int, error) {
	text, err := readAt(dirfd, "cgroup.procs")
	if err == unix.EOPNOTSUPP {
		// In a threaded v2 cgroup processes have no meaning.
		text, err = readAt(dirfd, "cgroup.threads")
	}
	if err != nil {
		return nil, err
	}
	var pids []int
	for line := range strings.Lines(text) {
		// Processes of a pid namespace above this one show as 0.
		if pid, err := strconv.Atoi(strings.TrimSuffix(line, "\n")); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Processes is Procs in ascending order and without doubles: what is asked for
// while the processes go on forking, and what threaded cgroups of v2, which list
// threads, tell of their processes.
func (m *Manager) Processes() ([]int, error) {
	pids, err := m.Procs()
	if err != nil {
		return nil, err
	}
	if m.v2() {
		pids = leaders(pids)
	}
	slices.Sort(pids)
	return slices.Compact(pids), nil
}

// leaders replaces the ids of threads by those of their processes, and leaves
// out what has ended.
func leaders(ids []int) []int {
	out := ids[:0]
	for _, id := range ids {
		status, err := readFile("/proc/"+strconv.Itoa(id), "status")
		if err != nil {
			continue
		}
		for line := range strings.Lines(status) {
			if value, ok := strings.CutPrefix(line, "Tgid:"); ok {
				if pid, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
					out = append(out, pid)
				}
				break
			}
		}
	}
	return out
}

// HasFolder reports whether the container has, or had, a cgroup. A rootless one
// may go without.
func (m *Manager) HasFolder() bool { return m.primary() != "" }
