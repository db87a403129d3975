package rootfs

import (
	"os"
	"strconv"
	"strings"
	"syscall"
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

// What is sparse stays sparse: the memory that a copy takes is that of its data.
func TestCopyUpSparse(t *testing.T) {
	inNamespace(t)
	const size = 1 << 40
	must(t, os.Mkdir(root+"/var", 0o755))
	f, err := os.Create(root + "/var/sparse")
	must(t, err)
	defer f.Close()
	pieces := map[int64]string{0: "begin", 5<<30 + 100: "middle", size - 1<<20 - 3: "end"}
	for at, text := range pieces {
		_, err := f.WriteAt([]byte(text), at)
		must(t, err)
	}
	must(t, f.Truncate(size))
	must(t, os.Chmod(f.Name(), 0o640))
	past := time.Unix(1e9, 5)
	must(t, os.Chtimes(f.Name(), past, past))
	spec := newSpec(copyUpMount("/var", "size=16m"))
	limit := int64(1 << 20)
	spec.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit, Swap: &limit}}
	_, err = prepare(t, Options{Spec: spec})
	must(t, err)
	got, err := os.Open(root + "/var/sparse")
	must(t, err)
	defer got.Close()
	st, err := got.Stat()
	must(t, err)
	if used := st.Sys().(*syscall.Stat_t).Blocks * 512; st.Size() != size || used > 64<<10 {
		t.Errorf("the copy has %d bytes and uses %d", st.Size(), used)
	}
	if !st.ModTime().Equal(past) || st.Mode() != 0o640 {
		t.Errorf("the copy is of %v and has mode %v", st.ModTime(), st.Mode())
	}
	for at, text := range pieces {
		buf := make([]byte, len(text)+1)
		if _, err := got.ReadAt(buf, at); err != nil || string(buf) != text+"\x00" {
			t.Errorf("at %d: %q, %v", at, buf, err)
		}
	}
}

// A copy is not larger than the container's memory, be it in one file, in many
// or in two mounts.
func TestCopyUpMemory(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		name        string
		limit, swap int64
		sizes       []int
		want        bool
	}{
		{"one file that fits", 4 * mib, 4 * mib, []int{3 * mib}, true},
		{"one file", 4 * mib, 4 * mib, []int{5 * mib}, false},
		{"two that are too much together", 4 * mib, 4 * mib, []int{3 * mib, 2 * mib}, false},
		{"many small ones", mib, mib, make([]int, 1100), false},
		{"no limit", -1, -1, []int{5 * mib}, true},
	} {
		sub(t, tt.name, func(t *testing.T) {
			for i, size := range tt.sizes {
				write(t, root+"/var"+strconv.Itoa(i%2)+"/file"+strconv.Itoa(i), strings.Repeat("x", size))
			}
			must(t, os.MkdirAll(root+"/var1", 0o755))
			spec := newSpec(copyUpMount("/var0"), copyUpMount("/var1"))
			spec.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &tt.limit, Swap: &tt.swap}}
			_, err := prepare(t, Options{Spec: spec})
			if tt.want {
				must(t, err)
			} else if err == nil || !strings.Contains(err.Error(), "larger than the container's memory") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Of a large file that has no room nothing is copied. One that was cut meanwhile
// has zeros in the place of what is gone.
func TestCopyDataNoRoom(t *testing.T) {
	inNamespace(t)
	must(t, os.Mkdir(root+"/small", 0o755))
	must(t, unix.Mount("tmpfs", root+"/small", "tmpfs", 0, "size=2m"))
	write(t, root+"/file", strings.Repeat("x", 4<<20))
	src, err := os.Open(root + "/file")
	must(t, err)
	defer src.Close()
	out, err := os.Create(root + "/small/file")
	must(t, err)
	defer out.Close()
	r := &Rootfs{o: Options{Spec: newSpec()}}
	if err := r.copyData(int(out.Fd()), int(src.Fd()), 4<<20); err != unix.ENOSPC {
		t.Errorf("got %v", err)
	}
	if st, err := out.Stat(); err != nil || st.Size() != 0 {
		t.Errorf("it has %d bytes, %v", st.Size(), err)
	}
	must(t, os.Truncate(src.Name(), 100))
	must(t, r.copyData(int(out.Fd()), int(src.Fd()), 1<<20))
	if st, err := out.Stat(); err != nil || st.Size() != 1<<20 {
		t.Errorf("it has %d bytes, %v", st.Size(), err)
	}
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
