package criu

import (
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

func TestVersionText(t *testing.T) {
	for v, want := range map[Version]string{30000: "3.0", 31701: "3.17.1", 40100: "4.1", 31501: "3.15.1"} {
		if got := v.String(); got != want {
			t.Errorf("%d is %s, want %s", int(v), got, want)
		}
	}
}

func TestErrorsOfLog(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"(00.021734)      1: Error (criu/files-reg.c:2143): Can't open file /x: No such file or directory\n", "Can't open file /x: No such file or directory"},
		{"(00.000001) Error (compel/src/lib/infect.c:1): (a): b", "(a): b"},
		{"(00.000001) Warn  (criu/kerndat.c:1103): no matter", ""},
		{"(00.000001) Error (criu/cr-dump.c:2053): Dumping FAILED.", ""},
		{"", ""},
	} {
		if got := errorIn(c.line); got != c.want {
			t.Errorf("%q: %q, want %q", c.line, got, c.want)
		}
	}
}

func TestLastErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dump.log")
	var text strings.Builder
	for _, n := range []string{"1", "2", "3", "4", "5", "6"} {
		text.WriteString("(00.1) Error (x.c:1): " + n + "\n(00.1) something\n" + strings.Repeat("x", 100_000) + "\n")
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := lastErrors(path)
	if err != nil || !slices.Equal(got, []string{"3", "4", "5", "6"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestLongErrors is about names that the container has made long.
func TestLongErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dump.log")
	long := "(00.1) Error (x.c:1): no file " + strings.Repeat("ä", maxLine) + "\n"
	// The rest of a line is no line.
	trick := strings.Repeat("x", maxLine) + "(00.1) Error (x.c:1): trick\n"
	if err := os.WriteFile(path, []byte(strings.Repeat(long+trick, maxReasons+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	got := explain(io.EOF, errors.New("CRIU was killed"), "", path).Error()
	one := "no file " + strings.Repeat("ä", (maxReason-len("no file "))/2) + "…"
	want := "CRIU was killed: " + strings.Join(slices.Repeat([]string{one}, maxReasons), "; ") + " (hint: CRIU's log is " + path + ")"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := explain(io.EOF, nil, strings.Repeat("x", 4096), ""); len(err.Error()) > maxReason+100 {
		t.Errorf("last words of %d bytes", len(err.Error()))
	}
}

func TestExplain(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "dump.log")
	if err := os.WriteFile(log, []byte("(00.1) Error (x.c:1): the cause\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	killed := errors.New("CRIU was killed")
	ours := &errdefs.Error{Doing: "run a hook", Err: unix.ENOENT}
	for _, c := range []struct {
		name       string
		err, ended error
		words, log string
		want       string
	}{
		{"it says that it failed", &failure{errno: 17}, nil, "", log, "CRIU failed: file exists: the cause (hint: CRIU's log is " + log + ")"},
		{"it is killed", io.EOF, killed, "", log, "CRIU was killed: the cause (hint: CRIU's log is " + log + ")"},
		{"it hangs up", io.EOF, nil, "last words", "", "CRIU hung up: last words"},
		{"before it has a log", io.EOF, killed, "last words", dir + "/none", "CRIU was killed: last words (hint: CRIU has not come to write its log, " + dir + "/none)"},
		{"the error is ours", ours, nil, "", log, ours.Error()},
	} {
		if got := explain(c.err, c.ended, c.words, c.log); got.Error() != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

func TestConfigFile(t *testing.T) {
	for _, c := range []struct {
		annotations map[string]string
		want        string
	}{
		{map[string]string{"org.criu.config": "/x"}, "/x"},
		{map[string]string{"org.criu.config": ""}, ""},
	} {
		if got, annotated := ConfigFile(c.annotations); got != c.want || !annotated {
			t.Errorf("%v: %q, %v, want %q", c.annotations, got, annotated, c.want)
		}
	}
	if got, annotated := ConfigFile(nil); !strings.HasPrefix(got, "/etc/criu/") || annotated {
		t.Errorf("without the annotation: %q, %v", got, annotated)
	}
}

// TestOpenConfig is about who could have written the options.
func TestOpenConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "criu.conf")
	if f, err := openConfig(path); f != nil || err != nil {
		t.Errorf("no file: %v, %v", f, err)
	}
	if err := os.WriteFile(path, []byte("tcp-close\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := openConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// CRIU gets this very file, whatever is done to its path.
	opts, err := (&Options{ConfigFile: path, ConfigAnnotated: true}).fill(&folders{images: f, config: f})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(opts.GetConfigFile()); err != nil || string(text) != "tcp-close\n" {
		t.Errorf("%s has %q, %v", opts.GetConfigFile(), text, err)
	}
	refused := func(what, why string) {
		t.Helper()
		if f, err := openConfig(path); err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "(annotations.org.criu.config)") {
			t.Errorf("%s: %v, %v", what, f, err)
		}
	}
	for _, mode := range []os.FileMode{0o666, 0o602, 0o620} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		refused(mode.String(), "others may write to it")
	}
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Chmod(path, 0o600), os.Chown(path, 1000, 0)); err != nil {
			t.Fatal(err)
		}
		refused("another user's", "it belongs to user 1000")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	refused("a fifo", "not a regular file")
	if err := errors.Join(os.Remove(path), os.Symlink(path, path)); err != nil {
		t.Fatal(err)
	}
	refused("a link to itself", "too many levels")
}

func TestPipes(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(r.Fd())))
	if err != nil {
		t.Fatal(err)
	}
	if got := Pipes([]*os.File{file, r, nil}); !slices.Equal(got, []string{"", link, ""}) {
		t.Errorf("got %q, want the pipe %s", got, link)
	}
	if got := Pipes([]*os.File{file, file, nil}); got != nil {
		t.Errorf("no pipe: got %q", got)
	}
}

// view is a root filesystem with folders and links, and what is mounted there.
func view(t *testing.T, mounted string) View {
	root := t.TempDir()
	for _, d := range []string{"data/sub", "data/own", "mnt/real", "proc", "sys/fs/cgroup/memory", "dev"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/mnt/real", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	info := filepath.Join(t.TempDir(), "mountinfo")
	if err := os.WriteFile(info, []byte(strings.ReplaceAll(mounted, "ROOT", root)), 0o600); err != nil {
		t.Fatal(err)
	}
	return View{Root: root, Prefix: root, Mountinfo: info}
}

const mounted = `1 0 8:1 / / rw - ext4 /dev/vda rw
2 1 8:1 /bundle/rootfs ROOT rw - ext4 /dev/vda rw
3 2 8:1 /volume ROOT/data rw - ext4 /dev/vda rw
4 3 0:5 / ROOT/data/sub rw - tmpfs tmpfs rw
5 3 0:6 / ROOT/data/own rw - tmpfs tmpfs rw
6 2 8:1 /other ROOT/mnt/real rw - ext4 /dev/vda rw
7 6 0:7 / ROOT/mnt/real/below rw - tmpfs tmpfs rw
8 2 0:8 / ROOT/proc rw - proc proc rw
9 8 0:9 /null ROOT/proc/keys rw - tmpfs tmpfs rw
16 8 0:13 /null ROOT/proc/timer_list rw - tmpfs tmpfs rw
10 8 0:10 / ROOT/proc/acpi rw - tmpfs tmpfs rw
11 2 0:11 / ROOT/sys/fs/cgroup rw - tmpfs tmpfs rw
12 11 0:12 /c ROOT/sys/fs/cgroup/memory rw - cgroup cgroup rw
13 2 0:13 / ROOT/dev rw - tmpfs tmpfs rw
14 13 0:14 /tty ROOT/dev/tty rw - devtmpfs dev rw
15 1 8:1 /x ROOT-not rw - ext4 /dev/vda rw
`

func config() *specs.Spec {
	return &specs.Spec{
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/data", Type: "bind", Source: "volume", Options: []string{"rbind"}},
			{Destination: "/data/own", Type: "tmpfs", Source: "tmpfs"},
			{Destination: "/link", Type: "bind", Source: "/other", Options: []string{"bind"}},
			{Destination: "/nowhere", Type: "bind", Source: "/gone", Options: []string{"bind"}},
		},
		Linux: &specs.Linux{MaskedPaths: []string{"/proc/keys", "/proc/timer_list", "/proc/acpi", "/proc/none"}},
	}
}

func TestSavedMounts(t *testing.T) {
	v := view(t, mounted)
	want := map[string]string{
		"/data": "/data", "/data/sub": "/data/sub", "/mnt/real": "/mnt/real", "/proc/keys": "/dev/null", "/dev/tty": "/dev/tty",
	}
	got, err := v.Saved(config(), true, []string{"/run/notify"})
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	want["/sys/fs/cgroup/memory"] = "/sys/fs/cgroup/memory"
	if got, err = v.Saved(config(), false, nil); err != nil || !maps.Equal(got, want) {
		t.Errorf("with the host's cgroup namespace: got %v, %v; want %v", got, err, want)
	}
	mapped := config()
	mapped.Mounts[3].Options = []string{"bind", "idmap"}
	if _, err = v.Saved(mapped, true, nil); err == nil || !strings.Contains(err.Error(), "mounts[3]") {
		t.Errorf("an id-mapped mount: %v", err)
	}
}

func TestGivenMounts(t *testing.T) {
	binds, err := view(t, mounted).Binds(config())
	if err != nil {
		t.Fatal(err)
	}
	s := config()
	source := func(i int) string { return "/host/" + strings.TrimPrefix(s.Mounts[i].Source, "/") }
	got := Given(s, binds, source, map[string]string{"/run/notify": "/state/notify"})
	for name, want := range map[string]string{
		"/data": "/host/volume", "/data/sub": "/host/volume/sub", "/mnt/real": "/host/other", "/dev/null": "/dev/null", "/run/notify": "/state/notify",
	} {
		if got[name] != want {
			t.Errorf("%s comes from %q, want %q", name, got[name], want)
		}
	}
	if got["/data/own"] != "" {
		t.Errorf("a mount of the container's own is said to come from %q", got["/data/own"])
	}
}

func TestStreams(t *testing.T) {
	// All of this process's streams are on mounts that it sees, or pipes.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	cmd := exec.Command("sleep", "100")
	cmd.Stdin = r
	cmd.Stdout, err = os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	pid := cmd.Process.Pid
	pipe := Pipes([]*os.File{r})[0]
	if got, err := ViewOf(pid).Streams(pid, []string{pipe, "", ""}); err != nil || !slices.Equal(got, []string{pipe, "", pipe}) {
		t.Errorf("got %q, %v; want the pipe %s twice", got, err, pipe)
	}
	if got, err := ViewOf(pid).Streams(pid, nil); err != nil || !slices.Equal(got, []string{"", "", ""}) {
		t.Errorf("a pipe of its own making: got %q, %v", got, err)
	}
	// A container that does not see the file's mount.
	v := View{Root: "/", Mountinfo: filepath.Join(t.TempDir(), "none")}
	if err := os.WriteFile(v.Mountinfo, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := v.Streams(pid, nil)
	var st unix.Stat_t
	if serr := unix.Stat(cmd.Stdout.(*os.File).Name(), &st); serr != nil {
		t.Fatal(serr)
	}
	if err != nil || !strings.HasPrefix(got[1], "file[") || !strings.HasSuffix(got[1], ":"+strconv.FormatUint(st.Ino, 16)+"]") {
		t.Errorf("a file from outside: got %q, %v", got, err)
	}
}

func TestWorkerOverSocket(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{sock: fds[0]}
	defer w.finish(nil, "")
	if _, err := unix.Write(fds[1], []byte("no message of CRIU's")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.await(nil); err == nil || !strings.Contains(err.Error(), "understand CRIU's answer") {
		t.Errorf("nonsense: %v", err)
	}
	unix.Close(fds[1])
	if _, err := w.await(nil); !errors.Is(err, io.EOF) {
		t.Errorf("nobody there: %v", err)
	}
	if err := w.send(goOn()); !errors.Is(err, unix.EPIPE) {
		t.Errorf("to nobody: %v", err)
	}
}

// TestNetworkLock: what CRIU is told of --network-lock.
func TestNetworkLock(t *testing.T) {
	for value, want := range map[string]string{"": "IPTABLES", "iptables": "IPTABLES", "nftables": "NFTABLES", "skip": "SKIP"} {
		if got, err := (&Options{NetworkLock: value}).networkLock(); err != nil || got.String() != want {
			t.Errorf("%q: %v, %v", value, got, err)
		}
	}
	if _, err := (&Options{NetworkLock: "none"}).networkLock(); err == nil || !strings.Contains(err.Error(), "--network-lock") {
		t.Errorf("an unknown method: %v", err)
	}
}
