package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/libcontainer/cgroup/systemd"
)

func TestSystemdNeedsSystemd(t *testing.T) {
	if systemd.Running() && Mode() == V2 {
		t.Skip("this host has what the driver needs")
	}
	_, err := New(Options{ID: "x", Systemd: true})
	if err == nil || !strings.Contains(err.Error(), "--systemd-cgroup") {
		t.Errorf("got %v", err)
	}
}

// scopeManager returns the Manager of a running container whose cgroup is a
// folder with these files, and whose systemd is not there.
func scopeManager(t *testing.T, files map[string]string) *Manager {
	t.Helper()
	mount := t.TempDir()
	dir := mount + "/system.slice/rung-c.scope"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m, err := Load(Record{Driver: DriverSystemd, Version: V2, Unit: "rung-c.scope", Bus: "unix:path=" + mount + "/bus",
		Folders: []Folder{{Mount: mount, Path: "/system.slice/rung-c.scope"}}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestUpdateWithoutSystemd: limits that systemd does not learn of are not in
// force either.
func TestUpdateWithoutSystemd(t *testing.T) {
	m := scopeManager(t, map[string]string{"pids.max": "max\n", "cpu.max": "max 100000\n", "hugetlb.2MB.max": "max\n"})
	err := m.Set(&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(5))}, CPU: &specs.LinuxCPU{Quota: ptr(int64(33333))}})
	if err == nil || !strings.Contains(err.Error(), "speak with systemd") {
		t.Errorf("got %v", err)
	}
	for file, want := range map[string]string{"pids.max": "max", "cpu.max": "max 100000"} {
		text, err := os.ReadFile(m.dirs[0] + "/" + file)
		if got := strings.TrimSpace(string(text)); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, %v; want %q", file, got, err, want)
		}
	}
	// What systemd has no property for, it need not be told.
	if err := m.Set(&specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 4096}}}); err != nil {
		t.Error(err)
	}
}

// TestToldOfWhatIsWritten: the quota is written as systemd will keep it.
func TestToldOfWhatIsWritten(t *testing.T) {
	m := scopeManager(t, map[string]string{"pids.max": "max\n", "cpu.max": "max 100000\n"})
	if err := m.apply(limit{"cpu.quota", "cpu", "cpu.max", "33333 50000"}); err != nil {
		t.Fatal(err)
	}
	if want := []systemd.Limit{{File: "cpu.max", Value: "33500 50000"}}; !slices.Equal(m.unit.told, want) {
		t.Errorf("told %v", m.unit.told)
	}
	if text, _ := readFile(m.dirs[0], "cpu.max"); !strings.HasPrefix(text, "33500 50000") {
		t.Errorf("cpu.max is %q", text)
	}
}

// TestToldOfTheWeight: a container that is idle no more has the weight that it
// has.
func TestToldOfTheWeight(t *testing.T) {
	m := scopeManager(t, map[string]string{"cpu.idle": "1\n", "cpu.weight": "100\n"})
	if err := m.apply(limit{"cpu.idle", "cpu", "cpu.idle", "0"}); err != nil {
		t.Fatal(err)
	}
	m.tellWeight()
	if want := []systemd.Limit{{File: "cpu.idle", Value: "0"}, {File: "cpu.weight", Value: "100"}}; !slices.Equal(m.unit.told, want) {
		t.Errorf("told %v", m.unit.told)
	}
}

// TestDestroyWithoutSystemd: where there is no systemd (any more), there is no
// unit to stop.
func TestDestroyWithoutSystemd(t *testing.T) {
	m := scopeManager(t, nil)
	if err := m.Destroy(); err != nil {
		t.Error(err)
	}
	if exists(m.dirs[0]) {
		t.Error("the cgroup is still there")
	}
}

func TestCommonAncestor(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"/a/b/c", "/a/b/d", "/a/b"},
		{"/a/b", "/a/b/c", "/a/b"},
		{"/a/b", "/a/b", "/a/b"},
		{"/a/bc", "/a/b", "/a"},
		{"/a", "/b", ""},
		{"/", "/b", ""},
		{"", "/b", ""},
	} {
		if got := commonAncestor(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %q, want %q", c.a, c.b, got, c.want)
		}
	}
}
