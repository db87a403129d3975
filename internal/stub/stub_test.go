package stub

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/memfd"
)

// run executes p with the pipe that it reports to as descriptor 3, and its
// standard input; it returns what it wrote, what it reported, and its status.
func run(t *testing.T, p *Program, in string) (out string, reports []Report, status int) {
	t.Helper()
	if !Supported {
		t.Skip("there is no machine code for this architecture")
	}
	f, err := p.File(3)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	cmd.ExtraFiles = []*os.File{w}
	cmd.Stdin, err = os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if in != "" {
		pr, pw, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer pr.Close()
		if _, err := pw.WriteString(in); err != nil {
			t.Fatal(err)
		}
		pw.Close()
		cmd.Stdin = pr
	}
	text, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	w.Close()
	for {
		rep, err := ReadReport(r)
		if err == io.EOF {
			return string(text), reports, cmd.ProcessState.ExitCode()
		}
		if err != nil {
			t.Fatal(err)
		}
		reports = append(reports, rep)
	}
}

// say adds a call that writes text.
func say(p *Program, text string) {
	p.Call(unix.SYS_WRITE, 1, p.Mem([]byte(text)), uintptr(len(text)))
}

// path returns the address of a string that ends in NUL.
func path(p *Program, s string) uintptr { return p.Mem(append([]byte(s), 0)) }

// list returns the address of a list of strings.
func list(p *Program, words ...string) uintptr {
	var b []byte
	for _, w := range words {
		at := uint64(path(p, w))
		b = append(b, unsafe.Slice((*byte)(unsafe.Pointer(&at)), 8)...)
	}
	return p.Mem(append(b, make([]byte, 8)...))
}

func TestExit(t *testing.T) {
	p := New()
	say(p, "a")
	p.Ready(3)
	say(p, "b")
	p.Call(unix.SYS_EXIT_GROUP, 7)
	out, reports, status := run(t, p, "")
	if out != "ab" || status != 7 || len(reports) != 1 || reports[0].Failed() {
		t.Errorf("got %q, %v, %d", out, reports, status)
	}
}

// TestFailures has each kind of call fail, and the program go on or not.
func TestFailures(t *testing.T) {
	const bad = ^uintptr(0)
	for _, tt := range []struct {
		name string
		add  func(*Program)
		in   string
		want unix.Errno
	}{
		{"must", func(p *Program) { p.Call(unix.SYS_CLOSE, bad) }, "", unix.EBADF},
		{"try", func(p *Program) { p.Try(unix.SYS_CLOSE, bad) }, "", 0},
		{"no such call", func(p *Program) { p.Call(100000) }, "", unix.ENOSYS},
		{"previous", func(p *Program) { p.Call(unix.SYS_DUP, 1); p.Prev(unix.SYS_CLOSE) }, "", 0},
		{"bad previous", func(p *Program) { p.Try(unix.SYS_DUP, bad); p.Prev(unix.SYS_CLOSE) }, "", unix.EBADF},
		{"awaited", func(p *Program) { p.Await(0) }, "x", 0},
		{"not awaited", func(p *Program) { p.Await(0) }, "", unix.EPIPE},
		{"inside", func(p *Program) { p.Absolute(unix.SYS_GETCWD, p.Mem(make([]byte, 4096)), 4096) }, "", 0},
		{"outside", func(p *Program) { p.Absolute(unix.SYS_GETRANDOM, p.Mem([]byte("x")), 0, 0) }, "", unix.EXDEV},
		{"missing", func(p *Program) { p.Look(unix.SYS_EXECVE, path(p, "/nowhere"), 0, 0) }, "", 0},
		{"below a file", func(p *Program) { p.Look(unix.SYS_EXECVE, path(p, "/proc/version/x"), 0, 0) }, "", 0},
		{"no program", func(p *Program) { p.Look(unix.SYS_EXECVE, path(p, "/proc"), 0, 0) }, "", 0},
		{"too long", func(p *Program) { p.Look(unix.SYS_EXECVE, path(p, "/"+strings.Repeat("x", 300)), 0, 0) }, "", unix.ENAMETOOLONG},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := New()
			say(p, "a")
			tt.add(p)
			say(p, "b")
			p.Call(unix.SYS_EXIT_GROUP, 0)
			out, reports, status := run(t, p, tt.in)
			if tt.want == 0 {
				if out != "ab" || status != 0 || len(reports) != 0 {
					t.Errorf("got %q, %v, %d", out, reports, status)
				}
				return
			}
			if out != "a" || status != 127 || len(reports) != 1 || reports[0].Err() != tt.want {
				t.Errorf("got %q, %v, %d, want %v", out, reports, status, tt.want)
			}
		})
	}
}

// TestExecve executes a program, as the last call of most lists does.
func TestExecve(t *testing.T) {
	p := New()
	p.Look(unix.SYS_EXECVE, path(p, "/nowhere/sh"), 0, 0)
	p.Call(unix.SYS_EXECVE, path(p, "/bin/sh"), list(p, "sh", "-c", "echo $0 $x; exit 3"), list(p, "x=y"))
	out, reports, status := run(t, p, "")
	if out != "sh y\n" || status != 3 || len(reports) != 0 {
		t.Errorf("got %q, %v, %d", out, reports, status)
	}
}

// TestSealed tries to write to the program (CVE-2019-5736).
func TestSealed(t *testing.T) {
	if !Supported {
		t.Skip("there is no machine code for this architecture")
	}
	p := New()
	p.Call(unix.SYS_EXIT_GROUP, 0)
	f, err := p.File(3)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("writing: %v", err)
	}
	if err := f.Truncate(0); !errors.Is(err, unix.EPERM) {
		t.Errorf("truncating: %v", err)
	}
}

// TestPlans has a program make the calls of three plans, one after the other.
func TestPlans(t *testing.T) {
	if !Supported {
		t.Skip("there is no machine code for this architecture")
	}
	plans, err := memfd.New()
	if err != nil {
		t.Fatal(err)
	}
	defer plans.Close()
	p := New()
	p.Follow(3, 4, 5)
	f, err := p.File(4)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	goRead, goWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	reportRead, reportWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reportRead.Close()
	cmd := exec.Command("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	cmd.ExtraFiles = []*os.File{goRead, reportWrite, plans}
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	goRead.Close()
	reportWrite.Close()
	follow := func(add func(*Program)) (Report, error) {
		t.Helper()
		plan := NewPlan()
		add(plan)
		if err := plan.WritePlan(plans, 4); err != nil {
			t.Fatal(err)
		}
		if _, err := goWrite.Write([]byte{0}); err != nil {
			t.Fatal(err)
		}
		return ReadReport(reportRead)
	}
	if rep, err := ReadReport(reportRead); err != nil || rep.Failed() {
		t.Fatalf("before the first plan: %v, %v", rep, err)
	}
	for _, word := range []string{"a", strings.Repeat("b", 10_000), "c"} {
		rep, err := follow(func(p *Program) { say(p, word); p.Back() })
		if err != nil || rep.Failed() {
			t.Fatalf("plan %s: %v, %v", word[:1], rep, err)
		}
	}
	if rep, err := follow(func(p *Program) { p.Call(unix.SYS_CLOSE, 999) }); err != nil || rep.Err() != unix.EBADF {
		t.Errorf("a plan that fails: %v, %v", rep, err)
	}
	goWrite.Close()
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 127 {
		t.Errorf("%v", err)
	}
	if want := "a" + strings.Repeat("b", 10_000) + "c"; out.String() != want {
		t.Errorf("it wrote %d bytes, want %d", out.Len(), len(want))
	}
}
