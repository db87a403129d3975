// Package console connects the terminal of a foreground container with the
// terminal that rung itself runs on: raw mode, size, and the bytes.
package console

import (
	"errors"
	"io"
	"os"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"
)

// Host is the terminal that rung runs on; nil-safe where there is none.
type Host struct {
	c console.Console
}

// Current returns the terminal of the standard streams, or else the
// controlling one. Where rung has no terminal at all it returns a Host that
// does nothing, so that a container with a terminal runs from a script too.
func Current() *Host {
	for _, f := range []*os.File{os.Stderr, os.Stdout, os.Stdin} {
		if c, err := console.ConsoleFromFile(f); err == nil {
			return &Host{c}
		}
	}
	if f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
		if c, err := console.ConsoleFromFile(f); err == nil {
			return &Host{c}
		}
		f.Close()
	}
	return &Host{}
}

// Raw puts the terminal into raw mode: the container's own terminal does what
// a terminal does.
func (h *Host) Raw() error {
	if h.c == nil {
		return nil
	}
	if err := h.c.SetRaw(); err != nil {
		return err
	}
	// SetRaw leaves the output to be processed, for callers that switch that
	// off in the container's terminal instead. A program there that has done
	// so itself (an editor) means a line feed where it writes one.
	fd := int(h.c.Fd())
	settings, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return os.NewSyscallError("ioctl TCGETS", err)
	}
	settings.Oflag &^= unix.OPOST
	return os.NewSyscallError("ioctl TCSETS", unix.IoctlSetTermios(fd, unix.TCSETS, settings))
}

// Reset restores what Raw changed.
func (h *Host) Reset() {
	if h.c != nil {
		_ = h.c.Reset()
	}
}

// Resize gives the container's terminal the size of this one.
func (h *Host) Resize(master *os.File) {
	if h.c == nil {
		return
	}
	if size, err := h.c.Size(); err == nil {
		_ = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ,
			&unix.Winsize{Row: size.Height, Col: size.Width, Xpixel: 0, Ypixel: 0})
	}
}

// LineFeeds has the lines that are written to the container's terminal end in a
// line feed alone where out is not a terminal: who reads a pipe or a file
// expects text, and runc delivers that. On a terminal the carriage return is
// wanted; see Raw.
func LineFeeds(master, out *os.File) error {
	if _, err := unix.IoctlGetTermios(int(out.Fd()), unix.TCGETS); err == nil {
		return nil
	}
	settings, err := unix.IoctlGetTermios(int(master.Fd()), unix.TCGETS)
	if err != nil {
		return os.NewSyscallError("ioctl TCGETS", err)
	}
	settings.Oflag &^= unix.ONLCR
	return os.NewSyscallError("ioctl TCSETS", unix.IoctlSetTermios(int(master.Fd()), unix.TCSETS, settings))
}

// lastWords is how many bytes are passed on after the program's end, at most. They
// come in the order in which they were written, so if this is more than the kernel
// keeps for a terminal, all that the program wrote is among them. It keeps 20 to 24
// KiB (drivers/tty: pty.c allows two buffers of 4 KiB and one more, which hold twice
// as much without flags; n_tty.c another 4 KiB).
const lastWords = 64 << 10

// Copy passes what the container writes on to out, and what in brings to the
// container. It returns when ended becomes readable and all that was written until
// then is passed on: a process that holds the terminal longer than the init lives
// must not hold rung, even if it writes faster than out takes it. That no process
// has the terminal open is not the end: systemd, as an init, opens it for each
// message, and would wait for ever where nobody reads them.
//
// If nobody reads out any more, what the container writes is thrown away: it must
// not wait for a reader that is gone, nor rung end before it has cleared up.
func Copy(master *os.File, in io.Reader, out io.Writer, ended *os.File) {
	go func() {
		// Ends with the process at the latest: a read of a terminal
		// cannot be called off.
		_, _ = io.Copy(master, in)
	}()
	buf := make([]byte, 32<<10)
	// In this order: poll(2) asks one after the other. A terminal that is asked
	// first, has nothing, and gets the last words before the other is asked
	// would lose them.
	fds := []unix.PollFd{{Fd: int32(ended.Fd()), Events: unix.POLLIN}, {Fd: int32(master.Fd()), Events: unix.POLLIN}}
	over, terminal := &fds[0], &fds[1]
	closed := hangup{terminal: terminal.Fd, ended: over.Fd, epoll: -1}
	defer closed.close()
	listening := true
	for left := lastWords; left > 0; {
		if _, err := unix.Poll(fds, -1); err != nil {
			if errors.Is(err, unix.EINTR) {
				continue
			}
			return
		}
		n, err := 0, error(unix.EIO)
		if terminal.Revents&unix.POLLIN != 0 {
			n, err = unix.Read(int(master.Fd()), buf[:min(len(buf), left)])
		}
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EIO):
			// That is how a master says that no slave is open.
			if over.Revents != 0 || closed.wait() != nil {
				return
			}
		case n <= 0 || err != nil:
			return
		default:
			if listening {
				_, err := out.Write(buf[:n])
				listening = err == nil
			}
			if over.Revents != 0 {
				left -= n
			}
		}
	}
}

// Output writes to a standard stream. To do so with os.File ends the program where
// nobody reads that any more (package signal, "SIGPIPE").
type Output struct{ File *os.File }

// Write writes all of data.
func (o Output) Write(data []byte) (written int, err error) {
	fd := int(o.File.Fd())
	for written < len(data) {
		n, err := unix.Write(fd, data[written:])
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			// Somebody else has made it non-blocking.
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1); err != nil && !errors.Is(err, unix.EINTR) {
				return written, os.NewSyscallError("poll", err)
			}
		case err != nil:
			return written, os.NewSyscallError("write", err)
		default:
			written += n
		}
	}
	return written, nil
}

// hangup waits on a terminal that nobody has open. poll(2) would return at once.
type hangup struct {
	terminal, ended int32
	epoll           int // -1 until it is needed
}

// wait returns when something has happened to the terminal since the last call,
// or the program has ended, or, once, for no reason.
func (h *hangup) wait() error {
	if h.epoll < 0 {
		var err error
		if h.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
			return err
		}
		for fd, events := range map[int32]uint32{h.terminal: unix.EPOLLIN | unix.EPOLLET, h.ended: unix.EPOLLIN} {
			if err := unix.EpollCtl(h.epoll, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: events}); err != nil {
				return err
			}
		}
	}
	for {
		_, err := unix.EpollWait(h.epoll, make([]unix.EpollEvent, 2), -1)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func (h *hangup) close() {
	if h.epoll >= 0 {
		unix.Close(h.epoll)
	}
}
