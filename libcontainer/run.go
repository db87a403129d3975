package libcontainer

import (
	"context"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/spawn"
	"github.com/rungoci/rung/libcontainer/notify"
)

// RunOptions say how to run a container.
type RunOptions struct {
	Options
	// Keep leaves the stopped container to be looked at.
	Keep bool
	// NoSubreaper leaves processes that the container abandons to the
	// caller's reaper.
	NoSubreaper bool
	// KeepSignals leaves the signals taken when the call returns: they do
	// nothing from then on. It is for commands that end with the container's
	// program, which no signal is to end in between.
	KeepSignals bool
}

// Run creates a container and starts it. With Detach it returns then, with
// status 0. Otherwise it serves the terminal, forwards signals, waits for the
// program, deletes the container unless told to keep it, and returns the
// program's exit status, or 128 and the number of the signal that ended it.
//
// When ctx ends, or SIGINT, SIGTERM, SIGHUP or SIGQUIT arrives, before the
// container stands, its creation is undone. Run reaps every child of the
// calling process while it waits, and has that be a subreaper for as long
// (PR_SET_CHILD_SUBREAPER).
//
// When Run returns, signals have the effect again that they had before, unless
// KeepSignals is set; one that the caller ignored by signal.Ignore has its default
// action then.
func Run(ctx context.Context, o RunOptions) (int, error) {
	o.immediate = o.NotifySocket == ""
	return o.follow(ctx, create, (*run).start)
}

// follow has a container made and started, and stays with it unless it is to be
// detached.
func (o *RunOptions) follow(ctx context.Context, make func(context.Context, Options) (*Container, *spawn.Process, error), start func(*run) error) (int, error) {
	o.fill()
	f := &run{opts: o}
	f.relay, ctx = newRelay(ctx, o.Warn)
	defer f.relay.close(o.KeepSignals)
	defer f.giveBack()
	o.relay = f.relay
	if !o.Detach {
		o.Foreground = true
		o.terminal = f.take
		if !o.NoSubreaper {
			back, err := becomeSubreaper()
			if err != nil {
				return -1, errdefs.Doing(err, "become a subreaper (--no-subreaper does without)")
			}
			defer back()
		}
	}
	c, p, err := make(ctx, o.Options)
	if err != nil {
		return -1, err
	}
	defer c.Close()
	defer p.Close()
	defer f.relay.detach()
	f.container = c
	f.attach(p.Pid, p.PidFD)
	begin := time.Now()
	if err := start(f); err != nil {
		f.remove()
		return -1, err
	}
	o.Trace("start", time.Since(begin))
	if o.Detach {
		return 0, nil
	}
	status := f.serve(-1)
	o.Trace("program", time.Since(begin))
	f.finishForward()
	begin = time.Now()
	if !o.Keep {
		err = c.remove(o.Warn)
		o.Trace("delete", time.Since(begin))
	}
	return status, err
}

// becomeSubreaper has processes that lose their parent become children of this one,
// and returns what ends that, unless it was so before (PR_SET_CHILD_SUBREAPER(2const)).
func becomeSubreaper() (back func(), err error) {
	var before int32
	if err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&before)), 0, 0, 0); err != nil {
		return nil, err
	}
	if before != 0 {
		return func() {}, nil
	}
	back = func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) }
	return back, unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

// run is a container that is made by Run.
type run struct {
	foreground
	opts      *RunOptions
	container *Container
	// forwarded is closed when nothing is to be told to the service manager
	// any more; nil where there is none.
	forwarded chan struct{}
}

// forwardTimeout is how long a service manager may take, when the program has ended,
// to hear that it was ready.
const forwardTimeout = 2 * time.Second

// start does what is left to do of start.
func (r *run) start() error {
	switch {
	case r.opts.immediate:
		return r.container.poststart()
	case r.opts.Detach:
		return r.container.StartNotify(r.opts.NotifySocket)
	}
	// To the service manager rung stays the main process. It has signals and
	// the terminal to serve while the program gets ready.
	socket, err := notify.Listen(r.container.dir.Path())
	if err != nil {
		return err
	}
	pidfd, err := r.container.Init()
	if err == nil {
		err = r.container.Start()
	}
	if err != nil {
		socket.Close()
		return err
	}
	r.forwarded = make(chan struct{})
	go func() {
		defer close(r.forwarded)
		defer socket.Close()
		defer pidfd.Close()
		if err := socket.Forward(r.opts.NotifySocket, pidfd, os.Getpid()); err != nil {
			r.opts.Warn(err.Error())
		}
	}()
	return nil
}

// finishForward has the service manager know what the program said before it ended, and
// before rung ends.
func (r *run) finishForward() {
	if r.forwarded == nil {
		return
	}
	select {
	case <-r.forwarded:
	case <-time.After(forwardTimeout):
	}
}

// remove clears a container that could not be started.
func (r *run) remove() {
	_ = unix.PidfdSendSignal(int(r.pidfd.Fd()), unix.SIGKILL, nil, 0)
	r.wait(-1)
	if err := r.container.remove(r.opts.Warn); err != nil {
		r.opts.Warn(err.Error())
	}
}

// StartNotify is Start for a container that was created with a NotifySocket.
// It returns when the program said that it is ready, or ended; the init
// process is the service's main process from then on.
func (c *Container) StartNotify(host string) error {
	// A program that runs already has its socket, and could have put anything in its place.
	status, err := c.Status()
	if err != nil {
		return err
	}
	if status != Created {
		return c.cannotStart("start container " + c.state.ID)
	}
	socket, err := notify.Listen(c.dir.Path())
	if err != nil {
		return err
	}
	defer socket.Close()
	pidfd, err := c.Init()
	if err != nil {
		return err
	}
	defer pidfd.Close()
	if err := c.Start(); err != nil {
		return err
	}
	return socket.Forward(host, pidfd, c.Pid())
}
