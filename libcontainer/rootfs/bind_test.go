package rootfs

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func bindMount(source, dest string, options ...string) specs.Mount {
	return specs.Mount{Source: source, Destination: dest, Options: options}
}

func TestBindTargets(t *testing.T) {
	for _, c := range []struct {
		name         string
		source, dest string
		real         string // where it must be, below the root
		setup        func(t *testing.T)
	}{
		{name: "folder on missing folder", source: "src", dest: "/a/b/c", real: "/a/b/c"},
		{name: "file on missing file", source: "src/file", dest: "/a/b/file", real: "/a/b/file"},
		{name: "absolute source", source: bundleDir + "/src", dest: "/a", real: "/a"},
		{name: "symlinked source", source: "link", dest: "/a", real: "/a"},
		{name: "relative destination", source: "src", dest: "a/b", real: "/a/b"},
		{name: "unclean destination", source: "src", dest: "/../x/./../a//b/", real: "/a/b"},
		{name: "destination with the host's path", source: "src", dest: root + "/a/b", real: "/a/b"},
		{name: "folder that only looks like the host's path", source: "src", dest: root + "2/b", real: root + "2/b"},
		{
			name: "file on existing file", source: "src/file", dest: "/etc/hosts", real: "/etc/hosts",
			setup: func(t *testing.T) { write(t, root+"/etc/hosts", "old") },
		},
		{
			name: "absolute symlink", source: "src", dest: "/conf/stack", real: "/real/conf/stack",
			setup: func(t *testing.T) {
				must(t, os.MkdirAll(root+"/real/conf", 0o755))
				link(t, "/conf", "/real/conf")
			},
		},
		{
			name: "dangling symlink", source: "src/file", dest: "/etc/resolv.conf", real: "/run/systemd/resolve/stub",
			setup: func(t *testing.T) { link(t, "/etc/resolv.conf", "../run/systemd/resolve/stub") },
		},
		{
			name: "dangling symlinks one after the other", source: "src", dest: "/etc/x/y", real: "/tmp/foo/bar/baz/y",
			setup: func(t *testing.T) {
				link(t, "/jump", "/tmp/foo/bar")
				link(t, "/etc/x", "/jump/baz")
			},
		},
		{
			name: "symlink out of the root", source: "src", dest: "/out/x", real: "/tmp/bundle/x",
			setup: func(t *testing.T) { link(t, "/out", bundleDir) },
		},
		{
			name: "relative symlink out of the root", source: "src/file", dest: "/a/out", real: "/victim",
			setup: func(t *testing.T) {
				write(t, bundleDir+"/victim", "host")
				link(t, "/a/out", "../../../../victim")
			},
		},
	} {
		sub(t, c.name, func(t *testing.T) {
			write(t, bundleDir+"/src/file", "source")
			must(t, os.Symlink("src", bundleDir+"/link"))
			if c.setup != nil {
				c.setup(t)
			}
			_, err := prepare(t, Options{Spec: newSpec(bindMount(c.source, c.dest, "bind"))})
			must(t, err)
			if m := mountAt(t, root+c.real); !strings.HasPrefix(m.top, "/bundle/src") {
				t.Errorf("the wrong thing is mounted: %+v", m)
			}
			if _, err := os.Lstat(bundleDir + "/x"); err == nil {
				t.Error("a folder was made outside of the root")
			}
		})
	}
}

// The folders and files made for mounts have fixed modes, whatever the umask.
func TestCreatedModes(t *testing.T) {
	inNamespace(t)
	unix.Umask(0o077)
	write(t, bundleDir+"/file", "")
	must(t, os.Mkdir(root+"/setgid", 0o755))
	must(t, os.Chmod(root+"/setgid", 0o755|os.ModeSetgid))
	_, err := prepare(t, Options{Spec: newSpec(
		bindMount("file", "/a/b/file", "bind"),
		specs.Mount{Destination: "/setgid/c/d", Type: "tmpfs"},
	)})
	must(t, err)
	must(t, unix.Unmount(root+"/a/b/file", 0))
	must(t, unix.Unmount(root+"/setgid/c/d", 0))
	for name, want := range map[string]uint32{
		"/a": 0o755, "/a/b": 0o755, "/a/b/file": 0o644, "/setgid/c": 0o2755, "/setgid/c/d": 0o2755,
	} {
		var st unix.Stat_t
		must(t, unix.Stat(root+name, &st))
		if st.Mode&0o7777 != want {
			t.Errorf("%s has mode %o, want %o", name, st.Mode&0o7777, want)
		}
	}
	if old := unix.Umask(0o022); old != 0o077 {
		t.Errorf("the umask is %o afterwards", old)
	}
}

// A bind mount without options about attributes keeps its source's; with any,
// it has those and no others, except the access-time setting.
func TestBindAttributes(t *testing.T) {
	for _, c := range []struct{ host, options, want string }{
		{"ro,noexec,nosymfollow,nodiratime", "bind", "ro,noexec,nodiratime,relatime,nosymfollow"},
		{"ro,noexec,nosymfollow,nodiratime", "bind,rprivate", "ro,noexec,nodiratime,relatime,nosymfollow"},
		{"ro,noexec,nosymfollow,nodiratime", "bind,dev", "rw,nodiratime,relatime"},
		{"ro", "bind,nosuid,nodev", "rw,nosuid,nodev,relatime"},
		{"ro", "bind,rw", "rw,relatime"},
		{"nosuid,nodev,noexec,noatime", "bind,dev,suid,exec,atime", "rw,noatime"},
		{"nosuid,nodev,noexec,noatime", "bind,ro", "ro,noatime"},
		{"nodev,nosymfollow", "bind,ro,symfollow", "ro,relatime"},
		{"nodev", "bind,nosymfollow", "rw,relatime,nosymfollow"},
		{"noatime", "bind,norelatime", "rw,noatime"},
		{"noatime", "bind,relatime", "rw,relatime"},
		{"noatime", "bind,nodiratime", "rw,nodiratime,relatime"},
		{"nodiratime", "bind,strictatime", "rw"},
		{"noatime", "bind,nodiratime,strictatime", "rw,nodiratime"},
		{"noatime", "bind,nodiratime,norelatime", "rw,nodiratime,relatime"},
		{"nodiratime", "bind,diratime", "rw,relatime"},
		{"", "rbind,rro", "ro,relatime"},
		{"ro", "rbind,rrw", "rw,relatime"},
		{"noatime", "rbind,ratime", "rw,relatime"},
		{"", "rbind,rstrictatime,rnosuid", "rw,nosuid"},
	} {
		name := c.host + " " + c.options
		sub(t, name, func(t *testing.T) {
			makeHostMount(t, c.host)
			checkBound(t, c.options, c.want, func() {})
		})
		sub(t, name+" without mount_setattr", func(t *testing.T) {
			if strings.HasPrefix(c.options, "rbind") {
				t.Skip("recursive options need it")
			}
			makeHostMount(t, c.host)
			failSyscall(t, unix.SYS_MOUNT_SETATTR, unix.ENOSYS)
			checkBound(t, c.options, c.want, func() {})
		})
		sub(t, name+" on Linux 5.12", func(t *testing.T) {
			if strings.Contains(c.options, "private") {
				t.Skip("the filter cannot tell propagation from attributes")
			}
			makeHostMount(t, c.host)
			checkBound(t, c.options, c.want, func() { failNosymfollow(t) })
		})
	}
}

// makeHostMount makes a mount with attributes for the container to bind.
func makeHostMount(t *testing.T, options string) {
	t.Helper()
	must(t, os.Mkdir(bundleDir+"/src", 0o755))
	must(t, unix.Mount("src", bundleDir+"/src", "tmpfs", unix.MS_STRICTATIME, ""))
	flags := uintptr(unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RELATIME)
	for _, o := range strings.Split(options, ",") {
		flags |= map[string]uintptr{
			"ro": unix.MS_RDONLY, "nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC,
			"noatime": unix.MS_NOATIME, "nodiratime": unix.MS_NODIRATIME, "nosymfollow": unix.MS_NOSYMFOLLOW,
		}[o]
	}
	must(t, unix.Mount("", bundleDir+"/src", "", flags, ""))
}

// checkBound binds the mount with the given options, and checks what the
// kernel made of them. It calls opened once the root is open.
func checkBound(t *testing.T, options, want string, opened func()) {
	t.Helper()
	r, err := New(Options{Root: root, Spec: newSpec(bindMount("src", "/mnt", strings.Split(options, ",")...))})
	must(t, err)
	defer r.Close()
	must(t, r.Open())
	opened()
	must(t, r.Mounts())
	if got := mountAt(t, root+"/mnt").options; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Read-only binds are not recursive unless they say so.
func TestRecursiveBind(t *testing.T) {
	for _, c := range []struct{ options, top, below string }{
		{"rbind,ro", "ro", "rw"},
		{"rbind,rro", "ro", "ro"},
		{"rbind,ro,rro", "ro", "ro"},
		{"rbind,ro,rrw", "rw", "rw"},
		{"rbind", "rw", "rw"},
		{"bind,rro", "ro", ""},
	} {
		sub(t, c.options, func(t *testing.T) {
			must(t, os.MkdirAll(bundleDir+"/src/sub", 0o755))
			must(t, unix.Mount("sub", bundleDir+"/src/sub", "tmpfs", 0, ""))
			_, err := prepare(t, Options{Spec: newSpec(bindMount("src", "/mnt", strings.Split(c.options, ",")...))})
			must(t, err)
			if !mountAt(t, root+"/mnt").has(c.top) {
				t.Errorf("the top is not %s", c.top)
			}
			below := false
			for _, m := range mountTable(t) {
				if m.point == root+"/mnt/sub" {
					below = true
					if !m.has(c.below) {
						t.Errorf("the mount below is not %s", c.below)
					}
				}
			}
			if below != (c.below != "") {
				t.Errorf("the mount below is there: %v", below)
			}
		})
	}
}

// Mounts can be made of what earlier mounts have put into the container.
func TestBindFromContainer(t *testing.T) {
	inNamespace(t)
	write(t, bundleDir+"/a/x/file", "a")
	write(t, bundleDir+"/b/y/file", "b")
	_, err := prepare(t, Options{Spec: newSpec(
		bindMount("a", "/mnt", "bind"),
		bindMount("b", "/mnt/x", "bind"),
		bindMount(root+"/mnt", root+"/final", "rbind"),
	)})
	must(t, err)
	wantFile(t, root+"/final/x/y/file", "b")
}

func TestPropagation(t *testing.T) {
	for _, c := range []struct{ options, want string }{
		{"bind", "master"}, // a slave of the host's, as all mounts are made
		{"bind,private", ""},
		{"bind,slave", "master"},
		{"bind,shared", "shared+master"},
		{"bind,private,shared", "shared"},
		{"bind,unbindable", "unbindable"},
		{"rbind,rprivate", ""},
	} {
		for _, old := range []bool{false, true} {
			sub(t, fmt.Sprint(c.options, " without mount_setattr: ", old), func(t *testing.T) {
				must(t, os.Mkdir(bundleDir+"/src", 0o755))
				must(t, unix.Mount("src", bundleDir+"/src", "tmpfs", 0, ""))
				must(t, unix.Mount("", bundleDir+"/src", "", unix.MS_SHARED, ""))
				// A second peer group member stands for the host.
				must(t, os.Mkdir(bundleDir+"/host", 0o755))
				must(t, unix.Mount(bundleDir+"/src", bundleDir+"/host", "", unix.MS_BIND, ""))
				if old {
					failSyscall(t, unix.SYS_MOUNT_SETATTR, unix.ENOSYS)
				}
				s := newSpec(bindMount("src", "/mnt", strings.Split(c.options, ",")...))
				enslave := func() { must(t, unix.Mount("", bundleDir+"/src", "", unix.MS_SLAVE, "")) }
				enslave()
				r, err := New(Options{Spec: s, Root: root})
				must(t, err)
				defer r.Close()
				r.newNamespace = false // keep the peer that stands for the host
				must(t, r.Open())
				must(t, r.Mounts())
				if got := kinds(mountAt(t, root+"/mnt").optional); got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
			})
		}
	}
}

// kinds returns the propagation in mountinfo without the numbers.
func kinds(optional string) string {
	var k []string
	for _, f := range strings.Fields(optional) {
		name, _, _ := strings.Cut(f, ":")
		k = append(k, name)
	}
	return strings.Join(k, "+")
}
