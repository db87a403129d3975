// Package ctxfd has the end of a context wake up a poll(2).
package ctxfd

import (
	"context"
	"os"

	"golang.org/x/sys/unix"
)

// FD is an eventfd(2) that becomes readable when a context ends, and stays so.
type FD struct {
	fd int
	// stop keeps the end of the context from being written, and is false where
	// that has begun.
	stop func() bool
	// written is closed when it has been.
	written chan struct{}
}

// New returns the FD of ctx. The errors are those of eventfd(2).
func New(ctx context.Context) (*FD, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	written := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		// Any count but 0 will do; so the byte order does not matter.
		_, _ = unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 1})
		close(written)
	})
	return &FD{fd, stop, written}, nil
}

// Poll returns what to wait for in poll(2).
func (f *FD) Poll() unix.PollFd { return unix.PollFd{Fd: int32(f.fd), Events: unix.POLLIN} }

// Close closes the descriptor, and is to be called once.
func (f *FD) Close() {
	if !f.stop() {
		<-f.written // before the descriptor comes to mean another file
	}
	_ = unix.Close(f.fd)
}
