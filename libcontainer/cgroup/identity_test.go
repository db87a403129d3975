package cgroup

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOthersHost: the cgroups of a container are removed behind its back, and
// another one gets their paths.
func TestOthersHost(t *testing.T) {
	first := newManager(t, nil)
	for _, dir := range first.dirs {
		if err := unix.Rmdir(dir); err != nil {
			t.Fatal(err)
		}
	}
	leavesAlone(t, first, heir(t, first))
}

// heir returns another container's Manager for the cgroups of m.
func heir(t *testing.T, m *Manager) *Manager {
	t.Helper()
	second, err := New(Options{ID: "test", Spec: spec(m.rec.Folders[0].Path, nil)})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Create(); err != nil {
		t.Fatal(err)
	}
	second.unlock()
	t.Cleanup(func() {
		if err := second.Destroy(); err != nil {
			t.Error(err)
		}
		noneLeft(t, second)
	})
	return second
}

// leavesAlone checks that what the record of first is good for does nothing to second.
func leavesAlone(t *testing.T, first, second *Manager) {
	t.Helper()
	pid := sleeperIn(t, second)
	for name, do := range map[string]func(*Manager) error{
		"Signal":  func(m *Manager) error { return m.Signal(unix.SIGKILL) },
		"Remove":  (*Manager).Remove,
		"Destroy": (*Manager).Destroy,
	} {
		m, err := Load(first.Record())
		if err != nil {
			t.Fatal(err)
		}
		if err := do(m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, dir := range second.dirs {
			if !exists(dir) {
				t.Errorf("%s has removed %s, which is another container's", name, dir)
			}
		}
		if !alive(pid) {
			t.Fatalf("%s has killed a process of another container", name)
		}
	}
}

// TestPassedOnHost: the cgroups of a container that has stopped are still there when
// they are given to another one, and to a third when that has stopped, too.
func TestPassedOnHost(t *testing.T) {
	first := newManager(t, nil)
	if err := unix.Lsetxattr(first.dirs[0], "trusted.test", nil, 0); err != nil {
		t.Skipf("no trusted extended attributes here: %v", err)
	}
	second := heir(t, first)
	third := heir(t, second)
	for i, dir := range third.dirs {
		if now := inode(dir); now != first.rec.Folders[i].Inode {
			t.Errorf("%s was made anew", dir)
		}
	}
	leavesAlone(t, first, third)
	leavesAlone(t, second, third)
	pid := sleeperIn(t, third)
	own, err := Load(third.Record())
	if err != nil {
		t.Fatal(err)
	}
	if err := own.Destroy(); err != nil {
		t.Error(err)
	}
	if alive(pid) {
		t.Error("its own record does not have Destroy end its process")
	}
	noneLeft(t, third)
}

// TestPassedOnJournalHost: a container whose creation was cut short has neither inode
// numbers nor marks in its record.
func TestPassedOnJournalHost(t *testing.T) {
	first := newManager(t, nil)
	second, err := New(Options{ID: "test", Spec: spec(first.rec.Folders[0].Path, nil)})
	if err != nil {
		t.Fatal(err)
	}
	journal := second.Record()
	journal.Folders = slices.Clone(journal.Folders)
	if err := second.Create(); err != nil {
		t.Fatal(err)
	}
	pid := sleeperIn(t, second)
	m, err := Load(journal)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Destroy(); err != nil {
		t.Error(err)
	}
	if alive(pid) {
		t.Error("its process is alive")
	}
	noneLeft(t, second)
}

// TestOthersScope: the scope has ended, and its name and cgroup are another
// container's.
func TestOthersScope(t *testing.T) {
	m := scopeManager(t, nil)
	m.rec.ScopeInode = inode(m.dirs[0])
	if m.scopeOver() {
		t.Error("it is said to be over")
	}
	old := m.dirs[0] + ".old" // so that its inode number stays in use
	if err := os.Rename(m.dirs[0], old); err != nil {
		t.Fatal(err)
	}
	if !m.scopeOver() {
		t.Error("it is not said to be over")
	}
	dir := m.dirs[0]
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := m.Destroy(); err != nil {
		t.Error(err)
	}
	if !exists(dir) || !m.foreign {
		t.Error("it was taken for the container's own")
	}
}
