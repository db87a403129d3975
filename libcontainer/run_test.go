package libcontainer

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// runner is another process that calls Run: Run changes what belongs to a
// whole process.
type runner struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
	stdin io.Closer
}

// startRun has a process of its own run a container of the bundle. The flags
// are keep and detach. The container's output, and then the result of Run, are
// what next returns.
func (b *testbed) startRun(flags ...string) *runner {
	b.t.Helper()
	r := &runner{t: b.t, cmd: helper(b.t, append([]string{"run", b.root, "c", b.bundle}, flags...)...)}
	var err error
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.stdin, err = r.cmd.StdinPipe()
	must(b.t, err)
	stdout, err := r.cmd.StdoutPipe()
	must(b.t, err)
	r.cmd.Stderr = r.cmd.Stdout
	r.lines = bufio.NewScanner(stdout)
	must(b.t, r.cmd.Start())
	b.t.Cleanup(func() {
		r.stdin.Close()
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
		_ = Delete(b.root, "c", true, func(string) {})
	})
	r.want("begin")
	return r
}

func helperRun(args []string) error {
	// A signal that comes before it can be passed on would end this process,
	// as it would any other. The tests send another one then.
	signal.Notify(make(chan os.Signal, 1), unix.SIGTERM, unix.SIGUSR1)
	fmt.Println("begin")
	status, err := Run(context.Background(), RunOptions{
		Options: Options{
			Root: args[0], ID: args[1], Bundle: args[2], Detach: slices.Contains(args, "detach"), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
			Warn: func(text string) { fmt.Println("warning:", text) },
		},
		Keep: slices.Contains(args, "keep"),
	})
	if err != nil {
		fmt.Println("error:", err)
		return nil
	}
	fmt.Println("status", status)
	return nil
}

// next returns the next line.
func (r *runner) next() string {
	r.t.Helper()
	err := within(r.t, "a line of rung run", func() error {
		if !r.lines.Scan() {
			return fmt.Errorf("the output ends: %v", r.lines.Err())
		}
		return nil
	})
	must(r.t, err)
	return r.lines.Text()
}

// want checks the next line.
func (r *runner) want(line string) {
	r.t.Helper()
	if got := r.next(); got != line {
		r.t.Errorf("got %q, want %q", got, line)
	}
}

// finish waits for the end of the process.
func (r *runner) finish() {
	r.t.Helper()
	must(r.t, within(r.t, "the end of rung run", r.cmd.Wait))
}

// signalUntil sends a signal again and again until the next line comes, and
// returns that.
func (r *runner) signalUntil(sig unix.Signal) string {
	r.t.Helper()
	line := make(chan string, 1)
	go func() {
		r.lines.Scan()
		line <- r.lines.Text()
	}()
	for end := time.After(patience); ; {
		must(r.t, r.cmd.Process.Signal(sig))
		select {
		case text := <-line:
			return text
		case <-time.After(time.Millisecond):
		case <-end:
			r.t.Fatalf("nothing comes of signal %d", sig)
		}
	}
}

func TestRunStatus(t *testing.T) {
	for script, want := range map[string]string{"true": "status 0", "exit 7": "status 7", "exit 255": "status 255"} {
		b := newTestbed(t, script)
		r := b.startRun()
		r.want(want)
		r.finish()
		b.nothingLeft()
	}
}

func TestRunKilled(t *testing.T) {
	b := newTestbed(t, "echo up; exec sleep 1000")
	r := b.startRun()
	r.want("up")
	c, err := Load(b.root, "c")
	must(t, err)
	defer c.Close()
	must(t, c.Signal(unix.SIGKILL))
	r.want("status 137")
	r.finish()
}

func TestRunSignal(t *testing.T) {
	b := newTestbed(t, obedient)
	r := b.startRun()
	r.want("up")
	if got := r.signalUntil(unix.SIGTERM); got != "status 7" {
		t.Errorf("got %q, want the status of the program's own end", got)
	}
	r.finish()
}

// TestRunSignalHook is about a signal that comes while a startContainer hook
// does not come to an end: the program, which would get it, does not run yet.
func TestRunSignalHook(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	must(t, unix.Mkfifo(pipe, 0o600))
	b := newTestbed(t, "true", func(s *specs.Spec) {
		s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "echo >/mnt/pipe; /bin/sleep 1000"}}}}
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/mnt", Source: dir, Type: "bind", Options: []string{"bind"}})
	})
	r := b.startRun()
	must(t, within(t, "the hook", func() error { return second(os.ReadFile(pipe)) }))
	if got := r.signalUntil(unix.SIGTERM); got != "error: interrupted by SIGTERM" {
		t.Errorf("got %q", got)
	}
	r.finish()
}

func TestRunKeep(t *testing.T) {
	b := newTestbed(t, "exit 7")
	r := b.startRun("keep")
	r.want("status 7")
	r.finish()
	c, err := Load(b.root, "c")
	must(t, err)
	defer c.Close()
	b.wantStatus(c, Stopped)
	must(t, Delete(b.root, "c", false, b.warn))
}

func TestRunDetach(t *testing.T) {
	b := newTestbed(t, "exec sleep 1000")
	r := b.startRun("detach")
	r.want("status 0")
	c, err := Load(b.root, "c")
	must(t, err)
	defer c.Close()
	b.wantStatus(c, Running)
	b.delete("c")
	r.finish()
}

// TestRunOrphans is about processes that the container leaves behind where it
// has no pid namespace of its own.
func TestRunOrphans(t *testing.T) {
	b := newTestbed(t, "sleep 1000 & sleep 1000 & exit 3", func(s *specs.Spec) {
		s.Linux.Namespaces = without(s.Linux.Namespaces, specs.PIDNamespace)
	})
	r := b.startRun()
	r.want("status 3")
	r.finish()
}

// TestRunFails ends in one line and without a rest, wherever it fails.
func TestRunFails(t *testing.T) {
	for name, tt := range map[string]struct {
		hooks specs.Hooks
		args  []string
		want  string
	}{
		"program":        {args: []string{"/nonexistent"}, want: "process.args[0]"},
		"startContainer": {hooks: specs.Hooks{StartContainer: []specs.Hook{{Path: "/nonexistent"}}}, want: "hooks.startContainer[0]"},
		"poststart":      {hooks: specs.Hooks{Poststart: []specs.Hook{{Path: "/nonexistent"}}}, want: "hooks.poststart[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newTestbed(t, "exec sleep 1000", func(s *specs.Spec) {
				s.Hooks = &tt.hooks
				if tt.args != nil {
					s.Process.Args = tt.args
				}
			})
			r := b.startRun()
			if got := r.next(); !strings.HasPrefix(got, "error: ") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want an error about %s", got, tt.want)
			}
			r.finish()
			b.nothingLeft()
		})
	}
}

// TestNotify has the program of a container say that it is ready.
func TestNotify(t *testing.T) {
	// busybox cannot write to a socket of datagrams, so the test does: it is
	// the file that the container sees.
	b := newTestbed(t, `test "$NOTIFY_SOCKET" = /run/notify/notify.sock && test -S /run/notify/notify.sock && echo up; exec sleep 1000`)
	host, received := serviceManager(t)
	out, stdout := b.stdout()
	c := b.create("c", stdout, func(o *Options) { o.NotifySocket = host })
	started := make(chan error, 1)
	go func() { started <- c.StartNotify(host) }()
	if got := out.line(); got != "up" {
		t.Fatalf("the program says %q", got)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.Sendto(fd, []byte("READY=1"), 0, &unix.SockaddrUnix{Name: filepath.Join(b.root, "c/notify/notify.sock")}))
	if got, want := <-received, fmt.Sprintf("READY=1\nMAINPID=%d\n", c.Pid()); got != want {
		t.Errorf("the service manager got %q, want %q", got, want)
	}
	must(t, within(t, "StartNotify", func() error { return <-started }))
	// What the program has made of its socket's folder since then is not looked at.
	socket := filepath.Join(b.root, "c/notify/notify.sock")
	must(t, os.Symlink("/proc/self/exe", socket))
	wantError(t, c.StartNotify(host), "start container c: cannot start an already running container")
	if link, err := os.Readlink(socket); err != nil {
		t.Errorf("a start that was refused has touched the socket: %q, %v", link, err)
	}
}

// serviceManager returns a socket for NOTIFY_SOCKET and what is sent to it.
func serviceManager(t *testing.T) (path string, received <-chan string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "host")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	must(t, unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	c, done := make(chan string, 100), make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			// Descriptors that come with it are closed, as barriers want it.
			n, _, err := unix.Recvfrom(fd, buf, 0)
			if err != nil || n == 0 {
				return
			}
			c <- string(buf[:n])
		}
	}()
	t.Cleanup(func() {
		_ = unix.Shutdown(fd, unix.SHUT_RD)
		<-done
		unix.Close(fd)
	})
	return path, c
}
