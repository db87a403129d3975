package libcontainer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// obedient is a script that says that it is up, and ends with status 7 when it
// is asked to.
const obedient = `trap 'exit 7' TERM; echo up; sleep 1000 & wait`

func TestLife(t *testing.T) {
	b := newTestbed(t, obedient, func(s *specs.Spec) { s.Annotations = map[string]string{"org.example.key": "value"} })
	out, stdout := b.stdout()
	c := b.create("c", stdout)
	pid := c.Pid()
	b.wantStatus(c, Created)
	info, err := c.Info()
	if err != nil {
		t.Fatal(err)
	}
	created, err := time.Parse(time.RFC3339, info.Created)
	if err != nil || time.Since(created) > time.Minute || created.Location() != time.UTC {
		t.Errorf("created %s, %v", info.Created, err)
	}
	want := &Info{
		OCIVersion: specs.Version, ID: "c", Pid: pid, Status: Created, Bundle: b.bundle, Rootfs: rootfsDir,
		Created: info.Created, Annotations: map[string]string{"org.example.key": "value"}, Owner: "#0",
	}
	if !reflect.DeepEqual(info, want) {
		t.Errorf("the state is %+v, want %+v", info, want)
	}
	if ids, err := List(b.root); !reflect.DeepEqual(ids, []string{"c"}) || err != nil {
		t.Errorf("List: %q, %v", ids, err)
	}

	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	b.wantStatus(c, Running)
	if got := out.line(); got != "up" {
		t.Errorf("the program says %q", got)
	}
	wantError(t, c.Start(), "start container c: cannot start an already running container")
	wantError(t, Delete(b.root, "c", false, b.warn), "cannot delete container c that is not stopped: running")
	b.wantStatus(c, Running)

	if err := c.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := reap(t, pid); status.ExitStatus() != 7 {
		t.Errorf("the program ended with %#x, want exit status 7", status)
	}
	b.wantStatus(c, Stopped)
	if info, err := c.Info(); err != nil || info.Pid != 0 {
		t.Errorf("the state of a stopped container has the pid %d, %v", info.Pid, err)
	}
	for name, err := range map[string]error{
		"Signal": c.Signal(unix.SIGTERM), "SIGKILL": c.Signal(unix.SIGKILL), "signal 0": c.Signal(0), "SignalAll": c.SignalAll(unix.SIGKILL),
	} {
		if !errors.Is(err, ErrNotRunning) {
			t.Errorf("%s to a stopped container: %v", name, err)
		}
	}
	if _, err := c.Init(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Init of a stopped container: %v", err)
	}
	wantError(t, c.Start(), "start container c: cannot start a container that has stopped")
	wantError(t, c.Pause(), "pause container c: container not running: it is stopped")

	if err := Delete(b.root, "c", false, b.warn); err != nil {
		t.Fatal(err)
	}
	b.quiet()
	b.nothingLeft()
	if _, err := Load(b.root, "c"); !errors.Is(err, ErrNotExist) {
		t.Errorf("Load of a deleted container: %v", err)
	}
	if err := c.Start(); !errors.Is(err, ErrNotExist) {
		t.Errorf("Start of a deleted container: %v", err)
	}
}

// TestZombie is about an init that has ended, and that its parent, this
// process, has not waited for: an engine may take its time.
func TestZombie(t *testing.T) {
	b := newTestbed(t, "exit 3")
	c := b.create("c")
	pid := c.Pid()
	pidfd, err := c.Init()
	if err != nil {
		t.Fatal(err)
	}
	defer pidfd.Close()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := waitEnd(pidfd, "process"); err != nil {
		t.Fatal(err)
	}
	b.wantStatus(c, Stopped)
	if err := c.Signal(unix.SIGTERM); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Signal: %v", err)
	}
	if err := Delete(b.root, "c", false, b.warn); err != nil {
		t.Error(err)
	}
	if status := reap(t, pid); status.ExitStatus() != 3 {
		t.Errorf("the status to wait for is %#x, want exit status 3", status)
	}
}

// TestRunningAtOnce has somebody ask for the state as soon as start returned.
func TestRunningAtOnce(t *testing.T) {
	b := newTestbed(t, "exec sleep 1000")
	for range 10 {
		c := b.create("c")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		b.wantStatus(c, Running)
		c.Close()
		b.delete("c")
	}
	b.quiet()
}

func TestDeleteCreated(t *testing.T) {
	b := newTestbed(t, "echo never")
	out, stdout := b.stdout()
	c := b.create("c", stdout)
	status := make(chan unix.WaitStatus, 1)
	go func() { status <- reap(t, c.Pid()) }()
	if err := Delete(b.root, "c", false, b.warn); err != nil {
		t.Fatal(err)
	}
	if s := <-status; s.Signal() != unix.SIGKILL {
		t.Errorf("the init ended with %#x", s)
	}
	if err := out.r.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if n, err := out.r.Read(make([]byte, 8)); n > 0 {
		t.Errorf("the program has run: %v", err)
	}
	b.quiet()
}

func TestCreateExisting(t *testing.T) {
	b := newTestbed(t, "exec sleep 1000")
	c := b.create("c")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	_, err := Create(context.Background(), b.options("c"))
	if !errors.Is(err, ErrExist) {
		t.Errorf("got %v", err)
	}
	// Engines look for this text.
	wantError(t, err, "container with given ID already exists")
	b.wantStatus(c, Running)
	// Another id with the same cgroup is refused, and the first keeps its own.
	_, err = Create(context.Background(), b.options("d"))
	wantError(t, err, "linux.cgroupsPath")
	b.wantStatus(c, Running)
	if len(b.cgroups()) == 0 {
		t.Error("the cgroup of the first container is gone")
	}
	if ids, err := List(b.root); !reflect.DeepEqual(ids, []string{"c"}) || err != nil {
		t.Errorf("List: %q, %v", ids, err)
	}
}

// TestIDs uses names that mean something to command lines and file systems.
func TestIDs(t *testing.T) {
	b := newTestbed(t, "true")
	for _, id := range []string{"h", "help", "-h", "--root", "...", "a.b+c_d-e", "JOURNAL.json", strings.Repeat("x", 255)} {
		c, err := Create(context.Background(), b.options(id))
		if err != nil {
			t.Errorf("%q: %v", id, err)
			continue
		}
		if c.ID() != id {
			t.Errorf("%q is called %q", id, c.ID())
		}
		b.wantStatus(c, Created)
		c.Close()
		b.delete(id)
	}
	for _, id := range []string{"", ".", "..", "/", "a/b", "../c", "a b", "ü", "a\x00b", "a\nb", strings.Repeat("x", 1025)} {
		for name, err := range map[string]error{
			"Create": second(Create(context.Background(), b.options(id))),
			"Load":   second(Load(b.root, id)),
			"Delete": Delete(b.root, id, true, b.warn),
		} {
			if err == nil || !strings.Contains(err.Error(), "check the container id") {
				t.Errorf("%s of %q: %v", name, id, err)
			}
		}
	}
	b.quiet()
}

// second returns the second of two values.
func second[T any](_ T, err error) error { return err }

// TestRelative has root and bundle be relative to the working folder.
func TestRelative(t *testing.T) {
	b := newTestbed(t, "true")
	t.Chdir(filepath.Dir(b.root))
	o := b.options("c")
	o.Root = "./root"
	bundle, err := filepath.Rel(filepath.Dir(b.root), b.bundle)
	if err != nil {
		t.Fatal(err)
	}
	o.Bundle = bundle
	c, err := Create(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	t.Chdir("/")
	b.wantStatus(c, Created)
	if info, err := c.Info(); err != nil || info.Bundle != b.bundle {
		t.Errorf("the bundle is %s, %v", info.Bundle, err)
	}
	b.delete("c")
}

func TestPause(t *testing.T) {
	b := newTestbed(t, obedient)
	out, stdout := b.stdout()
	c := b.create("c", stdout)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	out.line()
	wantError(t, c.Resume(), "resume container c: container not paused: it is running")
	if err := c.Pause(); err != nil {
		t.Fatal(err)
	}
	b.wantStatus(c, Paused)
	wantError(t, c.Pause(), "pause container c: container not running: it is paused")
	wantError(t, c.Start(), "cannot start an already paused container")
	// It comes when the container goes on.
	if err := c.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	b.wantStatus(c, Paused)
	if err := c.Resume(); err != nil {
		t.Fatal(err)
	}
	if status := reap(t, c.Pid()); status.ExitStatus() != 7 {
		t.Errorf("the program ended with %#x, want exit status 7", status)
	}
	b.wantStatus(c, Stopped)
	b.quiet()
}

// TestKillPaused is about signal 9, which a frozen process of cgroup v1 does
// not die of.
func TestKillPaused(t *testing.T) {
	for _, private := range []bool{true, false} {
		b := newTestbed(t, "sleep 1000 & exec sleep 1000", func(s *specs.Spec) {
			if !private {
				s.Linux.Namespaces = without(s.Linux.Namespaces, specs.PIDNamespace)
			}
		})
		c := b.create("c")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if err := c.Pause(); err != nil {
			t.Fatal(err)
		}
		if err := c.Signal(unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if status := reap(t, c.Pid()); status.Signal() != unix.SIGKILL {
			t.Errorf("the program ended with %#x", status)
		}
		b.wantStatus(c, Stopped)
		b.delete("c")
		b.quiet()
		b.nothingLeft()
	}
}

// without returns list without the namespace of type kind.
func without(list []specs.LinuxNamespace, kind specs.LinuxNamespaceType) []specs.LinuxNamespace {
	var kept []specs.LinuxNamespace
	for _, ns := range list {
		if ns.Type != kind {
			kept = append(kept, ns)
		}
	}
	return kept
}

// TestStartFrozen starts a container that was paused before it ran: there is
// nobody who could go through the gate, so start must not wait for it.
func TestStartFrozen(t *testing.T) {
	b := newTestbed(t, "exec sleep 1000")
	c := b.create("c")
	if err := c.Pause(); err != nil {
		t.Fatal(err)
	}
	b.wantStatus(c, Paused)
	wantError(t, within(t, "Start", c.Start), "cannot start an already paused container")
	if err := c.Resume(); err != nil {
		t.Fatal(err)
	}
	b.wantStatus(c, Created)
	if err := c.Start(); err != nil {
		t.Error(err)
	}
	b.wantStatus(c, Running)
}

// TestCreateFails looks at what is left of creations that fail, each at
// another place.
func TestCreateFails(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*specs.Spec)
		opts   func(*Options)
		want   []string
	}{
		"bundle":   {opts: func(o *Options) { o.Bundle = "/nonexistent" }, want: []string{"open the bundle /nonexistent"}},
		"validate": {change: func(s *specs.Spec) { s.Process.Cwd = "x" }, want: []string{"process.cwd"}},
		"terminal": {change: func(s *specs.Spec) { s.Process.Terminal = true }, want: []string{"process.terminal"}},
		"namespace": {change: func(s *specs.Spec) {
			// The first, as how many there are depends on the host.
			s.Linux.Namespaces = append([]specs.LinuxNamespace{{Type: specs.NetworkNamespace, Path: "/dev/null"}}, without(s.Linux.Namespaces, specs.NetworkNamespace)...)
		}, want: []string{"linux.namespaces[0].path", "not a namespace"}},
		"inside": {change: func(s *specs.Spec) { s.Process.Args = []string{"/nonexistent"} }, want: []string{"process.args[0]"}},
		"createRuntime": {change: func(s *specs.Spec) {
			s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: busybox, Args: []string{"sh", "-c", "echo reason >&2; exit 3"}}}}
		}, want: []string{"hooks.createRuntime[0]", "reason"}},
		"createContainer": {change: func(s *specs.Spec) {
			s.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{{Path: "/nonexistent"}}}
		}, want: []string{"hooks.createContainer[0]"}},
		"pid file":     {opts: func(o *Options) { o.PidFile = "/nonexistent/pid" }, want: []string{"write the pid file (--pid-file)", "no such file"}},
		"pidfd socket": {opts: func(o *Options) { o.PidfdSocket = "/nonexistent/socket" }, want: []string{"--pidfd-socket", "no such file"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newTestbed(t, "true")
			if tt.change != nil {
				b.configure("true", tt.change)
			}
			o := b.options("c")
			if tt.opts != nil {
				tt.opts(&o)
			}
			before := descriptors(t)
			_, err := Create(context.Background(), o)
			wantError(t, err, tt.want...)
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("the error has more than one line: %q", err)
			}
			if after := descriptors(t); after != before {
				t.Errorf("%d descriptors before, %d after", before, after)
			}
			b.quiet()
		})
	}
}

// TestPidFile is about the file that engines wait for.
func TestPidFile(t *testing.T) {
	b := newTestbed(t, "true")
	path := filepath.Join(t.TempDir(), "pid")
	c := b.create("c", func(o *Options) { o.PidFile = path })
	data, err := os.ReadFile(path)
	if want := strconv.Itoa(c.Pid()); string(data) != want || err != nil {
		t.Errorf("it holds %q, %v, want %s", data, err, want)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); len(files) != 1 || err != nil {
		t.Errorf("beside it: %v, %v", files, err)
	}
}

// TestStartFails is about a program that is there at create and not at start.
func TestStartFails(t *testing.T) {
	b := newTestbed(t, "true", func(s *specs.Spec) {
		s.Process.Args = []string{"/bin/gone"}
		s.Root.Readonly = false
	})
	gone := filepath.Join(rootfsDir, "bin/gone")
	if err := os.Link(filepath.Join(rootfsDir, "bin/busybox"), gone); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(gone)
	c := b.create("c")
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	err := c.Start()
	wantError(t, err, "/bin/gone", "process.args[0]")
	if !errors.Is(err, unix.ENOENT) {
		t.Errorf("%v does not wrap ENOENT", err)
	}
	reap(t, c.Pid())
	b.wantStatus(c, Stopped)
}

// TestHookOutlives has a hook in the container leave a process behind: it must
// not have inherited the gate, by which a created container is told from a
// running one.
func TestHookOutlives(t *testing.T) {
	b := newTestbed(t, "exec sleep 1000", func(s *specs.Spec) {
		s.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{{Path: busybox, Args: []string{"sh", "-c", "busybox sleep 1000 </dev/null >/dev/null 2>&1 &"}, Env: []string{"PATH=/bin"}}}}
	})
	c := b.create("c")
	b.wantStatus(c, Created)
	must(t, c.Start())
	b.wantStatus(c, Running)
}
