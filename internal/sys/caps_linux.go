package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// Capget returns the capability sets of the calling thread (capget(2), version 3):
// first those of the capabilities 0 to 31, then those of the others.
func Capget() ([2]unix.CapUserData, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	err := unix.Capget(&header, &sets[0])
	return sets, os.NewSyscallError("capget", err)
}

// Capable tells whether the capability of that number, such as
// unix.CAP_SYS_ADMIN, is in the effective set of the calling thread.
func Capable(number uint) bool {
	sets, err := Capget()
	return err == nil && sets[number/32].Effective&(1<<(number%32)) != 0
}
