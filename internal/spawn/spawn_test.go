//go:debug containermaxprocs=0

package spawn

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary be the spawned program: it then tells what it
// finds itself in.
func TestMain(m *testing.M) {
	if os.Args[0] == "spawned" {
		tell()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func tell() {
	for _, ns := range []string{"uts", "pid", "net", "time"} {
		link, _ := os.Readlink("/proc/self/ns/" + ns)
		fmt.Println(link)
	}
	fmt.Println("pid", os.Getpid())
	groups, _ := os.Getgroups()
	fmt.Println("ids", os.Getuid(), os.Getgid(), "groups", groups)
	uidMap, _ := os.ReadFile("/proc/self/uid_map")
	fmt.Print("uid_map ", string(uidMap))
	dumpable, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	fmt.Println("dumpable", dumpable)
	if utsIsOwn() {
		fmt.Println("uts owned by own user namespace")
	}
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		target, _ := os.Readlink("/proc/self/fd/" + fd.Name())
		if target != "" && !strings.HasPrefix(target, "/proc/") && !strings.HasPrefix(target, "anon_inode:") {
			fmt.Println("fd", fd.Name(), target)
		}
	}
	offsets, _ := os.ReadFile("/proc/self/timens_offsets")
	fmt.Print(string(offsets))
	fmt.Println(os.Args, os.Environ())
}

// spawned runs this test binary by r and returns what it told.
func spawned(t *testing.T, r *Request) (string, error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making namespaces needs root")
	}
	runtime.LockOSThread() // never unlocked: the child is bound to this thread
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	exe := r.Exe
	if exe == nil {
		if exe, err = Seal(t.TempDir()); err != nil {
			t.Fatal(err)
		}
	}
	defer exe.Close()
	r.Exe, r.Args, r.Env = exe, []string{"spawned", "x"}, []string{"A=b"}
	r.CgroupFD = -1
	r.Stdio = [3]*os.File{nil, write, nil}
	p, err := Start(t.Context(), r)
	write.Close()
	if err != nil {
		return "", err
	}
	defer p.PidFD.Close()
	out, _ := io.ReadAll(read)
	serr := p.SetupError()
	var ws unix.WaitStatus
	if _, err := unix.Wait4(p.Pid, &ws, 0, nil); err != nil {
		t.Fatal(err)
	}
	return string(out), serr
}

func nsLink(t *testing.T, pid int, ns string) string {
	t.Helper()
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, ns))
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func TestNewNamespaces(t *testing.T) {
	out, err := spawned(t, &Request{New: unix.CLONE_NEWUTS | unix.CLONE_NEWPID | unix.CLONE_NEWCGROUP})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out, nsLink(t, os.Getpid(), "uts")) || !strings.Contains(out, nsLink(t, os.Getpid(), "net")) {
		t.Errorf("want a new uts and the same net namespace:\n%s", out)
	}
	for _, want := range []string{"pid 1\n", "[spawned x] [A=b]\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("missing %q in:\n%s", want, out)
		}
	}
}

// TestJoin joins the namespaces of another process, a pid namespace among
// them, and makes another one at the same time.
func TestJoin(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making namespaces needs root")
	}
	other := exec.Command("unshare", "--uts", "--net", "--pid", "--fork", "--mount-proc", "sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	var child int
	for child == 0 { // unshare forks: its child is in the pid namespace
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", other.Process.Pid, other.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Sscan(string(data), &child)
	}
	defer func() { _ = unix.Kill(child, unix.SIGKILL) }()
	var files []Join
	for ns, flag := range map[string]int{"uts": unix.CLONE_NEWUTS, "net": unix.CLONE_NEWNET, "pid": unix.CLONE_NEWPID} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", child, ns))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, Join{FD: int(f.Fd()), Flag: flag})
	}
	pidfd, err := unix.PidfdOpen(child, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	all := []Join{{FD: pidfd, Flag: unix.CLONE_NEWUTS | unix.CLONE_NEWNET | unix.CLONE_NEWPID}}
	const clocks = "monotonic 1000 0\n"
	for name, r := range map[string]*Request{
		"by file":                 {Join: files},
		"by file, and with a new": {Join: files, New: unix.CLONE_NEWTIME, TimeOffsets: clocks},
		"by pidfd":                {Join: all},
		"by pidfd, with a new":    {Join: all, New: unix.CLONE_NEWTIME, TimeOffsets: clocks},
		"by file, spent":          {Join: files, Spent: true},
		"by pidfd, spent":         {Join: all, Spent: true},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := spawned(t, r)
			if err != nil {
				t.Fatal(err)
			}
			want := []string{nsLink(t, child, "uts"), nsLink(t, child, "net"), nsLink(t, child, "pid")}
			if r.TimeOffsets != "" {
				want = append(want, "monotonic        1000         0\n")
			}
			for _, want := range want {
				if !strings.Contains(out, want) {
					t.Errorf("missing %q in:\n%s", want, out)
				}
			}
			if strings.Contains(out, "dumpable 1\n") {
				t.Errorf("the processes of the pid namespace can get at the new one:\n%s", out)
			}
			if r.Spent {
				return
			}
			// What comes next is at home.
			if out, err = spawned(t, &Request{}); err != nil || !strings.Contains(out, nsLink(t, os.Getpid(), "pid")) {
				t.Errorf("the next process is elsewhere: %v\n%s", err, out)
			}
		})
	}
}

// TestDescriptors passes files over and around each other's numbers, and
// nothing else.
func TestDescriptors(t *testing.T) {
	a, err := os.Create(t.TempDir() + "/a")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := os.Create(t.TempDir() + "/b")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	// A descriptor that somebody forgot to mark close-on-exec.
	leak, err := unix.Open("/etc/passwd", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leak)
	out, err := spawned(t, &Request{Files: []*os.File{b, a, b, nil}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"fd 3 " + b.Name() + "\n", "fd 4 " + a.Name() + "\n", "fd 5 " + b.Name() + "\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("missing %q in:\n%s", want, out)
		}
	}
	if strings.Contains(out, "passwd") || strings.Contains(out, "fd 6") {
		t.Errorf("a descriptor leaked:\n%s", out)
	}
}

// TestLowDescriptors uses files whose numbers the child gives to others before
// their turn comes.
func TestLowDescriptors(t *testing.T) {
	ns, err := os.Open("/proc/self/ns/uts")
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	tasks, err := os.CreateTemp(t.TempDir(), "tasks")
	if err != nil {
		t.Fatal(err)
	}
	defer tasks.Close()
	// The report pipe comes right after the files.
	files := make([]*os.File, int(ns.Fd())-3)
	for i := range files {
		files[i] = tasks
	}
	_, err = spawned(t, &Request{
		Join:  []Join{{FD: int(ns.Fd()), Flag: unix.CLONE_NEWUTS}},
		Tasks: []int{int(tasks.Fd())},
		Files: files,
	})
	if err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(tasks.Name()); err != nil || string(data) != "0" {
		t.Errorf("tasks holds %q (%v), want 0", data, err)
	}
}

// TestSetupError has the child fail, and wants to hear at what.
func TestSetupError(t *testing.T) {
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for name, r := range map[string]*Request{
		"one stage":  {Join: []Join{{FD: int(f.Fd()), Flag: unix.CLONE_NEWUTS, Field: "linux.namespaces[3].path"}}},
		"two stages": {Join: []Join{{FD: int(f.Fd()), Flag: unix.CLONE_NEWPID, Field: "linux.namespaces[3].path"}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := spawned(t, r)
			if err == nil || !strings.Contains(err.Error(), "linux.namespaces[3].path") || !strings.Contains(err.Error(), "invalid argument") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestSealed checks that a spawned program cannot be written to: neither
// by its path in /proc, nor after a remount.
func TestSealed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the overlay needs root")
	}
	for name, seal := range map[string]func() (*os.File, error){
		"overlay": func() (*os.File, error) {
			f := sealedOverlay(t.TempDir())
			if f == nil {
				return nil, fmt.Errorf("no overlay on this host")
			}
			return f, nil
		},
		"memfd":      func() (*os.File, error) { return sealedCopy(readable) },
		"unreadable": SealUnreadable,
	} {
		t.Run(name, func(t *testing.T) {
			f, err := seal()
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			for _, flags := range []int{os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC} {
				w, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), flags, 0)
				if err != nil {
					continue
				}
				if _, err := w.WriteAt([]byte("x"), 0); err == nil {
					t.Errorf("flags %#x: the sealed binary was written to", flags)
				}
				w.Close()
			}
		})
	}
}

func BenchmarkStart(b *testing.B) {
	runtime.LockOSThread()
	dir := b.TempDir()
	for b.Loop() {
		exe, err := Seal(dir)
		if err != nil {
			b.Fatal(err)
		}
		p, err := Start(b.Context(), &Request{New: unix.CLONE_NEWPID | unix.CLONE_NEWNS, CgroupFD: -1, Exe: exe, Args: []string{"spawned"}, Stdio: [3]*os.File{}})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_ = unix.PidfdSendSignal(int(p.PidFD.Fd()), unix.SIGKILL, nil, 0)
		_, _ = unix.Wait4(p.Pid, nil, 0, nil)
		p.Close()
		exe.Close()
		b.StartTimer()
	}
}

// TestSharedMemoryIsGivenBack looks at what a child that shares the parent's
// memory changes of it, and at the parent after many of them: it must go on
// where it was, also where the child fails or is killed halfway.
func TestSharedMemoryIsGivenBack(t *testing.T) {
	for i := range 50 {
		if _, err := spawned(t, &Request{New: unix.CLONE_NEWUTS}); err != nil {
			t.Fatal(i, err)
		}
	}
	for name, option := range map[string]int{"dumpable": unix.PR_GET_DUMPABLE, "huge pages disabled": unix.PR_GET_THP_DISABLE} {
		want := 0
		if option == unix.PR_GET_DUMPABLE {
			want = 1
		}
		if got, err := unix.PrctlRetInt(option, 0, 0, 0, 0); got != want || err != nil {
			t.Errorf("%s is %d, %v", name, got, err)
		}
	}
}

// TestKilledBeforeExec has the child killed while it stands in the middle of
// its list: the parent must take that for the end of the child, not for its
// own turn.
func TestKilledBeforeExec(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making namespaces needs root")
	}
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("one goroutine waits in a system call that the runtime does not know of: it needs a second processor")
	}
	// A collection would wait for that call, and the one who is to end it for the collection.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.LockOSThread()
	fifo := t.TempDir() + "/fifo"
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	full, err := unix.Open(fifo, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(full)
	size, err := unix.FcntlInt(uintptr(full), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(full, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	// The write of "0" into this "tasks file" blocks.
	before := childrenOf(t)
	go func() {
		for {
			for _, pid := range childrenOf(t) {
				stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", pid))
				if !slices.Contains(before, pid) && strings.Contains(string(stat), "pipe") {
					_ = unix.Kill(pid, unix.SIGKILL)
					return
				}
			}
			runtime.Gosched()
		}
	}()
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	p, err := Start(t.Context(), &Request{CgroupFD: -1, Tasks: []int{full}, Exe: exe, Args: []string{"spawned"}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if ws := p.Wait(); ws.Signal() != unix.SIGKILL {
		t.Errorf("ended with %#x", ws)
	}
}

func childrenOf(t *testing.T) (pids []int) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Error(err)
	}
	for _, task := range tasks {
		data, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		for _, f := range strings.Fields(string(data)) {
			pid, _ := strconv.Atoi(f)
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestSecondStageFailsFirst has the second stage report its failure before the first
// has told its pid: neither is left as a zombie.
func TestSecondStageFailsFirst(t *testing.T) {
	started := func() int {
		pid, err := syscall.ForkExec("/proc/self/exe", []string{"spawned"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	p, err := Adopt(started())
	if err != nil {
		t.Fatal(err)
	}
	second := started()
	readEnd, writeEnd, err := pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.report, p.what = readEnd, []step{{doing: "enter the room"}}
	for _, word := range []int32{0, 0, int32(unix.EACCES), int32(second), 0, 0} {
		if err := binary.Write(writeEnd, binary.NativeEndian, word); err != nil {
			t.Fatal(err)
		}
	}
	writeEnd.Close()
	if _, err := p.adopt(); err == nil || err.Error() != "enter the room: permission denied" {
		t.Errorf("got %v", err)
	}
	if pid, err := unix.Wait4(second, nil, 0, nil); err != unix.ECHILD {
		t.Errorf("the second was left: %d, %v", pid, err)
	}
}
