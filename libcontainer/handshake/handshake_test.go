package handshake

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// pair returns both ends of a conversation.
func pair(t testing.TB) (outside, inside *Conn) {
	t.Helper()
	a, f, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	b := NewConn(f)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// descriptors returns the number of this process's open descriptors.
func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// header returns the header of a frame.
func header(kind Kind, size uint32) []byte {
	return binary.NativeEndian.AppendUint32([]byte{byte(kind)}, size)
}

func TestRoundTrip(t *testing.T) {
	message := Message{
		State:  specs.State{Version: "1.2.1", ID: "c", Status: specs.StateCreated, Pid: 7, Bundle: "/b", Annotations: map[string]string{"a": "ü\x00"}},
		Root:   "/b/rootfs",
		Mounts: []specs.Mount{{Destination: "/run/notify", Source: "/x", Type: "bind", Options: []string{"ro"}}},
		Env:    []string{"A=B"}, Preserve: 3, NoPivot: true, Keyring: "7;_ses.box", Foreground: true, PauseForHooks: true, Proc: true,
		Cgroup: CgroupView{Unified: true, Path: "/p", Mounts: []CgroupMount{{Dir: "cpu,cpuacct", Mountpoint: "/m", Type: "cgroup", Data: "cpu", Path: "/p", Links: []string{"cpu"}}}},
	}
	report := Report{Timings: []Timing{{Step: "mounts", Micros: 1 << 40}}, Warnings: []string{"w"}}
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for _, tt := range []struct {
		name string
		send func(*Conn) error
		kind Kind
		into any
		want any
	}{
		{"empty", func(c *Conn) error { return c.Send(KindRelease, nil) }, KindRelease, nil, nil},
		{"message", func(c *Conn) error { return c.Send(KindMessage, &message) }, KindMessage, new(Message), &message},
		{"report", func(c *Conn) error { return c.Send(KindReady, &report) }, KindReady, new(Report), &report},
		{"empty report", func(c *Conn) error { return c.Send(KindReady, &Report{}) }, KindReady, new(Report), &Report{}},
		{"bytes", func(c *Conn) error { return c.SendBytes(KindConfig, big) }, KindConfig, nil, big},
		{"no bytes", func(c *Conn) error { return c.SendBytes(KindConfig, nil) }, KindConfig, nil, []byte{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := pair(t)
			sent := make(chan error, 1)
			go func() { sent <- tt.send(a) }()
			fr, err := b.Receive()
			if err != nil {
				t.Fatal(err)
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			if fr.Kind != tt.kind || fr.File != nil {
				t.Errorf("received a frame %c with file %v", fr.Kind, fr.File)
			}
			switch {
			case tt.into != nil:
				if err := fr.Decode(tt.into); err != nil || !reflect.DeepEqual(tt.into, tt.want) {
					t.Errorf("received %+v, %v, want %+v", tt.into, err, tt.want)
				}
			case tt.want != nil:
				if !bytes.Equal(fr.Body, tt.want.([]byte)) {
					t.Errorf("received %d other bytes", len(fr.Body))
				}
			case len(fr.Body) > 0:
				t.Errorf("received the body %q", fr.Body)
			}
		})
	}
}

// TestConversation has frames of all sorts follow one another in both
// directions: none may take bytes of the next.
func TestConversation(t *testing.T) {
	a, b := pair(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for range 3 {
		for _, err := range []error{
			a.SendBytes(KindConfig, []byte("{}")), a.Send(KindMessage, &Message{Root: "/r"}), b.SendFile(KindTerminal, null),
			b.Send(KindMounted, nil), a.Send(KindHooksDone, nil), b.Send(KindReady, &Report{Warnings: []string{"w"}}), a.Send(KindRelease, nil),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 3 {
		for _, step := range []struct {
			conn *Conn
			kind Kind
			size int
			file bool
		}{
			{b, KindConfig, 2, false}, {b, KindMessage, -1, false}, {a, KindTerminal, 0, true}, {a, KindMounted, 0, false},
			{b, KindHooksDone, 0, false}, {a, KindReady, -1, false}, {b, KindRelease, 0, false},
		} {
			fr, err := step.conn.Receive()
			if err != nil {
				t.Fatal(err)
			}
			if fr.Kind != step.kind || (fr.File != nil) != step.file || step.size >= 0 && len(fr.Body) != step.size {
				t.Fatalf("got frame %c with %d bytes and file %v, want %c", fr.Kind, len(fr.Body), fr.File, step.kind)
			}
			if fr.File != nil {
				fr.File.Close()
			}
		}
	}
}

func TestSendFile(t *testing.T) {
	a, b := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := b.SendFile(KindTerminal, w); err != nil {
		t.Fatal(err)
	}
	w.Close()
	fr, err := a.Receive()
	if err != nil || fr.File == nil {
		t.Fatalf("received %+v, %v", fr, err)
	}
	flags, err := unix.FcntlInt(fr.File.Fd(), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("the descriptor would be inherited by hooks: flags %#x, %v", flags, err)
	}
	if _, err := fr.File.WriteString("through"); err != nil {
		t.Fatal(err)
	}
	fr.File.Close()
	if got, err := io.ReadAll(r); string(got) != "through" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestErrors sends errors across and holds them against what they were.
func TestErrors(t *testing.T) {
	for name, err := range map[string]error{
		"errno":         &errdefs.Error{Step: "mounts", Doing: "mount proc on /proc", Field: "mounts[0]", Hint: "do not", Err: unix.EPERM},
		"text":          &errdefs.Error{Field: "process.cwd", Err: errors.New("is no folder")},
		"plain":         errors.New("plain"),
		"wrapped errno": &errdefs.Error{Doing: "open", Err: fmt.Errorf("x: %w", unix.ENOENT)},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t)
			if err := b.SendError(err); err != nil {
				t.Fatal(err)
			}
			fr, rerr := a.Receive()
			if rerr != nil || fr.Kind != KindFailed {
				t.Fatalf("received %+v, %v", fr, rerr)
			}
			got := fr.Err()
			if got.Error() != err.Error() {
				t.Errorf("got %q, want %q", got, err)
			}
			for _, errno := range []unix.Errno{unix.EPERM, unix.ENOENT} {
				if errors.Is(got, errno) != errors.Is(err, errno) {
					t.Errorf("errors.Is(%v) changed to %v", errno, errors.Is(got, errno))
				}
			}
		})
	}
	if err := (&Frame{Kind: KindFailed, Body: []byte("{")}).Err(); err == nil || !strings.Contains(err.Error(), "unreadable error from the init process") {
		t.Errorf("an error that is cut short: %v", err)
	}
}

// TestPeerDies cuts a frame short at every byte.
func TestPeerDies(t *testing.T) {
	frame := append(header(KindMessage, 20), bytes.Repeat([]byte("x"), 20)...)
	for n := range len(frame) {
		a, b := pair(t)
		if _, err := b.f.Write(frame[:n]); err != nil {
			t.Fatal(err)
		}
		b.Close()
		if fr, err := a.Receive(); err != io.EOF {
			t.Errorf("after %d of %d bytes: %+v, %v", n, len(frame), fr, err)
		}
		if _, err := a.Receive(); err != io.EOF {
			t.Errorf("after %d of %d bytes, a second time: %v", n, len(frame), err)
		}
	}
}

// TestPeerDiesUnread has the peer die with bytes that it had not read: the
// kernel then says "connection reset" in place of an end of file.
func TestPeerDiesUnread(t *testing.T) {
	a, b := pair(t)
	if err := a.Send(KindRelease, nil); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if _, err := a.Receive(); err != io.EOF {
		t.Errorf("Receive: %v", err)
	}
	if err := a.Send(KindRelease, nil); !errors.Is(err, unix.EPIPE) {
		t.Errorf("Send: %v", err)
	}
	if err := a.SendFile(KindTerminal, os.Stdin); !errors.Is(err, unix.EPIPE) {
		t.Errorf("SendFile: %v", err)
	}
}

// TestSlowly has each byte come alone.
func TestSlowly(t *testing.T) {
	a, b := pair(t)
	go func() {
		for _, c := range append(header(KindReady, 3), "abc"...) {
			_, _ = b.f.Write([]byte{c})
			runtime.Gosched()
		}
	}()
	fr, err := a.Receive()
	if err != nil || fr.Kind != KindReady || string(fr.Body) != "abc" {
		t.Errorf("received %+v, %v", fr, err)
	}
}

func TestOversized(t *testing.T) {
	for _, size := range []uint32{maxFrame + 1, 1 << 31, 1<<32 - 1} {
		a, b := pair(t)
		if _, err := b.f.Write(header(KindMessage, size)); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := a.Receive()
		runtime.ReadMemStats(&after)
		if want := fmt.Sprintf("handshake: a frame of %d bytes is too large", size); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%d bytes were allocated to refuse %d", n, size)
		}
	}
}

// TestDescriptorsKept sends what nobody of ours would: descriptors in places
// and numbers that have no meaning. None may stay open behind the reader's
// back.
func TestDescriptorsKept(t *testing.T) {
	frame := func(size uint32, body string) []byte { return append(header(KindTerminal, size), body...) }
	for _, tt := range []struct {
		name  string
		parts [][]byte // each sent with descriptors
		fds   int
		ok    bool
	}{
		{"two at once", [][]byte{frame(0, "")}, 2, false},
		{"many at once", [][]byte{frame(0, "")}, 100, false},
		{"one with each byte", [][]byte{{byte(KindTerminal)}, {0}, {0}, {0}, {0}}, 1, false},
		{"before an end of file", [][]byte{{byte(KindTerminal), 0}}, 1, false},
		{"with a frame that is too large", [][]byte{frame(maxFrame+1, "")}, 1, false},
		{"with a frame that is cut short", [][]byte{frame(4, "ab")}, 1, false},
		{"with the body", [][]byte{frame(1, ""), []byte("x")}, 1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := pair(t)
			before := descriptors(t) - 1 // b's is closed below
			fds := make([]int, tt.fds)
			for i := range fds {
				fds[i] = int(os.Stdin.Fd())
			}
			for _, part := range tt.parts {
				if err := unix.Sendmsg(int(b.f.Fd()), part, unix.UnixRights(fds...), nil, 0); err != nil {
					t.Fatal(err)
				}
			}
			b.Close()
			fr, err := a.Receive()
			if (err == nil) != tt.ok {
				t.Errorf("received %+v, %v", fr, err)
			}
			if err == nil && fr.File != nil {
				fr.File.Close()
			}
			if after := descriptors(t); after != before {
				t.Errorf("%d descriptors before, %d after", before, after)
			}
		})
	}
}

// FuzzReceive reads whatever bytes from a socket: all frames in them, and then
// the end or a refusal.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{})
	f.Add(header(KindReady, 0))
	f.Add(append(header(KindMessage, 2), "{}"...))
	f.Add(append(append(header(KindFailed, 13), `{"cause":"x"}`...), header(KindReady, 0)...))
	f.Add(header(KindConfig, maxFrame+1))
	f.Add(append(header(KindConfig, 100), "short"...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			t.Skip("more than a socket surely holds")
		}
		if hugeFrame(data) {
			t.Skip("allowed, and slow for its memory")
		}
		a, b := pair(t)
		defer a.Close()
		if _, err := b.f.Write(data); err != nil {
			t.Fatal(err)
		}
		b.Close()
		read := 0
		for {
			fr, err := a.Receive()
			if err == nil {
				if want := data[read+5 : read+5+len(fr.Body)]; fr.Kind != Kind(data[read]) || !bytes.Equal(fr.Body, want) {
					t.Fatalf("received %c %q at %d of %q", fr.Kind, fr.Body, read, data)
				}
				read += 5 + len(fr.Body)
				var m Message
				_ = fr.Decode(&m)
				if fr.Err() == nil {
					t.Errorf("no error in %q", fr.Body)
				}
				continue
			}
			if err != io.EOF && !strings.Contains(err.Error(), "too large") {
				t.Errorf("%q: %v", data, err)
			}
			return
		}
	})
}

// hugeFrame tells whether data holds the header of a frame of more than 1 MiB
// that is not refused.
func hugeFrame(data []byte) bool {
	for len(data) >= 5 {
		size := binary.NativeEndian.Uint32(data[1:])
		if size > 1<<20 {
			return size <= maxFrame
		}
		data = data[min(5+int(size), len(data)):]
	}
	return false
}

func TestArgs(t *testing.T) {
	args := Args(5, 1<<63)
	if !reflect.DeepEqual(args, []string{"rung init", "5", "9223372036854775808"}) {
		t.Errorf("got %q", args)
	}
	if fd, soft, ok := ParseArgs(args); fd != 5 || soft != 1<<63 || !ok {
		t.Errorf("read back as %d, %d, %v", fd, soft, ok)
	}
	for _, args := range [][]string{nil, {"rung init", "5"}, {"rung", "5", "9"}, {"rung init", "2", "9"}, {"rung init", "x", "9"},
		{"rung init", "5", "-1"}, {"rung init", "5", ""}, {"rung init", "5", "9", "9"}} {
		if _, _, ok := ParseArgs(args); ok {
			t.Errorf("%q were taken for an init's", args)
		}
	}
}

// FuzzParseArgs is about the command line of any process that might be taken for
// an init.
func FuzzParseArgs(f *testing.F) {
	for _, s := range []string{"3", "2", "-1", "03", "+3", "9223372036854775808"} {
		f.Add(Arg0, s, "1024")
	}
	f.Fuzz(func(t *testing.T, name, first, second string) {
		fd, soft, ok := ParseArgs([]string{name, first, second})
		if !ok {
			return
		}
		if again, same, ok := ParseArgs(Args(fd, soft)); fd < 3 || name != Arg0 || again != fd || same != soft || !ok {
			t.Errorf("%q %q %q: %d, %d; again %d, %d, %v", name, first, second, fd, soft, again, same, ok)
		}
	})
}
