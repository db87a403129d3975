package state

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// waitEnv has a re-executed test binary wait for the end of its standard
// input, in place of the tests.
const waitEnv = "RUNG_STATE_TEST_WAIT"

// headless is the value of waitEnv that has it do so without its main thread.
const headless = "headless"

// Only here does a program know to be on its main thread.
func init() {
	if os.Getenv(waitEnv) == headless {
		go waitForInput()
		_, _, errno := unix.Syscall(unix.SYS_EXIT, 0, 0, 0)
		panic(errno)
	}
}

func waitForInput() {
	os.Stdout.WriteString("here\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func TestMain(m *testing.M) {
	if os.Getenv(waitEnv) != "" {
		waitForInput()
	}
	os.Exit(m.Run())
}

// child is a process with the given name that waits until end is called.
type child struct {
	*exec.Cmd
	stdin io.Closer
}

func startChild(t *testing.T, name, how string) *child {
	t.Helper()
	link := filepath.Join(t.TempDir(), name)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(exe, link); err != nil {
		t.Fatal(err)
	}
	c := &child{Cmd: exec.Command(link)}
	c.Env = append(os.Environ(), waitEnv+"="+how)
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.stdin = stdin
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); _ = c.Wait() })
	// The name is that of the program only once it was executed.
	if _, err := io.ReadFull(stdout, make([]byte, len("here\n"))); err != nil {
		t.Fatal(err)
	}
	return c
}

// end ends the process and leaves it a zombie.
func (c *child) end(t *testing.T) {
	t.Helper()
	c.stdin.Close()
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, c.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
	}
}

func TestProcess(t *testing.T) {
	for _, name := range []string{"plain", "a) R 1 (", "x\ny) Z 1", ")"} {
		t.Run(strconv.Quote(name), func(t *testing.T) {
			c := startChild(t, name, "plain")
			p, err := Identify(c.Process.Pid)
			if err != nil {
				t.Fatal(err)
			}
			if p.Pid != c.Process.Pid || p.StartTime == 0 {
				t.Errorf("identified as %+v", p)
			}
			if !alive(t, p) || p.Headless() {
				t.Error("it is alive, with its main thread, and said not to be")
			}
			pidfd, err := p.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer pidfd.Close()

			// The number was given to another process meanwhile.
			reused := Process{p.Pid, p.StartTime - 1}
			if alive(t, reused) {
				t.Error("a process with another start time is taken for the same")
			}
			if f, err := reused.Open(); !errors.Is(err, unix.ESRCH) {
				t.Errorf("Open of a number that was used anew: %v, %v", f, err)
			}

			c.end(t)
			if alive(t, p) {
				t.Error("a zombie is said to be alive")
			}
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
			if alive(t, p) {
				t.Error("a process that is gone is said to be alive")
			}
			if f, err := p.Open(); !errors.Is(err, unix.ESRCH) {
				t.Errorf("Open of a process that is gone: %v, %v", f, err)
			}
			if _, err := Identify(p.Pid); err == nil {
				t.Error("a process that is gone was identified")
			}
		})
	}
}

func TestHeadless(t *testing.T) {
	c := startChild(t, "x", headless)
	p, err := Identify(c.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); !p.Headless(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the main thread does not end, or is not said to have ended")
		}
	}
	if !alive(t, p) {
		t.Error("a process whose main thread alone has ended is said to be dead")
	}
	pidfd, err := p.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer pidfd.Close()
	c.end(t)
	if alive(t, p) || p.Headless() {
		t.Error("a zombie is said to be alive")
	}
}

// alive is Process.Alive where it can be told.
func alive(t *testing.T, p Process) bool {
	t.Helper()
	is, err := p.Alive()
	if err != nil {
		t.Error(err)
	}
	return is
}

// TestNoDescriptors has a process looked at that lives, with no descriptor left for it,
// and with one, which is the pidfd.
func TestNoDescriptors(t *testing.T) {
	p, err := Identify(startChild(t, "x", "plain").Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	free, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(free)
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	limit := func(n uint64) {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: before.Max}); err != nil {
			t.Error(err)
		}
	}
	for left := range 2 {
		limit(uint64(free + left))
		f, oerr := p.Open()
		is, aerr := p.Alive()
		limit(before.Cur)
		if f != nil || !errors.Is(oerr, unix.EMFILE) {
			t.Errorf("Open with %d descriptors left: %v, %v", left, f, oerr)
		}
		if left == 0 && (is || !errors.Is(aerr, unix.EMFILE)) || left == 1 && (!is || aerr != nil) {
			t.Errorf("Alive with %d descriptors left: %v, %v", left, is, aerr)
		}
	}
	// A number that a thread of another process has by now is that of a process that is gone.
	thread := make(chan int)
	done := make(chan bool)
	go func() {
		runtime.LockOSThread()
		thread <- unix.Gettid()
		<-done
		runtime.UnlockOSThread()
	}()
	f, err := Process{Pid: <-thread, StartTime: 1}.Open()
	close(done)
	if !errors.Is(err, unix.ESRCH) {
		t.Errorf("Open of a thread: %v, %v", f, err)
	}
}

func TestNoProcess(t *testing.T) {
	for _, pid := range []int{0, -1, -1 << 31, 1 << 30} {
		p := Process{Pid: pid}
		if alive(t, p) {
			t.Errorf("%d is said to be alive", pid)
		}
		if f, err := p.Open(); !errors.Is(err, unix.ESRCH) {
			t.Errorf("Open of %d: %v, %v", pid, f, err)
		}
	}
}
