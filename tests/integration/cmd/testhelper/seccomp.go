package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

var errWrongArguments = errors.New("wrong arguments; without any, testhelper says which there are")

// numbers are the system calls that tests call by name. On amd64 a prefix
// chooses another way into the kernel: "x32:" or "i386:", with the number that
// the call has there.
var numbers = map[string]uintptr{
	"getpid": unix.SYS_GETPID, "personality": unix.SYS_PERSONALITY, "mkdirat": unix.SYS_MKDIRAT, "unshare": unix.SYS_UNSHARE,
	"umask": unix.SYS_UMASK, "setpriority": unix.SYS_SETPRIORITY,
}

// noPivotRoot becomes a program for which, and for whose children, pivot_root(2) fails as it does where the root is that of
// an initial ramdisk.
func noPivotRoot(args []string) error {
	if len(args) == 0 {
		return errWrongArguments
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number is the first of struct seccomp_data
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_PIVOT_ROOT, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EINVAL)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread() // the filter is the thread's
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return errno
	}
	return unix.Exec(path, args, os.Environ())
}

// trySyscall makes a system call with arguments that are numbers, and prints
// "ok" or the name of the error.
func trySyscall(args []string) error {
	c, err := parseCall(args)
	if err != nil {
		return err
	}
	errno, err := c.make(c.nr, c.args)
	switch {
	case err != nil:
		return err
	case errno == 0:
		fmt.Println("ok")
	default:
		fmt.Println(unix.ErrnoName(errno))
	}
	return nil
}

// call is a system call, and the way to make it.
type call struct {
	nr   uintptr
	args [3]uintptr
	make func(uintptr, [3]uintptr) (unix.Errno, error)
}

func parseCall(args []string) (*call, error) {
	if len(args) == 0 {
		return nil, errWrongArguments
	}
	c := &call{nr: numbers[args[0]], make: rawSyscall}
	if c.nr == 0 {
		way, number, found := strings.Cut(args[0], ":")
		if !found {
			way, number = "", args[0]
		}
		n, err := strconv.ParseUint(number, 10, 30)
		if err != nil {
			return nil, err
		}
		c.nr = uintptr(n)
		switch way {
		case "":
		case "x32":
			c.nr |= 1 << 30
		case "i386":
			c.make = i386Syscall
		default:
			return nil, errWrongArguments
		}
	}
	for i, arg := range args[1:] {
		v, err := strconv.ParseUint(arg, 0, 64)
		if err != nil {
			return nil, err
		}
		c.args[i] = uintptr(v)
	}
	return c, nil
}

func rawSyscall(nr uintptr, args [3]uintptr) (unix.Errno, error) {
	_, _, errno := unix.RawSyscall(nr, args[0], args[1], args[2])
	return errno, nil
}

// syscallInThread makes a system call in a thread of its own, and tells whether
// the others live on if that one dies of it.
func syscallInThread(args []string) error {
	c, err := parseCall(args)
	if err != nil {
		return err
	}
	// A thread that the kernel kills keeps what it has of the Go scheduler;
	// and the main thread would be a zombie, not gone.
	runtime.GOMAXPROCS(4)
	runtime.LockOSThread()
	tid := make(chan int)
	go func() {
		runtime.LockOSThread()
		tid <- unix.Gettid()
		_, _ = c.make(c.nr, c.args)
		select {}
	}()
	path := "/proc/self/task/" + strconv.Itoa(<-tid)
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, err := os.Stat(path); err != nil {
			fmt.Println("the others live on")
			return nil
		}
	}
	return errors.New("the thread lives on")
}

// notification and response are struct seccomp_notif and seccomp_notif_resp of
// linux/seccomp.h.
type notification struct {
	id         uint64
	pid, flags uint32
	nr         int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type response struct {
	id    uint64
	value int64
	error int32
	flags uint32
}

const (
	ioctlReceive = 0xc0502100 // SECCOMP_IOCTL_NOTIF_RECV
	ioctlSend    = 0xc0182101 // SECCOMP_IOCTL_NOTIF_SEND
	goOn         = 1          // SECCOMP_USER_NOTIF_FLAG_CONTINUE
)

// agent is a seccomp agent (SCMP_ACT_NOTIFY). It prints what it is sent, and
// answers: mkdir makes the folder with "-" and the metadata added to its name,
// mount succeeds without doing anything, chmod fails with ENOMEDIUM; other
// calls go on. Another connection may come at any time (exec).
func agent(args []string) error {
	if len(args) != 1 {
		return errWrongArguments
	}
	l, err := net.Listen("unix", args[0])
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		fds, text, err := readFDs(conn.(*net.UnixConn))
		if err != nil {
			return err
		}
		conn.Close()
		if len(fds) != 1 {
			return fmt.Errorf("%d descriptors arrived, want 1", len(fds))
		}
		fmt.Println(text)
		_, metadata, _ := strings.Cut(text, `"metadata":"`)
		metadata, _, _ = strings.Cut(metadata, `"`)
		go serve(fds[0], metadata)
	}
}

// serve answers until nobody is under the filter any more.
func serve(fd int, metadata string) {
	for {
		var n notification
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlReceive, uintptr(unsafe.Pointer(&n)))
		switch errno {
		case 0:
		case unix.EINTR, unix.ENOENT:
			if hungUp(fd) {
				return
			}
			continue
		default:
			return
		}
		r := answer(&n, metadata)
		r.id = n.id
		_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlSend, uintptr(unsafe.Pointer(&r)))
	}
}

func hungUp(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	_, err := unix.Poll(p, 0)
	return err == nil && p[0].Revents&unix.POLLHUP != 0
}

func answer(n *notification, metadata string) response {
	switch nr := uintptr(n.nr); {
	case nr == unix.SYS_MKDIRAT, runtime.GOARCH == "amd64" && nr == 83:
		at := 0
		if nr == unix.SYS_MKDIRAT {
			at = 1
		}
		path, err := readString(n.pid, n.args[at])
		if err == nil {
			err = os.Mkdir(filepath.Join("/proc", strconv.Itoa(int(n.pid)), "root", path)+"-"+metadata, 0o755)
		}
		if err != nil {
			return response{error: -int32(unix.EIO)}
		}
		return response{}
	case nr == unix.SYS_MOUNT:
		return response{}
	case nr == unix.SYS_FCHMODAT, runtime.GOARCH == "amd64" && nr == 90:
		return response{error: -int32(unix.ENOMEDIUM)}
	}
	return response{flags: goOn}
}

// readString reads a string in the memory of a process.
func readString(pid uint32, address uint64) (string, error) {
	f, err := os.Open("/proc/" + strconv.Itoa(int(pid)) + "/mem")
	if err != nil {
		return "", err
	}
	defer f.Close()
	buf := make([]byte, 256)
	n, err := f.ReadAt(buf, int64(address))
	end := bytes.IndexByte(buf[:n], 0)
	if end < 0 {
		return "", err
	}
	return string(buf[:end]), nil
}
