package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The functions of this file change the credentials of the calling thread and
// of no other. Those of packages syscall and x/sys/unix change all threads of
// the process, one by one and each with a signal, as POSIX wants it. A runtime
// needs that of the one thread that calls execve, which ends the others.

// Setgroups sets the supplementary groups of the calling thread; none where
// gids is empty. See setgroups(2) for the errors.
func Setgroups(gids []uint32) unix.Errno {
	_, _, errno := unix.RawSyscall(sysSetgroups, uintptr(len(gids)), uintptr(unsafe.Pointer(unsafe.SliceData(gids))), 0)
	return errno
}

// Setresgid sets the real, effective and saved group id of the calling
// thread. See setresgid(2) for the errors.
func Setresgid(rgid, egid, sgid uint32) unix.Errno {
	_, _, errno := unix.RawSyscall(sysSetresgid, uintptr(rgid), uintptr(egid), uintptr(sgid))
	return errno
}

// Setresuid sets the real, effective and saved user id of the calling
// thread. See setresuid(2) for the errors, and for what it does to the
// capabilities capabilities(7).
func Setresuid(ruid, euid, suid uint32) unix.Errno {
	_, _, errno := unix.RawSyscall(sysSetresuid, uintptr(ruid), uintptr(euid), uintptr(suid))
	return errno
}

// Prctl is prctl(2) for the options that take at most two arguments after the
// first one; the kernel insists that the others are zero.
func Prctl(option int, arg2, arg3 uintptr) unix.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_PRCTL, uintptr(option), arg2, arg3, 0, 0, 0)
	return errno
}
