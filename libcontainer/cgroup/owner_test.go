package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDelegated(t *testing.T) {
	standard := []string{"cgroup.procs", "cgroup.subtree_control", "cgroup.threads"}
	for text, want := range map[string][]string{
		"":                                    standard,
		"\n":                                  standard,
		"cgroup.procs\nmemory.oom.group\n":    {"cgroup.procs", "memory.oom.group"},
		"../../../etc/passwd\ncgroup.procs\n": {"cgroup.procs"},
	} {
		if got := delegated(text); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestDelegateFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("chown needs root")
	}
	dir := t.TempDir()
	for _, name := range []string{"cgroup.procs", "memory.max"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := delegateFolder(dir, []string{"cgroup.procs", "not.there"}, 1234); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint32{".": 1234, "cgroup.procs": 1234, "memory.max": 0} {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(dir, name), &st); err != nil || st.Uid != want || st.Gid != 0 {
			t.Errorf("%s: owner %d:%d, %v, want %d:0", name, st.Uid, st.Gid, err, want)
		}
	}
}
