package rootfs

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestNewFilesystem(t *testing.T) {
	for _, c := range []struct {
		name  string
		mount specs.Mount
		want  string // options of the mount
		super string // one option of the filesystem
	}{
		{"plain", specs.Mount{Type: "tmpfs", Source: "x"}, "rw,relatime", "rw"},
		{"all", specs.Mount{Type: "tmpfs", Options: []string{"nosuid", "nodev", "noexec", "noatime", "nodiratime", "nosymfollow"}},
			"rw,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow", "rw"},
		{"strictatime", specs.Mount{Type: "tmpfs", Options: []string{"strictatime"}}, "rw", "rw"},
		{"flags of the filesystem", specs.Mount{Type: "tmpfs", Options: []string{"sync", "dirsync", "lazytime", "silent"}}, "rw,relatime", "dirsync"},
		{"iversion", specs.Mount{Type: "tmpfs", Source: "x", Options: []string{"iversion", "nosuid", "size=8k"}}, "rw,nosuid,relatime", "size=8k"},
		{"data", specs.Mount{Type: "tmpfs", Options: []string{"size=64k", "nr_inodes=17"}}, "rw,relatime", "nr_inodes=17"},
		{"data in one option", specs.Mount{Type: "tmpfs", Options: []string{"size=64k,nr_inodes=17"}}, "rw,relatime", "nr_inodes=17"},
		{"ro ramfs", specs.Mount{Type: "ramfs", Options: []string{"ro"}}, "ro,relatime", "ro"},
		{"ro sysfs", specs.Mount{Type: "sysfs", Options: []string{"ro"}}, "ro,relatime", "rw"},
		{"rro", specs.Mount{Type: "ramfs", Options: []string{"rro", "rnosuid"}}, "ro,nosuid,relatime", "rw"},
		{"proc with options", specs.Mount{Type: "proc", Options: []string{"hidepid=invisible"}}, "rw,relatime", "hidepid=invisible"},
	} {
		sub(t, c.name, func(t *testing.T) {
			c.mount.Destination = "/mnt"
			_, err := prepare(t, Options{Spec: newSpec(c.mount)})
			must(t, err)
			m := mountAt(t, root+"/mnt")
			if m.kind != c.mount.Type || m.options != c.want || !strings.Contains(","+m.super+",", ","+c.super+",") {
				t.Errorf("got %+v, want %s, and %s in the filesystem's", m, c.want, c.super)
			}
			if c.mount.Source != "" && m.source != c.mount.Source {
				t.Errorf("the source is %q, want %q", m.source, c.mount.Source)
			}
		})
	}
}

// fsconfig(2) takes 255 bytes of a value; overlay's list of layers is longer.
func TestLongOptions(t *testing.T) {
	inNamespace(t)
	lower := bundleDir + "/" + strings.Repeat("long", 50) + "/" + strings.Repeat("er", 60)
	comma := bundleDir + "/with,comma"
	write(t, lower+"/lower", "1")
	write(t, comma+"/comma", "2")
	must(t, os.MkdirAll(bundleDir+"/upper", 0o755))
	must(t, os.MkdirAll(bundleDir+"/work", 0o755))
	_, err := prepare(t, Options{Spec: newSpec(specs.Mount{
		Destination: "/mnt", Type: "overlay", Source: "overlay",
		Options: []string{
			"nosuid", "rprivate", "lowerdir=" + lower + ":" + strings.ReplaceAll(comma, ",", `\,`),
			"upperdir=" + bundleDir + "/upper", "workdir=" + bundleDir + "/work",
		},
	})})
	must(t, err)
	wantFile(t, root+"/mnt/lower", "1")
	wantFile(t, root+"/mnt/comma", "2")
	if m := mountAt(t, root+"/mnt"); !m.has("nosuid") {
		t.Errorf("got %+v", m)
	}
}

func TestTmpfsMode(t *testing.T) {
	for _, c := range []struct {
		name    string
		exists  bool
		options []string
		want    uint32
	}{
		{"inherited", true, nil, 0o710},
		{"explicit", true, []string{"mode=1500"}, 0o1500},
		{"the kernel's default", false, nil, 0o1777},
	} {
		sub(t, c.name, func(t *testing.T) {
			if c.exists {
				must(t, os.Mkdir(root+"/mnt", 0o710))
				must(t, os.Chmod(root+"/mnt", 0o710))
			}
			_, err := prepare(t, Options{Spec: newSpec(specs.Mount{Destination: "/mnt", Type: "tmpfs", Options: c.options})})
			must(t, err)
			var st unix.Stat_t
			must(t, unix.Stat(root+"/mnt", &st))
			if st.Mode&0o7777 != c.want {
				t.Errorf("got mode %o, want %o", st.Mode&0o7777, c.want)
			}
		})
	}
}

// A read-only tmpfs takes the folders that later mounts need, and is read-only
// in the end.
func TestReadonlyTmpfs(t *testing.T) {
	for _, old := range []bool{false, true} {
		sub(t, fmt.Sprint("without mount_setattr: ", old), func(t *testing.T) {
			if old {
				failSyscall(t, unix.SYS_MOUNT_SETATTR, unix.ENOSYS)
			}
			mounts := append(defaultMounts()[:2],
				specs.Mount{Destination: "/run", Type: "tmpfs", Options: []string{"ro", "nosuid"}},
				specs.Mount{Destination: "/run/lock", Type: "tmpfs"})
			mounts[1].Options = append(mounts[1].Options, "ro")
			s := newSpec(mounts...)
			s.Root.Readonly = true
			s.Linux.ReadonlyPaths = []string{"/proc/sys"}
			enter(t, Options{Spec: s})
			if m := mountAt(t, "/run"); m.options != "ro,nosuid,relatime" {
				t.Errorf("/run: %s", m.options)
			}
			if m := mountAt(t, "/run/lock"); !m.has("rw") {
				t.Errorf("/run/lock: %s", m.options)
			}
			if m := mountAt(t, "/dev"); m.options != "ro,nosuid" {
				t.Errorf("/dev: %s", m.options)
			}
			if m := mountAt(t, "/proc/sys"); m.options != "ro,nosuid,nodev,noexec,relatime" {
				t.Errorf("/proc/sys: %s", m.options)
			}
			if !mountAt(t, "/").has("ro") {
				t.Error("the root is writable")
			}
			checkDefaultDev(t)
		})
	}
}

func TestRemount(t *testing.T) {
	inNamespace(t)
	_, err := prepare(t, Options{Spec: newSpec(
		specs.Mount{Destination: "/a", Type: "tmpfs", Options: []string{"size=8k", "nosuid"}},
		specs.Mount{Destination: "/b", Type: "tmpfs", Options: []string{"size=8k"}},
		specs.Mount{Destination: "/a", Options: []string{"remount", "bind", "ro", "noexec"}},
		specs.Mount{Destination: "/b", Type: "tmpfs", Options: []string{"remount", "size=16k", "nodev"}},
	)})
	must(t, err)
	if m := mountAt(t, root+"/a"); m.options != "ro,noexec,relatime" {
		t.Errorf("/a: %+v", m)
	}
	if m := mountAt(t, root+"/b"); m.options != "rw,nodev,relatime" || !strings.Contains(m.super, "size=16k") {
		t.Errorf("/b: %+v", m)
	}
}
