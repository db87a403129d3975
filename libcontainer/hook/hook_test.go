package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

func sh(script string) specs.Hook {
	return specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}}
}

func testState(t *testing.T) specs.State {
	return specs.State{Version: "1.3.0", ID: "c1", Status: specs.StateCreating, Pid: 42, Bundle: t.TempDir(), Annotations: map[string]string{"a": "\"\n"}}
}

func seconds(n int) *int { return &n }

// countFDs tells whether a test has left descriptors open.
func countFDs(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestRunPassesState(t *testing.T) {
	state := testState(t)
	fds := countFDs(t)
	hooks := []specs.Hook{sh("cat > one; pwd > where"), sh("test -s one && cat > two")}
	if err := Run(context.Background(), hooks, "hooks.createRuntime", state); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		data, err := os.ReadFile(filepath.Join(state.Bundle, name))
		if err != nil {
			t.Fatal(err)
		}
		var got specs.State
		if err := json.Unmarshal(data, &got); err != nil || fmt.Sprint(got) != fmt.Sprint(state) {
			t.Errorf("%s: got %+v, want %+v, %v", name, got, state, err)
		}
	}
	where, err := os.ReadFile(filepath.Join(state.Bundle, "where"))
	if err != nil || strings.TrimSpace(string(where)) != state.Bundle {
		t.Errorf("ran in %s: %v", where, err)
	}
	if now := countFDs(t); now != fds {
		t.Errorf("%d descriptors, %d before", now, fds)
	}
}

func TestRunNothing(t *testing.T) {
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Run(canceled, nil, "hooks.prestart", specs.State{}); err != nil {
		t.Error(err)
	}
	if errs := (Output{}).RunLenient(canceled, nil, "hooks.poststop", specs.State{}); errs != nil {
		t.Error(errs)
	}
}

// A hook has the arguments and the environment of its config and no others.
func TestRunArgsAndEnv(t *testing.T) {
	t.Setenv("OURS", "1")
	const files = "tr '\\0' '\\n' < /proc/$$/cmdline > args; tr '\\0' '\\n' < /proc/$$/environ > env; readlink /proc/$$/fd/* > fds; exit 0"
	tests := []struct {
		name      string
		args, env []string
		wantArgs  string
		wantEnv   string
	}{
		{"given", []string{"name", "-c", files, "x y", ""}, []string{"PATH=/bin:/usr/bin", "A=b c"}, "name\n-c\n" + files + "\nx y\n\n", "PATH=/bin:/usr/bin\nA=b c\n"},
		{"no environment", []string{"name", "-c", "PATH=/bin:/usr/bin; " + files}, nil, "name\n-c\nPATH=/bin:/usr/bin; " + files + "\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			state := testState(t)
			leaked, err := os.Open("/")
			if err != nil {
				t.Fatal(err)
			}
			defer leaked.Close()
			h := specs.Hook{Path: "/bin/sh", Args: tt.args, Env: tt.env}
			if err := Run(context.Background(), []specs.Hook{h}, "hooks.createRuntime", state); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{"args": tt.wantArgs, "env": tt.wantEnv} {
				got, err := os.ReadFile(filepath.Join(state.Bundle, name))
				if err != nil || string(got) != want {
					t.Errorf("%s: got %q, want %q, %v", name, got, want, err)
				}
			}
			// What else is open there depends on the shell, and on what the caller of the tests left open.
			fds, err := os.ReadFile(filepath.Join(state.Bundle, "fds"))
			if err != nil || bytes.Count(fds, []byte("pipe:")) < 2 || bytes.Contains(fds, []byte("\n/\n")) {
				t.Errorf("descriptors %q, %v", fds, err)
			}
		})
	}
}

// Without arguments a hook still has its name.
func TestRunWithoutArgs(t *testing.T) {
	state := testState(t)
	script := state.Bundle + "/hook"
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$# $0\" > out\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Run(context.Background(), []specs.Hook{{Path: script}}, "hooks.createRuntime", state); err != nil {
		t.Fatal(err)
	}
	if out, err := os.ReadFile(state.Bundle + "/out"); err != nil || string(out) != "0 "+script+"\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestRunFailures(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	three := seconds(3)
	tests := []struct {
		name  string
		hook  specs.Hook
		is    error
		field string
		text  []string
	}{
		{"status", sh("exit 3"), nil, "", []string{"error running createRuntime hook #1: /bin/sh (hooks.createRuntime[1]): ", "exit status 3"}},
		{"stderr", sh("echo out; echo one >&2; echo two >&2; exit 1"), nil, "", []string{`exit status 1, stderr: "one\ntwo"`}},
		{"stdout", sh("echo said; exit 1"), nil, "", []string{`stdout: "said"`}},
		{"last lines", sh("for i in 1 2 3 4 5 6 7; do echo $i >&2; done; exit 1"), nil, "", []string{`stderr: "3\n4\n5\n6\n7"`}},
		{"terminal escapes", sh(`printf '\033[2Jx' >&2; exit 1`), nil, "", []string{`"\x1b[2Jx"`}},
		{"signal", sh("kill -9 $$"), nil, "", []string{"signal 9 (killed)"}},
		{"missing", specs.Hook{Path: "/nonsense/hook"}, unix.ENOENT, "", []string{"hook #1: /nonsense/hook", "missing"}},
		{"not executable", specs.Hook{Path: write("plain", "#!/bin/sh\n", 0o644)}, unix.EACCES, "", []string{"must be executable"}},
		{"no program", specs.Hook{Path: write("text", "echo\n", 0o755)}, unix.ENOEXEC, "", []string{"without #!"}},
		{"no interpreter", specs.Hook{Path: write("orphan", "#!/nonsense/sh\n", 0o755)}, unix.ENOENT, "", []string{"interpreter"}},
		{"NUL", specs.Hook{Path: "/bin/sh", Args: []string{"a\x00b"}}, unix.EINVAL, "", nil},
		{"timeout", specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", "echo begun; exec sleep 60"}, Env: []string{"PATH=/bin:/usr/bin"}, Timeout: three}, context.DeadlineExceeded, "", []string{"killed after its timeout of 3s", `stdout: "begun"`}},
		{"timeout 0", specs.Hook{Path: "/bin/true", Timeout: seconds(0)}, nil, ".timeout", []string{"greater than 0"}},
		{"timeout -1", specs.Hook{Path: "/bin/true", Timeout: seconds(-1)}, nil, ".timeout", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			state := testState(t)
			fds := countFDs(t)
			hooks := []specs.Hook{sh("true"), tt.hook, sh("touch third")}
			err := Run(context.Background(), hooks, "hooks.createRuntime", state)
			var e *errdefs.Error
			if !errors.As(err, &e) || e.Field != "hooks.createRuntime[1]"+tt.field {
				t.Fatalf("got %v", err)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
			for _, text := range tt.text {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%v does not contain %s", err, text)
				}
			}
			if _, err := os.Stat(state.Bundle + "/third"); err == nil {
				t.Error("the next hook has run")
			}
			if now := countFDs(t); now != fds {
				t.Errorf("%d descriptors, %d before", now, fds)
			}
			if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
				t.Errorf("a child is left: %d, %v", pid, err)
			}
		})
	}
}

func TestRunLenient(t *testing.T) {
	state := testState(t)
	hooks := []specs.Hook{sh("exit 1"), sh("touch second"), {Path: "/nonsense"}, sh("touch fourth")}
	errs := Output{}.RunLenient(context.Background(), hooks, "hooks.poststop", state)
	if len(errs) != 2 || !strings.Contains(errs[0].Error(), "hooks.poststop[0]") || !strings.Contains(errs[1].Error(), "hooks.poststop[2]") {
		t.Errorf("got %v", errs)
	}
	for _, name := range []string{"second", "fourth"} {
		if _, err := os.Stat(filepath.Join(state.Bundle, name)); err != nil {
			t.Error(err)
		}
	}
}

// A state larger than a pipe holds, for hooks that read all, some or nothing.
func TestLargeState(t *testing.T) {
	for _, script := range []string{
		"test $(wc -c) -gt 300000", "true", "head -c 10 > /dev/null", "exec <&-; sleep 0.1", "sleep 0.1; head -c 100000 > /dev/null",
	} {
		state := testState(t)
		state.Annotations = map[string]string{"large": strings.Repeat("x", 300000)}
		h := sh(script)
		h.Timeout = seconds(20)
		if err := Run(context.Background(), []specs.Hook{h}, "hooks.createRuntime", state); err != nil {
			t.Errorf("%s: %v", script, err)
		}
	}
}

// Output without end neither blocks the hook nor fills our memory.
func TestLargeOutput(t *testing.T) {
	err := Run(context.Background(), []specs.Hook{sh("head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2; printf end >&2; exit 1")}, "hooks.createRuntime", testState(t))
	var f *Failure
	if !errors.As(err, &f) || !strings.HasSuffix(f.Stderr, "end") || len(f.Stderr) > maxTail || len(f.Stdout) > maxTail {
		t.Errorf("got %v", err)
	}
}

// What a hook leaves behind may hold its pipes open for as long as it likes.
func TestDaemon(t *testing.T) {
	state := testState(t)
	start := time.Now()
	err := Run(context.Background(), []specs.Hook{sh("sleep 60 & echo $! > pid; echo ready")}, "hooks.createRuntime", state)
	if err != nil || time.Since(start) > 10*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	killPidIn(t, state.Bundle+"/pid")
}

func killPidIn(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(data), &pid); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Errorf("the daemon is gone: %v", err)
	}
}

// The timeout ends what the hook has started as well.
func TestTimeoutEndsGroup(t *testing.T) {
	state := testState(t)
	h := sh("sleep 60 & echo $! > pid; wait")
	h.Timeout = seconds(3)
	if err := Run(context.Background(), []specs.Hook{h}, "hooks.createRuntime", state); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	data, err := os.ReadFile(state.Bundle + "/pid")
	if err != nil {
		t.Fatal(err)
	}
	stat := "/proc/" + strings.TrimSpace(string(data)) + "/stat"
	for range 500 {
		line, err := os.ReadFile(stat)
		if err != nil || bytes.Contains(line, []byte(") Z ")) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the hook's child lives")
}

func TestCancel(t *testing.T) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	state := testState(t)
	fds := countFDs(t)
	go func() {
		for {
			if _, err := os.Stat(state.Bundle + "/begun"); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		cancel(cause)
	}()
	hooks := []specs.Hook{sh("touch begun; exec sleep 60")}
	if err := Run(ctx, hooks, "hooks.createRuntime", state); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	if err := Run(ctx, hooks, "hooks.createRuntime", state); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	if now := countFDs(t); now != fds {
		t.Errorf("%d descriptors, %d before", now, fds)
	}
}

// A context that can end, and does not.
func TestCancelable(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if err := Run(ctx, []specs.Hook{sh("cat >/dev/null")}, "hooks.createRuntime", testState(t)); err != nil {
		t.Error(err)
	}
}

func TestWorkingFolder(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ field, bundle, want string }{
		{"hooks.poststop", "/usr", "/usr"},
		{"hooks.createContainer", "/usr", here},
		{"hooks.startContainer", "/usr", here},
		{"hooks.poststop", "/nonsense/bundle", here},
		{"hooks.poststop", "", here},
	} {
		state := testState(t)
		out := state.Bundle + "/out"
		state.Bundle = tt.bundle
		if err := Run(context.Background(), []specs.Hook{sh("/bin/pwd > " + out)}, tt.field, state); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(out); err != nil || strings.TrimSpace(string(got)) != tt.want {
			t.Errorf("%v: ran in %s, %v", tt, got, err)
		}
	}
}

// Inside, a hook has the namespaces and the credentials of the one thread that
// has entered them.
func TestFromThread(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	state := testState(t)
	if err := os.Chmod(state.Bundle, 0o777); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWUTS); err != nil {
				return err
			}
			if err := unix.Sethostname([]byte("inside")); err != nil {
				return err
			}
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, 1234, 1234, 1234); errno != 0 {
				return errno
			}
			hooks := []specs.Hook{sh("cd " + state.Bundle + "; uname -n > out; id -g >> out")}
			return Run(context.Background(), hooks, "hooks.createContainer", state)
		}()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(state.Bundle + "/out"); err != nil || string(got) != "inside\n1234\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestTail(t *testing.T) {
	tests := []struct {
		in   []string
		want string
	}{
		{nil, ""},
		{[]string{"\n \n"}, ""},
		{[]string{"one\n", "tw", "o\n"}, "one\ntwo"},
		{[]string{"1\n2\n3\n4\n5\n6"}, "2\n3\n4\n5\n6"},
		{[]string{strings.Repeat("x", 5000)}, strings.Repeat("x", maxTail)},
		{slices.Repeat([]string{"yy"}, maxTail), strings.Repeat("y", maxTail)},
	}
	for _, tt := range tests {
		var tl tail
		for _, s := range tt.in {
			tl.write([]byte(s))
		}
		if got := tl.lines(); got != tt.want {
			t.Errorf("%.40q: got %.40q, want %.40q", tt.in, got, tt.want)
		}
	}
}

func TestFailureText(t *testing.T) {
	f := &Failure{Status: syscall.WaitStatus(7 << 8)}
	if f.Error() != "exit status 7" || f.Unwrap() != nil {
		t.Error(f)
	}
}

func BenchmarkRun(b *testing.B) {
	hooks := []specs.Hook{{Path: "/bin/true"}}
	for b.Loop() {
		if err := Run(context.Background(), hooks, "hooks.createRuntime", specs.State{Bundle: "/"}); err != nil {
			b.Fatal(err)
		}
	}
}
