// Package capname knows the names of the Linux capabilities.
//
// It holds nothing but constant data, so importing it costs nothing at
// start-up.
package capname

// Last is the number of the newest capability in the table,
// CAP_CHECKPOINT_RESTORE (Linux 5.9). A kernel may know more, or fewer: see
// /proc/sys/kernel/cap_last_cap.
const Last = 40

// names is indexed by the capability's number in linux/capability.h.
var names = [Last + 1]string{
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
}

// Parse returns the number of the capability called name, and whether there
// is one. Names are written as in capabilities(7), "CAP_CHOWN": the runtime
// spec knows no other spelling.
//
// It searches the table from its start. Forty comparisons, nearly all decided
// by the length, take less time than hashing the name.
func Parse(name string) (int, bool) {
	for number := range names {
		if names[number] == name {
			return number, true
		}
	}
	return 0, false
}

// Names returns the names of all known capabilities; the index is the number.
// The slice is the caller's own.
func Names() []string {
	return append([]string(nil), names[:]...)
}
