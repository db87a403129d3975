package hook

import (
	"context"
	"math"
	"os"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/ctxfd"
)

// The slots of child.poll.
const (
	stdin = iota
	stdout
	stderr
	exited
	canceled
	slots
)

// child is a hook that runs. One poll(2) waits for all that can happen to it;
// it ends with the hook's exit, even if a daemon that the hook has left behind
// holds the pipes open.
type child struct {
	pid   int
	group bool
	poll  [slots]unix.PollFd // Fd is -1 for what is not, or no more, waited for
	input []byte
	// keep is the hook's end of the pipe to its standard input. While it is
	// open here, writing to a hook that does not read gives neither EPIPE nor
	// SIGPIPE, which a caller that blocks signals would find pending after
	// its execve.
	keep int
	out  [2]tail // of stdout and stderr
}

// start starts a hook, waits for it and returns why it failed.
func (r *runner) start(ctx context.Context, h *specs.Hook, timeout time.Duration) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	c := &child{input: r.state, keep: -1, group: timeout > 0 || ctx.Done() != nil}
	for i := range c.poll {
		c.poll[i].Fd = -1
	}
	defer c.close()
	if err := c.fork(h, r.dir, r.out.fds()); err != nil {
		return err
	}
	if ctx.Done() != nil {
		end, err := ctxfd.New(ctx)
		if err != nil {
			c.kill()
			c.reap()
			return err
		}
		defer end.Close()
		c.poll[canceled] = end.Poll()
	}
	killed := c.wait(ctx, timeout)
	status, err := c.reap()
	switch {
	case killed != nil:
		return &Failure{Cause: killed, Stdout: c.out[0].lines(), Stderr: c.out[1].lines()}
	case err != nil:
		return os.NewSyscallError("wait4", err)
	case status != 0:
		return &Failure{Status: syscall.WaitStatus(status), Stdout: c.out[0].lines(), Stderr: c.out[1].lines()}
	}
	return nil
}

// fork makes the process, with its pipes. out are the descriptors that stand for
// the pipes of its output, and -1 where there is to be a pipe.
func (c *child) fork(h *specs.Hook, dir string, out [2]int) error {
	theirs, err := c.pipes()
	if err != nil {
		return err
	}
	argv := h.Args
	if len(argv) == 0 {
		argv = []string{h.Path}
	}
	files := []uintptr{uintptr(theirs[stdin]), uintptr(theirs[stdout]), uintptr(theirs[stderr])}
	for i, fd := range out {
		if fd >= 0 {
			files[stdout+i] = uintptr(fd)
		}
	}
	// Not package os, whose first process costs two more: it tries out what
	// pidfds can do here.
	pid, err := syscall.ForkExec(h.Path, argv, &syscall.ProcAttr{
		Dir:   dir,
		Env:   h.Env,
		Files: files,
		// Only what may be killed needs a process group of its own. Without
		// one the hook stays in that of the terminal, and ^C reaches it.
		Sys: &syscall.SysProcAttr{Setpgid: c.group},
	})
	c.keep = theirs[stdin]
	closeAll(theirs[stdout:])
	if err != nil {
		return err
	}
	c.pid = pid
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		c.kill()
		c.reap()
		return os.NewSyscallError("pidfd_open", err)
	}
	c.poll[exited] = unix.PollFd{Fd: int32(pidfd), Events: unix.POLLIN}
	return nil
}

// pipes makes the pipes of the hook's standard streams, and returns its ends.
func (c *child) pipes() (theirs [3]int, err error) {
	for i := range theirs {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			closeAll(theirs[:i])
			return theirs, os.NewSyscallError("pipe2", err)
		}
		ours, events := p[0], int16(unix.POLLIN)
		theirs[i] = p[1]
		if i == stdin {
			ours, theirs[i], events = p[1], p[0], unix.POLLOUT
		}
		c.poll[i] = unix.PollFd{Fd: int32(ours), Events: events}
		if err := unix.SetNonblock(ours, true); err != nil {
			closeAll(theirs[:i+1])
			return theirs, err
		}
	}
	return theirs, nil
}

// wait feeds and reads the hook until it exits. If that is because it was
// killed, wait returns why.
func (c *child) wait(ctx context.Context, timeout time.Duration) (killed error) {
	deadline := time.Now().Add(timeout)
	for {
		millis := -1
		late := false
		if timeout > 0 && killed == nil {
			left := max(0, time.Until(deadline))
			late = left == 0
			millis = int(min((left+time.Millisecond-1)/time.Millisecond, math.MaxInt32))
		}
		if _, err := unix.Poll(c.poll[:], millis); err != nil {
			if err == unix.EINTR {
				continue
			}
			c.kill()
			return os.NewSyscallError("poll", err)
		}
		if c.poll[stdin].Revents != 0 {
			c.feed()
		}
		for i := stdout; i <= stderr; i++ {
			if c.poll[i].Revents != 0 {
				c.read(i)
			}
		}
		if c.poll[canceled].Revents != 0 {
			c.poll[canceled].Fd = -1
			if killed == nil {
				killed = context.Cause(ctx)
				c.kill()
			}
		}
		if c.poll[exited].Revents != 0 {
			c.read(stdout)
			c.read(stderr)
			return killed
		}
		// Not before it was asked: it may have ended in time, and rung
		// have stood still.
		if late && killed == nil {
			killed = &timeoutError{timeout}
			c.kill()
		}
	}
}

// feed writes what the pipe takes. A hook need not read its input.
func (c *child) feed() {
	n, err := unix.Write(int(c.poll[stdin].Fd), c.input)
	if err == unix.EAGAIN || err == unix.EINTR {
		return
	}
	if err == nil {
		c.input = c.input[n:]
	}
	if err != nil || len(c.input) == 0 {
		c.closeSlot(stdin)
	}
}

// read takes what a pipe holds now: at most as much as a pipe can, so that
// one who writes without end cannot keep it here.
func (c *child) read(i int) {
	var buf [4096]byte
	for total := 0; c.poll[i].Fd >= 0 && total < 1<<20; {
		n, err := unix.Read(int(c.poll[i].Fd), buf[:])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return
		case err != nil || n == 0:
			c.closeSlot(i)
		default:
			total += n
			c.out[i-stdout].write(buf[:n])
		}
	}
}

// kill ends the hook and, if it has a process group of its own, what it has
// started and not put into another.
func (c *child) kill() {
	pid := c.pid
	if c.group {
		pid = -pid
	}
	_ = unix.Kill(pid, unix.SIGKILL)
}

// reap waits for the process to be gone and returns its status.
func (c *child) reap() (unix.WaitStatus, error) {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(c.pid, &status, 0, nil)
		if err != unix.EINTR {
			return status, err
		}
	}
}

func (c *child) close() {
	for _, i := range [...]int{stdin, stdout, stderr, exited} { // canceled is start's
		c.closeSlot(i)
	}
	if c.keep >= 0 {
		unix.Close(c.keep)
	}
}

func (c *child) closeSlot(i int) {
	if c.poll[i].Fd >= 0 {
		unix.Close(int(c.poll[i].Fd))
		c.poll[i] = unix.PollFd{Fd: -1}
	}
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
