package cgroup

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Tests with "Host" in their name make cgroups on the machine they run on,
// below a folder of their own that they remove.

// counter makes names unique within this process.
var counter atomic.Int32

// uniquePath returns a linux.cgroupsPath of the test's own, below a folder that
// is removed in every hierarchy when the test ends.
func uniquePath(tb testing.TB) string {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Skip("making cgroups needs root")
	}
	parent := fmt.Sprintf("/rung-test-%d-%d", os.Getpid(), counter.Add(1))
	tb.Cleanup(func() {
		hs, err := hierarchies(Mode(), true)
		if err != nil {
			tb.Error(err)
		}
		for _, h := range hs {
			removeAll(tb, h.mount+parent)
			removeAll(tb, h.mount+place{parent, true}.in(h, Mode()))
		}
	})
	return parent + "/c"
}

// removeAll removes a cgroup and those below it, killing what is in them.
func removeAll(tb testing.TB, dir string) {
	if !exists(dir) {
		return
	}
	m := &Manager{rec: Record{Version: V1}, dirs: []string{dir}}
	m.rec.Folders = []Folder{{Controllers: "devices", Path: dir}}
	if strings.HasPrefix(dir, cgroupRoot+"/freezer/") {
		m.rec.Folders[0].Controllers = "freezer"
	}
	if err := m.Destroy(); err != nil {
		tb.Errorf("clean up: %v", err)
	}
}

// spec returns a configuration with a cgroup and limits.
func spec(path string, r *specs.LinuxResources) *specs.Spec {
	return &specs.Spec{Linux: &specs.Linux{CgroupsPath: path, Resources: r}}
}

// newManager returns a Manager whose cgroup is made.
func newManager(tb testing.TB, r *specs.LinuxResources) *Manager {
	tb.Helper()
	m, err := New(Options{ID: "test", Spec: spec(uniquePath(tb), r)})
	if err != nil {
		tb.Fatal(err)
	}
	if err := m.Create(); err != nil {
		tb.Fatal(err)
	}
	m.unlock()
	tb.Cleanup(func() {
		if err := m.Destroy(); err != nil {
			tb.Error(err)
		}
	})
	return m
}

// want skips a test on a host without the v1 controller, or file of it.
func want(t *testing.T, m *Manager, controller, file string) string {
	t.Helper()
	dir, ok := m.dir(controller)
	if !ok {
		t.Skipf("this host has no v1 controller %s", controller)
	}
	if file != "" && !exists(dir+"/"+file) {
		t.Skipf("this kernel has no %s", file)
	}
	return dir
}

// content returns the trimmed content of a file.
func content(t *testing.T, dir, file string) string {
	t.Helper()
	text, err := readFile(dir, file)
	if err != nil {
		t.Fatalf("read %s/%s: %v", dir, file, err)
	}
	return strings.TrimSpace(text)
}

// sleeper starts a process that sleeps until it is killed, in no cgroup yet.
func sleeper(tb testing.TB) *exec.Cmd {
	tb.Helper()
	return start(tb, exec.Command("sleep", "1000"))
}

// start starts cmd and reaps it when it ends.
func start(tb testing.TB, cmd *exec.Cmd) *exec.Cmd {
	tb.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	tb.Cleanup(func() { _ = cmd.Process.Kill(); <-done })
	return cmd
}

// sleeperIn starts a process that sleeps in m.
func sleeperIn(tb testing.TB, m *Manager) int {
	tb.Helper()
	pid := sleeper(tb).Process.Pid
	if err := m.AddProcess(pid); err != nil {
		tb.Fatal(err)
	}
	return pid
}

// alive reports whether a process has not ended.
func alive(pid int) bool {
	text, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "stat"))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(text), ") ")
	return after[0] != 'Z' && after[0] != 'X'
}

// bundle reads a configuration of testdata.
func bundle(tb testing.TB, name string) *specs.Spec {
	tb.Helper()
	data, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		tb.Fatal(err)
	}
	s := new(specs.Spec)
	if err := json.Unmarshal(data, s); err != nil {
		tb.Fatal(err)
	}
	return s
}

func ptr[T any](v T) *T { return &v }

// noneLeft fails the test if a folder of m is there.
func noneLeft(t *testing.T, m *Manager) {
	t.Helper()
	for _, dir := range m.dirs {
		if err := unix.Access(dir, unix.F_OK); err != unix.ENOENT {
			t.Errorf("%s is left (%v)", dir, err)
		}
	}
}
