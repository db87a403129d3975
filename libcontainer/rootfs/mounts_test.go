package rootfs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// write makes a file in the scratch folder, and the folders it is in.
func write(t testing.TB, name, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(name), 0o755))
	must(t, os.WriteFile(name, []byte(text), 0o644))
}

// link makes a symlink in the rootfs.
func link(t testing.TB, name, to string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(root+name), 0o755))
	must(t, os.Symlink(to, root+name))
}

// wantFile checks what is in a file.
func wantFile(t testing.TB, name, text string) {
	t.Helper()
	got, err := os.ReadFile(name)
	if err != nil || string(got) != text {
		t.Errorf("%s holds %q (%v), want %q", name, got, err, text)
	}
}

// sub runs f as a test with a mount namespace of its own.
func sub(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		inNamespace(t)
		f(t)
	})
}

// mountError is a list of mounts of which one must fail.
type mountError struct {
	name   string
	mounts []specs.Mount
	setup  func(t *testing.T)
	field  string
	text   string
	errno  unix.Errno
}

func (c mountError) check(t *testing.T) {
	sub(t, c.name, func(t *testing.T) {
		if c.setup != nil {
			c.setup(t)
		}
		_, err := prepare(t, Options{Spec: newSpec(c.mounts...)})
		wantError(t, err, c.field, c.text)
		if c.errno != 0 && !errors.Is(err, c.errno) {
			t.Errorf("error %v is not %v", err, c.errno)
		}
		if _, err := os.Lstat(bundleDir + "/x"); err == nil {
			t.Error("something was made outside of the root")
		}
	})
}

func tmpfs(dest string, options ...string) specs.Mount {
	return specs.Mount{Destination: dest, Type: "tmpfs", Options: options}
}

func proc() specs.Mount { return specs.Mount{Destination: "/proc", Type: "proc"} }

func TestMountErrors(t *testing.T) {
	for _, c := range []mountError{
		{name: "unknown type", mounts: []specs.Mount{{Destination: "/a", Type: "nosuchfs"}},
			field: "mounts[0].type", text: "modprobe nosuchfs", errno: unix.ENODEV},
		{name: "unknown type with mount(2)", mounts: []specs.Mount{{Destination: "/a", Type: "nosuchfs", Options: []string{"iversion"}}},
			field: "mounts[0].type", text: "modprobe nosuchfs", errno: unix.ENODEV},
		{name: "type bind without option", mounts: []specs.Mount{{Destination: "/a", Type: "bind", Source: "/etc"}},
			field: "mounts[0].type", text: "bind or rbind among its options", errno: unix.ENODEV},
		{name: "no type", mounts: []specs.Mount{{Destination: "/a"}}, field: "mounts[0].type", text: "is required"},
		{name: "bad option", mounts: []specs.Mount{proc(), tmpfs("/a", "ro", "size=banana")},
			field: "mounts[1].options[1]", text: "size", errno: unix.EINVAL},
		{name: "unknown option", mounts: []specs.Mount{tmpfs("/a", "frobnicate")},
			field: "mounts[0].options[0]", text: "frobnicate", errno: unix.EINVAL},
		{name: "option for a bind", mounts: []specs.Mount{bindMount("/etc", "/a", "bind", "size=1")},
			field: "mounts[0].options[1]", text: "unknown option"},
		{name: "idmap", mounts: []specs.Mount{bindMount("/etc", "/a", "bind", "idmap")}, field: "mounts[0].source", text: "id-mapped"},
		{name: "missing source", mounts: []specs.Mount{bindMount("nowhere", "/a", "bind")},
			field: "mounts[0].source", text: "nowhere", errno: unix.ENOENT},
		{name: "the root", mounts: []specs.Mount{tmpfs("/a/..")}, field: "mounts[0].destination", text: "the root"},
		{name: "the root by its path on the host", mounts: []specs.Mount{tmpfs(root)}, field: "mounts[0].destination", text: "the root"},
		{name: "the root by a symlink", mounts: []specs.Mount{tmpfs("/a/b")},
			setup: func(t *testing.T) { link(t, "/a/b", "../../..") }, field: "mounts[0].destination", text: "the root"},
		{name: "remount of the root", mounts: []specs.Mount{tmpfs("/", "remount")}, field: "mounts[0].destination", text: "the root"},
		{name: "remount of nothing", mounts: []specs.Mount{tmpfs("/a", "remount")}, field: "mounts[0].destination", errno: unix.ENOENT},
		{name: "remount of what is no mount", mounts: []specs.Mount{tmpfs("/a", "remount", "bind", "ro")},
			setup: func(t *testing.T) { write(t, root+"/a/b", "") }, field: "mounts[0]", errno: unix.EINVAL},
		{name: "folder on a file", mounts: []specs.Mount{tmpfs("/a")},
			setup: func(t *testing.T) { write(t, root+"/a", "") }, field: "mounts[0]", text: "a folder cannot", errno: unix.ENOTDIR},
		{name: "file on a folder", mounts: []specs.Mount{bindMount(bundleDir+"/f", "/a", "bind")},
			setup: func(t *testing.T) { write(t, bundleDir+"/f", ""); write(t, root+"/a/b", "") },
			field: "mounts[0]", text: "a file cannot", errno: unix.EISDIR},
		{name: "below a file", mounts: []specs.Mount{tmpfs("/a/b")},
			setup: func(t *testing.T) { write(t, root+"/a", "") }, field: "mounts[0].destination", errno: unix.ENOTDIR},
		{name: "symlinks in a circle", mounts: []specs.Mount{tmpfs("/a/b")},
			setup: func(t *testing.T) { link(t, "/a", "/c"); link(t, "/c", "/a") },
			field: "mounts[0].destination", errno: unix.ELOOP},
		{name: "dangling symlinks in a circle", mounts: []specs.Mount{tmpfs("/a")},
			setup: func(t *testing.T) { link(t, "/a", "/x/../a") }, field: "mounts[0].destination"},
	} {
		c.check(t)
	}
}

// /proc and /sys are what they seem, and nothing gets into /proc.
func TestProcErrors(t *testing.T) {
	for _, c := range []mountError{
		{name: "tmpfs on /proc", mounts: []specs.Mount{tmpfs("/proc")}, field: "mounts[0].destination", text: "only a procfs"},
		{name: "bind on /proc", mounts: []specs.Mount{bindMount("/etc", "/proc", "bind")},
			field: "mounts[0].destination", text: "only a procfs"},
		{name: "cgroup on /proc", mounts: []specs.Mount{{Destination: "/proc", Type: "cgroup"}},
			field: "mounts[0].destination", text: "only a procfs"},
		{name: "inside /proc", mounts: []specs.Mount{proc(), bindMount("/etc/passwd", "/proc/self/attr/exec", "bind")},
			field: "mounts[1].destination", text: "inside /proc"},
		{name: "inside /proc before it is mounted", mounts: []specs.Mount{tmpfs("/proc/x")},
			field: "mounts[0].destination", text: "inside /proc"},
		{name: "inside /proc by a symlink", mounts: []specs.Mount{proc(), bindMount("/etc/passwd", "/a/b", "bind")},
			setup: func(t *testing.T) { link(t, "/a", "/proc/sys") }, field: "mounts[1].destination"},
		{name: "through a magic link", mounts: []specs.Mount{proc(), tmpfs("/proc/self/root/etc")},
			field: "mounts[1].destination", errno: unix.ELOOP},
		{name: "through a symlink to a magic link", mounts: []specs.Mount{proc(), tmpfs("/a/etc")},
			setup: func(t *testing.T) { link(t, "/a", "/proc/self/root") }, field: "mounts[1].destination", errno: unix.ELOOP},
		{name: "/proc is a symlink", mounts: []specs.Mount{proc()},
			setup: func(t *testing.T) { must(t, os.Mkdir(root+"/x", 0o755)); link(t, "/proc", "/x") },
			field: "mounts[0].destination", text: "ordinary directory", errno: unix.ENOTDIR},
		{name: "/proc is a dangling symlink", mounts: []specs.Mount{proc()},
			setup: func(t *testing.T) { link(t, "/proc", "/x") },
			field: "mounts[0].destination", text: "ordinary directory", errno: unix.ENOTDIR},
		{name: "/sys is a symlink", mounts: []specs.Mount{{Destination: "/sys", Type: "sysfs"}},
			setup: func(t *testing.T) { link(t, "/sys", "proc") }, field: "mounts[0].destination", text: "ordinary directory"},
		{name: "/sys is a file", mounts: []specs.Mount{{Destination: "/sys", Type: "sysfs"}},
			setup: func(t *testing.T) { write(t, root+"/sys", "") }, field: "mounts[0].destination", text: "ordinary directory"},
	} {
		c.check(t)
	}
}

// lxcfs replaces a few files of /proc, and a procfs can be bound onto /proc.
func TestAllowedInProc(t *testing.T) {
	inNamespace(t)
	write(t, bundleDir+"/fake", "fake")
	_, err := prepare(t, Options{Spec: newSpec(
		bindMount("/proc", "/proc", "rbind"),
		bindMount("fake", "/proc/uptime", "bind"),
		bindMount("fake", "/proc/sys/kernel/ns_last_pid", "bind"),
	)})
	must(t, err)
	wantFile(t, root+"/proc/uptime", "fake")
}

// An early mount may hold a symlink over which a later one goes.
func TestSymlinkInVolume(t *testing.T) {
	inNamespace(t)
	must(t, os.Mkdir(bundleDir+"/vol", 0o755))
	must(t, os.MkdirAll(bundleDir+"/victim", 0o755))
	must(t, os.Symlink("/../../../../../../"+bundleDir+"/victim", bundleDir+"/vol/x"))
	_, err := prepare(t, Options{Spec: newSpec(
		bindMount("vol", "/vol", "bind"),
		specs.Mount{Destination: "/vol/x/y", Type: "tmpfs", Source: "ours"},
	)})
	must(t, err)
	if m := mountAt(t, root+bundleDir+"/victim/y"); m.source != "ours" {
		t.Errorf("got %+v", m)
	}
	if l, _ := os.ReadDir(bundleDir + "/victim"); len(l) > 0 {
		t.Errorf("there is %v on the host", l)
	}
}
