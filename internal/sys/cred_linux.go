package sys

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The functions of this file change the credentials of the thread that a Caller
// is for and of no other. Those of packages syscall and x/sys/unix change all
// threads of the process, one by one and each with a signal, as POSIX wants it. A
// runtime needs that of the one thread that calls execve, which ends the others.

// Setgroups sets the supplementary groups of the thread; none where
// gids is empty. See setgroups(2) for the errors.
func Setgroups(c Caller, gids []uint32) unix.Errno {
	list := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(gids))), len(gids)*int(unsafe.Sizeof(uint32(0))))
	return c.Call(sysSetgroups, uintptr(len(gids)), c.Mem(list))
}

// Setresgid sets the real, effective and saved group id of the
// thread. See setresgid(2) for the errors.
func Setresgid(c Caller, rgid, egid, sgid uint32) unix.Errno {
	return c.Call(sysSetresgid, uintptr(rgid), uintptr(egid), uintptr(sgid))
}

// Setresuid sets the real, effective and saved user id of the
// thread. See setresuid(2) for the errors, and for what it does to the
// capabilities capabilities(7).
func Setresuid(c Caller, ruid, euid, suid uint32) unix.Errno {
	return c.Call(sysSetresuid, uintptr(ruid), uintptr(euid), uintptr(suid))
}

// Setfsids sets the ids by which the calling thread accesses files, and leaves it
// its capabilities for files, which the kernel takes away with the user id
// 0 (capabilities(7), "Effect of user ID changes on capabilities").
func Setfsids(uid, gid uint32) error {
	caps, err := Capget()
	if err != nil {
		return err
	}
	for _, id := range [...]struct {
		name string
		set  func(int) (int, error)
		to   uint32
	}{{"setfsgid", unix.SetfsgidRetGid, gid}, {"setfsuid", unix.SetfsuidRetUid, uid}} {
		// They report no error, but what the id was before.
		if _, err := id.set(int(id.to)); err != nil {
			return os.NewSyscallError(id.name, err)
		}
		if now, err := id.set(-1); err != nil || now != int(id.to) {
			return os.NewSyscallError(id.name, unix.EPERM)
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	return os.NewSyscallError("capset", unix.Capset(&header, &caps[0]))
}

// Prctl is prctl(2) for the options that take at most two arguments after the
// first one; the kernel insists that the others are zero.
func Prctl(c Caller, option int, arg2, arg3 uintptr) unix.Errno {
	return c.Call(unix.SYS_PRCTL, uintptr(option), arg2, arg3)
}
