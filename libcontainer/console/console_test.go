package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what takes microseconds.
const patience = 10 * time.Second

// terminal makes a terminal and returns both of its ends. Nothing that is
// written to it is changed.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("needs /dev/ptmx")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// settings returns the settings of a terminal.
func settings(t *testing.T, f *os.File) unix.Termios {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *s
}

// plain has a terminal pass on bytes as they are.
func plain(t *testing.T, slave *os.File) {
	t.Helper()
	s := settings(t, slave)
	s.Oflag &^= unix.OPOST
	s.Lflag &^= unix.ECHO | unix.ICANON | unix.ISIG
	s.Iflag &^= unix.ICRNL | unix.IXON
	if err := unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, &s); err != nil {
		t.Fatal(err)
	}
}

// standard replaces standard error, where Current looks first.
func standard(t *testing.T, f *os.File) {
	old := os.Stderr
	os.Stderr = f
	t.Cleanup(func() { os.Stderr = old })
}

func TestRaw(t *testing.T) {
	master, slave := terminal(t)
	standard(t, slave)
	before := settings(t, slave)
	h := Current()
	if err := h.Raw(); err != nil {
		t.Fatal(err)
	}
	raw := settings(t, slave)
	if raw.Lflag&(unix.ECHO|unix.ICANON|unix.ISIG|unix.IEXTEN) != 0 || raw.Iflag&(unix.ICRNL|unix.IXON) != 0 || raw.Oflag&unix.OPOST != 0 {
		t.Errorf("not raw: %+v", raw)
	}
	// Ctrl-C is a byte like any other, and is not answered.
	if _, err := master.WriteString("\x03\r"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 2)
	if _, err := io.ReadFull(slave, got); err != nil || string(got) != "\x03\r" {
		t.Errorf("read %q, %v", got, err)
	}
	if err := h.Raw(); err != nil {
		t.Errorf("a second time: %v", err)
	}
	h.Reset()
	if after := settings(t, slave); after != before {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

func TestResize(t *testing.T) {
	_, slave := terminal(t)
	standard(t, slave)
	h := Current()
	other, its := terminal(t)
	for _, want := range []unix.Winsize{{Row: 24, Col: 80}, {Row: 1, Col: 65535}, {Row: 50, Col: 132}, {}} {
		if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &want); err != nil {
			t.Fatal(err)
		}
		h.Resize(other)
		got, err := unix.IoctlGetWinsize(int(its.Fd()), unix.TIOCGWINSZ)
		if err != nil || *got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

// TestNoTerminal is about a Host that does nothing.
func TestNoTerminal(t *testing.T) {
	master, slave := terminal(t)
	before := settings(t, slave)
	h := &Host{}
	if err := h.Raw(); err != nil {
		t.Error(err)
	}
	h.Resize(master)
	h.Reset()
	if after := settings(t, slave); after != before {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// buffer is a bytes.Buffer that tells when it grew.
type buffer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	grew chan struct{}
}

func newBuffer() *buffer { return &buffer{grew: make(chan struct{}, 1)} }

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.grew <- struct{}{}:
	default:
	}
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// waitFor waits until the buffer holds text.
func (b *buffer) waitFor(t *testing.T, text string) {
	t.Helper()
	end := time.After(patience)
	for !strings.Contains(b.String(), text) {
		select {
		case <-b.grew:
		case <-end:
			t.Fatalf("%q did not come, only %q", text, b.String())
		}
	}
}

// copying is a Copy at work.
type copying struct {
	out   *buffer
	in    *os.File // what is written to it is the terminal's input
	ended *os.File // to be closed when the program ends
	done  chan struct{}
}

// startCopy has a pipe for standard input and keeps the output.
func startCopy(t *testing.T, master *os.File) *copying {
	t.Helper()
	inRead, inWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inWrite.Close(); inRead.Close() })
	out := newBuffer()
	c := startCopyOf(t, master, inRead, out)
	c.in, c.out = inWrite, out
	return c
}

// startCopyOf begins to copy in to the terminal, and from there to out.
func startCopyOf(t *testing.T, master *os.File, in io.Reader, out io.Writer) *copying {
	t.Helper()
	endedRead, endedWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endedWrite.Close(); endedRead.Close() })
	c := &copying{ended: endedWrite, done: make(chan struct{})}
	go func() {
		Copy(master, in, out, endedRead)
		close(c.done)
	}()
	return c
}

func (c *copying) wait(t *testing.T) {
	t.Helper()
	select {
	case <-c.done:
	case <-time.After(patience):
		t.Fatal("Copy has not returned")
	}
}

func TestCopy(t *testing.T) {
	master, slave := terminal(t)
	plain(t, slave)
	c := startCopy(t, master)
	if _, err := c.in.WriteString("to the container"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len("to the container"))
	if _, err := io.ReadFull(slave, got); err != nil || string(got) != "to the container" {
		t.Errorf("the container reads %q, %v", got, err)
	}
	if _, err := slave.WriteString("from the container"); err != nil {
		t.Fatal(err)
	}
	c.out.waitFor(t, "from the container")
	c.ended.Close()
	c.wait(t)
}

// TestCopyReopened has the container close its terminal, and open it again, as
// systemd does for each message.
func TestCopyReopened(t *testing.T) {
	master, slave := terminal(t)
	plain(t, slave)
	c := startCopy(t, master)
	for i := range 20 {
		message := fmt.Sprintf("message %d\n", i)
		if _, err := slave.WriteString(message); err != nil {
			t.Fatal(err)
		}
		slave.Close()
		c.out.waitFor(t, message)
		again, err := os.OpenFile(slave.Name(), os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		slave = again
	}
	slave.Close()
	select {
	case <-c.done:
		t.Error("Copy has returned while the container runs")
	default:
	}
	var before, after unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &before)
	time.Sleep(50 * time.Millisecond)
	_ = unix.Getrusage(unix.RUSAGE_SELF, &after)
	if busy := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()); busy > 30*time.Millisecond {
		t.Errorf("in 50 ms in which nobody had the terminal open, %v of CPU time were used", busy)
	}
	c.ended.Close()
	c.wait(t)
}

// TestCopyAll has a container write more than the kernel keeps, and end: the
// last bytes must not be lost.
func TestCopyAll(t *testing.T) {
	for _, end := range []string{"slave closed", "init ended"} {
		t.Run(end, func(t *testing.T) {
			for range 20 {
				master, slave := terminal(t)
				plain(t, slave)
				c := startCopy(t, master)
				var want strings.Builder
				for i := range 3000 {
					fmt.Fprintf(&want, "line %d\n", i)
				}
				if _, err := slave.WriteString(want.String()); err != nil {
					t.Fatal(err)
				}
				if end == "slave closed" {
					slave.Close()
				}
				c.ended.Close()
				c.wait(t)
				if got := c.out.String(); got != want.String() {
					t.Fatalf("%d of %d bytes came", len(got), want.Len())
				}
				master.Close()
				slave.Close()
			}
		})
	}
}

// TestCopyEnded has a process hold the terminal longer than the init lives.
func TestCopyEnded(t *testing.T) {
	master, slave := terminal(t)
	plain(t, slave)
	c := startCopy(t, master)
	if _, err := slave.WriteString("last words"); err != nil {
		t.Fatal(err)
	}
	c.ended.Close()
	c.wait(t)
	if got := c.out.String(); got != "last words" {
		t.Errorf("got %q", got)
	}
}

// slow is a reader of the output that is slower than who writes it: it takes
// nothing until begin is closed, and is never done before there is more.
type slow struct {
	got    bytes.Buffer
	begin  chan struct{}
	master *os.File
}

func (s *slow) Write(p []byte) (int, error) {
	<-s.begin
	fds := []unix.PollFd{{Fd: int32(s.master.Fd()), Events: unix.POLLIN}}
	_, _ = unix.Poll(fds, 1000)
	return s.got.Write(p)
}

// TestCopyLeftOver has a process go on writing without end after the init's, to a
// terminal that is as full as can be then.
func TestCopyLeftOver(t *testing.T) {
	master, slave := terminal(t)
	plain(t, slave)
	out := &slow{begin: make(chan struct{}), master: master}
	c := startCopyOf(t, master, strings.NewReader(""), out)
	written := fill(t, slave)
	c.ended.Close()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for err := error(nil); err == nil; {
			_, err = slave.WriteString("left over\n") // until the master is closed
		}
	}()
	close(out.begin)
	c.wait(t)
	if got := out.got.Bytes(); !bytes.HasPrefix(got, written) {
		t.Errorf("of %d bytes that were written before the end, not all are among the %d that came", len(written), len(got))
	}
	master.Close()
	<-stopped
}

// fill writes to a terminal until it takes no more, and returns what it has taken.
func fill(t *testing.T, slave *os.File) []byte {
	t.Helper()
	fd := int(slave.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	var written bytes.Buffer
	for i := 0; ; i++ {
		line := fmt.Sprintf("line %d\n", i)
		n, err := unix.Write(fd, []byte(line))
		if err == nil {
			written.WriteString(line[:n])
			continue
		}
		// The kernel moves it on, and who reads it has taken one piece.
		if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 200); n == 0 && err == nil {
			break
		}
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	return written.Bytes()
}

// TestCopyNoReader has standard output be closed: the program, which writes more
// than a terminal holds, does not wait, and Copy returns when that has ended.
func TestCopyNoReader(t *testing.T) {
	master, slave := terminal(t)
	plain(t, slave)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	c := startCopyOf(t, master, strings.NewReader(""), Output{w})
	if _, err := slave.WriteString(strings.Repeat("x", 1<<18)); err != nil {
		t.Fatal(err)
	}
	c.ended.Close()
	c.wait(t)
}
