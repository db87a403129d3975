package libcontainer

import "golang.org/x/sys/unix"

// hostUserNamespace is the inode number of the user namespace that the kernel
// boots with, PROC_USER_INIT_INO of linux/proc_ns.h (Linux 3.8).
const hostUserNamespace = 0xEFFFFFFD

// InUserNamespace tells whether this process is in a user namespace other than
// that of the machine, in which root is not the machine's root.
func InUserNamespace() bool {
	var st unix.Stat_t
	return unix.Stat("/proc/self/ns/user", &st) == nil && st.Ino != hostUserNamespace
}
