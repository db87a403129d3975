// Package notify passes a container's readiness on to the service manager
// that started rung (sd_notify(3)): the program in the container sees a socket
// of its own, as it could not reach, and must not write to, the host's.
package notify

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/thread"
)

const (
	// Folder is the socket's folder in the state folder.
	Folder = "notify"
	// Inside is where the container sees it, as with runc.
	Inside = "/run/notify"
	// name is the socket's name in either.
	name = "notify.sock"
)

// Prepare makes the socket's folder in the state folder. It returns the mount
// and the variable that show it to the program.
func Prepare(stateDir string) (specs.Mount, string, error) {
	dir := filepath.Join(stateDir, Folder)
	err := os.Mkdir(dir, 0o755)
	if err == nil {
		// Any user of the container is to get in, whatever the umask.
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		return specs.Mount{}, "", errdefs.Doing(err, "make the folder of the notify socket")
	}
	mount := specs.Mount{
		Destination: Inside, Source: dir, Type: "bind",
		Options: []string{"bind", "nosuid", "noexec", "nodev", "ro"},
	}
	return mount, "NOTIFY_SOCKET=" + Inside + "/" + name, nil
}

// Socket is the host's end of the container's socket.
type Socket struct {
	fd   int
	path string
}

// Listen makes the socket in the state folder; the container was created with
// Prepare.
func Listen(stateDir string) (*Socket, error) {
	doing := "make the notify socket"
	dir, err := unix.Open(filepath.Join(stateDir, Folder), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, errdefs.Doing(err, doing)
	}
	defer unix.Close(dir)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, errdefs.Doing(err, doing)
	}
	s := &Socket{fd: fd, path: filepath.Join(stateDir, Folder, name)}
	short := "/proc/self/fd/" + strconv.Itoa(dir) + "/" + name
	// Any user of the container may say that it is ready: without a umask a socket has
	// the mode 0777 (unix(7)). To change the mode of a name, the container's root, who may
	// have mounted the folder anew, could put a link to a file of the host there.
	thread.Spend(func() {
		if err = unix.Unshare(unix.CLONE_FS); err == nil {
			unix.Umask(0)
			err = bind(fd, short)
		}
	})
	if err != nil {
		unix.Close(fd)
		return nil, errdefs.Doing(err, doing)
	}
	return s, nil
}

// bind gives the socket fd its name, also where the start of before was killed
// and left it: connections to such a name are refused.
func bind(fd int, path string) error {
	addr := &unix.SockaddrUnix{Name: path}
	err := unix.Bind(fd, addr)
	if err != unix.EADDRINUSE || unix.Connect(fd, addr) != unix.ECONNREFUSED {
		return err
	}
	if err := unix.Unlink(path); err != nil {
		return err
	}
	return unix.Bind(fd, addr)
}

// Close removes the socket.
func (s *Socket) Close() {
	unix.Close(s.fd)
	_ = os.Remove(s.path)
}

// Forward waits until the program says READY, or ended (pidfd is readable),
// and tells the service manager at host, with pid as the main process.
func (s *Socket) Forward(host string, pidfd *os.File, pid int) error {
	// The end is asked first: what the program said before it must be seen.
	fds := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}, {Fd: int32(s.fd), Events: unix.POLLIN}}
	buf := make([]byte, 4096)
	for {
		if _, err := unix.Poll(fds, -1); err != nil {
			if errors.Is(err, unix.EINTR) {
				continue
			}
			return os.NewSyscallError("poll", err)
		}
		if fds[1].Revents == 0 {
			return nil
		}
		n, err := unix.Read(s.fd, buf)
		if err != nil {
			return os.NewSyscallError("read", err)
		}
		for line := range bytes.SplitSeq(buf[:n], []byte("\n")) {
			if bytes.HasPrefix(line, []byte("READY=")) {
				return tell(host, string(line)+"\nMAINPID="+strconv.Itoa(pid)+"\n")
			}
		}
	}
}

// tell sends text to the service manager, and waits until it has read it: of a
// sender that is gone it might not know any more whose service it was.
func tell(host, text string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	// A name that begins with "@" is in the abstract namespace; x/sys turns
	// the "@" into the NUL that the kernel wants.
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: host})
	if err == nil {
		_, err = unix.Write(fd, []byte(text))
	}
	if err == nil {
		err = barrier(fd)
	}
	return errdefs.Doing(err, "tell "+host+" (NOTIFY_SOCKET) that the container is ready")
}

// barrierTimeout is how long to wait for a service manager that does not know
// barriers.
const barrierTimeout = 30 * time.Second

// barrier is sd_notify_barrier(3): the receiver closes the pipe that it is sent
// once it has dealt with everything before.
func barrier(fd int) error {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	defer unix.Close(pipe[0])
	err := unix.Sendmsg(fd, []byte("BARRIER=1"), unix.UnixRights(pipe[1]), nil, unix.MSG_NOSIGNAL)
	unix.Close(pipe[1])
	if err != nil {
		return os.NewSyscallError("sendmsg", err)
	}
	fds := []unix.PollFd{{Fd: int32(pipe[0])}}
	for end := time.Now().Add(barrierTimeout); ; {
		_, err := unix.Poll(fds, max(0, int(time.Until(end).Milliseconds()))) // less than none is no limit
		if err != unix.EINTR {
			return os.NewSyscallError("poll", err)
		}
	}
}
