package launch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/spawn"
	"github.com/rungoci/rung/libcontainer/bundle"
)

// walk runs a table of the named steps, where do is what a step does, and
// returns what happened in which order.
func walk(ctx context.Context, t *testing.T, do func(c *creation, step string) error) ([]string, error) {
	t.Helper()
	var log []string
	saved := table
	defer func() { table = saved }()
	table = nil
	for _, name := range []string{"one", "two", "three", "four"} {
		r := row{name: name, do: func(c *creation) error {
			log = append(log, name)
			return do(c, name)
		}}
		if name != "two" { // a step may have nothing to undo
			r.undo = func(*creation) { log = append(log, "undo "+name) }
		}
		table = append(table, r)
	}
	request := &Request{
		Bundle: &bundle.Bundle{Spec: &specs.Spec{}},
		Trace:  func(step string, _ time.Duration) { log = append(log, "trace "+step) },
	}
	_, err := Create(ctx, request)
	return log, err
}

func TestSteps(t *testing.T) {
	log, err := walk(context.Background(), t, func(*creation, string) error { return nil })
	want := []string{"one", "trace one", "two", "trace two", "three", "trace three", "four", "trace four"}
	if err != nil || !slices.Equal(log, want) {
		t.Errorf("got %q, %v, want %q", log, err, want)
	}
}

// TestUndo has a step fail: it is undone, as it may be half done, and then
// those before it, the last first.
func TestUndo(t *testing.T) {
	log, err := walk(context.Background(), t, func(_ *creation, step string) error {
		if step == "three" {
			return unix.EPERM
		}
		return nil
	})
	want := []string{"one", "trace one", "two", "trace two", "three", "undo three", "undo one"}
	if !slices.Equal(log, want) {
		t.Errorf("got %q, want %q", log, want)
	}
	var e *errdefs.Error
	if !errors.Is(err, unix.EPERM) || !errors.As(err, &e) || e.Step != "three" {
		t.Errorf("the error %v is not of the step three", err)
	}
}

func TestContextEnds(t *testing.T) {
	cause := errors.New("the cause")
	for _, tt := range []struct {
		name  string
		do    func(c *creation, step string, end func()) error
		want  []string
		fails bool
	}{
		{"while a step succeeds", func(_ *creation, step string, end func()) error {
			if step == "two" {
				end()
			}
			return nil
		}, []string{"one", "trace one", "two", "undo one"}, true},
		{"and makes a step fail", func(_ *creation, step string, end func()) error {
			if step == "two" {
				end()
				return errors.New("the init process was killed")
			}
			return nil
		}, []string{"one", "trace one", "two", "undo one"}, true},
		{"after it no longer matters", func(c *creation, step string, end func()) error {
			switch step {
			case "two":
				c.settle()
			case "three":
				end()
			}
			return nil
		}, []string{"one", "trace one", "two", "trace two", "three", "trace three", "four", "trace four"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(context.Background())
			log, err := walk(ctx, t, func(c *creation, step string) error {
				return tt.do(c, step, func() { cancel(cause) })
			})
			if !slices.Equal(log, tt.want) {
				t.Errorf("got %q, want %q", log, tt.want)
			}
			if errors.Is(err, cause) != tt.fails || !tt.fails && err != nil {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// TestTable holds the order of the steps to what the comments and the
// documentation promise.
func TestTable(t *testing.T) {
	at := map[string]int{}
	for i, r := range table {
		if _, there := at[r.name]; there || r.do == nil {
			t.Errorf("the step %q is there twice, or does nothing", r.name)
		}
		at[r.name] = i
	}
	for _, pair := range [][2]string{
		{"labels", "begin"}, {"labels", "journal"}, // nothing to undo where the host lacks a security module
		{"journal", "cgroup"}, {"journal", "gate"}, {"journal", "clone"}, // what outlives this process is written down first
		{"cgroup", "clone"}, {"gate", "clone"}, {"seal", "clone"},
		{"runtime-hooks", "ready"}, {"ready", "device-rules"}, {"ready", "late-limits"},
		{"pid-file", "commit"}, {"state", "commit"}, {"commit", "release"}, // engines see a container that stays
	} {
		first, ok := at[pair[0]]
		second, ok2 := at[pair[1]]
		if !ok || !ok2 || first > second {
			t.Errorf("%s does not come before %s", pair[0], pair[1])
		}
	}
}

func TestNamespaces(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path, want string
		kind             specs.LinuxNamespaceType
	}{
		{"missing", "/nonexistent", "join the network namespace /nonexistent (linux.namespaces[1].path): no such file or directory", specs.NetworkNamespace},
		{"device", "/dev/null", "this is not a namespace file", specs.NetworkNamespace},
		{"fifo, which must not be waited for", fifo, "this is not a namespace file", specs.NetworkNamespace},
		{"folder", "/", "this is not a namespace file", specs.IPCNamespace},
		{"another type", "/proc/self/ns/uts", "this is a namespace of another type (uts)", specs.NetworkNamespace},
		{"user namespace", "/proc/self/ns/user", "this is a namespace of another type (user)", specs.MountNamespace},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list := []specs.LinuxNamespace{{Type: specs.UTSNamespace}, {Type: tt.kind, Path: tt.path}}
			closeAll, err := namespaces(list, new(spawn.Request))
			closeAll()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestNamespacesJoined(t *testing.T) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	before := len(entries)
	req := new(spawn.Request)
	closeAll, err := namespaces([]specs.LinuxNamespace{
		{Type: specs.MountNamespace, Path: "/proc/self/ns/mnt"}, {Type: specs.PIDNamespace}, {Type: specs.CgroupNamespace},
		{Type: specs.NetworkNamespace, Path: "/proc/self/ns/net"}, {Type: specs.UTSNamespace, Path: "/proc/self/ns/uts"},
	}, req)
	if err != nil {
		t.Fatal(err)
	}
	if want := uint64(unix.CLONE_NEWPID | unix.CLONE_NEWCGROUP); req.New != want {
		t.Errorf("%#x are made, want %#x", req.New, want)
	}
	// The mount namespace comes last: joining it changes the root.
	var got []string
	for _, j := range req.Join {
		kind, err := unix.IoctlRetInt(j.FD, unix.NS_GET_NSTYPE)
		if err != nil || kind != j.Flag {
			t.Errorf("a namespace of type %#x, %v, want %#x", kind, err, j.Flag)
		}
		got = append(got, flagName(j.Flag)+" "+j.Field)
	}
	want := []string{"uts linux.namespaces[4].path", "network linux.namespaces[3].path", "mount linux.namespaces[0].path"}
	if !slices.Equal(got, want) {
		t.Errorf("joined are %q, want %q", got, want)
	}
	closeAll()
	if entries, err = os.ReadDir("/proc/self/fd"); len(entries) != before || err != nil {
		t.Errorf("%d descriptors before, %d after, %v", before, len(entries), err)
	}
}

func TestTimeOffsets(t *testing.T) {
	for want, offsets := range map[string]map[string]specs.LinuxTimeOffset{
		"":                                       nil,
		"monotonic 7 0\n":                        {"monotonic": {Secs: 7}},
		"boottime -1 999999999\nmonotonic 0 5\n": {"monotonic": {Nanosecs: 5}, "boottime": {Secs: -1, Nanosecs: 999999999}},
	} {
		if got := timeOffsets(&specs.Spec{Linux: &specs.Linux{TimeOffsets: offsets}}); got != want {
			t.Errorf("%v: %q, want %q", offsets, got, want)
		}
	}
}

func TestWriteAtomically(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pid")
	for _, text := range []string{"1234567", "89"} {
		if err := writeAtomically(path, text); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); string(got) != text || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, text)
		}
	}
	if err := writeAtomically(filepath.Join(dir, "none", "pid"), "1"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("in a missing folder: %v", err)
	}
	folder := filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeAtomically(folder, "1"); err == nil {
		t.Error("a folder was replaced")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("left are %v, %v", entries, err)
	}
}

// TestSendFile receives as containerd's console and CRI-O's pidfd sockets do.
func TestSendFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(listener)
	if err := unix.Bind(listener, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := SendFile(t.Context(), path, file); !errors.Is(err, unix.ECONNREFUSED) || !strings.Contains(err.Error(), path) {
		t.Errorf("nobody listens: %v", err)
	}
	if err := unix.Listen(listener, 1); err != nil {
		t.Fatal(err)
	}
	if err := SendFile(t.Context(), path, file); err != nil {
		t.Fatal(err)
	}
	conn, _, err := unix.Accept(listener)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(conn)
	text, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := unix.Recvmsg(conn, text, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil || string(text[:n]) != file.Name() {
		t.Errorf("received %q, %v, want the name %q", text[:n], err, file.Name())
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		t.Fatalf("received %d control messages, %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		t.Fatalf("received the descriptors %v, %v", fds, err)
	}
	defer unix.Close(fds[0])
	var sent, received unix.Stat_t
	if err := errors.Join(unix.Fstat(int(file.Fd()), &sent), unix.Fstat(fds[0], &received)); err != nil || !reflect.DeepEqual(sent, received) {
		t.Errorf("another file was received: %v", err)
	}
	// The receiver reads to the end.
	if n, err := unix.Read(conn, text); n != 0 || err != nil {
		t.Errorf("then %d bytes, %v, want the end", n, err)
	}
	// The queue is as long as listen(2) was told, and one.
	for range 2 {
		if err := SendFile(t.Context(), path, file); err != nil {
			t.Fatal(err)
		}
	}
	why := errors.New("called off")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(turn/2, func() { cancel(why) })
	if err := SendFile(ctx, path, file); !errors.Is(err, why) {
		t.Errorf("nobody accepts: %v", err)
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "none"), "/" + strings.Repeat("long/", 50)} {
		if err := SendFile(t.Context(), path, file); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
