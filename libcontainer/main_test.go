package libcontainer

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/libcontainer/specgen"
)

// patience is how long a test waits for what takes milliseconds.
const patience = 20 * time.Second

// helpers are what a re-executed test binary does in place of the tests.
var helpers = map[string]func([]string) error{
	"creator":  helperCreator,
	"embedder": helperEmbedder,
	"run":      helperRun,
}

// helperEnv names one of helpers, and its arguments, as JSON.
const helperEnv = "RUNG_LIBCONTAINER_TEST_HELPER"

// helper returns a process to be that does what args say; see helpers.
func helper(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(args)
	must(t, err)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), helperEnv+"="+string(text))
	return cmd
}

func TestMain(m *testing.M) {
	if text := os.Getenv(helperEnv); text != "" {
		var args []string
		err := json.Unmarshal([]byte(text), &args)
		if err == nil {
			err = helpers[args[0]](args[1:])
		}
		if err != nil {
			os.Stdout.WriteString("failed: " + err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	// What is left of a container by mistake becomes a child of this process,
	// where nothingLeft finds it.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	if reason := cannotRun(); reason != "" {
		// An example cannot skip itself.
		os.Stdout.WriteString("Example is skipped: it " + reason + "\n")
		flag.Parse()
		skip := flag.Lookup("test.skip").Value
		if err := skip.Set(strings.TrimPrefix(skip.String()+"|^Example$", "|")); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	os.RemoveAll(rootfsDir)
	os.Exit(code)
}

const busybox = "/bin/busybox"

// cannotRun returns what keeps this machine from running containers, or "".
func cannotRun() string {
	if os.Geteuid() != 0 {
		return "needs root"
	}
	if _, err := os.Stat(busybox); err != nil {
		return "needs a static busybox (Debian: busybox-static): " + err.Error()
	}
	return ""
}

// rootfsDir is the root filesystem of all test containers.
var rootfsDir string

var makeRootfs = sync.OnceValue(func() error {
	dir, err := os.MkdirTemp("", "rung-test-rootfs-")
	if err != nil {
		return err
	}
	rootfsDir = dir
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		return err
	}
	data, err := os.ReadFile(busybox)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/busybox"), data, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"sh", "sleep", "cat", "true"} {
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", name)); err != nil {
			return err
		}
	}
	return nil
})

// testbed is a root folder for containers and a bundle for them.
type testbed struct {
	t      *testing.T
	root   string
	bundle string
	cgroup string // linux.cgroupsPath
	warned []string
}

var testbeds atomic.Int32

// newTestbed makes a bundle that runs a shell script. When the test ends, it
// checks that no container has left anything.
func newTestbed(t *testing.T, script string, change ...func(*specs.Spec)) *testbed {
	t.Helper()
	if reason := cannotRun(); reason != "" {
		t.Skip(reason)
	}
	if err := makeRootfs(); err != nil {
		t.Fatal(err)
	}
	b := &testbed{
		t: t, root: filepath.Join(t.TempDir(), "root"), bundle: t.TempDir(),
		cgroup: fmt.Sprintf("/rung-unit-%d-%d", os.Getpid(), testbeds.Add(1)),
	}
	b.configure(script, change...)
	t.Cleanup(b.nothingLeft)
	return b
}

// configure writes config.json.
func (b *testbed) configure(script string, change ...func(*specs.Spec)) {
	b.t.Helper()
	spec := specgen.Example()
	spec.Process.Terminal = false
	spec.Process.Args = []string{"sh", "-c", script}
	spec.Root.Path = rootfsDir
	spec.Linux.CgroupsPath = b.cgroup
	for _, f := range change {
		f(spec)
	}
	data, err := json.Marshal(spec)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.bundle, "config.json"), data, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// options are those of a container of the bundle.
func (b *testbed) options(id string) Options {
	return Options{Root: b.root, ID: id, Bundle: b.bundle, Detach: true, Warn: b.warn}
}

func (b *testbed) warn(text string) { b.warned = append(b.warned, text) }

// create makes a container that the end of the test deletes.
func (b *testbed) create(id string, change ...func(*Options)) *Container {
	b.t.Helper()
	o := b.options(id)
	for _, f := range change {
		f(&o)
	}
	c, err := Create(context.Background(), o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		c.Close()
		if err := Delete(b.root, id, true, func(string) {}); err != nil {
			b.t.Error(err)
		}
	})
	return c
}

// delete deletes a container, with force.
func (b *testbed) delete(id string) {
	b.t.Helper()
	err := within(b.t, "delete --force", func() error { return Delete(b.root, id, true, b.warn) })
	if err != nil {
		b.t.Error(err)
	}
}

// quiet fails the test if there was a warning.
func (b *testbed) quiet() {
	b.t.Helper()
	if len(b.warned) > 0 {
		b.t.Errorf("warnings: %q", b.warned)
	}
	b.warned = nil
}

// nothingLeft checks that there is no child, cgroup, mount or state folder.
// Children of this process that have ended are reaped.
func (b *testbed) nothingLeft() {
	b.t.Helper()
	err := within(b.t, "the end of all processes", func() error {
		for {
			_, err := unix.Wait4(-1, nil, 0, nil)
			switch {
			case errors.Is(err, unix.ECHILD):
				return nil
			case err != nil && !errors.Is(err, unix.EINTR):
				return err
			}
		}
	})
	if err != nil {
		b.t.Error(err)
	}
	if left, err := os.ReadDir(b.root); len(left) > 0 || err != nil && !errors.Is(err, os.ErrNotExist) {
		b.t.Errorf("left below --root: %v, %v", left, err)
	}
	if left := b.cgroups(); len(left) > 0 {
		b.t.Errorf("cgroups left: %v", left)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		b.t.Error(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, rootfsDir) || strings.Contains(line, b.bundle) || strings.Contains(line, b.root) {
			b.t.Errorf("a mount is left: %s", line)
		}
	}
}

// cgroups returns the folders that the bundle's cgroup has.
func (b *testbed) cgroups() []string {
	var all []string
	for _, pattern := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} {
		found, err := filepath.Glob(pattern + b.cgroup)
		if err != nil {
			b.t.Error(err)
		}
		all = append(all, found...)
	}
	return all
}

// within returns what f returns, and ends the test if f does not.
func within(t *testing.T, what string, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		stacks := make([]byte, 1<<16)
		t.Fatalf("%s: still waiting after %v\n%s", what, patience, stacks[:runtime.Stack(stacks, true)])
		return nil
	}
}

// reap waits for a container's init, a child of this process, and returns how
// it ended.
func reap(t *testing.T, pid int) unix.WaitStatus {
	t.Helper()
	var status unix.WaitStatus
	err := within(t, "the end of the init", func() error {
		for {
			_, err := unix.Wait4(pid, &status, 0, nil)
			if !errors.Is(err, unix.EINTR) {
				return err
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// wantStatus checks where a container stands, by a handle of its own too.
func (b *testbed) wantStatus(c *Container, want Status) {
	b.t.Helper()
	if got, err := c.Status(); got != want || err != nil {
		b.t.Errorf("the status is %s, %v, want %s", got, err, want)
	}
	other, err := Load(b.root, c.ID())
	if err != nil {
		b.t.Fatal(err)
	}
	defer other.Close()
	if got, err := other.Status(); got != want || err != nil {
		b.t.Errorf("loaded anew, the status is %s, %v, want %s", got, err, want)
	}
}

// wantError checks that an error contains all of the parts.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want %q", parts)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error %q does not say %q", err, part)
		}
	}
}

// output is a pipe for a container's standard output.
type output struct {
	t *testing.T
	r *os.File
}

// stdout gives the container a pipe to write to.
func (b *testbed) stdout() (*output, func(*Options)) {
	b.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { r.Close(); w.Close() })
	return &output{b.t, r}, func(o *Options) { o.Stdout = w }
}

// line reads a line.
func (o *output) line() string {
	o.t.Helper()
	var line []byte
	err := within(o.t, "a line of the container", func() error {
		for c := make([]byte, 1); ; {
			if _, err := io.ReadFull(o.r, c); err != nil {
				return err
			}
			if c[0] == '\n' {
				return nil
			}
			line = append(line, c[0])
		}
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return string(line)
}

// descriptors returns the number of this process's open descriptors.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
