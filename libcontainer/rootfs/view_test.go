package rootfs

import (
	"os"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// viewSpec is a configuration with a procfs, a sysfs and what is masked in them.
func viewSpec(more ...specs.Mount) *specs.Spec {
	s := newSpec(append([]specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc"},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs"},
		devTmpfs(),
	}, more...)...)
	s.Linux.MaskedPaths = []string{"/proc/uptime", "/sys/kernel"}
	s.Linux.ReadonlyPaths = []string{"/proc/sys", "/sys/fs"}
	return s
}

// wantViews checks that what viewSpec says is so in the procfs and sysfs at two
// paths.
func wantViews(t *testing.T, proc, sys string) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(proc+"/uptime", &st); err != nil || st.Rdev != unix.Mkdev(1, 3) {
		t.Errorf("%s/uptime is not masked: device %#x, %v", proc, st.Rdev, err)
	}
	if l, err := os.ReadDir(sys + "/kernel"); err != nil || len(l) > 0 {
		t.Errorf("%s/kernel is not masked: %d entries, %v", sys, len(l), err)
	}
	for _, p := range []string{proc + "/sys", sys + "/fs"} {
		var fs unix.Statfs_t
		if err := unix.Statfs(p, &fs); err != nil || fs.Flags&unix.ST_RDONLY == 0 {
			t.Errorf("%s can be written to: %v", p, err)
		}
	}
}

// An attacker exchanges /proc and /sys for empty folders when the mounts are there
// and nothing is masked yet: then there is nothing at the paths to be masked
// (CVE-2019-19921, CVE-2023-27561).
func TestViewsExchanged(t *testing.T) {
	for _, hooks := range []bool{false, true} {
		sub(t, map[bool]string{false: "without hooks", true: "with hooks"}[hooks], func(t *testing.T) {
			must(t, os.MkdirAll(root+"/evil/proc", 0o755))
			must(t, os.MkdirAll(root+"/evil/sys", 0o755))
			must(t, os.Mkdir(root+"/proc", 0o755))
			must(t, os.Mkdir(root+"/sys", 0o755))
			proc, sys := exchanger(t, root+"/proc", root+"/evil/proc"), exchanger(t, root+"/sys", root+"/evil/sys")
			s := viewSpec()
			if hooks {
				s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{}}}
			}
			r, err := prepare(t, Options{Spec: s})
			must(t, err)
			proc()
			sys()
			must(t, r.Enter())
			must(t, r.Finish())
			if l, err := os.ReadDir("/proc"); err != nil || len(l) > 0 {
				t.Fatalf("/proc was not exchanged: %d entries, %v", len(l), err)
			}
			wantViews(t, "/evil/proc", "/evil/sys")
		})
	}
}

// What is at the path in the end is what is masked, whichever mount that is.
func TestViewsCovered(t *testing.T) {
	host := func(dest string) specs.Mount { return bindMount(dest, dest, "bind", "nosuid") }
	t.Run("by a later mount", func(t *testing.T) {
		inNamespace(t)
		enter(t, Options{Spec: viewSpec(host("/proc"), host("/sys"))})
		wantViews(t, "/proc", "/sys")
	})
	t.Run("by a read-only path", func(t *testing.T) {
		inNamespace(t)
		s := viewSpec()
		s.Linux.ReadonlyPaths = append([]string{"/proc", "/sys/"}, s.Linux.ReadonlyPaths...)
		enter(t, Options{Spec: s})
		wantViews(t, "/proc", "/sys")
	})
	t.Run("by a mount of a hook's", func(t *testing.T) {
		inNamespace(t)
		s := viewSpec()
		s.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{{}}}
		r, err := prepare(t, Options{Spec: s})
		must(t, err)
		must(t, unix.Mount("/proc", root+"/proc", "", unix.MS_BIND, ""))
		must(t, unix.Mount("/sys", root+"/sys", "", unix.MS_BIND, ""))
		must(t, r.Enter())
		must(t, r.Finish())
		wantViews(t, "/proc", "/sys")
	})
	// In what is not the kernel's a symlink may lead out of the mount.
	t.Run("by a tmpfs", func(t *testing.T) {
		inNamespace(t)
		write(t, root+"/file", "secret")
		s := newSpec(specs.Mount{Destination: "/sys", Type: "sysfs"}, specs.Mount{Destination: "/sys", Type: "tmpfs"}, devTmpfs())
		s.Linux.MaskedPaths = []string{"/sys/link"}
		r, err := prepare(t, Options{Spec: s})
		must(t, err)
		must(t, os.Symlink("/file", root+"/sys/link"))
		must(t, r.Enter())
		must(t, r.Finish())
		wantFile(t, "/file", "")
	})
}

func TestExactPlace(t *testing.T) {
	for _, c := range []struct {
		kind, dest, real string
		want             bool
	}{
		{"proc", "/proc", "/proc", true},
		{"proc", "/proc", "/evil", false},
		{"sysfs", "/sys", "/vol/sys", false},
		{"sysfs", "/run/sys", "/var/run/sys", true}, // a folder above may be a symlink
		{"tmpfs", "/tmp", "/var/tmp", true},
	} {
		e := entry{Mount: &specs.Mount{Type: c.kind, Destination: c.dest}, dest: c.dest}
		if err := e.exactPlace(c.real); (err == nil) != c.want {
			t.Errorf("%s for %s at %s: %v", c.kind, c.dest, c.real, err)
		}
	}
}
