package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// engineConfigs returns what real engines wrote, by file name, with the
// placeholders filled in.
func engineConfigs(t testing.TB) map[string][]byte {
	files, err := filepath.Glob("../../tests/testdata/bundles/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bundles in tests/testdata: %v", err)
	}
	fill := strings.NewReplacer("@STATE@", "/run/engine", "@SANDBOX_PID@", "4242", "@HOOK@", "/usr/bin/true")
	all := make(map[string][]byte)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(file)] = []byte(fill.Replace(string(data)))
	}
	return all
}

// makeBundle writes a bundle with the given config.json.
func makeBundle(t testing.TB, config []byte) string {
	// The name that /proc/self/fd gives, so that tests can compare.
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "rootfs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ConfigFile), config, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLoadEngineConfigs(t *testing.T) {
	for name, data := range engineConfigs(t) {
		if strings.HasSuffix(name, ".process.json") {
			process, warnings, err := ParseProcess(data)
			if err != nil || len(warnings) > 0 || len(process.Args) == 0 {
				t.Errorf("%s: %v, warnings %q, %+v", name, err, warnings, process)
			}
			continue
		}
		dir := makeBundle(t, data)
		b, err := Load(dir)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(b.Warnings) > 0 || b.Dir != dir || b.Root != dir+"/rootfs" || len(b.Config) == 0 ||
			b.Spec.Process == nil || len(b.Spec.Linux.Namespaces) == 0 {
			t.Errorf("%s: %+v", name, b)
		}
	}
}

func TestLoadPaths(t *testing.T) {
	dir := makeBundle(t, []byte(base))
	if err := os.Symlink("rootfs", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	write := func(root string) {
		config := patched(t, `{"root": {"path": "`+root+`"}}`)
		if err := os.WriteFile(filepath.Join(dir, ConfigFile), config, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, root := range []string{"rootfs", "./rootfs/", dir + "/rootfs", "link", dir + "/link/../rootfs"} {
		write(root)
		b, err := Load(dir)
		if err != nil || b.Root != dir+"/rootfs" {
			t.Errorf("root.path %s: %+v, %v", root, b, err)
		}
	}
	t.Chdir(dir)
	for _, name := range []string{".", "", "rootfs/.."} {
		if b, err := Load(name); err != nil || b.Dir != dir || b.Root != dir+"/rootfs" {
			t.Errorf("bundle %q: %+v, %v", name, b, err)
		}
	}

	const hint = " (hint: it names the folder with the unpacked image, relative to the bundle unless absolute)"
	for root, want := range map[string]string{
		"nothing":     "open the root filesystem " + dir + "/nothing (root.path): no such file or directory" + hint,
		"config.json": "open the root filesystem " + dir + "/config.json (root.path): not a directory" + hint,
	} {
		write(root)
		if _, err := Load(dir); err == nil || err.Error() != want {
			t.Errorf("root.path %s:\n got %v\nwant %s", root, err, want)
		}
	}
}

func TestLoadUnreadable(t *testing.T) {
	dir := makeBundle(t, []byte(base))
	config := filepath.Join(dir, ConfigFile)
	const bundleHint = " (hint: --bundle names the folder with config.json and the root filesystem; it defaults to the current one)"
	const configHint = " (hint: write one with rung spec, or name another bundle with --bundle)"
	for _, tc := range []struct {
		name, dir, want string
		errno           unix.Errno
		prepare         func() error
	}{
		{"no bundle", dir + "/none", "open the bundle " + dir + "/none: no such file or directory" + bundleHint, unix.ENOENT, nil},
		{"bundle is a file", config, "open the bundle " + config + ": not a directory" + bundleHint, unix.ENOTDIR, nil},
		{"no config.json", dir + "/rootfs", "read " + dir + "/rootfs/config.json: no such file or directory" + configHint, unix.ENOENT, nil},
		{"a fifo", dir, "read " + config + ": is a named pipe, not a regular file", 0, func() error { return unix.Mkfifo(config, 0o600) }},
		{"a folder", dir, "read " + config + ": is a folder, not a regular file", 0, func() error { return os.Mkdir(config, 0o700) }},
		{"a device", dir, "read " + config + ": is a device, not a regular file", 0, func() error { return os.Symlink("/dev/zero", config) }},
		{"a socket", dir, "read " + config + ": no such device or address", unix.ENXIO, func() error { return listen(config) }},
		{"a loop", dir, "read " + config + ": too many levels of symbolic links", unix.ELOOP, func() error { return os.Symlink(config, config) }},
		{"too large", dir, "read " + config + ": has more than 16 MiB, which no configuration needs", 0, func() error {
			return os.WriteFile(config, bytes.Repeat([]byte(" "), maxSize+1), 0o600)
		}},
		{"empty", dir, "parse " + config + ": expected a value, got the end of the file at line 1 column 1", 0, func() error {
			return os.WriteFile(config, nil, 0o600)
		}},
		{"null", dir, "parse " + config + ": expected object, got null", 0, func() error {
			return os.WriteFile(config, []byte("null"), 0o600)
		}},
		{"trailing garbage", dir, "parse " + config + `: expected the end of the file, got "{" at line 7 column 2`, 0, func() error {
			return os.WriteFile(config, []byte(base+"\n {}"), 0o600)
		}},
		{"wrong type", dir, "process.args[0]: expected string, got number at line 1 column 22", 0, func() error {
			return os.WriteFile(config, []byte(`{"process":{"args": [1]}}`), 0o600)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.prepare != nil {
				if err := errors.Join(os.RemoveAll(config), tc.prepare()); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Load(tc.dir)
			if err == nil || err.Error() != tc.want {
				t.Fatalf("\n got %v\nwant %s", err, tc.want)
			}
			if tc.errno != 0 && !errors.Is(err, tc.errno) {
				t.Errorf("does not wrap %v", tc.errno)
			}
			var e *errdefs.Error
			if !errors.As(err, &e) {
				t.Errorf("is a %T", err)
			}
		})
	}
}

// listen leaves a socket at path.
func listen(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Bind(fd, &unix.SockaddrUnix{Name: path})
}

func TestLoadWithoutPermission(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become somebody else")
	}
	dir := makeBundle(t, []byte(base))
	config := filepath.Join(dir, ConfigFile)
	if err := os.Chmod(config, 0o600); err != nil {
		t.Fatal(err)
	}
	for d := dir; d != "/"; d = filepath.Dir(d) {
		if d != "/tmp" && strings.HasPrefix(d, os.TempDir()) {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	done := make(chan error)
	go func() {
		// The thread loses its rights over files and dies with the goroutine.
		runtime.LockOSThread()
		if err := unix.Setfsuid(65534); err != nil {
			done <- fmt.Errorf("setfsuid: %w", err)
			return
		}
		_, err := Load(dir)
		done <- err
	}()
	want := "read " + config + ": permission denied"
	if err := <-done; err == nil || err.Error() != want || !errors.Is(err, unix.EACCES) {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
}

func TestLoadLargest(t *testing.T) {
	padding := bytes.Repeat([]byte(" "), maxSize-len(base))
	if _, err := Load(makeBundle(t, append([]byte(base), padding...))); err != nil {
		t.Error(err)
	}
}

func TestLoadProcess(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	go func() {
		writer.WriteString(`{"args": ["ls"], "cwd": "/",`)
		writer.WriteString(` "capabilities": {"bounding": ["CAP_X"]}}`)
		writer.Close()
	}()
	process, warnings, err := LoadProcess(fmt.Sprintf("/dev/fd/%d", reader.Fd()))
	if err != nil || process.Args[0] != "ls" || len(warnings) != 1 ||
		warnings[0] != `capabilities.bounding[0]: unknown capability "CAP_X" is ignored` {
		t.Errorf("from a pipe: %+v, %q, %v", process, warnings, err)
	}

	file := filepath.Join(t.TempDir(), "process.json")
	for content, want := range map[string]string{
		`{"args": ["ls"]}`: `cwd: is missing`,
		`{"cwd": "/"}`:     `args: must name the program to run, and is empty`,
		`{"cwd": 1}`:       `cwd: expected string, got number at line 1 column 9`,
		`{"cwd": "/"`:      `parse ` + file + `: expected a comma or } after the field "cwd", got the end of the file at line 1 column 12`,
		`null`:             `parse ` + file + `: expected object, got null`,
		`{"args": ["ls"], "cwd": "/x",  "user": {"uid": 4294967295}}`: `user.uid: must be below 4294967295, which means no user`,
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := LoadProcess(file); err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", content, err, want)
		}
	}
	if _, _, err := LoadProcess(filepath.Dir(file)); err == nil || !strings.HasSuffix(err.Error(), "is a folder, not a regular file") {
		t.Errorf("a folder: %v", err)
	}
	if _, _, err := LoadProcess(file + ".none"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("no file: %v", err)
	}
}

// FuzzValidate checks that no configuration crashes the validation, and that
// each error is one printable line of reasonable length.
func FuzzValidate(f *testing.F) {
	for _, data := range engineConfigs(f) {
		f.Add(data)
	}
	f.Add([]byte(base))
	f.Add([]byte(`{"memory":{"limit":1,"swap":-1},"cpu":{"cpus":"0"},"blockIO":{"weight":10},"pids":{"limit":0}}`))
	check := func(t *testing.T, text string) {
		if len(text) > 8192 || strings.ContainsAny(text, "\n\x00\x1b") {
			t.Errorf("not a printable line: %.9000q", text)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, err := ParseProcess(data); err != nil {
			check(t, err.Error())
		}
		if _, _, err := ParseResources(data); err != nil {
			check(t, err.Error())
		}
		spec, err := Parse(data)
		if err != nil {
			check(t, err.Error())
			return
		}
		warnings, err := Validate(spec)
		for _, warning := range warnings {
			check(t, warning)
		}
		if err != nil {
			check(t, err.Error())
		} else if spec.Root.Path == "" || len(spec.Process.Args) == 0 {
			t.Error("valid without root.path or process.args")
		}
	})
}

// BenchmarkLoad is warm; for the first Load of a process see
// BenchmarkFirstLoad.
func BenchmarkLoad(b *testing.B) {
	for name, data := range engineConfigs(b) {
		if strings.HasSuffix(name, ".process.json") {
			continue
		}
		b.Run(name, func(b *testing.B) {
			dir := makeBundle(b, data)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Load(dir); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFirstLoad is what matters: the first Load of a fresh process, as
// every run of rung has one. The metric first-µs is the median.
func BenchmarkFirstLoad(b *testing.B) {
	for name, data := range engineConfigs(b) {
		if strings.HasSuffix(name, ".process.json") {
			continue
		}
		b.Run(name, func(b *testing.B) {
			dir := makeBundle(b, data)
			var times []int
			for b.Loop() {
				cmd := exec.Command("/proc/self/exe")
				cmd.Env = []string{firstLoad + "=" + dir}
				out, err := cmd.Output()
				if err != nil {
					b.Fatal(err)
				}
				ns, err := strconv.Atoi(string(out))
				if err != nil {
					b.Fatal(err)
				}
				times = append(times, ns)
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2])/1000, "first-µs")
		})
	}
}

// firstLoad is the variable that names the bundle that BenchmarkFirstLoad's
// child is to load.
const firstLoad = "RUNG_BENCH_FIRST_LOAD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(firstLoad); dir != "" {
		start := time.Now()
		_, err := Load(dir)
		elapsed := time.Since(start)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Print(elapsed.Nanoseconds())
		os.Exit(0)
	}
	os.Exit(m.Run())
}
