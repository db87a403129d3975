package libcontainer

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// target is a process that waits for signals.
type target struct {
	t     *testing.T
	pid   int
	pidfd *os.File
}

func startTarget(t *testing.T) *target {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	must(t, cmd.Start())
	fd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	must(t, err)
	g := &target{t: t, pid: cmd.Process.Pid, pidfd: os.NewFile(uintptr(fd), "pidfd")}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		g.pidfd.Close()
	})
	return g
}

// ended tells whether the process has ended, and waits a little for that.
func (g *target) ended(wait time.Duration) bool {
	n, _ := unix.Poll([]unix.PollFd{{Fd: int32(g.pidfd.Fd()), Events: unix.POLLIN}}, int(wait.Milliseconds()))
	return n > 0
}

// wantDeath checks that sig was the end of the process.
func (g *target) wantDeath(sig unix.Signal) {
	g.t.Helper()
	if status := reap(g.t, g.pid); status.Signal() != sig {
		g.t.Errorf("the process ended with %#x, want signal %d", status, sig)
	}
}

// startRelay returns a relay that is out of use when the test ends.
func startRelay(t *testing.T) (*relay, context.Context) {
	r, ctx := newRelay(context.Background(), func(text string) { t.Errorf("warning: %s", text) })
	t.Cleanup(func() { r.close(false) })
	return r, ctx
}

// sendUntil sends a signal to this process, which it does not end, until done.
func sendUntil(t *testing.T, sig unix.Signal, done func() bool) {
	t.Helper()
	guard := make(chan os.Signal, 1)
	signal.Notify(guard, sig)
	defer signal.Stop(guard)
	for end := time.Now().Add(patience); !done(); {
		if time.Now().After(end) {
			t.Fatalf("signal %d is not passed on", sig)
		}
		must(t, unix.Kill(os.Getpid(), sig))
		<-guard
	}
}

// TestSignalCancels has a signal come while the container is made.
func TestSignalCancels(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT} {
		_, ctx := startRelay(t)
		r, ctx2 := startRelay(t)
		r.handle(sig)
		if ctx2.Err() == nil {
			t.Fatalf("signal %d does not end the context", sig)
		}
		if got, want := context.Cause(ctx2).Error(), "interrupted by "+unix.SignalName(sig); got != want {
			t.Errorf("the cause is %q, want %q", got, want)
		}
		if ctx.Err() != nil {
			t.Error("another context ended")
		}
	}
}

// TestSignalEnabled sends a real one.
func TestSignalEnabled(t *testing.T) {
	r, ctx := startRelay(t)
	r.cloned()
	r.armed()
	sendUntil(t, unix.SIGTERM, func() bool {
		select {
		case <-ctx.Done():
			return true
		case <-time.After(time.Millisecond):
			return false
		}
	})
}

// TestSignalLate is about one that came too late to stop the creation: the
// program gets it.
func TestSignalLate(t *testing.T) {
	g := startTarget(t)
	r, _ := startRelay(t)
	r.handle(unix.SIGTERM)
	if g.ended(0) {
		t.Fatal("it ended before attach")
	}
	r.attach(g.pidfd, nil)
	g.wantDeath(unix.SIGTERM)
}

// TestSignalForwarded sends signals of each group to this process.
func TestSignalForwarded(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGUSR1, unix.SIGVTALRM, 37, 64} { // 34 is one that the Go runtime does not let us have
		g := startTarget(t)
		r, ctx := startRelay(t)
		r.attach(g.pidfd, nil)
		sendUntil(t, sig, func() bool { return g.ended(time.Millisecond) })
		g.wantDeath(sig)
		if ctx.Err() != nil {
			t.Errorf("signal %d ended the context", sig)
		}
		// There is nobody any more to tell; that is no warning.
		r.handle(sig)
	}
}

func TestResizeSignal(t *testing.T) {
	g := startTarget(t)
	r, ctx := startRelay(t)
	resized := 0
	// Too early to be of use to anybody.
	r.handle(unix.SIGWINCH)
	r.handle(unix.SIGCONT)
	if ctx.Err() != nil {
		t.Error("a window whose size changes ends the creation:", context.Cause(ctx))
	}
	r.attach(g.pidfd, func() { resized++ })
	if resized != 1 {
		t.Error("attach does not take over the size, which may have changed")
	}
	r.handle(unix.SIGWINCH)
	r.handle(unix.SIGWINCH)
	if resized != 3 {
		t.Errorf("the terminal was resized %d times", resized)
	}
	r.detach()
	r.handle(unix.SIGWINCH)
	r.handle(unix.SIGTERM)
	if resized != 3 || g.ended(0) {
		t.Error("signals are passed on after the end")
	}
}

// TestSignalWaits has signals come while the container is made that do not mean
// "stop": Ctrl-Z, say, is for the program.
func TestSignalWaits(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGTSTP, 40} {
		g := startTarget(t)
		r, ctx := startRelay(t)
		r.handle(sig)
		if ctx.Err() != nil {
			t.Errorf("signal %d ends the creation: %v", sig, context.Cause(ctx))
		}
		if len(r.pending) != 1 || r.pending[0] != sig {
			t.Errorf("signal %d is not kept for the program: %v", sig, r.pending)
		}
		r.attach(g.pidfd, nil)
	}
}

// TestContinueBeforeAttach has a program told to go on before the relay knows it.
func TestContinueBeforeAttach(t *testing.T) {
	g := startTarget(t)
	if err := unix.PidfdSendSignal(int(g.pidfd.Fd()), unix.SIGSTOP, nil, 0); err != nil {
		t.Fatal(err)
	}
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PIDFD, int(g.pidfd.Fd()), &info, unix.WSTOPPED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	r, ctx := startRelay(t)
	r.handle(unix.SIGCONT)
	if ctx.Err() != nil {
		t.Error("SIGCONT ends the creation:", context.Cause(ctx))
	}
	r.attach(g.pidfd, nil)
	if err := unix.Waitid(unix.P_PIDFD, int(g.pidfd.Fd()), &info, unix.WCONTINUED|unix.WNOHANG|unix.WNOWAIT, nil); err != nil || info.Signo == 0 {
		t.Errorf("the program does not go on: %v", err)
	}
}

// TestClosed checks that a relay which is closed takes no signals any more, however
// late it would have enabled them.
func TestClosed(t *testing.T) {
	g := startTarget(t)
	r, ctx := newRelay(context.Background(), func(text string) { t.Errorf("warning: %s", text) })
	r.attach(g.pidfd, nil)
	r.close(false)
	<-r.ended
	if ctx.Err() == nil {
		t.Error("its context has not ended")
	}
	// The sender to a channel that is closed would panic.
	r.cloned()
	r.armed()
	r.enableRare()
	guard := make(chan os.Signal, 1)
	signal.Notify(guard, unix.SIGUSR1)
	defer signal.Stop(guard)
	must(t, unix.Kill(os.Getpid(), unix.SIGUSR1))
	<-guard
	if g.ended(0) {
		t.Error("the signal is passed on")
	}
}

// TestDetached checks that a relay keeps nothing for a program that has ended.
func TestDetached(t *testing.T) {
	r, ctx := startRelay(t)
	r.detach()
	r.handle(unix.SIGTERM)
	if len(r.pending) != 0 || ctx.Err() != nil {
		t.Errorf("%v is kept, and the context: %v", r.pending, ctx.Err())
	}
}

func TestRelayed(t *testing.T) {
	own := map[unix.Signal]bool{
		unix.SIGCHLD: true, unix.SIGURG: true, unix.SIGPIPE: true, unix.SIGSEGV: true, unix.SIGBUS: true, unix.SIGILL: true,
		unix.SIGFPE: true, unix.SIGTRAP: true, unix.SIGSYS: true, unix.SIGPROF: true, unix.SIGKILL: true, unix.SIGSTOP: true,
	}
	for sig := unix.Signal(1); sig <= lastSignal; sig++ {
		if relayed(sig) == own[sig] {
			t.Errorf("signal %d (%s): %v", sig, unix.SignalName(sig), relayed(sig))
		}
	}
}

func TestForwardFails(t *testing.T) {
	closed, err := os.Open(os.DevNull)
	must(t, err)
	defer closed.Close()
	warned := ""
	r := &relay{target: closed, warn: func(text string) { warned = text }}
	r.handle(unix.SIGTERM)
	if !strings.HasPrefix(warned, "forward SIGTERM: ") {
		t.Errorf("the warning is %q", warned)
	}
}

// TestUntilSignal checks that creation ends as that of any other context does.
func TestUntilSignal(t *testing.T) {
	parent, cancel := context.WithCancelCause(context.Background())
	ctx := UntilSignal(parent)
	cancel(errStopped)
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), errStopped) {
		t.Errorf("the cause is %v", context.Cause(ctx))
	}
}
