package libcontainer

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

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
	// EventOOM is that the kernel ran out of the container's memory.
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
	if !c.state.Init.Alive() {
		return nil, ErrNotRunning
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
	init, err := c.Init()
	if err != nil {
		return err
	}
	defer init.Close()
	if !c.state.Init.Alive() { // a zombie
		return ErrNotRunning
	}
	cg, err := cgroup.Load(c.state.Cgroup)
	if err != nil {
		return err
	}
	oom, err := cg.WatchOOM()
	if err != nil {
		return err
	}
	defer oom.Close()
	cancel, err := eventOn(ctx)
	if err != nil {
		return err
	}
	defer cancel.close()

	next := time.Now().Add(interval)
	for {
		fds := []unix.PollFd{
			{Fd: int32(init.Fd()), Events: unix.POLLIN},
			{Fd: int32(oom.Fd()), Events: unix.POLLIN},
			{Fd: int32(cancel.fd), Events: unix.POLLIN},
		}
		if err := poll(fds, next); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		ended := fds[0].Revents != 0
		// Asked for at the end, too: it may be what ended the container.
		if (fds[1].Revents != 0 || ended) && oom.Happened() {
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
		case !c.state.Init.Alive():
			continue // the next poll says so
		}
		if err != nil {
			return err
		}
		next = time.Now().Add(interval)
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

// canceller is an eventfd that becomes readable when a context ends.
type canceller struct {
	fd   int
	stop func() bool
	// written is closed when fd has been written to.
	written chan struct{}
}

func eventOn(ctx context.Context) (*canceller, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errdefs.Doing(err, "make an eventfd")
	}
	c := &canceller{fd: fd, written: make(chan struct{})}
	c.stop = context.AfterFunc(ctx, func() {
		_, _ = unix.Write(fd, []byte{1, 1, 1, 1, 1, 1, 1, 1})
		close(c.written)
	})
	return c, nil
}

func (c *canceller) close() {
	if !c.stop() {
		<-c.written // before the descriptor comes to mean another file
	}
	_ = unix.Close(c.fd)
}
