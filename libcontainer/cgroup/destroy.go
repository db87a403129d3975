package cgroup

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// destroyTimeout bounds how long Destroy waits for processes that were killed.
// Only one in uninterruptible sleep, say on a dead NFS server, takes so long.
const destroyTimeout = 10 * time.Second

// Destroy ends what processes are left in the container's cgroups and removes
// them, with the cgroups that the container made below them. It succeeds when
// nothing is there. The folders above the container's stay.
//
// A Manager whose Create refused folders because others use them removes
// nothing but what it made. Cgroups of others that have come to have the
// container's paths since are left alone.
func (m *Manager) Destroy() error {
	defer m.unlock()
	m.disown()
	if m.foreign {
		m.undoCreate()
		return nil
	}
	if m.unit == nil {
		return m.removeAll(m.endIn, destroyTimeout)
	}
	m.unit.leave()
	over := m.scopeOver()
	if err := m.removeAll(m.endIn, destroyTimeout); err != nil {
		return err
	}
	return m.stopUnit(over)
}

// Remove is Destroy for a container of whose processes none can be left, as they
// were in a pid namespace that has ended. What is in its cgroups then was moved
// there by somebody, and is not killed: it makes Remove fail. With the systemd
// driver the scope is stopped.
func (m *Manager) Remove() error {
	if m.foreign || m.unit != nil {
		return m.Destroy()
	}
	m.disown()
	return m.removeAll(nil, removeTimeout)
}

// removeTimeout is for the kernel to let go of processes that have ended.
const removeTimeout = 2 * time.Second

// removeAll removes the folders, and before each try has end, if there is one, end
// the processes in those that are left.
func (m *Manager) removeAll(end func(left []string, deadline time.Time) error, timeout time.Duration) error {
	left := removeFolders(m.dirs)
	if len(left) == 0 {
		return nil
	}
	deadline := time.Now().Add(timeout)
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 20*time.Millisecond) {
		if end != nil {
			if err := end(left, deadline); err != nil {
				return err
			}
		}
		if left = removeTrees(left); len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return stuck(left[0])
		}
		// Reached where a process came into being after the kill, or left
		// its cgroup an instant after its pidfd told of its end; v1 has no
		// notification of that.
		time.Sleep(pause)
	}
}

// endIn kills the container's processes and waits for the end of those in left.
func (m *Manager) endIn(left []string, deadline time.Time) error {
	if err := m.Signal(unix.SIGKILL); err != nil {
		return err
	}
	return errdefs.Doing(waitEnd(left, deadline), "remove the cgroup "+left[0])
}

// removeFolders removes those of dirs that are empty, and returns the others.
func removeFolders(dirs []string) []string {
	var left []string
	for i := len(dirs) - 1; i >= 0; i-- {
		if err := rmdir(dirs[i]); err != nil {
			left = append(left, dirs[i])
		}
	}
	return left
}

// removeTrees removes dirs with the cgroups below them, and returns those that
// could not be removed.
func removeTrees(dirs []string) []string {
	for _, dir := range dirs {
		_ = walkBelow(dir, nil, func(parentfd int, name string) {
			_ = unix.Unlinkat(parentfd, name, unix.AT_REMOVEDIR)
		})
	}
	return removeFolders(dirs)
}

// rmdir removes a cgroup; one that is not there counts as removed.
func rmdir(dir string) error {
	for {
		switch err := unix.Rmdir(dir); err {
		case nil, unix.ENOENT:
			return nil
		case unix.EINTR:
		case unix.EROFS:
			// The kernel says so before it looks whether dir is there.
			if !exists(dir) {
				return nil
			}
			return err
		default:
			return err
		}
	}
}

// stuck explains why dir cannot be removed.
func stuck(dir string) error {
	err := rmdir(dir)
	e := &errdefs.Error{Doing: "remove the cgroup " + dir, Err: err}
	if pids, listErr := pidsBelow(dir); listErr == nil && len(pids) > 0 {
		e.Hint = "there are still " + listPids(pids)
	}
	return e
}
