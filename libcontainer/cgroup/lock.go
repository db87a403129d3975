package cgroup

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// A cgroup without processes may be that of a container whose init is about to enter
// it. So who creates a container locks the cgroup until its init is there; the kernel
// ends the lock with the process.

// lockFiles are what is locked (flock(2)), of the first folder that has one. Unlike
// the folder itself they can be opened by those alone who may manage the cgroup, so
// that no other user of the host can keep containers from being created. cgroup.kill
// is there since Linux 5.14; without a file the processes are all that is looked at.
var lockFiles = [...]string{"devices.allow", "cgroup.kill"}

// lock locks the folder dir, if none is locked yet. It returns EWOULDBLOCK where
// somebody else has locked it, and ENOENT where it is not there any more.
func (m *Manager) lock(dir string) error {
	if m.locked != nil {
		return nil
	}
	for _, name := range lockFiles {
		fd, err := openFile(dir, name, unix.O_WRONLY)
		if err != nil {
			continue
		}
		f := os.NewFile(uintptr(fd), dir+"/"+name)
		err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		var st unix.Stat_t
		if err == nil {
			err = unix.Fstat(fd, &st)
		}
		if err == nil && st.Ino != inode(f.Name()) {
			err = unix.ENOENT
		}
		if err != nil {
			f.Close()
			return err
		}
		m.locked = f
		return nil
	}
	if !exists(dir) {
		return unix.ENOENT
	}
	return nil
}

// unlock ends the lock. It does so for a process as well that was forked meanwhile.
func (m *Manager) unlock() {
	if m.locked == nil {
		return
	}
	_ = unix.Flock(int(m.locked.Fd()), unix.LOCK_UN)
	m.locked.Close()
	m.locked = nil
}

func lockError(dir string, err error) error {
	e := &errdefs.Error{Doing: "use the cgroup " + dir, Field: fieldPath, Err: err}
	if err == unix.EWOULDBLOCK {
		e.Err = errors.New("another container is being created in it")
		e.Hint = "give each container a cgroup of its own"
	}
	return e
}
