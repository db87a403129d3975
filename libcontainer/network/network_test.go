package network

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/thread"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// in returns what f returns on a thread in the namespace ns, which ends then.
func in(ns *os.File, f func() error) (err error) {
	thread.Spend(func() {
		if err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err == nil {
			err = f()
		}
	})
	return err
}

// loopbackFlags returns the flags of lo in the calling thread's namespace.
func loopbackFlags() (uint16, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return 0, err
	}
	err = unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, ifr)
	return ifr.Uint16(), err
}

// namespace returns the identity of the namespace file at path.
func namespace(t *testing.T, path string) string {
	t.Helper()
	link, err := os.Readlink(path)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func TestBegin(t *testing.T) {
	needRoot(t)
	host := namespace(t, "/proc/thread-self/ns/net")
	before, err := loopbackFlags()
	if err != nil {
		t.Fatal(err)
	}
	ns, err := Begin(nil).File()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()

	if kind, err := unix.IoctlRetInt(int(ns.Fd()), unix.NS_GET_NSTYPE); kind != unix.CLONE_NEWNET || err != nil {
		t.Errorf("a namespace of type %#x, %v", kind, err)
	}
	flags, err := unix.FcntlInt(ns.Fd(), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("hooks would inherit it: flags %#x, %v", flags, err)
	}
	err = in(ns, func() error {
		if inside, err := os.Readlink("/proc/thread-self/ns/net"); inside == host || err != nil {
			t.Errorf("it is the host's namespace, %s, %v", inside, err)
		}
		flags, err := loopbackFlags()
		if err == nil && (flags&unix.IFF_UP == 0 || flags&unix.IFF_LOOPBACK == 0) {
			t.Errorf("lo has the flags %#x", flags)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := in(ns, loopbackAnswers); err != nil {
		t.Errorf("lo: %v", err)
	}

	if after := namespace(t, "/proc/thread-self/ns/net"); after != host {
		t.Errorf("the caller was moved from %s to %s", host, after)
	}
	if after, err := loopbackFlags(); after != before || err != nil {
		t.Errorf("the host's lo changed from %#x to %#x, %v", before, after, err)
	}
}

// loopbackAnswers sends a datagram to itself by way of lo.
func loopbackAnswers() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	addr, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	if err := unix.Sendto(fd, []byte("ping"), 0, addr); err != nil {
		return err
	}
	// It may wait for a thread of the kernel's.
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}); err != nil {
		return err
	}
	buf := make([]byte, 8)
	n, _, err := unix.Recvfrom(fd, buf, 0)
	for err == unix.EINTR {
		n, _, err = unix.Recvfrom(fd, buf, 0)
	}
	if err == nil && string(buf[:n]) != "ping" {
		err = errors.New("received " + string(buf[:n]))
	}
	return err
}

func count(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestNoLeak makes many namespaces: no thread, no descriptor may be left, and
// no thread in one of them.
func TestNoLeak(t *testing.T) {
	needRoot(t)
	host := namespace(t, "/proc/thread-self/ns/net")
	one, err := Begin(nil).File()
	if err != nil {
		t.Fatal(err)
	}
	one.Close()
	threads, files := count(t, "/proc/self/task"), count(t, "/proc/self/fd")
	for range 50 {
		ns, err := Begin(nil).File()
		if err != nil {
			t.Fatal(err)
		}
		ns.Close()
	}
	if now := count(t, "/proc/self/fd"); now != files {
		t.Errorf("%d descriptors before, %d after", files, now)
	}
	// A thread ends some time after its last goroutine, and tells nobody. The
	// Go runtime may start a few for its own ends.
	const spare = 4
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		now, strays := count(t, "/proc/self/task"), threadsOutside(t, host)
		switch {
		case now <= threads+spare && len(strays) == 0:
			return
		case time.Now().After(end):
			t.Fatalf("%d threads before, %d after; of process %d these are not in %s: %v", threads, now, os.Getpid(), host, strays)
		}
	}
}

// threadsOutside returns the threads of this process that are not in ns.
func threadsOutside(t *testing.T, ns string) []string {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	var strays []string
	for _, task := range tasks {
		link, err := os.Readlink("/proc/self/task/" + task.Name() + "/ns/net")
		if err == nil && link != ns { // else it has ended meanwhile
			strays = append(strays, task.Name()+" in "+link)
		}
	}
	return strays
}

func TestClose(t *testing.T) {
	needRoot(t)
	called := false
	p := Begin(func() { called = true })
	p.Close()
	f, err := p.File()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("it was not closed: %v", err)
	}
	if !called {
		t.Error("what was to be done before was not done")
	}
}
