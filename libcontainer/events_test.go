package libcontainer

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestWatch(t *testing.T) {
	b := newTestbed(t, obedient)
	out, stdout := b.stdout()
	c := b.create("c", stdout)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	out.line()
	if _, err := c.Stats(); err != nil {
		t.Skipf("this host tells nothing of the container: %v", err)
	}
	wantError(t, c.Watch(context.Background(), 0, nil), "the interval must be greater than 0")

	stop := errors.New("enough")
	seen := 0
	err := c.Watch(context.Background(), time.Millisecond, func(e Event) error {
		if e.Type != EventStats || e.ID != "c" || e.Data.CPU.Usage.Total == 0 {
			t.Errorf("%+v", e)
		}
		if seen++; seen == 3 {
			return stop
		}
		return nil
	})
	if err != stop || seen != 3 {
		t.Errorf("%v after %d events", err, seen)
	}

	ctx, cancel := context.WithCancelCause(context.Background())
	time.AfterFunc(time.Millisecond, func() { cancel(stop) })
	if err := c.Watch(ctx, time.Hour, func(Event) error { return nil }); err != stop {
		t.Errorf("a context that ends: %v", err)
	}

	done := make(chan error, 1)
	go func() { done <- c.Watch(context.Background(), time.Hour, func(Event) error { return nil }) }()
	if err := c.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err != nil && !errors.Is(err, ErrNotRunning) { // it may not have begun
			t.Errorf("the end of the container: %v", err)
		}
	case <-time.After(patience):
		t.Error("Watch goes on after the container's end")
	}
	// The init is a zombie still.
	if err := c.Watch(context.Background(), time.Hour, nil); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a stopped container: %v", err)
	}
	if _, err := c.Stats(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Stats of a stopped container: %v", err)
	}
	reap(t, c.Pid())
}

func TestUpdateAndProcesses(t *testing.T) {
	b := newTestbed(t, obedient)
	out, stdout := b.stdout()
	c := b.create("c", stdout)
	if pids, err := c.Processes(); len(pids) != 1 || pids[0] != c.Pid() || err != nil {
		t.Errorf("processes %v, %v", pids, err)
	}
	limit := int64(50)
	if err := c.Update(&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}}); err != nil {
		t.Skipf("this host cannot limit processes: %v", err)
	}
	if s, err := c.Stats(); err != nil || s.Pids.Limit != 50 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	out.line()
	limit = 1 << 40
	wantError(t, c.Update(&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}}), "linux.resources.pids.limit")
	if err := c.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	reap(t, c.Pid())
	limit = 50
	if err := c.Update(&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}}); !errors.Is(err, ErrNotRunning) {
		t.Errorf("update of a stopped container: %v", err)
	}
}
