package rootfs

import (
	"os"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func copyUpMount(dest string, options ...string) specs.Mount {
	return specs.Mount{Destination: dest, Type: "tmpfs", Source: "up", Options: append(options, "tmpcopyup")}
}

func TestCopyUp(t *testing.T) {
	inNamespace(t)
	write(t, bundleDir+"/host", "host")
	write(t, root+"/var/file", "text")
	write(t, root+"/var/a/b/deep", "deep")
	write(t, root+"/var/big", string(make([]byte, 3<<20)))
	must(t, os.Chmod(root+"/var/file", 0o751|os.ModeSetuid))
	must(t, os.Chown(root+"/var/file", 3, 4))
	must(t, os.Chmod(root+"/var/file", 0o751|os.ModeSetuid))
	must(t, os.Chown(root+"/var/a", 5, 6))
	must(t, os.Chmod(root+"/var/a", 0o777|os.ModeSticky))
	must(t, os.Symlink("/../../../host", root+"/var/out"))
	must(t, os.Symlink("nowhere", root+"/var/dangling"))
	must(t, os.Lchown(root+"/var/dangling", 7, 8))
	must(t, unix.Mkfifo(root+"/var/fifo", 0o640))
	mknod(t, root+"/var/dev", unix.S_IFCHR, 1, 3)
	must(t, unix.Mknod(root+"/var/sock", unix.S_IFSOCK|0o700, 0))
	must(t, os.Chown(root+"/var", 9, 10))
	must(t, os.Chmod(root+"/var", 0o750))
	must(t, unix.Setxattr(root+"/var/file", "trusted.x", []byte("value"), 0))
	must(t, unix.Setxattr(root+"/var/a", "trusted.long", make([]byte, 3000), 0))
	must(t, unix.Setxattr(root+"/var", "trusted.top", []byte("1"), 0))
	past := time.Unix(1e9, 5)
	for _, f := range []string{"/file", "/a"} {
		must(t, os.Chtimes(root+"/var"+f, past, past))
	}

	_, err := prepare(t, Options{Spec: newSpec(copyUpMount("/var", "size=16m"))})
	must(t, err)
	if m := mountAt(t, root+"/var"); m.source != "up" {
		t.Fatalf("got %+v", m)
	}
	wantFile(t, root+"/var/file", "text")
	wantFile(t, root+"/var/a/b/deep", "deep")
	for name, want := range map[string]unix.Stat_t{
		"":          {Mode: unix.S_IFDIR | 0o750, Uid: 9, Gid: 10},
		"/file":     {Mode: unix.S_IFREG | 0o4751, Uid: 3, Gid: 4},
		"/a":        {Mode: unix.S_IFDIR | 0o1777, Uid: 5, Gid: 6},
		"/a/b":      {Mode: unix.S_IFDIR | 0o755},
		"/fifo":     {Mode: unix.S_IFIFO | 0o640},
		"/dev":      {Mode: unix.S_IFCHR | 0o666&^0o022, Rdev: unix.Mkdev(1, 3)},
		"/sock":     {Mode: unix.S_IFSOCK | 0o700},
		"/dangling": {Mode: unix.S_IFLNK | 0o777, Uid: 7, Gid: 8},
	} {
		checkNode(t, root+"/var"+name, want)
	}
	for name, want := range map[string]string{"/out": "/../../../host", "/dangling": "nowhere"} {
		if to, err := os.Readlink(root + "/var" + name); to != want {
			t.Errorf("%s leads to %q, %v", name, to, err)
		}
	}
	for _, f := range []string{"/file", "/a"} {
		st, err := os.Stat(root + "/var" + f)
		must(t, err)
		if !st.ModTime().Equal(past) {
			t.Errorf("%s is of %v", f, st.ModTime())
		}
	}
	if st, err := os.Stat(root + "/var/big"); err != nil || st.Size() != 3<<20 {
		t.Errorf("the big file: %v, %v", st, err)
	}
	buf := make([]byte, 4096)
	for name, key := range map[string]string{"/file": "trusted.x", "/a": "trusted.long", "": "trusted.top"} {
		if n, err := unix.Getxattr(root+"/var"+name, key, buf); err != nil || n == 0 {
			t.Errorf("%s of %s: %d, %v", key, name, n, err)
		}
	}
	// What was copied is still there below.
	must(t, unix.Unmount(root+"/var", 0))
	wantFile(t, root+"/var/file", "text")
}

func TestCopyUpCorners(t *testing.T) {
	sub(t, "missing folder", func(t *testing.T) {
		_, err := prepare(t, Options{Spec: newSpec(copyUpMount("/a/b"))})
		must(t, err)
		checkNode(t, root+"/a/b", unix.Stat_t{Mode: unix.S_IFDIR | 0o1777})
	})
	sub(t, "own owner and mode", func(t *testing.T) {
		write(t, root+"/a/file", "x")
		must(t, os.Chown(root+"/a", 1, 2))
		_, err := prepare(t, Options{Spec: newSpec(copyUpMount("/a", "mode=700", "uid=5", "ro"))})
		must(t, err)
		checkNode(t, root+"/a", unix.Stat_t{Mode: unix.S_IFDIR | 0o700, Uid: 5, Gid: 2})
		wantFile(t, root+"/a/file", "x")
	})
	sub(t, "through mount(2)", func(t *testing.T) {
		write(t, root+"/a/file", "x")
		_, err := prepare(t, Options{Spec: newSpec(copyUpMount("/a", "iversion"))})
		must(t, err)
		wantFile(t, root+"/a/file", "x")
		if m := mountAt(t, root+"/a"); m.source != "up" {
			t.Errorf("got %+v", m)
		}
	})
	sub(t, "no room", func(t *testing.T) {
		write(t, root+"/a/file", string(make([]byte, 1<<20)))
		_, err := prepare(t, Options{Spec: newSpec(copyUpMount("/a", "size=64k"))})
		wantError(t, err, "mounts[0]", "copy file: no space left")
	})
	// A folder that is a symlink out of the root is one within it.
	sub(t, "symlink out", func(t *testing.T) {
		write(t, bundleDir+"/host/secret", "secret")
		link(t, "/var", bundleDir+"/host")
		_, err := prepare(t, Options{Spec: newSpec(copyUpMount("/var"))})
		must(t, err)
		if _, err := os.Stat(root + bundleDir + "/host/secret"); err == nil {
			t.Error("a file of the host was copied")
		}
		if m := mountAt(t, root+bundleDir+"/host"); m.source != "up" {
			t.Errorf("got %+v", m)
		}
	})
}
