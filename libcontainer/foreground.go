package libcontainer

import (
	"context"
	"os"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/console"
)

// foreground is a program whose terminal, signals and end are ours.
type foreground struct {
	relay  *relay
	pid    int
	pidfd  *os.File
	master *os.File
	host   *console.Host
}

// take keeps the terminal's master, which is closed by whoever hands it over,
// and prepares both terminals, as the program may look at its own at once.
func (f *foreground) take(_ context.Context, master *os.File) error {
	fd, err := unix.FcntlInt(master.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
	}
	f.master = os.NewFile(uintptr(fd), "terminal")
	f.host = console.Current()
	f.host.Resize(f.master)
	if err := console.LineFeeds(f.master, os.Stdout); err != nil {
		return errdefs.Doing(err, "prepare the container's terminal")
	}
	return errdefs.Doing(f.host.Raw(), "put the terminal into raw mode")
}

// giveBack undoes take. A second call does nothing.
func (f *foreground) giveBack() {
	if f.master != nil {
		f.host.Reset()
		f.master.Close()
		f.master = nil
	}
}

// attach directs signals to the process.
func (f *foreground) attach(pid int, pidfd *os.File) {
	f.pid, f.pidfd = pid, pidfd
	f.relay.attach(pidfd, f.resizer())
}

// resizer returns what SIGWINCH is to do, or nil without a terminal.
func (f *foreground) resizer() func() {
	if f.master == nil {
		return nil
	}
	return func() { f.host.Resize(f.master) }
}

// serve waits for the program, and passes the terminal on meanwhile. It reaps
// the children that which says (wait4(2)): the program's pid, or -1 for all.
func (f *foreground) serve(which int) int {
	if f.master == nil {
		return f.wait(which)
	}
	drained := make(chan struct{})
	go func() {
		console.Copy(f.master, os.Stdin, console.Output{File: os.Stdout}, f.pidfd)
		close(drained)
	}()
	status := f.wait(which)
	<-drained
	f.relay.detach()
	f.giveBack()
	return status
}

// wait reaps children until the program is among them: as a subreaper, rung is
// the parent of whatever a container leaves behind.
func (f *foreground) wait(which int) int {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(which, &ws, 0, nil)
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
