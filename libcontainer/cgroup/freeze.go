package cgroup

import (
	"errors"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// How long is waited for the last process to stop. One in uninterruptible sleep
// stops when it wakes.
const (
	// freezeTimeout is for Freeze, and as long as runc's.
	freezeTimeout = 10 * time.Second
	// holdTimeout is for the kill of all processes, which can do without.
	holdTimeout = 2 * time.Second
)

// freezer returns the folder by which the container is frozen and whether it is
// of v1's controller; "" where there is none.
func (m *Manager) freezer() (dir string, v1 bool) {
	if dir, ok := m.dir("freezer"); ok {
		return dir, true
	}
	return m.unified(), false
}

// Freeze stops all processes of the container, and returns when they stand. If
// they do not, it lets all go on again.
func (m *Manager) Freeze() error { return m.freeze(freezeTimeout) }

func (m *Manager) freeze(timeout time.Duration) error {
	dir, v1 := m.freezer()
	if dir == "" {
		return errdefs.Doing(errors.New("it has no freezer cgroup"), "freeze the container")
	}
	freeze, thaw := freezeV1, thawV1
	if !v1 {
		freeze, thaw = freezeV2, thawV2
	}
	err := freeze(dir, time.Now().Add(timeout))
	if err == nil {
		return nil
	}
	_ = thaw(dir)
	return &errdefs.Error{Doing: "freeze the cgroup " + dir, Err: err}
}

// Thaw lets the processes of the container go on. It succeeds where they are
// not frozen, and where the container has no cgroup.
func (m *Manager) Thaw() error {
	dir, v1 := m.freezer()
	if dir == "" {
		return nil
	}
	thaw := thawV1
	if !v1 {
		thaw = thawV2
	}
	err := thaw(dir)
	if isGone(err) {
		return nil
	}
	return errdefs.Doing(err, "thaw the cgroup "+dir)
}

// ThawKilled thaws a container whose processes were killed. v1's freezer does
// not let them die, also where a container that may write to it has put them into
// cgroups below its own and frozen those (one that runs containers itself, and pauses
// them). Thaw leaves those as they are.
func (m *Manager) ThawKilled() error {
	if frozen, err := m.Frozen(); frozen || err != nil {
		if err := m.Thaw(); err != nil {
			return err
		}
	}
	dir, v1 := m.freezer()
	if !v1 {
		return nil
	}
	err := walkBelow(dir, func(dirfd int) { _ = writeAt(dirfd, "freezer.state", "THAWED") }, nil)
	if isGone(err) {
		return nil
	}
	return errdefs.Doing(err, "thaw the cgroups below "+dir)
}

// Frozen reports whether the container is frozen, by Freeze rather than with a
// cgroup above it. A container without cgroups is not, nor one whose freezer this
// process may not read: of the cgroup of an ordinary user, root in the container may be
// the owner, and take the right away.
func (m *Manager) Frozen() (bool, error) {
	dir, v1 := m.freezer()
	if dir == "" {
		return false, nil
	}
	file := "freezer.self_freezing"
	if !v1 {
		file = "cgroup.freeze"
	}
	text, err := readFile(dir, file)
	if isGone(err) || err == unix.EACCES {
		return false, nil
	}
	return strings.HasPrefix(text, "1"), errdefs.Doing(err, "read "+dir+"/"+file)
}

// FrozenAbove tells whether a cgroup above the container's is frozen in a way that its
// processes cannot die, and which, if that can be seen from here. Of cgroup v1's
// freezer alone: a process that is frozen by v2 can be killed.
func (m *Manager) FrozenAbove() (dir string, frozen bool) {
	dir, v1 := m.freezer()
	if !v1 {
		return "", false
	}
	// Linux v3.8, Documentation/cgroups/freezer-subsystem.txt. The root has no such file.
	if text, err := readFile(dir, "freezer.parent_freezing"); err != nil || !strings.HasPrefix(text, "1") {
		return "", false
	}
	for {
		dir = filepath.Dir(dir)
		switch text, err := readFile(dir, "freezer.self_freezing"); {
		case err != nil:
			return "", true
		case strings.HasPrefix(text, "1"):
			return dir, true
		}
	}
}

var errNotFrozen = errors.New("not all of its processes stopped in time")

// freezeV1 freezes a cgroup of v1's freezer. It gives no notification, so that
// nothing is left but to look again, the first times at once. A cgroup in which
// processes are being made can stay in FREEZING; to let it go for a moment
// helps.
func freezeV1(dir string, deadline time.Time) error {
	for pause := 10 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		if err := writeFile(dir, "freezer.state", "FROZEN"); err != nil {
			return err
		}
		for range 3 {
			state, err := readFile(dir, "freezer.state")
			if err != nil {
				return err
			}
			if strings.HasPrefix(state, "FROZEN") {
				return nil
			}
			time.Sleep(pause)
		}
		if time.Now().After(deadline) {
			return errNotFrozen
		}
		if pause >= time.Millisecond {
			_ = thawV1(dir)
		}
	}
}

func thawV1(dir string) error { return writeFile(dir, "freezer.state", "THAWED") }

// freezeV2 freezes a v2 cgroup and waits for the kernel's word that it stands.
func freezeV2(dir string, deadline time.Time) error {
	if err := writeFile(dir, "cgroup.freeze", "1"); err != nil {
		return err
	}
	return waitFrozen(dir, deadline)
}

func thawV2(dir string) error { return writeFile(dir, "cgroup.freeze", "0") }

// waitFrozen waits until cgroup.events of the v2 cgroup dir says that it is
// frozen. The kernel notifies of changes by POLLPRI, but not twice within 10 ms
// (CGROUP_FILE_NOTIFY_MIN_INTV). So it is looked at more often than that.
func waitFrozen(dir string, deadline time.Time) error {
	fd, err := openFile(dir, "cgroup.events", unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		text, err := readAll(fd)
		if err != nil {
			return err
		}
		if keyValue(text, "frozen") == "1" {
			return nil
		}
		if time.Now().After(deadline) {
			return errNotFrozen
		}
		waitFor(fd, unix.POLLPRI, time.Now().Add(pause))
		if _, err := unix.Seek(fd, 0, unix.SEEK_SET); err != nil {
			return err
		}
	}
}

// waitFor waits until fd has one of the events, and returns false when the
// deadline passes first. It looks once at least, however late it is.
func waitFor(fd int, events int16, deadline time.Time) bool {
	for {
		fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
		timeout := unix.NsecToTimespec(int64(max(0, time.Until(deadline))))
		n, err := unix.Ppoll(fds, &timeout, nil)
		if n > 0 {
			return true
		}
		if err != unix.EINTR {
			return false
		}
	}
}
