package cgroup

import (
	"encoding/hex"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// A cgroup is found by its path, which can come to mean another one: systemd removes
// a scope when its last process has ended, an administrator a cgroup that is empty,
// and a container of another root folder may be given the same path then. So its
// inode number is kept, which the kernel gives to no second one (kernfs counts on,
// within 64 bits, or 32 on machines that have no more), and before processes are
// signalled or cgroups removed, it is looked at again.
//
// The cgroup of a container that has stopped may also be there still when another one
// is given its path, which then uses it as it is, since whoever has prepared a cgroup
// for a container has set its limits and owner. So the inode number stays. To tell the
// two apart the second one leaves a mark at the folder, which its record has and that
// of the first has not.

// markName is the extended attribute of a cgroup's folder whose value is the mark of
// the last container that found the folder there. One of the class "trusted" is for
// who has CAP_SYS_ADMIN in the first user namespace (xattr(7)): by one of the class
// "user" a container that its cgroup was delegated to could have itself be left alone.
const markName = "trusted.rung.container"

// claim marks the folders that the container has found there, before any of its
// processes is in them. Without the right to do so the record has the mark that can be
// read, or none, so that the container's own folder is never taken for another's; that
// it may have been one's before is not known then.
func (m *Manager) claim() error {
	var token [16]byte
	for i, dir := range m.dirs {
		if m.made[i] {
			continue
		}
		if token == [16]byte{} {
			// As few bytes as this come at once or not at all (getrandom(2)).
			if _, err := unix.Getrandom(token[:], 0); err != nil {
				return errdefs.Doing(err, "mark the existing cgroup "+dir)
			}
		}
		_ = unix.Lsetxattr(dir, markName, []byte(hex.EncodeToString(token[:])), 0)
		m.rec.Folders[i].Mark = mark(dir)
	}
	return nil
}

// mark returns the mark of the folder dir, or "" where there is none, or none that this
// process may read.
func mark(dir string) string {
	var value [64]byte
	n, err := unix.Lgetxattr(dir, markName, value[:])
	if err != nil {
		return ""
	}
	return string(value[:n])
}

// inode returns the inode number of the folder dir, or 0 where there is none.
func inode(dir string) uint64 {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return 0
	}
	return st.Ino
}

// replaced tells whether what is at dir now is another folder than the one with the
// inode number id. Of 0, which older records have, that is not known.
func replaced(dir string, id uint64) bool {
	now := inode(dir)
	return id != 0 && now != 0 && now != id
}

// passedOn tells whether the folder dir, of which the container's record has f, was
// given to another one since. The journal, which is written before Create, knows
// neither inode number nor mark; of it that is not known.
func passedOn(dir string, f Folder) bool {
	now := mark(dir)
	return f.Inode != 0 && now != "" && now != f.Mark
}

// disown has m forget the folders that are others' by now.
func (m *Manager) disown() {
	if m.unit != nil {
		if len(m.dirs) > 0 && replaced(m.scopeDir(), m.rec.ScopeInode) {
			m.foreign = true
			m.rec.Folders = nil
			m.index()
		}
		return
	}
	for i := len(m.dirs) - 1; i >= 0; i-- {
		if f := m.rec.Folders[i]; replaced(m.dirs[i], f.Inode) || passedOn(m.dirs[i], f) {
			m.drop(i)
		}
	}
}

// scopeOver tells whether the scope has ended by itself, and its cgroup is gone.
func (m *Manager) scopeOver() bool {
	return m.rec.ScopeInode != 0 && len(m.dirs) > 0 && !exists(m.scopeDir())
}
