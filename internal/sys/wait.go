package sys

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// Ending says how a process ended that was waited for: "exit status 1", "ended by
// signal 9 (killed)".
func Ending(status unix.WaitStatus) string {
	if status.Signaled() {
		return "ended by signal " + strconv.Itoa(int(status.Signal())) + " (" + status.Signal().String() + ")"
	}
	return "exit status " + strconv.Itoa(status.ExitStatus())
}
