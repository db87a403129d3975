package ctxfd

import (
	"context"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// readable tells whether f is readable within a time in milliseconds.
func readable(t *testing.T, f *FD, timeout int) bool {
	t.Helper()
	fds := []unix.PollFd{f.Poll()}
	for {
		n, err := unix.Poll(fds, timeout)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return n == 1 && fds[0].Revents == unix.POLLIN
	}
}

func TestFD(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	f, err := New(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if readable(t, f, 0) {
		t.Error("it is readable before the context ends")
	}
	cancel()
	for range 2 {
		if !readable(t, f, 10_000) {
			t.Error("it is not readable after the end of the context")
		}
	}
}

// TestClosed looks for what is written to a descriptor that means another file by
// then.
func TestClosed(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // who writes comes last, if nobody waits for it
	for range 10 {
		ctx, cancel := context.WithCancel(context.Background())
		f, err := New(ctx)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		f.Close()
		other, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			t.Fatal(err)
		}
		runtime.Gosched()
		if n, err := unix.Read(other, make([]byte, 8)); err != unix.EAGAIN {
			t.Errorf("%d bytes in another file, %v", n, err)
		}
		unix.Close(other)
	}
}
