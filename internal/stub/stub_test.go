package stub

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/memfd"
)

// run executes p with the pipe that it reports to as descriptor 3, and its
// standard input; it returns what it wrote, what it reported, and its status.
func run(t *testing.T, p *Program, in string) (out string, reports []Report, status int) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString(in); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return runFrom(t, p, r)
}

// runFrom is run with a file for standard input.
func runFrom(t *testing.T, p *Program, stdin *os.File) (out string, reports []Report, status int) {
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
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/fd/"+strconv.Itoa(int(f.Fd())))
	cmd.ExtraFiles = []*os.File{w}
	cmd.Stdin = stdin
	text, err := cmd.Output()
	if ctx.Err() != nil {
		t.Fatal("the program does not end")
	}
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

// deny adds a filter of system calls that refuses these with EPERM.
func deny(p *Program, numbers ...uint32) {
	const load, equal, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	filter := []unix.SockFilter{{Code: load}}
	for i, nr := range numbers {
		filter = append(filter, unix.SockFilter{Code: equal, K: nr, Jt: uint8(len(numbers) - i)})
	}
	filter = append(filter, unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)})
	code := p.Mem(unsafe.Slice((*byte)(unsafe.Pointer(&filter[0])), len(filter)*int(unsafe.Sizeof(filter[0]))))
	// struct sock_fprog
	program := [2]uint64{uint64(len(filter)), uint64(code)}
	p.Call(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	p.Call(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, p.Mem(unsafe.Slice((*byte)(unsafe.Pointer(&program)), 16)))
}

// TestDenied: the end is the end, whatever the filter of system calls refuses.
func TestDenied(t *testing.T) {
	for _, tt := range []struct {
		name            string
		deny            []uint32
		reports, status int
	}{
		{"nothing", nil, 1, 127},
		{"the end", []uint32{unix.SYS_EXIT_GROUP}, 1, -1}, // by a signal
		{"the report", []uint32{unix.SYS_WRITE}, 0, 127},
		{"both", []uint32{unix.SYS_WRITE, unix.SYS_EXIT_GROUP}, 0, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := New()
			deny(p, tt.deny...)
			p.Call(unix.SYS_CLOSE, ^uintptr(0))
			_, reports, status := run(t, p, "")
			if len(reports) != tt.reports || status != tt.status {
				t.Errorf("got %v, %d; want %d reports, and %d", reports, status, tt.reports, tt.status)
			}
		})
	}
}

// TestReceive has a descriptor come with a byte, or not.
func TestReceive(t *testing.T) {
	for _, tt := range []struct {
		name  string
		limit uint64
		send  bool
		want  string
	}{
		{"a descriptor", 64, true, ""},
		{"none", 64, false, "bad file descriptor"},
		{"one for which there is no room", 4, true, "bad file descriptor"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			theirs := os.NewFile(uintptr(pair[0]), "")
			defer theirs.Close()
			defer unix.Close(pair[1])
			null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer null.Close()
			var rights []byte
			if tt.send {
				rights = unix.UnixRights(int(null.Fd()))
			}
			if err := unix.Sendmsg(pair[1], []byte{0}, rights, nil, 0); err != nil {
				t.Fatal(err)
			}
			p := New()
			p.Rlimit(unix.RLIMIT_NOFILE, tt.limit, tt.limit)
			p.Receive(0, []int{1, 2})
			say(p, "this is not for the pipe that was standard output")
			p.Call(unix.SYS_EXIT_GROUP, 0)
			out, reports, _ := runFrom(t, p, theirs)
			got := ""
			if len(reports) > 0 {
				got = reports[0].Err().Error()
			}
			if out != "" || got != tt.want {
				t.Errorf("wrote %q, reported %q; want %q", out, got, tt.want)
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
