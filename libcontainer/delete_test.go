package libcontainer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestDeleteMissing(t *testing.T) {
	root := t.TempDir()
	for _, r := range []string{root, filepath.Join(root, "none")} {
		if err := Delete(r, "c", true, nil); err != nil {
			t.Errorf("with force: %v", err)
		}
		err := Delete(r, "c", false, nil)
		if !errors.Is(err, ErrNotExist) {
			t.Errorf("without force: %v", err)
		}
		// containerd looks for this text.
		wantError(t, err, "container does not exist")
	}
}

// TestDeleteRunning deletes containers that do not want to go.
func TestDeleteRunning(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){
		"pid namespace":        func(*specs.Spec) {},
		"host's pid namespace": func(s *specs.Spec) { s.Linux.Namespaces = without(s.Linux.Namespaces, specs.PIDNamespace) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newTestbed(t, `trap "" TERM HUP INT; (sleep 1000 & sleep 1000 & echo up; wait) & wait`, change)
			out, stdout := b.stdout()
			c := b.create("c", stdout)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			out.line()
			b.delete("c")
			b.quiet()
			b.nothingLeft()
		})
	}
}

// TestDeletePaused is about processes that cannot die before they are thawed.
func TestDeletePaused(t *testing.T) {
	b := newTestbed(t, "sleep 1000 & exec sleep 1000")
	for _, start := range []bool{false, true} {
		c := b.create("c")
		if start {
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Pause(); err != nil {
			t.Fatal(err)
		}
		wantError(t, Delete(b.root, "c", false, b.warn), "cannot delete container c that is not stopped: paused")
		c.Close()
		b.delete("c")
		b.quiet()
		b.nothingLeft()
	}
}

// TestDeleteOrphans is about processes that outlive the init where the
// container has no pid namespace of its own.
func TestDeleteOrphans(t *testing.T) {
	b := newTestbed(t, "sleep 1000 & echo up", func(s *specs.Spec) {
		s.Linux.Namespaces = without(s.Linux.Namespaces, specs.PIDNamespace)
	})
	out, stdout := b.stdout()
	c := b.create("c", stdout)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	out.line()
	reap(t, c.Pid())
	b.wantStatus(c, Stopped)
	if err := within(t, "Delete", func() error { return Delete(b.root, "c", false, b.warn) }); err != nil {
		t.Fatal(err)
	}
	b.quiet()
	b.nothingLeft()
}

// TestDeleteBroken has the state file of a running container be damaged in
// several ways. Without force that is an error which says what to do; with
// force the journal tells what there is to clear.
func TestDeleteBroken(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, path string){
		"cut short":     func(t *testing.T, path string) { must(t, os.Truncate(path, 100)) },
		"empty":         func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) },
		"garbage":       func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte("\x00\xff{{"), 0o600)) },
		"of another id": func(t *testing.T, path string) { replace(t, path, `"id":"c"`, `"id":"d"`) },
		"of no version": func(t *testing.T, path string) { replace(t, path, `"rungStateVersion":1`, `"rungStateVersion":0`) },
		"a fifo":        func(t *testing.T, path string) { must(t, os.Remove(path)); must(t, unix.Mkfifo(path, 0o600)) },
		"a link":        func(t *testing.T, path string) { must(t, os.Remove(path)); must(t, os.Symlink("/etc/passwd", path)) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newTestbed(t, "sleep 1000 & exec sleep 1000")
			c := b.create("c")
			must(t, c.Start())
			c.Close()
			damage(t, filepath.Join(b.root, "c", "state.json"))
			err := within(t, "Load", func() error { return second(Load(b.root, "c")) })
			if err == nil {
				t.Fatal("it was loaded")
			}
			if err := within(t, "Delete", func() error { return Delete(b.root, "c", false, b.warn) }); err == nil {
				t.Error("it was deleted without force")
			}
			b.quiet()
			b.delete("c")
			if len(b.warned) != 1 || !strings.Contains(b.warned[0], "deleting by what can be read") {
				t.Errorf("the warnings are %q", b.warned)
			}
			b.nothingLeft()
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func replace(t *testing.T, path, before, after string) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	if !strings.Contains(string(data), before) {
		t.Fatalf("%s does not hold %s: %s", path, before, data)
	}
	must(t, os.WriteFile(path, []byte(strings.Replace(string(data), before, after, 1)), 0o600))
}

// TestDeleteRests clears folders that a create or delete left when it was
// killed, or that nobody can read.
func TestDeleteRests(t *testing.T) {
	for name, tt := range map[string]struct {
		files  map[string]string
		warned string
	}{
		"empty folder":         {},
		"gate alone":           {files: map[string]string{"gate": ""}},
		"notify alone":         {files: map[string]string{"notify/notify.sock": ""}},
		"half a journal":       {files: map[string]string{"journal.json.new": `{"rung`}},
		"broken journal":       {files: map[string]string{"journal.json": `{"rung`}, warned: "if the container had a cgroup, it may be left"},
		"broken state":         {files: map[string]string{"state.json": `{"rung`}, warned: "if the container had a cgroup, it may be left"},
		"both of them broken":  {files: map[string]string{"state.json": "{", "journal.json": "{"}, warned: "if the container had a cgroup, it may be left"},
		"every file, all bad":  {files: map[string]string{"state.json": "x", "journal.json": "x", "gate": "x", "state.json.new": "x"}, warned: "may be left"},
		"journal of no cgroup": {files: map[string]string{"journal.json": `{"rungStateVersion":1,"id":"c","cgroup":{"driver":"cgroupfs","version":"v2"}}`}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newTestbed(t, "true")
			must(t, os.MkdirAll(filepath.Join(b.root, "c"), 0o700))
			for file, content := range tt.files {
				path := filepath.Join(b.root, "c", file)
				must(t, os.MkdirAll(filepath.Dir(path), 0o755))
				must(t, os.WriteFile(path, []byte(content), 0o600))
			}
			b.delete("c")
			switch {
			case tt.warned == "":
				b.quiet()
			case len(b.warned) != 1 || !strings.Contains(b.warned[0], tt.warned):
				t.Errorf("the warnings are %q, want %q", b.warned, tt.warned)
			}
		})
	}
}

// TestDeleteUnreadable has the records of a running container be such that they cannot
// be read now. Nothing is deleted before they can.
func TestDeleteUnreadable(t *testing.T) {
	b := newTestbed(t, "exec sleep 1000")
	c := b.create("c")
	must(t, c.Start())
	for _, name := range []string{"state.json", "journal.json"} {
		path := filepath.Join(b.root, "c", name)
		must(t, os.Chmod(path, 0o666)) // as is EIO, it is no word about what is in it
		defer func() { must(t, os.Chmod(path, 0o600)) }()
		err := within(t, "delete --force", func() error { return Delete(b.root, "c", true, b.warn) })
		wantError(t, err, "read the state folder", "state.json is not to be trusted: others may write to it")
	}
	b.quiet()
	b.wantAlive(c)
}

// wantAlive checks that the init process has not ended.
func (b *testbed) wantAlive(c *Container) {
	b.t.Helper()
	if err := c.running(); err != nil {
		b.t.Error(err)
	}
}

// TestDeleteLargest is about a container of a config.json as large as may be: its records
// can be read.
func TestDeleteLargest(t *testing.T) {
	b := newTestbed(t, "exec sleep 1000")
	path := filepath.Join(b.bundle, "config.json")
	info, err := os.Stat(path)
	must(t, err)
	pad := strings.Repeat("x", 16<<20-int(info.Size())-100)
	b.configure("exec sleep 1000", func(s *specs.Spec) { s.Annotations = map[string]string{"pad": pad} })
	c := b.create("c")
	must(t, c.Start())
	b.wantStatus(c, Running)
	b.delete("c")
	b.quiet()
	if err := c.running(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after delete --force: %v", err)
	}
}

// TestDeleteHostile has records name cgroups that are not a container's:
// nothing there may be killed or removed.
func TestDeleteHostile(t *testing.T) {
	b := newTestbed(t, "true")
	for _, folder := range []string{
		`{"controllers":"memory","mount":"/sys/fs/cgroup/memory","path":"/"}`,
		`{"controllers":"memory","mount":"/sys/fs/cgroup/memory","path":"/a/.."}`,
		`{"controllers":"memory","mount":"relative","path":"/a"}`,
	} {
		must(t, os.MkdirAll(filepath.Join(b.root, "c"), 0o700))
		path := filepath.Join(b.root, "c", "state.json")
		must(t, os.WriteFile(path, []byte(`{"rungStateVersion":1,"id":"c","cgroup":{"driver":"cgroupfs","version":"v1","folders":[`+folder+`]}}`), 0o600))
		wantError(t, Delete(b.root, "c", true, b.warn), "unacceptable folder")
	}
	must(t, os.RemoveAll(filepath.Join(b.root, "c")))
}

// TestDeleteStuckStart deletes a container while a start waits for its init,
// which somebody has stopped.
func TestDeleteStuckStart(t *testing.T) {
	b := newTestbed(t, "exec sleep 1000")
	c := b.create("c")
	must(t, unix.Kill(c.Pid(), unix.SIGSTOP))
	var info unix.Siginfo
	must(t, unix.Waitid(unix.P_PID, c.Pid(), &info, unix.WSTOPPED, nil))
	started := make(chan error, 1)
	go func() { started <- c.Start() }()
	// It holds the lock while it waits.
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Microsecond) {
		other, err := openDir(b.root, "c")
		must(t, err)
		err = other.TryLock()
		other.Close()
		if err != nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("start does not take the lock")
		}
	}
	b.delete("c")
	if err := within(t, "Start", func() error { return <-started }); err == nil {
		t.Error("Start succeeded")
	}
	b.quiet()
}

// soonGivenUp has Delete wait for less than a second, until the test ends.
func soonGivenUp(t *testing.T) {
	before := killTimeout
	killTimeout = 500 * time.Millisecond
	t.Cleanup(func() { killTimeout = before })
}

// TestStuckHolder deletes a container that somebody holds who does not let go, and has
// other commands wait for that.
func TestStuckHolder(t *testing.T) {
	b := newTestbed(t, "exec sleep 1000")
	c := b.create("c")
	soonGivenUp(t)
	holder, err := openDir(b.root, "c")
	must(t, err)
	defer holder.Close()
	must(t, holder.TryLock())
	for name, do := range map[string]func() error{
		"Delete":     func() error { return Delete(b.root, "c", false, b.warn) },
		"force":      func() error { return Delete(b.root, "c", true, b.warn) },
		"Start":      c.Start,
		"Update":     func() error { return c.Update(&specs.LinuxResources{}) },
		"Checkpoint": func() error { return c.Checkpoint(CheckpointOptions{CRIUOptions: CRIUOptions{ImagePath: t.TempDir()}}) },
	} {
		err := within(t, name, do)
		wantError(t, err, "lock "+c.dir.Path(), "another rung command is at work on the container, and was for 500ms",
			"it is process "+strconv.Itoa(os.Getpid())+" (")
	}
	holder.Unlock()
	b.delete("c")
	b.quiet()
}

// TestDeleteFrozenAbove deletes a container while a cgroup above its own is frozen.
func TestDeleteFrozenAbove(t *testing.T) {
	const freezer = "/sys/fs/cgroup/freezer"
	if _, err := os.Stat(freezer); err != nil {
		t.Skip("needs the freezer of cgroup v1, which keeps processes from dying: ", err)
	}
	b := newTestbed(t, "exec sleep 1000")
	b.configure("exec sleep 1000", func(s *specs.Spec) { s.Linux.CgroupsPath = b.cgroup + "/between/c" })
	t.Cleanup(func() {
		for _, dir := range b.cgroups() {
			_ = os.Remove(filepath.Join(dir, "between"))
			must(t, os.Remove(dir))
		}
	})
	b.create("c")
	soonGivenUp(t)
	above := freezer + b.cgroup
	must(t, os.WriteFile(above+"/freezer.state", []byte("FROZEN"), 0))
	thaw := func() { must(t, os.WriteFile(above+"/freezer.state", []byte("THAWED"), 0)) }
	t.Cleanup(thaw)
	err := within(t, "Delete", func() error { return Delete(b.root, "c", true, b.warn) })
	wantError(t, err, "wait for the end of the killed init process: it is still there after 500ms: a cgroup above the container's is frozen",
		"echo THAWED >"+above+"/freezer.state")
	thaw()
	b.delete("c")
	b.quiet()
}

// TestDeleteUnreaped deletes a container while a process of it is not waited for by its
// parent outside, which is this one.
func TestDeleteUnreaped(t *testing.T) {
	b := newTestbed(t, "exec sleep 1000")
	c := b.create("c")
	must(t, c.Start())
	p, err := c.Process()
	must(t, err)
	p.Args = []string{"true"}
	pidFile := filepath.Join(t.TempDir(), "pid")
	_, err = c.Exec(context.Background(), ExecOptions{Process: p, Detach: true, PidFile: pidFile})
	must(t, err)
	text, err := os.ReadFile(pidFile)
	must(t, err)
	pid, err := strconv.Atoi(string(text))
	must(t, err)
	soonGivenUp(t)
	err = within(t, "Delete", func() error { return Delete(b.root, "c", true, b.warn) })
	wantError(t, err, "it is still there after 500ms: it waits for process "+string(text)+" of the container",
		"which has ended, to be reaped by its parent outside, process "+strconv.Itoa(os.Getpid())+" (")
	reap(t, pid)
	b.delete("c")
	b.quiet()
}

// TestDeleteBesideHook deletes a container while a poststart hook does not
// come to an end.
func TestDeleteBesideHook(t *testing.T) {
	b := newTestbed(t, "exec sleep 1000")
	pipe := filepath.Join(t.TempDir(), "pipe")
	must(t, unix.Mkfifo(pipe, 0o600))
	b.configure("exec sleep 1000", func(s *specs.Spec) {
		s.Hooks = &specs.Hooks{Poststart: []specs.Hook{{Path: busybox, Args: []string{"sh", "-c", "read x <" + pipe}}}}
	})
	c := b.create("c")
	started := make(chan error, 1)
	go func() { started <- c.Start() }()
	var f *os.File
	must(t, within(t, "the hook", func() (err error) {
		f, err = os.OpenFile(pipe, os.O_WRONLY, 0) // when the hook reads
		return err
	}))
	defer f.Close()
	b.wantStatus(c, Running)
	b.delete("c")
	_, err := f.WriteString("end\n")
	must(t, err)
	must(t, within(t, "Start", func() error { return <-started }))
	b.quiet()
}
