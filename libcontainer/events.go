package libcontainer

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/ctxfd"
	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/cgroup"
	"github.com/rungoci/rung/libcontainer/rdt"
)

// Stats is what a container uses. Its JSON is the data of an event as runc
// prints it.
type Stats struct {
	cgroup.Stats
	// IntelRdt is empty for a container without linux.intelRdt.
	IntelRdt rdt.Stats `json:"intel_rdt"`
	// NetworkInterfaces is nil: networks are made by others, and the
	// runtime knows of none.
	NetworkInterfaces []struct{} `json:"network_interfaces"`
}

// Types of Event.
const (
	// EventStats comes at each interval, with Data.
	EventStats = "stats"
	// EventOOM is that the container ran out of memory.
	EventOOM = "oom"
)

// Event is something that Watch tells. Its JSON is that of runc.
type Event struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Data *Stats `json:"data,omitempty"`
}

// Stats returns what the container uses now. It returns ErrNotRunning for one
// that has stopped.
func (c *Container) Stats() (*Stats, error) {
	if err := c.running(); err != nil {
		return nil, err
	}
	cg, err := cgroup.Load(c.state.Cgroup)
	if err != nil {
		return nil, err
	}
	s, err := cg.Stats()
	if err != nil {
		return nil, err
	}
	shares, err := c.state.Rdt.Stats()
	if err != nil {
		return nil, err
	}
	return &Stats{Stats: *s, IntelRdt: *shares}, nil
}

// Watch calls emit with the container's Stats at each interval, and with an
// event whenever it runs out of memory. It returns nil when the container has
// ended, and an error when emit returns one, or ctx ends, or nothing can be
// watched any more. It returns ErrNotRunning where there is nothing to watch.
func (c *Container) Watch(ctx context.Context, interval time.Duration, emit func(Event) error) error {
	if interval <= 0 {
		return errdefs.Doing(errors.New("the interval must be greater than 0"), "watch container "+c.state.ID)
	}
	var w watch
	defer w.close()
	if err := w.open(ctx, c); err != nil {
		return err
	}
	next := time.Now().Add(interval)
	for {
		ended, oom, err := w.wait(ctx, next)
		if err != nil {
			return err
		}
		if oom {
			if err := emit(Event{Type: EventOOM, ID: c.state.ID}); err != nil {
				return err
			}
		}
		if ended {
			return nil
		}
		if time.Now().Before(next) {
			continue
		}
		stats, err := c.Stats()
		switch {
		case err == nil:
			err = emit(Event{Type: EventStats, ID: c.state.ID, Data: stats})
		case errors.Is(c.running(), ErrNotRunning):
			err = nil // the next wait says so
		}
		if err != nil {
			return err
		}
		next = time.Now().Add(interval)
	}
}

// watch is what Watch waits for; nil is what is not open.
type watch struct {
	init   *os.File // a pidfd
	oom    *cgroup.OOM
	cancel *ctxfd.FD
}

// open opens what there is to wait for, until ctx ends. It returns ErrNotRunning
// where there is nothing.
func (w *watch) open(ctx context.Context, c *Container) (err error) {
	if w.init, err = c.Init(); err != nil {
		return err
	}
	if err := c.running(); err != nil { // a zombie
		return err
	}
	cg, err := cgroup.Load(c.state.Cgroup)
	if err != nil {
		return err
	}
	if w.oom, err = cg.WatchOOM(); err != nil {
		return err
	}
	w.cancel, err = ctxfd.New(ctx)
	return errdefs.Doing(err, "wait for events")
}

// wait waits for the end of the container and for a lack of its memory, at most
// until a point in time. It returns an error if ctx ends.
func (w *watch) wait(ctx context.Context, until time.Time) (ended, oom bool, err error) {
	fds := []unix.PollFd{
		{Fd: int32(w.init.Fd()), Events: unix.POLLIN},
		{Fd: int32(w.oom.Fd()), Events: unix.POLLIN},
		w.cancel.Poll(),
	}
	if err := poll(fds, until); err != nil {
		return false, false, err
	}
	if ctx.Err() != nil {
		return false, false, context.Cause(ctx)
	}
	ended = fds[0].Revents != 0
	// Asked for at the end, too: it may be what ended the container.
	oom = (fds[1].Revents != 0 || ended) && w.oom.Happened()
	return ended, oom, nil
}

// close closes what is open.
func (w *watch) close() {
	if w.init != nil {
		w.init.Close()
	}
	if w.oom != nil {
		w.oom.Close()
	}
	if w.cancel != nil {
		w.cancel.Close()
	}
}

// poll waits for one of fds until a point in time.
func poll(fds []unix.PollFd, until time.Time) error {
	for {
		timeout := unix.NsecToTimespec(max(0, int64(time.Until(until))))
		_, err := unix.Ppoll(fds, &timeout, nil)
		if err != unix.EINTR {
			return errdefs.Doing(err, "wait for events")
		}
	}
}
