package gate

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/handshake"
)

// initEnv names what a re-executed test binary does in place of the tests: it
// waits behind the gate that it inherited, as the init process does. Wait
// blocks the thread without the scheduler's knowledge, which a process that
// has other things to do would not survive.
const initEnv = "RUNG_GATE_TEST_INIT"

func TestMain(m *testing.M) {
	if mode := os.Getenv(initEnv); mode != "" {
		runtime.LockOSThread()
		if err := behindGate(mode); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func behindGate(mode string) error {
	if mode == "program" {
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	}
	unix.CloseOnExec(3)
	listener := os.NewFile(3, "gate")
	if mode == "impatient" {
		patience = unix.Timeval{Sec: 1}
	}
	conn, err := Wait(listener)
	if err != nil {
		return err
	}
	switch mode {
	case "die":
		return nil
	case "fail":
		return conn.SendError(&errdefs.Error{Step: "exec", Doing: "run /bin/x", Field: "process.args[0]", Hint: "there is none", Err: unix.ENOENT})
	}
	// As the init does: who hears of Ready must not find the gate closed.
	if err := listener.Close(); err != nil {
		return err
	}
	if err := conn.Send(handshake.KindReady, nil); err != nil {
		return err
	}
	if mode == "fail late" {
		return conn.SendError(&errdefs.Error{Doing: "run /bin/x", Err: unix.ENOEXEC})
	}
	return unix.Exec("/proc/self/exe", os.Args, append(os.Environ(), initEnv+"=program"))
}

// waiting is an init process behind its gate.
type waiting struct {
	t     *testing.T
	path  string
	cmd   *exec.Cmd
	stdin io.Closer
	once  sync.Once
}

func startWaiting(t *testing.T, mode string) *waiting {
	t.Helper()
	w := &waiting{t: t, path: filepath.Join(t.TempDir(), "gate")}
	listener, err := Listen(w.path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	w.cmd = exec.Command("/proc/self/exe")
	w.cmd.Env = append(os.Environ(), initEnv+"="+mode)
	w.cmd.ExtraFiles = []*os.File{listener}
	w.cmd.Stderr = os.Stderr
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if w.stdin, err = w.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	// Pdeathsig is about the thread.
	runtime.LockOSThread()
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.end)
	return w
}

// end ends the process, whatever it does.
func (w *waiting) end() {
	w.once.Do(func() {
		w.stdin.Close()
		_ = w.cmd.Process.Kill()
		_ = w.cmd.Wait()
		runtime.UnlockOSThread()
	})
}

// open is Open, for at most ten seconds.
func (w *waiting) open() error {
	w.t.Helper()
	done := make(chan error, 1)
	go func() { done <- Open(w.path) }()
	select {
	case err := <-done:
		return err
	case <-time.After(10 * time.Second):
		w.t.Fatal("Open still waits after 10 s")
		return nil
	}
}

// knock connects to the gate, writes text and hangs up.
func (w *waiting) knock(text string) {
	w.t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: w.path}); err != nil {
		w.t.Fatal(err)
	}
	// EPIPE: the other side broke off at the first byte that was wrong.
	if err := unix.Sendto(fd, []byte(text), unix.MSG_NOSIGNAL, nil); err != nil && !errors.Is(err, unix.EPIPE) {
		w.t.Fatal(err)
	}
}

func TestLife(t *testing.T) {
	w := startWaiting(t, "exec")
	for range 3 {
		if !closed(t, w.path) {
			t.Fatal("an init waits and the gate is said to be open")
		}
	}
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	if closed(t, w.path) {
		t.Error("the program runs and the gate is said to be closed")
	}
	if err := w.open(); !errors.Is(err, ErrOpen) {
		t.Errorf("a second Open: %v", err)
	}
	w.end()
	if closed(t, w.path) {
		t.Error("the program ended and the gate is said to be closed")
	}
	if err := w.open(); !errors.Is(err, ErrOpen) {
		t.Errorf("Open after the end: %v", err)
	}
}

func TestDiesWaiting(t *testing.T) {
	w := startWaiting(t, "exec")
	if !closed(t, w.path) {
		t.Error("the gate is said to be open")
	}
	w.end()
	if closed(t, w.path) {
		t.Error("the init died and the gate is said to be closed")
	}
	if err := w.open(); !errors.Is(err, ErrOpen) {
		t.Errorf("Open: %v", err)
	}
}

func TestNoGate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none")
	if closed(t, path) {
		t.Error("a gate that is not there is said to be closed")
	}
	if err := Open(path); !errors.Is(err, ErrOpen) {
		t.Errorf("Open: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if closed(t, path) {
		t.Error("a file is taken for a gate")
	}
	if _, err := Listen(path); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("Listen in its place: %v", err)
	}
}

func TestErrorPassedOn(t *testing.T) {
	for mode, want := range map[string]error{
		"die":       errors.New("the init process died before it ran the program"),
		"fail":      &errdefs.Error{Step: "exec", Doing: "run /bin/x", Field: "process.args[0]", Hint: "there is none", Err: unix.ENOENT},
		"fail late": &errdefs.Error{Doing: "run /bin/x", Err: unix.ENOEXEC},
	} {
		t.Run(mode, func(t *testing.T) {
			w := startWaiting(t, mode)
			err := w.open()
			if err == nil || err.Error() != want.Error() {
				t.Fatalf("got %v, want %v", err, want)
			}
			if cause := errors.Unwrap(want); cause != nil && !errors.Is(err, cause) {
				t.Errorf("%v is not %v", err, cause)
			}
		})
	}
}

// TestOthersKnock has clients come to the gate, and go, that are no start.
func TestOthersKnock(t *testing.T) {
	w := startWaiting(t, "exec")
	for range 20 {
		w.knock("")
	}
	for _, text := range []string{
		"G", "G\x00\x00\x00", // half a Release
		"G\x01\x00\x00\x01",                                              // a Release without its body
		"C\x00\x00\x00\x00", "g\x00\x00\x00\x00", "\x00\x00\x00\x00\x00", // other frames
		"G\xff\xff\xff\xff", strings.Repeat("\xff", 1<<16), "GET / HTTP/1.1\r\n\r\n",
	} {
		w.knock(text)
	}
	if !closed(t, w.path) {
		t.Error("somebody opened the gate")
	}
	if err := w.open(); err != nil {
		t.Error(err)
	}
}

// TestSilent has clients come to the gate that say nothing, or not all, and
// stay.
func TestSilent(t *testing.T) {
	w := startWaiting(t, "impatient")
	for _, text := range []string{"", "G", "G\x01\x00\x00\x00"} {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, &unix.SockaddrUnix{Name: w.path}); err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Write(fd, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.open(); err != nil {
		t.Error(err)
	}
}

// TestManyLook has 200 clients look at once, first at a running init, then at
// one that is stopped: the queue of its socket is full by then, and it waits
// all the same.
func TestManyLook(t *testing.T) {
	w := startWaiting(t, "exec")
	look := func(when string) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		open := 0
		for range 200 {
			wg.Go(func() {
				if !closed(t, w.path) {
					mu.Lock()
					open++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if open > 0 {
			t.Errorf("%s: %d of 200 say that the gate is open", when, open)
		}
	}
	look("running")
	if err := w.cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, w.cmd.Process.Pid, &info, unix.WSTOPPED, nil); err != nil {
		t.Fatal(err)
	}
	look("stopped")
	if err := w.cmd.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := w.open(); err != nil {
		t.Error(err)
	}
}

// TestTwoStarts has two clients open one gate.
func TestTwoStarts(t *testing.T) {
	for range 5 {
		w := startWaiting(t, "exec")
		errs := make(chan error, 2)
		for range 2 {
			go func() { errs <- Open(w.path) }()
		}
		opened := 0
		for range 2 {
			switch err := <-errs; {
			case err == nil:
				opened++
			case errors.Is(err, ErrOpen), strings.Contains(err.Error(), "died before"):
			default:
				t.Error(err)
			}
		}
		if opened != 1 {
			t.Errorf("the gate was opened by %d", opened)
		}
		w.end()
	}
}

// TestDescriptors counts what the outside has open before and after.
func TestDescriptors(t *testing.T) {
	w := startWaiting(t, "fail")
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := count()
	for range 10 {
		closed(t, w.path)
	}
	if err := w.open(); err == nil {
		t.Error("no error")
	}
	for range 10 {
		closed(t, w.path)
		_ = Open(w.path)
	}
	if after := count(); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// closed is Closed, which finds out.
func closed(t *testing.T, path string) bool {
	t.Helper()
	closed, err := Closed(path)
	if err != nil {
		t.Error(err)
	}
	return closed
}

// TestCannotLook has no descriptor left to look with: that is no open gate.
func TestCannotLook(t *testing.T) {
	w := startWaiting(t, "exec")
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	_, err := Closed(w.path)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, unix.EMFILE) {
		t.Errorf("got %v", err)
	}
	w.end()
}
