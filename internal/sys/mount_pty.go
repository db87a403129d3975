package sys

import "golang.org/x/sys/unix"

// PtyPeer opens the slave of the pseudoterminal master with the given open(2)
// flags and returns its descriptor. It needs no path (TIOCGPTPEER,
// ioctl_tty(2), Linux 4.13).
func PtyPeer(master, flags int) (int, error) {
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, uintptr(flags))
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}
