package gorunc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	runc "github.com/containerd/go-runc"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// The environment of the tests: the runtime, a root filesystem with busybox, and the parent of the containers' cgroups.
var (
	runtime = os.Getenv("RUNG")
	rootfs  = os.Getenv("ROOTFS")
	tag     = os.Getenv("TAG")
)

// fixture is a runtime with a state folder of its own, and a bundle.
type fixture struct {
	*runc.Runc
	ctx    context.Context
	bundle string
	id     string
}

// newFixture makes a bundle whose program is the arguments, changed by the functions.
func newFixture(t *testing.T, args []string, changes ...func(*specs.Spec)) *fixture {
	t.Helper()
	if runtime == "" || rootfs == "" {
		t.Fatal("RUNG and ROOTFS name the runtime and a root filesystem; run this by tests/engines/gorunc.bats")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	dir := t.TempDir()
	id := strings.ToLower(t.Name())
	f := &fixture{&runc.Runc{
		Command: runtime, Root: filepath.Join(dir, "state"), Log: filepath.Join(dir, "log.json"), LogFormat: runc.JSON,
	}, ctx, dir, id}
	spec := &specs.Spec{
		Version:  "1.1.0",
		Hostname: "gorunc",
		Root:     &specs.Root{Path: rootfs, Readonly: true},
		Process:  &specs.Process{Args: args, Env: []string{"PATH=/bin"}, Cwd: "/"},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "mode=755"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"newinstance", "ptmxmode=0666"}},
			{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs"},
		},
		Linux: &specs.Linux{
			CgroupsPath: "/" + tag + "/" + id,
			Resources:   &specs.LinuxResources{},
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.PIDNamespace}, {Type: specs.MountNamespace}, {Type: specs.NetworkNamespace},
				{Type: specs.IPCNamespace}, {Type: specs.UTSNamespace},
			},
		},
	}
	for _, change := range changes {
		change(spec)
	}
	data, err := json.Marshal(spec)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "config.json"), data, 0o600))
	// To list what is in a state folder that is not there is an error, as with runc.
	check(t, os.Mkdir(f.Root, 0o700))
	t.Cleanup(func() { f.clean(t) })
	return f
}

// clean removes the container, however the test ended, and sees that nothing of it is left.
func (f *fixture) clean(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	check(t, f.Delete(ctx, f.id, &runc.DeleteOpts{Force: true}))
	left, err := f.List(ctx)
	check(t, err)
	if len(left) > 0 {
		t.Errorf("containers are left: %v", left)
	}
}

// running is a fixture whose container has been created and started, without input and output.
func running(t *testing.T, args []string, changes ...func(*specs.Spec)) *fixture {
	t.Helper()
	f := newFixture(t, args, changes...)
	null, err := runc.NewNullIO()
	check(t, err)
	t.Cleanup(func() { null.Close() })
	check(t, f.Create(f.ctx, f.id, f.bundle, &runc.CreateOpts{IO: null}))
	check(t, f.Start(f.ctx, f.id))
	return f
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %v, not %v", what, got, want)
	}
}

// eventually waits up to ten seconds for the condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("gave up waiting: %s", what)
		}
	}
}

func (f *fixture) status(t *testing.T) string {
	t.Helper()
	state, err := f.State(f.ctx, f.id)
	check(t, err)
	return state.Status
}

func (f *fixture) pids(t *testing.T) int {
	t.Helper()
	pids, err := f.Ps(f.ctx, f.id)
	check(t, err)
	return len(pids)
}

// drain reads what a process wrote, once it has ended.
func drain(t *testing.T, from io.ReadCloser) string {
	t.Helper()
	data, err := io.ReadAll(from)
	check(t, err)
	return string(data)
}

func TestVersionAndFeatures(t *testing.T) {
	f := newFixture(t, []string{"true"})
	// The library reads the versions of what calls itself runc alone; of others it learns that they answer.
	_, err := f.Version(f.ctx)
	check(t, err)
	features, err := f.Features(f.ctx)
	check(t, err)
	if !slices.Contains(features.MountOptions, "rro") || !slices.Contains(features.Linux.Namespaces, "user") {
		t.Errorf("the features are read as %+v", features)
	}
}

func TestRun(t *testing.T) {
	f := newFixture(t, []string{"sh", "-c", "echo out; echo err >&2; exit 7"})
	pipes, err := runc.NewPipeIO(0, 0)
	check(t, err)
	defer pipes.Close()
	status, err := f.Run(f.ctx, f.id, f.bundle, &runc.CreateOpts{IO: pipes})
	var exit *runc.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("the error of exit code 7 is %v", err)
	}
	equal(t, "the status", status, 7)
	check(t, pipes.(runc.StartCloser).CloseAfterStart())
	equal(t, "standard output", drain(t, pipes.Stdout()), "out\n")
	equal(t, "standard error", drain(t, pipes.Stderr()), "err\n")
}

func TestExtraFiles(t *testing.T) {
	f := newFixture(t, []string{"sh", "-c", "cat <&3"})
	pipes, err := runc.NewPipeIO(0, 0)
	check(t, err)
	defer pipes.Close()
	read, write, err := os.Pipe()
	check(t, err)
	_, err = write.WriteString("over descriptor 3\n")
	check(t, err)
	write.Close()
	_, err = f.Run(f.ctx, f.id, f.bundle, &runc.CreateOpts{IO: pipes, ExtraFiles: []*os.File{read}})
	check(t, err)
	check(t, pipes.(runc.StartCloser).CloseAfterStart())
	equal(t, "standard output", drain(t, pipes.Stdout()), "over descriptor 3\n")
}

func TestLifecycle(t *testing.T) {
	f := newFixture(t, []string{"sh", "-c", "sleep 100 & exec sleep 200"})
	pidFile := filepath.Join(f.bundle, "pid")
	null, err := runc.NewNullIO()
	check(t, err)
	defer null.Close()
	check(t, f.Create(f.ctx, f.id, f.bundle, &runc.CreateOpts{IO: null, PidFile: pidFile}))
	equal(t, "the status", f.status(t), "created")
	pid, err := runc.ReadPidFile(pidFile)
	check(t, err)
	list, err := f.List(f.ctx)
	check(t, err)
	equal(t, "the number of containers", len(list), 1)
	equal(t, "the pid", list[0].Pid, pid)
	equal(t, "the bundle", list[0].Bundle, f.bundle)
	if age := time.Since(list[0].Created); age < 0 || age > time.Minute {
		t.Errorf("the container is %v old", age)
	}

	check(t, f.Start(f.ctx, f.id))
	equal(t, "the status", f.status(t), "running")
	eventually(t, "two processes", func() bool { return f.pids(t) == 2 })
	top, err := f.Top(f.ctx, f.id, "-opid,args")
	check(t, err)
	equal(t, "the number of processes", len(top.Processes), 2)
	equal(t, "the columns", strings.Join(top.Headers, " "), "PID COMMAND")

	check(t, f.Pause(f.ctx, f.id))
	equal(t, "the status", f.status(t), "paused")
	check(t, f.Resume(f.ctx, f.id))
	equal(t, "the status", f.status(t), "running")

	check(t, f.Kill(f.ctx, f.id, int(syscall.SIGKILL), &runc.KillOpts{All: true}))
	eventually(t, "stopped", func() bool { return f.status(t) == "stopped" })
	check(t, f.Delete(f.ctx, f.id, nil))
	if _, err := f.State(f.ctx, f.id); err == nil {
		t.Error("a deleted container has a state")
	}
}

// stats returns the container's. The library may find the pipe closed before it has
// read from it, by itself, when its program has ended.
func (f *fixture) stats(t *testing.T) *runc.Stats {
	t.Helper()
	var stats *runc.Stats
	eventually(t, "stats", func() bool {
		var err error
		if stats, err = f.Stats(f.ctx, f.id); errors.Is(err, os.ErrClosed) {
			return false
		}
		check(t, err)
		return true
	})
	return stats
}

func TestUpdateAndStats(t *testing.T) {
	limit, pids := int64(64<<20), int64(30)
	f := running(t, []string{"sleep", "100"}, func(spec *specs.Spec) {
		spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit}
	})
	stats := f.stats(t)
	equal(t, "the memory limit", stats.Memory.Usage.Limit, uint64(limit))
	equal(t, "the number of processes", stats.Pids.Current, 1)
	if stats.Cpu.Usage.Total == 0 || stats.Memory.Usage.Usage == 0 {
		t.Errorf("nothing is used: %+v", stats)
	}
	limit = 96 << 20
	check(t, f.Update(f.ctx, f.id, &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: &limit}, Pids: &specs.LinuxPids{Limit: &pids},
	}))
	stats = f.stats(t)
	equal(t, "the memory limit", stats.Memory.Usage.Limit, uint64(limit))
	equal(t, "the limit of processes", stats.Pids.Limit, uint64(pids))
}

func TestEvents(t *testing.T) {
	limit := int64(16 << 20)
	// The container outlives the kill: the library closes the pipe when its program ends, whatever is still in it.
	f := running(t, []string{
		"sh", "-c", "until [ -e /tmp/go ]; do sleep 0.05; done; dd if=/dev/zero of=/dev/null bs=64M count=1; sleep 100",
	},
		func(spec *specs.Spec) { spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit} })
	ctx, cancel := context.WithCancel(f.ctx)
	events, err := f.Events(ctx, f.id, time.Second)
	check(t, err)
	defer func() {
		// The library reads until its program has ended. The end may be an error, the pipe being closed, of which it tells
		// again and again.
		cancel()
		for event := range events {
			if event.Err != nil {
				break
			}
		}
	}()
	seen := map[string]bool{}
	deadline := time.After(20 * time.Second)
	for !seen["oom"] {
		select {
		case event := <-events:
			if event == nil || event.Err != nil {
				t.Fatalf("the events ended without an oom: %+v", event)
			}
			if event.Type == "stats" && !seen["stats"] {
				check(t, f.Exec(ctx, f.id, specs.Process{Args: []string{"touch", "/tmp/go"}, Env: []string{"PATH=/bin"}, Cwd: "/"}, nil))
			}
			seen[event.Type] = true
		case <-deadline:
			t.Fatalf("no event of running out of memory, only: %v", seen)
		}
	}
}

func TestExec(t *testing.T) {
	f := running(t, []string{"sleep", "100"})
	pipes, err := runc.NewPipeIO(0, 0)
	check(t, err)
	defer pipes.Close()
	process := specs.Process{
		Args: []string{"sh", "-c", "id -u; pwd; cat; exit 9"}, Env: []string{"PATH=/bin"}, Cwd: "/tmp",
		User: specs.User{UID: 1000, GID: 1000},
	}
	started := make(chan int, 1)
	go func() {
		defer pipes.Stdin().Close()
		_, _ = io.WriteString(pipes.Stdin(), "typed\n")
	}()
	err = f.Exec(f.ctx, f.id, process, &runc.ExecOpts{IO: pipes, Started: started})
	var exit *runc.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("the error of exit code 9 is %v", err)
	}
	equal(t, "the status", exit.Status, 9)
	equal(t, "standard output", drain(t, pipes.Stdout()), "1000\n/tmp\ntyped\n")
	if pid := <-started; pid <= 0 {
		t.Errorf("exec's pid is %d", pid)
	}
}

func TestExecDetached(t *testing.T) {
	f := running(t, []string{"sleep", "100"})
	null, err := runc.NewNullIO()
	check(t, err)
	defer null.Close()
	pidFile := filepath.Join(f.bundle, "exec.pid")
	check(t, f.Exec(f.ctx, f.id, specs.Process{Args: []string{"sleep", "300"}, Env: []string{"PATH=/bin"}, Cwd: "/"},
		&runc.ExecOpts{IO: null, Detach: true, PidFile: pidFile}))
	pid, err := runc.ReadPidFile(pidFile)
	check(t, err)
	pids, err := f.Ps(f.ctx, f.id)
	check(t, err)
	if len(pids) != 2 || !slices.Contains(pids, pid) {
		t.Errorf("the processes are %v, without %d", pids, pid)
	}
}

func TestTerminals(t *testing.T) {
	f := newFixture(t, []string{"sh", "-c", "tty; echo $((6 * 7)); exec sleep 100"}, func(spec *specs.Spec) { spec.Process.Terminal = true })
	socket, err := runc.NewTempConsoleSocket()
	check(t, err)
	defer socket.Close()
	check(t, f.Create(f.ctx, f.id, f.bundle, &runc.CreateOpts{ConsoleSocket: socket}))
	console, err := socket.ReceiveMaster()
	check(t, err)
	defer console.Close()
	check(t, f.Start(f.ctx, f.id))
	readUntil(t, console, "42")

	again, err := runc.NewTempConsoleSocket()
	check(t, err)
	defer again.Close()
	process := specs.Process{Args: []string{"tty"}, Env: []string{"PATH=/bin"}, Cwd: "/", Terminal: true}
	check(t, f.Exec(f.ctx, f.id, process, &runc.ExecOpts{ConsoleSocket: again, Detach: true}))
	second, err := again.ReceiveMaster()
	check(t, err)
	defer second.Close()
	readUntil(t, second, "/dev/pts/")
}

func readUntil(t *testing.T, from io.Reader, want string) {
	t.Helper()
	var all bytes.Buffer
	for buffer := make([]byte, 4096); !strings.Contains(all.String(), want); {
		n, err := from.Read(buffer)
		all.Write(buffer[:n])
		if err != nil {
			t.Fatalf("the terminal said %q and then: %v", all.String(), err)
		}
	}
}

// The shim shows its caller the last message of the log file, and takes words of it for what they mean.
func TestErrors(t *testing.T) {
	f := newFixture(t, []string{"/no/such/program"})
	if err := f.Create(f.ctx, f.id, f.bundle, nil); err == nil {
		t.Error("a program that is not there was created")
	}
	log, err := os.ReadFile(f.Log)
	check(t, err)
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	var last struct{ Level, Msg, Time string }
	check(t, json.Unmarshal([]byte(lines[len(lines)-1]), &last))
	if last.Level != "error" || !strings.Contains(last.Msg, "/no/such/program") {
		t.Errorf("the last line of the log is %+v", last)
	}

	_, err = f.State(f.ctx, "nobody")
	if err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("the state of a container that is not there: %v", err)
	}
	err = f.Kill(f.ctx, "nobody", 9, nil)
	if err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("to kill a container that is not there: %v", err)
	}
	if err := f.Delete(f.ctx, "nobody", nil); err == nil {
		t.Error("a container that is not there was deleted without force")
	}
	check(t, f.Delete(f.ctx, "nobody", &runc.DeleteOpts{Force: true}))
}

func TestKillOfAStoppedContainer(t *testing.T) {
	f := running(t, []string{"true"})
	eventually(t, "stopped", func() bool { return f.status(t) == "stopped" })
	err := f.Kill(f.ctx, f.id, int(syscall.SIGTERM), nil)
	// containerd's shim takes these words, of several runtimes, for "it has ended already".
	if err == nil || !strings.Contains(err.Error(), "container not running") {
		t.Errorf("to kill a stopped container: %v", err)
	}
}
