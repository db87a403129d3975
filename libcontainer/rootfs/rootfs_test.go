package rootfs

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// The tests work in mount namespaces of their own: a test's goroutine is
// locked to its thread, which dies with it and takes the namespace along. All
// files are in a tmpfs that only that namespace has.
const (
	scratch   = "/tmp"
	bundleDir = scratch + "/bundle"
	root      = bundleDir + "/rootfs"
)

// inNamespace gives the test a mount namespace, with an empty rootfs.
func inNamespace(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making mounts needs root")
	}
	runtime.LockOSThread()
	must(t, unix.Unshare(unix.CLONE_NEWNS|unix.CLONE_FS))
	must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	must(t, unix.Mount("scratch", scratch, "tmpfs", 0, ""))
	must(t, os.MkdirAll(root, 0o755))
	must(t, unix.Chdir(bundleDir))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestOpenRefusesProcImpostors has something else lie where the host's procfs is to be.
func TestOpenRefusesProcImpostors(t *testing.T) {
	for name, tt := range map[string]struct {
		source, kind string
		flags        uintptr
		reason       string
	}{
		"tmpfs":            {source: "tmpfs", kind: "tmpfs", reason: "it is not a procfs"},
		"folder of procfs": {source: "/proc/sys", flags: unix.MS_BIND, reason: "it is not the root of a procfs"},
	} {
		t.Run(name, func(t *testing.T) {
			inNamespace(t)
			must(t, unix.Mount(tt.source, "/proc", tt.kind, tt.flags, ""))
			r, err := New(Options{Root: root, Spec: newSpec()})
			must(t, err)
			defer r.Close()
			if err := r.Open(); err == nil || !strings.Contains(err.Error(), "open /proc: "+tt.reason) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// newSpec returns a configuration with the given mounts and a mount namespace.
func newSpec(mounts ...specs.Mount) *specs.Spec {
	return &specs.Spec{
		Root:    &specs.Root{Path: "rootfs"},
		Process: &specs.Process{},
		Mounts:  mounts,
		Linux:   &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}}},
	}
}

// defaultMounts are those that engines give to nearly every container.
func defaultMounts() []specs.Mount {
	return []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}},
	}
}

// defaultSpec is the configuration that `rung spec` writes, as far as it
// matters here.
func defaultSpec() *specs.Spec {
	s := newSpec(defaultMounts()...)
	s.Root.Readonly = true
	s.Linux.MaskedPaths = []string{
		"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
	}
	s.Linux.ReadonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
	return s
}

// hostCgroups returns a view of the cgroups of the host, with the host's root
// cgroups in the place of the container's.
func hostCgroups(t testing.TB) CgroupView {
	t.Helper()
	var st unix.Statfs_t
	must(t, unix.Statfs(cgroupRoot, &st))
	if st.Type == unix.CGROUP2_SUPER_MAGIC {
		return CgroupView{Unified: true, Path: cgroupRoot}
	}
	var v CgroupView
	for _, m := range mountTable(t) {
		if m.kind != "cgroup" && m.kind != "cgroup2" {
			continue
		}
		h := CgroupMount{Dir: filepath.Base(m.point), Mountpoint: m.point, Type: m.kind, Path: m.point}
		if m.kind == "cgroup" {
			h.Data = strings.TrimPrefix(m.super, "rw,")
		}
		v.Mountpoints = append(v.Mountpoints, h)
	}
	return v
}

// mountLine is one line of mountinfo.
type mountLine struct {
	id, parent, top, point, options, optional, kind, source, super string
}

func mountTable(t testing.TB) []mountLine {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/mountinfo")
	must(t, err)
	var table []mountLine
	for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		head, tail, _ := strings.Cut(line, " - ")
		h, l := strings.Fields(head), strings.Split(tail, " ")
		table = append(table, mountLine{
			id: h[0], parent: h[1], top: h[3], point: h[4], options: h[5], optional: strings.Join(h[6:], " "),
			kind: l[0], source: l[1], super: l[2],
		})
	}
	return table
}

// mountAt returns the topmost mount at a path.
func mountAt(t testing.TB, point string) mountLine {
	t.Helper()
	var found mountLine
	for _, m := range mountTable(t) {
		if m.point == point {
			found = m
		}
	}
	if found.point == "" {
		t.Fatalf("nothing is mounted on %s", point)
	}
	return found
}

// has reports whether the mount has an option.
func (m mountLine) has(option string) bool {
	for _, o := range strings.Split(m.options, ",") {
		if o == option {
			return true
		}
	}
	return false
}

// prepare runs New, Open, Mounts and Devices.
func prepare(t testing.TB, o Options) (*Rootfs, error) {
	t.Helper()
	if o.Root == "" {
		o.Root = root
	}
	r, err := New(o)
	must(t, err)
	t.Cleanup(func() { r.Close() })
	must(t, r.Open())
	if err := r.Mounts(); err != nil {
		return r, err
	}
	return r, r.Devices()
}

// enter makes the whole root filesystem and enters it.
func enter(t testing.TB, o Options) *Rootfs {
	t.Helper()
	r, err := prepare(t, o)
	must(t, err)
	must(t, r.Enter())
	must(t, r.Finish())
	return r
}

// wantError checks that err is about a field, and contains a text.
func wantError(t testing.TB, err error, field, text string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one about %s: %s", field, text)
	}
	var e *errdefs.Error
	if !errors.As(err, &e) || e.Field != field {
		t.Errorf("error %q is not about %s", err, field)
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("error %q does not say %q", err, text)
	}
}

func TestDefaultBundle(t *testing.T) {
	inNamespace(t)
	enter(t, Options{Spec: defaultSpec(), Root: root, Cgroup: hostCgroups(t)})

	for _, m := range defaultMounts() {
		if m.Type == "cgroup" {
			continue
		}
		got := mountAt(t, m.Destination)
		if got.kind != m.Type || got.source != m.Source {
			t.Errorf("%s: got %s %s, want %s %s", m.Destination, got.kind, got.source, m.Type, m.Source)
		}
		for _, o := range []string{"nosuid", "noexec", "nodev", "ro"} {
			want := false
			for _, w := range m.Options {
				want = want || w == o
			}
			if got.has(o) != want {
				t.Errorf("%s: options %s, want %s: %v", m.Destination, got.options, o, want)
			}
		}
	}
	if m := mountAt(t, "/dev"); m.has("relatime") || m.has("noatime") {
		t.Errorf("/dev is not strictatime: %s", m.options)
	}
	for _, m := range mountTable(t) {
		if strings.HasPrefix(m.point, "/sys/fs/cgroup") && !m.has("ro") {
			t.Errorf("%s is writable: %s", m.point, m.options)
		}
	}
	if m := mountAt(t, "/"); !m.has("ro") || m.optional != "" {
		t.Errorf("the root is not read-only and private: %+v", m)
	}
	if err := os.Mkdir("/new", 0o755); !errors.Is(err, unix.EROFS) {
		t.Errorf("mkdir in the root: %v", err)
	}
	for _, m := range mountTable(t) {
		if strings.HasPrefix(m.point, "/tmp") || m.point == "/var" {
			t.Errorf("a mount of the host is left: %+v", m)
		}
	}
	if err := os.WriteFile("/proc/sys/kernel/hostname", []byte("x"), 0); !errors.Is(err, unix.EROFS) {
		t.Errorf("write to /proc/sys: %v", err)
	}
	if b, err := os.ReadFile("/proc/keys"); err != nil || len(b) != 0 {
		t.Errorf("/proc/keys is not masked: %q, %v", b, err)
	}
	checkDefaultDev(t)
}

// checkDefaultDev checks what every /dev has.
func checkDefaultDev(t *testing.T) {
	t.Helper()
	for _, d := range defaultDevices {
		var st unix.Stat_t
		must(t, unix.Lstat("/dev/"+d.name, &st))
		if st.Mode != unix.S_IFCHR|0o666 || uint64(st.Rdev) != unix.Mkdev(d.major, d.minor) || st.Uid != 0 || st.Gid != 0 {
			t.Errorf("/dev/%s: mode %o, device %#x, owner %d:%d", d.name, st.Mode, st.Rdev, st.Uid, st.Gid)
		}
	}
	for name, to := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
		"ptmx": "pts/ptmx",
	} {
		if got, err := os.Readlink("/dev/" + name); got != to {
			t.Errorf("/dev/%s leads to %q (%v), want %q", name, got, err, to)
		}
	}
}

// openFDs counts the descriptors that are open.
func openFDs(t testing.TB) int {
	t.Helper()
	l, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	n := 0
	for _, e := range l {
		if fd, _ := strconv.Atoi(e.Name()); fd > 2 {
			n++
		}
	}
	return n
}
