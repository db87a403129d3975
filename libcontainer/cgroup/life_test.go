package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// wantError checks that err names a field and says what it has to.
func wantError(t *testing.T, err error, field string, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one at %s about %q", field, parts)
		return
	}
	var e *errdefs.Error
	if !errors.As(err, &e) || e.Field != field {
		t.Errorf("the error %q is not at %s", err, field)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error %q does not say %q", err, part)
		}
	}
}

func TestLifeHost(t *testing.T) {
	m := newManager(t, nil)
	for _, dir := range m.dirs {
		if !exists(dir) {
			t.Errorf("%s was not made", dir)
		}
	}
	again, err := Load(m.Record())
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Destroy(); err != nil {
		t.Fatal(err)
	}
	noneLeft(t, m)
	if err := m.Destroy(); err != nil {
		t.Errorf("with nothing there: %v", err)
	}
	if pids, err := m.Procs(); err != nil || len(pids) != 0 {
		t.Errorf("with nothing there: %v, %v", pids, err)
	}
	if err := m.Signal(unix.SIGKILL); err != nil {
		t.Errorf("with nothing there: %v", err)
	}
	if err := m.Thaw(); err != nil {
		t.Errorf("with nothing there: %v", err)
	}
	if frozen, err := m.Frozen(); frozen || err != nil {
		t.Errorf("with nothing there: %v, %v", frozen, err)
	}
}

// TestRelativeHost is about a container without linux.cgroupsPath.
func TestRelativeHost(t *testing.T) {
	parent := path.Dir(uniquePath(t))
	m, err := New(Options{ID: parent[1:]})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Create(); err != nil {
		t.Fatal(err)
	}
	self, err := readFile("/proc/self", "cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(self) {
		h, _ := parseSelfLine(line)
		for i, f := range m.rec.Folders {
			if f.Controllers == h.controllers && f.Path != strings.TrimSuffix(h.own, "/")+parent && m.rec.Version != V2 {
				t.Errorf("%s is not below %s", m.dirs[i], h.own)
			}
		}
	}
	if err := m.Destroy(); err != nil {
		t.Fatal(err)
	}
	noneLeft(t, m)
}

func TestExistingHost(t *testing.T) {
	m := newManager(t, nil)
	o := Options{ID: "x", Spec: spec(m.rec.Folders[0].Path, nil)}

	other, err := New(o)
	if err != nil {
		t.Fatalf("an empty cgroup is not taken: %v", err)
	}
	if err := other.Create(); err != nil {
		t.Fatalf("an empty cgroup is not taken: %v", err)
	}

	if err := m.Freeze(); err != nil {
		t.Fatal(err)
	}
	_, err = New(o)
	wantError(t, err, fieldPath, "frozen")
	wantError(t, other.Create(), fieldPath, "frozen")
	if err := m.Thaw(); err != nil {
		t.Fatal(err)
	}

	pid := sleeperIn(t, m)
	_, err = New(o)
	wantError(t, err, fieldPath, "not empty", fmt.Sprint(pid))
	// A second container that got past New at the same time as the first
	// must not end the first one's processes when it gives up.
	wantError(t, other.Create(), fieldPath, "not empty", fmt.Sprint(pid))
	if err := other.Destroy(); err != nil {
		t.Fatal(err)
	}
	if !alive(pid) {
		t.Error("a refused container killed the processes of the one that was there")
	}
	for _, dir := range m.dirs {
		if !exists(dir) {
			t.Errorf("a refused container removed %s", dir)
		}
	}
}

// TestLockedHost has a container created in the cgroup of one whose init is not in it
// yet.
func TestLockedHost(t *testing.T) {
	o := Options{ID: "x", Spec: spec(uniquePath(t), nil)}
	var both [2]*Manager
	for i := range both {
		var err error
		if both[i], err = New(o); err != nil {
			t.Fatal(err)
		}
	}
	first, second := both[0], both[1]
	if err := first.Create(); err != nil {
		t.Fatal(err)
	}
	wantError(t, second.Create(), fieldPath, "is being created")
	if err := second.Destroy(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range first.dirs {
		if !exists(dir) {
			t.Errorf("a refused container removed %s", dir)
		}
	}
	if err := first.Destroy(); err != nil {
		t.Fatal(err)
	}
	// The lock has ended with the folder.
	if second, err := New(o); err != nil {
		t.Fatal(err)
	} else if err := second.Create(); err != nil {
		t.Fatal(err)
	} else if err := second.Destroy(); err != nil {
		t.Fatal(err)
	}
}

// TestExistingBelowHost is about processes in a cgroup below the container's.
func TestExistingBelowHost(t *testing.T) {
	m := newManager(t, nil)
	sub := &Manager{rec: Record{Driver: DriverCgroupfs, Version: m.rec.Version}}
	for _, f := range m.rec.Folders {
		f.Path += "/sub"
		sub.rec.Folders = append(sub.rec.Folders, f)
	}
	sub.index()
	if err := sub.Create(); err != nil {
		t.Fatal(err)
	}
	pid := sleeperIn(t, sub)
	if pids, err := m.Procs(); err != nil || !slices.Equal(pids, []int{pid}) {
		t.Errorf("got processes %v, %v; want %d", pids, err, pid)
	}
	_, err := New(Options{ID: "x", Spec: spec(m.rec.Folders[0].Path, nil)})
	wantError(t, err, fieldPath, "not empty", fmt.Sprint(pid))
}

// TestFrozenAboveHost: a container that is made in a frozen cgroup would hang.
func TestFrozenAboveHost(t *testing.T) {
	m := newManager(t, nil)
	if err := m.Freeze(); err != nil {
		t.Fatal(err)
	}
	inner, err := New(Options{ID: "x", Spec: spec(m.rec.Folders[0].Path+"/inner", nil)})
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, inner.Create(), fieldPath, "frozen")
	noneLeft(t, inner)
}

// TestFileNameHost places a container where the kernel has a file.
func TestFileNameHost(t *testing.T) {
	uniquePath(t)
	for _, p := range []string{"/cgroup.procs", "/cgroup.procs/x"} {
		m, err := New(Options{ID: "x", Spec: spec(p, nil)})
		if err == nil {
			err = m.Create()
		}
		wantError(t, err, fieldPath, "cgroup file")
	}
}

// TestUndoHost has Create fail in the middle.
func TestUndoHost(t *testing.T) {
	m, err := New(Options{ID: "x", Spec: spec(uniquePath(t), &specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "4000"}})})
	if err != nil {
		t.Fatal(err)
	}
	want(t, m, "cpuset", "")
	wantError(t, m.Create(), "linux.resources.cpu.cpus", "4000", "the cgroup above has")
	noneLeft(t, m)
}

// TestConcurrentHost has many containers made below one folder that is not
// there yet, as an engine does after boot.
func TestConcurrentHost(t *testing.T) {
	parent := uniquePath(t)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			m, err := New(Options{ID: "x", Spec: spec(fmt.Sprintf("%s/%d", parent, i), nil)})
			if err == nil {
				err = m.Create()
			}
			if err == nil {
				err = m.Destroy()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestFreezeHost(t *testing.T) {
	m := newManager(t, nil)
	cmd := exec.Command("sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do :; done")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	if err := m.AddProcess(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	check := func(want bool) {
		t.Helper()
		if frozen, err := m.Frozen(); err != nil || frozen != want {
			t.Errorf("Frozen() = %v, %v; want %v", frozen, err, want)
		}
	}
	check(false)
	for range 3 {
		if err := m.Freeze(); err != nil {
			t.Fatal(err)
		}
		check(true)
		if err := m.Thaw(); err != nil {
			t.Fatal(err)
		}
		check(false)
	}
	// A signal that the process handles waits.
	if err := m.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := m.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	check(true)
	if !alive(cmd.Process.Pid) {
		t.Error("SIGTERM thawed the container")
	}
	if err := m.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitGone(t, cmd.Process.Pid)
}

// waitGone waits for the end of a process.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); alive(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d lives", pid)
		}
	}
}

func TestSignalHost(t *testing.T) {
	m := newManager(t, nil)
	var pids []int
	for range 5 {
		pids = append(pids, sleeperIn(t, m))
	}
	got, err := m.Procs()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(pids)
	if !slices.Equal(got, pids) {
		t.Errorf("Procs() = %v, want %v", got, pids)
	}
	if err := m.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		waitGone(t, pid)
	}
	if frozen, err := m.Frozen(); frozen || err != nil {
		t.Errorf("left frozen: %v, %v", frozen, err)
	}
}

// TestSignalFreezesNotHost: a signal that is not SIGKILL leaves the freezer alone,
// whether the container is frozen or not. The kernel tells of writes to its file.
func TestSignalFreezesNotHost(t *testing.T) {
	m := newManager(t, nil)
	sleeperIn(t, m)
	dir, v1 := m.freezer()
	file := "cgroup.freeze"
	if v1 {
		file = "freezer.state"
	}
	watch, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(watch)
	if _, err := unix.InotifyAddWatch(watch, dir+"/"+file, unix.IN_MODIFY); err != nil {
		t.Fatal(err)
	}
	written := func() bool {
		n, _ := unix.Read(watch, make([]byte, 4096))
		return n > 0
	}
	for _, frozen := range []bool{false, true} {
		if frozen {
			if err := m.Freeze(); err != nil {
				t.Fatal(err)
			}
			if !written() {
				t.Fatal("the kernel does not tell of writes")
			}
		}
		if err := m.Signal(unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if written() {
			t.Errorf("frozen %v: the signal has written to %s", frozen, file)
		}
		if got, err := m.Frozen(); err != nil || got != frozen {
			t.Errorf("frozen %v before the signal, then %v, %v", frozen, got, err)
		}
	}
	if err := m.Thaw(); err != nil {
		t.Fatal(err)
	}
}

// TestSignalAllOldHost kills without cgroup.kill, as on a kernel before 5.14.
func TestSignalAllOldHost(t *testing.T) {
	for _, still := range []bool{true, false} {
		m := newManager(t, nil)
		pid := sleeperIn(t, m)
		if err := m.Freeze(); err != nil {
			t.Fatal(err)
		}
		if err := signalBelow(m.primary(), unix.SIGKILL, still); err != nil {
			t.Fatal(err)
		}
		if err := m.Thaw(); err != nil {
			t.Fatal(err)
		}
		waitGone(t, pid)
	}
}

// TestRootlessHost is about a user who may not make cgroups. It runs in a
// process of its own, since ids belong to all threads.
func TestRootlessHost(t *testing.T) {
	if os.Getenv("RUNG_TEST_ROOTLESS") == "" {
		uniquePath(t)
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestRootlessHost$", "-test.v")
		cmd.Env = append(os.Environ(), "RUNG_TEST_ROOTLESS=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "PASS: TestRootlessHost") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	m, err := New(Options{ID: "rung-test-rootless", Rootless: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Create(); err != nil {
		t.Fatalf("no cgroup is asked for, and yet: %v", err)
	}
	if len(m.Record().Folders) != 0 {
		t.Errorf("folders %+v", m.Record().Folders)
	}
	j, err := m.Join()
	if err != nil || j.CgroupFD != -1 || len(j.Tasks) != 0 {
		t.Errorf("Join() = %+v, %v", j, err)
	}
	if err := m.Set(nil); err != nil {
		t.Errorf("no limits are asked for, and yet: %v", err)
	}
	limits := &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(5))}, Memory: &specs.LinuxMemory{Limit: ptr(int64(1 << 30))}}
	if err := m.Set(limits); err != nil || !slices.Equal(m.Without(), []string{"memory.limit", "pids.limit"}) {
		t.Errorf("goes without %q, %v", m.Without(), err)
	}
	loaded, err := Load(m.Record())
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, loaded.Set(limits), "linux.resources.memory.limit", "no cgroup of the controller memory")
	for _, err := range []error{m.Signal(unix.SIGKILL), m.Thaw(), m.Destroy()} {
		if err != nil {
			t.Error(err)
		}
	}

	m, err = New(Options{ID: "x", Rootless: true, Spec: spec("/rung-test-rootless", nil)})
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, m.Create(), fieldPath, "permission denied")
}
