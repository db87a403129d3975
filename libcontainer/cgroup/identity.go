package cgroup

import "golang.org/x/sys/unix"

// A cgroup is found by its path, which can come to mean another one: systemd removes
// a scope when its last process has ended, an administrator a cgroup that is empty,
// and a container of another root folder may be given the same path then. So its
// inode number is kept, which the kernel gives to no second one (kernfs counts on,
// within 64 bits, or 32 on machines that have no more), and before processes are
// signalled or cgroups removed, it is looked at again.

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
		if replaced(m.dirs[i], m.rec.Folders[i].Inode) {
			m.drop(i)
		}
	}
}

// scopeOver tells whether the scope has ended by itself, and its cgroup is gone.
func (m *Manager) scopeOver() bool {
	return m.rec.ScopeInode != 0 && len(m.dirs) > 0 && !exists(m.scopeDir())
}
