package launch

import (
	"os"

	"golang.org/x/sys/unix"
)

// SendFile connects to the unix socket at path and sends f with its name, as
// runc does for consoles and pidfds.
func SendFile(path string, f *os.File) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return &os.PathError{Op: "connect", Path: path, Err: err}
	}
	return os.NewSyscallError("sendmsg", unix.Sendmsg(fd, []byte(f.Name()), unix.UnixRights(int(f.Fd())), nil, unix.MSG_NOSIGNAL))
}
