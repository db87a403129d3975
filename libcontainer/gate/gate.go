// Package gate is the door between a created and a running container: the
// init process waits behind it until "start" opens it.
//
// It is a listening socket in the container's state folder, held by the init
// with close-on-exec. So the kernel answers whether a container is created or
// running, whatever died in between: connections are taken as long as the
// init waits, and refused as soon as it runs the user's program.
package gate

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/handshake"
)

// ErrOpen is returned by Open for a gate behind which nobody waits any more.
var ErrOpen = errors.New("the container is already running, or its init is gone")

// Listen makes the gate at path, for the init to inherit.
func Listen(path string) (*os.File, error) {
	fd, err := socket(0)
	if err != nil {
		return nil, err
	}
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	if err == nil {
		// Room for the many that may ask for the state while the init
		// is stopped or frozen.
		err = unix.Listen(fd, 128)
	}
	if err != nil {
		unix.Close(fd)
		return nil, errdefs.Doing(err, "make the gate socket")
	}
	return os.NewFile(uintptr(fd), "gate"), nil
}

func socket(flags int) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|flags, 0)
	return fd, os.NewSyscallError("socket", err)
}

// patience is how long who connects has to say something. start does so at
// once; a variable, so that the tests need not wait as long.
var patience = unix.Timeval{Sec: 10}

// Wait waits, inside, until somebody opens the gate, and returns the
// connection to whoever did. Those who only look (Closed) hang up at once.
//
// It waits in a raw system call: the scheduler then has no reason to start a
// thread in this one's place, which a container with a pids limit of one, or
// hardly any memory, may not be able to.
func Wait(listener *os.File) (*handshake.Conn, error) {
	for {
		fd, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, listener.Fd(), 0, 0, unix.SOCK_CLOEXEC, 0, 0)
		if errno == unix.EINTR || errno == unix.ECONNABORTED {
			continue
		}
		if errno != 0 {
			return nil, errdefs.Doing(errno, "wait for start")
		}
		// One who comes and says nothing (a start that was stopped; the state
		// folder is closed to others) must not keep the next one waiting for
		// good. Should this fail, he may.
		_ = unix.SetsockoptTimeval(int(fd), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience)
		conn := handshake.NewConn(os.NewFile(fd, "start"))
		fr, err := conn.Receive()
		if err == nil && fr.Kind == handshake.KindRelease {
			return conn, nil
		}
		conn.Close()
	}
}

// Closed tells whether an init waits behind the gate at path.
func Closed(path string) (bool, error) {
	conn, err := connect(path, unix.SOCK_NONBLOCK)
	switch {
	case err == nil:
		conn.Close()
		return true, nil
	case errors.Is(err, unix.EAGAIN):
		return true, nil // a full queue of others that look is a waiting init all the same
	case isOpen(err):
		return false, nil
	}
	return false, errdefs.Doing(err, "see whether the init process waits for start")
}

// isOpen tells whether an error of connect is that nobody waits.
func isOpen(err error) bool { return errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOENT) }

// Open opens the gate at path and waits until the user's program runs, or
// returns why it cannot. It returns ErrOpen if nobody waits there.
func Open(path string) error {
	conn, err := connect(path, 0)
	if isOpen(err) {
		return ErrOpen
	}
	if err != nil {
		return errdefs.Doing(err, "reach the init process")
	}
	defer conn.Close()
	return Release(conn)
}

// Release tells an init process that waits at the other end of conn to run the
// user's program, and waits until it does, or returns why it cannot.
func Release(conn *handshake.Conn) error {
	// One that hung up may have said why.
	if err := conn.Send(handshake.KindRelease, nil); err != nil && !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
		return errdefs.Doing(err, "tell the init process to start")
	}
	ready := false
	for {
		fr, err := conn.Receive()
		switch {
		case errors.Is(err, io.EOF) && ready:
			return nil
		case errors.Is(err, io.EOF):
			return errors.New("the init process died before it ran the program")
		case err != nil:
			return errdefs.Doing(err, "wait for the init process")
		}
		switch fr.Kind {
		case handshake.KindReady:
			ready = true
		case handshake.KindFailed:
			return fr.Err()
		}
	}
}

func connect(path string, flags int) (*handshake.Conn, error) {
	fd, err := socket(flags)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return handshake.NewConn(os.NewFile(uintptr(fd), "gate")), nil
}
