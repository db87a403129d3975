package cgroup

import (
	"os"
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
	second, err := New(Options{ID: "test", Spec: spec(first.rec.Folders[0].Path, nil)})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Create(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := second.Destroy(); err != nil {
			t.Error(err)
		}
		noneLeft(t, second)
	})
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
