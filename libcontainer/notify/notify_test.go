package notify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what takes microseconds.
const patience = 10 * time.Second

// serviceManager listens at name and returns what it is sent. Like systemd it
// closes the descriptor that comes with a barrier when it has read everything
// before.
func serviceManager(t *testing.T, name string) <-chan string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: name}); err != nil {
		t.Fatal(err)
	}
	texts, ended := make(chan string, 16), make(chan struct{})
	go func() {
		defer close(ended)
		buf, oob := make([]byte, 8192), make([]byte, unix.CmsgSpace(4))
		for {
			n, oobn, _, _, err := unix.Recvmsg(fd, buf, oob, unix.MSG_CMSG_CLOEXEC)
			if err != nil || n == 0 {
				return
			}
			if string(buf[:n]) != "BARRIER=1" {
				texts <- string(buf[:n])
			}
			msgs, _ := unix.ParseSocketControlMessage(oob[:oobn])
			for i := range msgs {
				fds, _ := unix.ParseUnixRights(&msgs[i])
				for _, fd := range fds {
					unix.Close(fd)
				}
			}
		}
	}()
	t.Cleanup(func() {
		_ = unix.Shutdown(fd, unix.SHUT_RDWR)
		<-ended
		unix.Close(fd)
	})
	return texts
}

// receive returns what has been sent to the service manager, or "".
func receive(manager <-chan string) string {
	select {
	case text := <-manager:
		return text
	default:
		return ""
	}
}

// read returns what has come to the socket fd, or "".
func read(t *testing.T, fd int) string {
	t.Helper()
	buf := make([]byte, 8192)
	n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
	if err != nil && !errors.Is(err, unix.EAGAIN) {
		t.Fatal(err)
	}
	return string(buf[:max(n, 0)])
}

// say sends text to the socket at path, as a container's program does.
func say(t *testing.T, path, text string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, []byte(text), unix.MSG_NOSIGNAL, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
}

// program is a process that lives until it is told to end, and its pidfd.
func program(t *testing.T) (pidfd *os.File, end func()) {
	t.Helper()
	cmd := exec.Command("cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	pidfd = os.NewFile(uintptr(fd), "pidfd")
	t.Cleanup(func() { stdin.Close(); _ = cmd.Wait(); pidfd.Close() })
	return pidfd, func() { stdin.Close(); _ = cmd.Wait() }
}

// container is a state folder with a prepared and listening socket.
func container(t *testing.T) (*Socket, string) {
	t.Helper()
	dir := t.TempDir()
	if _, _, err := Prepare(dir); err != nil {
		t.Fatal(err)
	}
	s, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, filepath.Join(dir, "notify", "notify.sock")
}

// forward calls Forward and returns its error, once it has returned.
func forward(t *testing.T, s *Socket, host string, pidfd *os.File) func() error {
	done := make(chan error, 1)
	go func() { done <- s.Forward(host, pidfd, 4711) }()
	return func() error {
		t.Helper()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			t.Fatal("Forward has not returned")
			return nil
		}
	}
}

func TestPrepare(t *testing.T) {
	// A careful user's or service's; the container's user must get in.
	defer unix.Umask(unix.Umask(0o077))
	dir := t.TempDir()
	mount, env, err := Prepare(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := specs.Mount{
		Destination: "/run/notify", Source: filepath.Join(dir, "notify"), Type: "bind",
		Options: []string{"bind", "nosuid", "noexec", "nodev", "ro"},
	}
	if !reflect.DeepEqual(mount, want) {
		t.Errorf("the mount is %+v, want %+v", mount, want)
	}
	if env != "NOTIFY_SOCKET=/run/notify/notify.sock" {
		t.Errorf("the variable is %s", env)
	}
	if _, err := Listen(dir); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{"notify": os.ModeDir | 0o755, "notify/notify.sock": os.ModeSocket | 0o777} {
		if info, err := os.Lstat(filepath.Join(dir, path)); err != nil || info.Mode() != mode {
			t.Errorf("%s has the mode %v, want %v (%v)", path, info.Mode(), mode, err)
		}
	}
	if _, _, err := Prepare(dir); !errors.Is(err, unix.EEXIST) {
		t.Errorf("a second time: %v", err)
	}
}

// TestListenFollowsNoLink sees that nothing is done by the socket's name but to make it: root
// in the container may put a link in its place.
func TestListenFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := Prepare(dir); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, filepath.Join(dir, Folder), unix.IN_ALL_EVENTS); err != nil {
		t.Fatal(err)
	}
	s, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	buf := make([]byte, 4096)
	n, err := unix.Read(fd, buf)
	if err != nil {
		t.Fatal(err)
	}
	var masks []uint32
	for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
		masks = append(masks, binary.NativeEndian.Uint32(b[4:]))
		b = b[unix.SizeofInotifyEvent+binary.NativeEndian.Uint32(b[12:]):]
	}
	if want := []uint32{unix.IN_CREATE}; !slices.Equal(masks, want) {
		t.Errorf("events %#x, want %#x", masks, want)
	}
}

func TestListen(t *testing.T) {
	if _, err := Listen(t.TempDir()); !errors.Is(err, unix.ENOENT) {
		t.Errorf("without Prepare: %v", err)
	}
	// Longer than the 108 bytes that an address of a unix socket may have.
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 50))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Prepare(dir); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := Listen(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Listen(dir); !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("while another start listens: %v", err)
		}
		short := fmt.Sprintf("/proc/self/fd/%d/notify/notify.sock", open(t, dir))
		say(t, short, "READY=1") // fails if another Listen took the socket away
		s.Close()
		if entries, err := os.ReadDir(filepath.Join(dir, "notify")); len(entries) > 0 || err != nil {
			t.Errorf("left after Close: %v, %v", entries, err)
		}
	}
}

// open opens a folder.
func open(t *testing.T, dir string) int {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// TestListenAfterKill is about the socket of a start that was killed.
func TestListenAfterKill(t *testing.T) {
	s, path := container(t)
	unix.Close(s.fd)
	again, err := Listen(filepath.Dir(filepath.Dir(path)))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	say(t, path, "READY=1")
	if got := read(t, again.fd); got != "READY=1" {
		t.Errorf("got %q", got)
	}
}

func TestForward(t *testing.T) {
	for _, tt := range []struct {
		name string
		says []string
		want string
	}{
		{"ready", []string{"READY=1"}, "READY=1\nMAINPID=4711\n"},
		{"ready with a newline", []string{"READY=1\n"}, "READY=1\nMAINPID=4711\n"},
		{"a pid of the container's", []string{"READY=1\nMAINPID=1\nSTATUS=up"}, "READY=1\nMAINPID=4711\n"},
		{"last of many lines", []string{"STATUS=half\nX=y\nREADY=1"}, "READY=1\nMAINPID=4711\n"},
		{"after others", []string{"STATUS=starting", "", "\n", "WATCHDOG=1", "FDSTORE=1", " READY=1", "NOTREADY=1", "READY", "READY=1"}, "READY=1\nMAINPID=4711\n"},
		{"binary", []string{"\x00\xff", "READY=1"}, "READY=1\nMAINPID=4711\n"},
		{"long", []string{strings.Repeat("x", 10000), "READY=1"}, "READY=1\nMAINPID=4711\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, path := container(t)
			host := filepath.Join(t.TempDir(), "host")
			manager := serviceManager(t, host)
			pidfd, _ := program(t)
			returned := forward(t, s, host, pidfd)
			for _, text := range tt.says {
				say(t, path, text)
			}
			if err := returned(); err != nil {
				t.Fatal(err)
			}
			if got := receive(manager); got != tt.want {
				t.Errorf("the service manager got %q, want %q", got, tt.want)
			}
			if got := receive(manager); got != "" {
				t.Errorf("and then %q", got)
			}
		})
	}
}

// TestAbstract has the service manager listen at a name that is no file.
func TestAbstract(t *testing.T) {
	s, path := container(t)
	host := fmt.Sprintf("@rung-test-%d", os.Getpid())
	manager := serviceManager(t, host)
	pidfd, _ := program(t)
	returned := forward(t, s, host, pidfd)
	say(t, path, "READY=1")
	if err := returned(); err != nil {
		t.Fatal(err)
	}
	if got, want := receive(manager), "READY=1\nMAINPID="+strconv.Itoa(4711)+"\n"; got != want {
		t.Errorf("the service manager got %q, want %q", got, want)
	}
}

func TestProgramEnds(t *testing.T) {
	for name, text := range map[string]string{"silent": "", "not ready": "STATUS=no"} {
		t.Run(name, func(t *testing.T) {
			s, path := container(t)
			host := filepath.Join(t.TempDir(), "host")
			manager := serviceManager(t, host)
			pidfd, end := program(t)
			returned := forward(t, s, host, pidfd)
			if text != "" {
				say(t, path, text)
			}
			end()
			if err := returned(); err != nil {
				t.Error(err)
			}
			if got := receive(manager); got != "" {
				t.Errorf("the service manager got %q", got)
			}
		})
	}
}

// TestReadyAndEnd has a program say that it is ready and end before anybody
// looked: what it said counts.
func TestReadyAndEnd(t *testing.T) {
	s, path := container(t)
	host := filepath.Join(t.TempDir(), "host")
	manager := serviceManager(t, host)
	pidfd, end := program(t)
	say(t, path, "READY=1")
	end()
	if err := forward(t, s, host, pidfd)(); err != nil {
		t.Fatal(err)
	}
	if got := receive(manager); got != "READY=1\nMAINPID=4711\n" {
		t.Errorf("the service manager got %q", got)
	}
}

func TestNoManager(t *testing.T) {
	s, path := container(t)
	host := filepath.Join(t.TempDir(), "none")
	pidfd, _ := program(t)
	returned := forward(t, s, host, pidfd)
	say(t, path, "READY=1")
	err := returned()
	if want := "tell " + host + " (NOTIFY_SOCKET) that the container is ready: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
