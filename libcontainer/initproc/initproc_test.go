package initproc

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/handshake"
)

// end waits for the end of a command and returns its exit status.
func end(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode()
	case <-time.After(10 * time.Second):
		_ = cmd.Process.Kill()
		t.Fatal("the init process does not end")
		return -1
	}
}

// TestEntry calls this binary by the name of the init, and by names that are
// nearly it.
func TestEntry(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		status int
	}{
		{[]string{"rung init", "", "9"}, 1}, {[]string{"rung init", "x", "9"}, 1}, {[]string{"rung init", "-1", "9"}, 1},
		{[]string{"rung init", "0", "9"}, 1}, {[]string{"rung init", "2", "9"}, 1},
		{[]string{"rung init", "3", ""}, 1}, {[]string{"rung init", "3", "-1"}, 1}, {[]string{"rung init", "3", "x"}, 1},
		{[]string{"rung init", "3", "9"}, 1},   // not open
		{[]string{"rung init", "999", "9"}, 1}, // not open
		// These are commands of the user's; no test runs is a success.
		{[]string{"rung", "-test.run=^$", "9"}, 0},
		{[]string{"rung init", "-test.run=^$"}, 0},
		{[]string{"rung init", "-test.run=^$", "3", "9"}, 0},
		{[]string{"/usr/bin/rung init", "-test.run=^$", "9"}, 0},
	} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Args = tt.args
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if got := end(t, cmd); got != tt.status {
			t.Errorf("%q ends with %d, want %d", tt.args, got, tt.status)
		}
	}
}

// startInit starts an init process and returns the outside's end of the
// conversation with it.
func startInit(t *testing.T) (*handshake.Conn, *exec.Cmd) {
	t.Helper()
	conn, peer, err := handshake.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = handshake.Args(3, 1024)
	cmd.Env = handshake.Env()
	cmd.ExtraFiles = []*os.File{peer}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return conn, cmd
}

const config = `{"ociVersion":"1.0.0","process":{"cwd":"/","args":["x"]},"root":{"path":"r"}}`

// TestOutsideDies ends the conversation after each of its frames: an init must
// not be left that waits for ever.
func TestOutsideDies(t *testing.T) {
	for name, say := range map[string]func(*handshake.Conn) error{
		"at once":      func(*handshake.Conn) error { return nil },
		"after config": func(c *handshake.Conn) error { return c.SendBytes(handshake.KindConfig, []byte(config)) },
	} {
		t.Run(name, func(t *testing.T) {
			conn, cmd := startInit(t)
			if err := say(conn); err != nil {
				t.Fatal(err)
			}
			conn.Close()
			if got := end(t, cmd); got != 1 {
				t.Errorf("the init ends with %d", got)
			}
		})
	}
}

// TestRefuses tells the init what it cannot accept: it answers with one error
// and ends.
func TestRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		say  func(*handshake.Conn) error
		want string
	}{
		"no JSON": {func(c *handshake.Conn) error { return c.SendBytes(handshake.KindConfig, []byte("{")) }, "JSON"},
		"other order": {func(c *handshake.Conn) error {
			return errors.Join(c.SendBytes(handshake.KindMessage, []byte(config)), c.SendBytes(handshake.KindConfig, []byte(config)))
		}, "handshake: the outside does not begin with its message"},
		"broken message": {func(c *handshake.Conn) error {
			return errors.Join(c.SendBytes(handshake.KindConfig, []byte(config)), c.SendBytes(handshake.KindMessage, []byte(`{"root":1}`)))
		}, "root"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, cmd := startInit(t)
			if err := tt.say(conn); err != nil {
				t.Fatal(err)
			}
			fr, err := conn.Receive()
			if err != nil || fr.Kind != handshake.KindFailed || !strings.Contains(fr.Err().Error(), tt.want) {
				t.Errorf("got %+v, %v, want an error about %s", fr, err, tt.want)
			}
			if got := end(t, cmd); got != 1 {
				t.Errorf("the init ends with %d", got)
			}
		})
	}
}

// pair returns an inside and the outside's end of its conversation.
func pair(t *testing.T) (*inside, *handshake.Conn) {
	t.Helper()
	conn, peer, err := handshake.Pair()
	if err != nil {
		t.Fatal(err)
	}
	in := &inside{conn: handshake.NewConn(peer)}
	t.Cleanup(func() { conn.Close(); in.conn.Close() })
	return in, conn
}

func TestListen(t *testing.T) {
	in, conn := pair(t)
	spec := &specs.Spec{
		Version: "1.0.0", Root: &specs.Root{Path: "r"}, Mounts: []specs.Mount{{Destination: "/proc", Type: "proc"}},
		Process: &specs.Process{Cwd: "/", Args: []string{"x"}, Env: []string{"A=B"}},
	}
	data, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	message := handshake.Message{
		State: specs.State{Pid: 4711}, Root: "/r", Env: []string{"LISTEN_FDS=2"}, Preserve: 2,
		Mounts: []specs.Mount{{Destination: "/run/notify", Source: "/s", Type: "bind"}},
	}
	if err := errors.Join(conn.SendBytes(handshake.KindConfig, data), conn.Send(handshake.KindMessage, &message)); err != nil {
		t.Fatal(err)
	}
	if err := in.listen(); err != nil {
		t.Fatal(err)
	}
	// Hooks in here are to see the pid that they would find in /proc.
	message.State.Pid = os.Getpid()
	if !reflect.DeepEqual(in.msg, message) {
		t.Errorf("the message is %+v, want %+v", in.msg, message)
	}
	if in.spec.Linux == nil {
		t.Error("linux is nil where config.json has none")
	}
	if got := in.spec.Process.Env; !slices.Equal(got, []string{"A=B", "LISTEN_FDS=2"}) {
		t.Errorf("the environment is %q", got)
	}
	if got := in.spec.Mounts; len(got) != 2 || got[0].Destination != "/proc" || got[1].Destination != "/run/notify" {
		t.Errorf("the mounts are %+v", got)
	}
}

func TestExpect(t *testing.T) {
	in, conn := pair(t)
	if err := conn.Send(handshake.KindRelease, nil); err != nil {
		t.Fatal(err)
	}
	if err := in.expect(handshake.KindRelease); err != nil {
		t.Error(err)
	}
	if err := conn.Send(handshake.KindRelease, nil); err != nil {
		t.Fatal(err)
	}
	if err := in.expect(handshake.KindHooksDone); err == nil || err.Error() != "handshake: unexpected answer from the outside" {
		t.Errorf("another frame: %v", err)
	}
	conn.Close()
	if err := in.expect(handshake.KindRelease); err == nil || err.Error() != "wait for the outside: EOF" {
		t.Errorf("the end: %v", err)
	}
}

func TestWalk(t *testing.T) {
	var log []string
	logged := func(name string, err error) step {
		return step{name, always, func(*inside) error { log = append(log, name); return err }}
	}
	in := &inside{}
	err := in.walk([]step{logged("one", nil), logged("two", unix.EPERM), logged("three", nil)})
	var e *errdefs.Error
	if !errors.Is(err, unix.EPERM) || !errors.As(err, &e) || e.Step != "two" {
		t.Errorf("the error %v is not of the step two", err)
	}
	if !slices.Equal(log, []string{"one", "two"}) {
		t.Errorf("done was %q", log)
	}
	if len(in.report.Timings) != 1 || in.report.Timings[0].Step != "one" {
		t.Errorf("the timings are %+v", in.report.Timings)
	}
}

// TestTable holds the order of the steps to what their security rests on.
func TestTable(t *testing.T) {
	at := map[string]int{}
	for i, s := range table {
		if _, there := at[s.name]; there || s.do == nil {
			t.Errorf("the step %q is there twice, or does nothing", s.name)
		}
		at[s.name] = i
	}
	for _, pair := range [][2]string{
		{"procfs", "mounts"},                                                   // while nobody in the container can replace it
		{"procfs", "session"},                                                  // the label of the keyring goes through it
		{"createContainer", "labels"}, {"labels", "enter"}, {"labels", "user"}, // hooks of the engine are not confined; no handle of /proc in the container's root
		{"mounts", "environment"}, {"environment", "labels"}, // while there is a handle of the host's /proc
		{"root", "mounts"}, {"mounts", "devices"}, {"devices", "terminal"},
		{"mounts", "runtime-hooks"}, {"runtime-hooks", "createContainer"}, {"createContainer", "enter"}, // config.md, "POSIX-platform Hooks"
		{"enter", "paths"}, {"paths", "user"}, {"stdio", "user"}, // what needs root comes before its end
		{"user", "executable"}, // found with the rights of the user
		{"executable", "ready"}, {"ready", "gate"}, {"gate", "exec"},
		{"network", "filter"}, {"filter", "mounts"}, // the order of the outside's frames
		{"filter", "user"}, // which keeps what loading it takes
		{"executable", "listener"}, {"listener", "ready"},
	} {
		first, ok := at[pair[0]]
		second, ok2 := at[pair[1]]
		if !ok || !ok2 || first > second {
			t.Errorf("%s does not come before %s", pair[0], pair[1])
		}
	}
	if last := table[len(table)-1].name; last != "exec" {
		t.Errorf("%s comes after exec", last)
	}
}

// TestCloseOnExecFrom is about descriptors that nobody marked.
func TestCloseOnExecFrom(t *testing.T) {
	if errors.Is(unix.CloseRange(1<<30, 1<<30, unix.CLOSE_RANGE_CLOEXEC), unix.EINVAL) {
		t.Skip("needs Linux 5.11")
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	low, high := min(pipe[0], pipe[1]), max(pipe[0], pipe[1])
	closeOnExecFrom(high)
	for fd, want := range map[int]int{low: 0, high: unix.FD_CLOEXEC} {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC != want || err != nil {
			t.Errorf("descriptor %d has the flags %#x, %v", fd, flags, err)
		}
	}
}
