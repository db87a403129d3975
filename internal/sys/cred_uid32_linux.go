//go:build 386 || arm

package sys

import "golang.org/x/sys/unix"

// The system calls without a suffix take ids of 16 bits on these
// architectures.
const (
	sysSetgroups = unix.SYS_SETGROUPS32
	sysSetresgid = unix.SYS_SETRESGID32
	sysSetresuid = unix.SYS_SETRESUID32
)
