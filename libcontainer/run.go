package libcontainer

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/console"
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
}

// Run creates a container and starts it. With Detach it returns then, with
// status 0. Otherwise it serves the terminal, forwards signals, waits for the
// program, deletes the container unless told to keep it, and returns the
// program's exit status, or 128 and the number of the signal that ended it.
//
// When ctx ends, or SIGINT, SIGTERM, SIGHUP or SIGQUIT arrives, before the
// container stands, its creation is undone. Run reaps every child of the
// calling process while it waits.
func Run(ctx context.Context, o RunOptions) (int, error) {
	o.fill()
	f := &foreground{opts: &o}
	f.relay, ctx = newRelay(ctx, o.Warn)
	o.relay = f.relay
	if !o.Detach {
		o.Foreground = true
		o.terminal = f.take
		if !o.NoSubreaper {
			if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
				return -1, errdefs.Doing(err, "become a subreaper (--no-subreaper does without)")
			}
		}
	}
	o.immediate = o.NotifySocket == ""
	c, p, err := create(ctx, o.Options)
	if err != nil {
		return -1, err
	}
	defer c.Close()
	defer p.Close()
	defer f.relay.detach()
	f.container, f.pid, f.pidfd = c, p.Pid, p.PidFD
	f.relay.attach(f.pidfd, f.resizer())
	begin := time.Now()
	if err := f.start(); err != nil {
		f.remove()
		return -1, err
	}
	o.Trace("start", time.Since(begin))
	if o.Detach {
		return 0, nil
	}
	status, err := f.serve()
	o.Trace("program", time.Since(begin))
	begin = time.Now()
	if !o.Keep {
		if derr := c.remove(o.Warn); err == nil {
			err = derr
		}
		o.Trace("delete", time.Since(begin))
	}
	return status, err
}

// foreground is a container whose terminal, signals and end are ours.
type foreground struct {
	opts      *RunOptions
	relay     *relay
	container *Container
	pid       int
	pidfd     *os.File
	master    *os.File
	host      *console.Host
}

// take keeps the terminal's master, which is closed by whoever hands it over.
func (f *foreground) take(master *os.File) error {
	fd, err := unix.FcntlInt(master.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
	}
	f.master = os.NewFile(uintptr(fd), "terminal")
	f.host = console.Current()
	return nil
}

// resizer returns what SIGWINCH is to do, or nil without a terminal.
func (f *foreground) resizer() func() {
	if f.master == nil {
		return nil
	}
	return func() { f.host.Resize(f.master) }
}

// start does what is left to do of start.
func (f *foreground) start() error {
	switch {
	case f.opts.immediate:
		return f.container.poststart()
	case f.opts.Detach:
		return f.container.StartNotify(f.opts.NotifySocket)
	}
	// To the service manager rung stays the main process. It has signals and
	// the terminal to serve while the program gets ready.
	socket, err := notify.Listen(f.container.dir.Path())
	if err != nil {
		return err
	}
	pidfd, err := f.container.Init()
	if err == nil {
		err = f.container.Start()
	}
	if err != nil {
		socket.Close()
		return err
	}
	go func() {
		defer socket.Close()
		defer pidfd.Close()
		if err := socket.Forward(f.opts.NotifySocket, pidfd, os.Getpid()); err != nil {
			f.opts.Warn(err.Error())
		}
	}()
	return nil
}

// remove clears a container that could not be started.
func (f *foreground) remove() {
	_ = unix.PidfdSendSignal(int(f.pidfd.Fd()), unix.SIGKILL, nil, 0)
	f.wait()
	if err := f.container.remove(f.opts.Warn); err != nil {
		f.opts.Warn(err.Error())
	}
}

// serve waits for the program, and passes the terminal on meanwhile.
func (f *foreground) serve() (int, error) {
	if f.master == nil {
		return f.wait(), nil
	}
	defer f.master.Close()
	if err := f.host.Raw(); err != nil {
		return -1, errdefs.Doing(err, "put the terminal into raw mode")
	}
	defer f.host.Reset()
	f.host.Resize(f.master)
	drained := make(chan struct{})
	go func() {
		console.Copy(f.master, os.Stdin, os.Stdout, f.pidfd)
		close(drained)
	}()
	status := f.wait()
	<-drained
	f.relay.detach()
	return status, nil
}

// wait reaps children until the init is among them: as a subreaper, rung is
// the parent of whatever the container leaves behind.
func (f *foreground) wait() int {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return -1
		case pid == f.pid && ws.Signaled():
			// As a shell does.
			return 128 + int(ws.Signal())
		case pid == f.pid:
			return ws.ExitStatus()
		}
	}
}

// StartNotify is Start for a container that was created with a NotifySocket.
// It returns when the program said that it is ready, or ended; the init
// process is the service's main process from then on.
func (c *Container) StartNotify(host string) error {
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
