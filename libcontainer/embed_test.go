package libcontainer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// helperEmbedder is a program that does several things with containers, and goes on
// afterwards: then it sends itself a signal that nobody has asked for.
func helperEmbedder(args []string) error {
	keep := slices.Contains(args, "keep")
	before := runtime.NumGoroutine() + 1 // package os/signal keeps one
	o := Options{Root: args[0], ID: "c", Bundle: args[1], Detach: true}
	c, err := Create(context.Background(), o)
	if err != nil {
		return err
	}
	defer c.Close()
	for range 5 {
		_, err := c.Exec(context.Background(), ExecOptions{Process: &specs.Process{Args: []string{"/bin/true"}, Cwd: "/"}, KeepSignals: keep})
		if err != nil {
			return err
		}
	}
	if err := Delete(o.Root, o.ID, true, func(string) {}); err != nil {
		return err
	}
	o.Detach = false
	if status, err := Run(context.Background(), RunOptions{Options: o, KeepSignals: keep}); status != 0 || err != nil {
		return fmt.Errorf("status %d, %w", status, err)
	}
	if !keep {
		if err := wasLeft(before); err != nil {
			return err
		}
	}
	if err := unix.Kill(os.Getpid(), unix.SIGTERM); err != nil {
		return err
	}
	if !keep {
		// Another thread may be the one that gets it.
		<-time.After(patience)
	}
	return nil
}

// wasLeft returns what calls have left in this process, which had that many goroutines
// before. Some last a moment longer than the call.
func wasLeft(before int) error {
	for end := time.Now().Add(patience / 2); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<16)
			return fmt.Errorf("%d goroutines, and %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
	var subreaper int32
	if err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&subreaper)), 0, 0, 0); err != nil {
		return err
	}
	if subreaper != 0 {
		return errors.New("it is a subreaper still")
	}
	return nil
}

// embedder runs helperEmbedder in a process of its own, and returns how that ended.
func (b *testbed) embedder(flags ...string) syscall.WaitStatus {
	b.t.Helper()
	cmd := helper(b.t, append([]string{"embedder", b.root, b.bundle}, flags...)...)
	b.t.Cleanup(func() { _ = Delete(b.root, "c", true, func(string) {}) })
	var said []byte
	err := within(b.t, "the end of the program", func() (err error) {
		said, err = cmd.CombinedOutput()
		return err
	})
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		b.t.Fatal(err)
	}
	if len(said) > 0 {
		b.t.Errorf("it says: %s", said)
	}
	return cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// TestEmbedderGetsSignals has a program be ended by a signal, as any other is, when it
// has used containers.
func TestEmbedderGetsSignals(t *testing.T) {
	b := newTestbed(t, "true")
	if status := b.embedder(); status.Signal() != unix.SIGTERM {
		t.Errorf("it ended with %#x", status)
	}
}

// TestKeepSignals is about a command: what comes when it is about to tell how the
// container's program ended does not keep it from that.
func TestKeepSignals(t *testing.T) {
	b := newTestbed(t, "true")
	if status := b.embedder("keep"); status != 0 {
		t.Errorf("it ended with %#x", status)
	}
}
