package process

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// ControllingTerminal makes the terminal slave the controlling one of the
// caller's session and its standard input, output and error (field
// process.terminal). The caller leads the session: it has called setsid(2).
// It may close slave afterwards.
func ControllingTerminal(slave *os.File) error {
	const field = "process.terminal"
	fd := int(slave.Fd())
	if err := unix.IoctlSetInt(fd, unix.TIOCSCTTY, 0); err != nil {
		return &errdefs.Error{Doing: "make " + slave.Name() + " the controlling terminal", Field: field, Err: err}
	}
	for std := range 3 {
		if std == fd {
			// dup3(2) refuses this; what is left of it to do is to survive
			// execve.
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
				return &errdefs.Error{Doing: "pass the terminal on", Field: field, Err: err}
			}
			continue
		}
		if err := unix.Dup3(fd, std, 0); err != nil {
			return &errdefs.Error{Doing: "make the terminal a standard stream", Field: field, Err: err}
		}
	}
	return nil
}
