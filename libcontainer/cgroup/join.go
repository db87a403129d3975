package cgroup

import (
	"errors"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// Join holds the descriptors with which a new process enters a container's
// cgroups. All of them are close-on-exec.
type Join struct {
	// CgroupFD is the container's folder in the v2 hierarchy, opened with
	// O_PATH, for CLONE_INTO_CGROUP of clone3(2); -1 where there is none.
	CgroupFD int
	// Tasks are the v1 "tasks" files, open for writing. The process, while
	// it has a single thread, writes "0" to each, in this order. Unlike a
	// pid that somebody else writes to cgroup.procs, that needs no
	// cgroup_threadgroup_rwsem, which costs 5 to 12 ms on an idle machine.
	Tasks []int
	// Place is set where the process cannot be born in the cgroup, as the user
	// may not move it out of the login session: it has systemd move the
	// process, of which the caller knows the pid. CgroupFD is then what the
	// kernel refuses.
	Place func(pid int) error
	// unit is left by the process that holds the init's place in it; nil
	// where there is none.
	unit *unit
}

// Join opens what a new process needs to enter the container's cgroups. The
// caller closes it after the clone.
func (m *Manager) Join() (*Join, error) {
	j, err := m.join(m.dirs)
	if err == nil {
		j.unit = m.unit
	}
	return j, err
}

// JoinRunning is Join for a further process of a container whose init is
// running. On v2 the init may have moved itself to a cgroup below the
// container's and passed controllers on, as systemd does. The container's own
// cgroup then takes no processes (cgroups(7), "no internal processes"), and the
// init's is the one to enter. So it is where the container's cgroup is gone: an init
// that sees the host's hierarchy and may write to it can leave, and whoever looks
// for empty cgroups removes what it has left (buildkitd in a privileged pod).
func (m *Manager) JoinRunning(init int) (*Join, error) {
	if !m.v2() || len(m.dirs) == 0 {
		return m.Join()
	}
	passed, err := readFile(m.dirs[0], "cgroup.subtree_control")
	gone := isGone(err)
	if !gone && (err != nil || strings.TrimSpace(passed) == "") {
		return m.Join()
	}
	self, err := readFile("/proc/"+strconv.Itoa(init), "cgroup")
	if err != nil {
		return nil, &errdefs.Error{Doing: "find the cgroup of the container's init, process " + strconv.Itoa(init), Field: fieldPath, Err: err}
	}
	for line := range strings.Lines(self) {
		h, ok := parseSelfLine(line)
		f := m.rec.Folders[0]
		if ok && h.controllers == "" && (strings.HasPrefix(h.own, f.Path+"/") || gone && exists(f.Mount+h.own)) {
			return m.join([]string{f.Mount + h.own})
		}
	}
	return m.Join()
}

// JoinBelow is Join for a process that is to enter cgroups below the
// container's, which must be there: below is their path in each hierarchy, by
// controller ("" on v2). The path at "" also holds for the hierarchies that have
// none of their own. A path that leads out of the container's cgroup is an
// error.
func (m *Manager) JoinBelow(below map[string]string) (*Join, error) {
	dirs := make([]string, len(m.dirs))
	known := map[string]bool{"": true}
	for i, f := range m.rec.Folders {
		sub := below[""]
		for controller := range strings.SplitSeq(f.Controllers, ",") {
			if s, ok := below[controller]; ok && controller != "" {
				sub = s
				known[controller] = true
			}
		}
		clean := path.Join(m.dirs[i], sub)
		if clean != m.dirs[i] && !strings.HasPrefix(clean, m.dirs[i]+"/") {
			return nil, errdefs.Doing(errors.New("bad sub cgroup path: it leads out of the container's cgroup"), "join the cgroup "+quote(sub))
		}
		dirs[i] = clean
	}
	for _, controller := range sortedKeys(below) {
		if !known[controller] {
			return nil, errdefs.Doing(errors.New("unknown controller "+quote(controller)+": the container has no cgroup of it"),
				"join a cgroup below the container's")
		}
	}
	return m.join(dirs)
}

// join opens dirs, which are those of the container's hierarchies or below.
func (m *Manager) join(dirs []string) (*Join, error) {
	j := &Join{CgroupFD: -1, Tasks: make([]int, 0, len(dirs))}
	for i, f := range m.rec.Folders {
		if err := j.open(f, dirs[i]); err != nil {
			j.Close()
			return nil, &errdefs.Error{Doing: "adding pid of the process to cgroups: open " + dirs[i], Field: fieldPath, Err: err}
		}
	}
	if m.rec.Bus != "" && !reachable(m.rec.Folders[0].Mount, dirs[0]) {
		j.Place = func(pid int) error { return m.attach(dirs[0], pid) }
	}
	return j, nil
}

// open adds the folder dir to j.
func (j *Join) open(f Folder, dir string) error {
	if f.Controllers == "" {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err == nil {
			j.CgroupFD = fd
		}
		return err
	}
	fd, err := openFile(dir, "tasks", unix.O_WRONLY)
	if err == nil {
		j.Tasks = append(j.Tasks, fd)
	}
	return err
}

// Close closes the descriptors.
func (j *Join) Close() error {
	if j.CgroupFD >= 0 {
		_ = unix.Close(j.CgroupFD)
		j.CgroupFD = -1
	}
	for _, fd := range j.Tasks {
		_ = unix.Close(fd)
	}
	j.Tasks = nil
	if j.unit != nil {
		j.unit.leave()
	}
	return nil
}

// AddProcess moves an existing process, with all its threads, into the
// container's cgroups. It is for processes that did not enter by themselves
// (see Join): on v1 it is slow.
func (m *Manager) AddProcess(pid int) error {
	for _, dir := range m.dirs {
		if err := addProcess(dir, pid); err != nil {
			return err
		}
	}
	if m.unit != nil {
		m.unit.leave()
	}
	return nil
}

// addProcess moves a process into the cgroup dir.
func addProcess(dir string, pid int) error {
	err := writeFile(dir, "cgroup.procs", strconv.Itoa(pid))
	if err == nil {
		return nil
	}
	e := &errdefs.Error{Doing: "move process " + strconv.Itoa(pid) + " into the cgroup " + dir, Field: fieldPath, Err: err}
	switch err {
	case unix.EOPNOTSUPP:
		e.Hint = "the cgroup or one above it is threaded (cgroup.type)"
	case unix.EBUSY:
		e.Hint = "cgroups have been made below it, with controllers (cgroup.subtree_control)"
	case unix.ENOSPC:
		e.Hint = "its cpuset has no CPUs or memory nodes"
	case unix.ESRCH:
		e.Hint = "the process has ended"
	}
	return e
}
