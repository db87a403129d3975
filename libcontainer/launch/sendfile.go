package launch

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// turn is how long SendFile waits before it looks at its context again.
const turn = 100 * time.Millisecond

// SendFile connects to the unix socket at path and sends f with its name, as
// runc does for consoles and pidfds. Where nobody accepts it waits until ctx ends.
func SendFile(ctx context.Context, path string, f *os.File) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	// connect(2) waits, too, for a place in the queue of who listens.
	limit := unix.NsecToTimeval(turn.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err := inTurns(ctx, func() error { return unix.Connect(fd, &unix.SockaddrUnix{Name: path}) }); err != nil {
		return &os.PathError{Op: "connect", Path: path, Err: err}
	}
	return os.NewSyscallError("sendmsg", inTurns(ctx, func() error {
		return unix.Sendmsg(fd, []byte(f.Name()), unix.UnixRights(int(f.Fd())), nil, unix.MSG_NOSIGNAL)
	}))
}

// inTurns calls do until it does not say that its time is up.
func inTurns(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err != unix.EAGAIN && err != unix.EINTR {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}
