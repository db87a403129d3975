package rootfs

import (
	"os"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func devpts() specs.Mount {
	return specs.Mount{
		Destination: "/dev/pts", Type: "devpts", Source: "devpts",
		Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"},
	}
}

func TestTerminal(t *testing.T) {
	inNamespace(t)
	r, err := prepare(t, Options{Spec: newSpec(devTmpfs(), devpts())})
	must(t, err)
	master, slave, err := r.Terminal(&specs.Box{Width: 132, Height: 43})
	must(t, err)
	defer master.Close()
	defer slave.Close()

	size, err := unix.IoctlGetWinsize(int(slave.Fd()), unix.TIOCGWINSZ)
	must(t, err)
	if size.Col != 132 || size.Row != 43 {
		t.Errorf("the size is %d x %d", size.Col, size.Row)
	}
	// It is the first of the container's own devpts, and on /dev/console.
	var pts, console, st unix.Stat_t
	must(t, unix.Stat(root+"/dev/pts/0", &pts))
	must(t, unix.Stat(root+"/dev/console", &console))
	must(t, unix.Fstat(int(slave.Fd()), &st))
	if st.Ino != pts.Ino || st.Dev != pts.Dev || console.Ino != pts.Ino || console.Rdev != st.Rdev {
		t.Errorf("the slave is %+v, the console %+v, and /dev/pts/0 %+v", st, console, pts)
	}
	if m := mountAt(t, root+"/dev/console"); m.kind != "devpts" || m.top != "/0" {
		t.Errorf("got %+v", m)
	}
	must(t, r.Enter())
	tty, err := os.OpenFile("/dev/console", os.O_WRONLY|unix.O_NOCTTY, 0)
	must(t, err)
	defer tty.Close()
	_, err = tty.WriteString("hello")
	must(t, err)
	buf := make([]byte, 16)
	n, err := master.Read(buf)
	if string(buf[:n]) != "hello" {
		t.Errorf("the master reads %q, %v", buf[:n], err)
	}
	for _, f := range []*os.File{master, slave} {
		flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s is not close-on-exec: %v", f.Name(), err)
		}
	}
}

func TestTerminalWithoutSize(t *testing.T) {
	inNamespace(t)
	r, err := prepare(t, Options{Spec: newSpec(devTmpfs(), devpts())})
	must(t, err)
	write(t, root+"/dev/console", "the image's")
	master, slave, err := r.Terminal(nil)
	must(t, err)
	master.Close()
	slave.Close()
}

func TestHostileTerminal(t *testing.T) {
	for _, c := range []struct {
		name  string
		setup func(t *testing.T)
		text  string
	}{
		{"no devpts", func(t *testing.T) { must(t, unix.Unmount(root+"/dev/pts", 0)) }, "mounts must have a devpts"},
		{"another file for ptmx", func(t *testing.T) {
			must(t, unix.Unmount(root+"/dev/pts", 0))
			write(t, root+"/dev/pts/ptmx", "")
		}, "not that of a devpts"},
		{"another device for ptmx", func(t *testing.T) {
			must(t, unix.Unmount(root+"/dev/pts", 0))
			mknod(t, root+"/dev/pts/ptmx", unix.S_IFCHR, 5, 2)
		}, "not that of a devpts"},
		{"a slave for ptmx", func(t *testing.T) {
			master, err := os.OpenFile(root+"/dev/pts/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
			must(t, err)
			t.Cleanup(func() { master.Close() })
			must(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
			must(t, unix.Mount(root+"/dev/pts/0", root+"/dev/pts/ptmx", "", unix.MS_BIND, ""))
		}, "not that of a devpts"},
		{"symlink for ptmx", func(t *testing.T) {
			must(t, unix.Unmount(root+"/dev/pts", 0))
			must(t, os.Symlink("/dev/ptmx", root+"/dev/pts/ptmx"))
		}, "not that of a devpts"},
		{"symlink for pts", func(t *testing.T) {
			must(t, unix.Unmount(root+"/dev/pts", 0))
			must(t, os.Remove(root+"/dev/pts"))
			must(t, os.Symlink("/dev/elsewhere", root+"/dev/pts"))
		}, "symbolic links"},
		// CVE-2025-52565
		{"symlink for the console", func(t *testing.T) { must(t, os.Symlink("/etc/passwd", root+"/dev/console")) }, "symbolic links"},
		{"dangling symlink for the console", func(t *testing.T) { must(t, os.Symlink("/nowhere", root+"/dev/console")) }, "symbolic links"},
		{"folder for the console", func(t *testing.T) { must(t, os.Mkdir(root+"/dev/console", 0o755)) }, "cannot be mounted on a folder"},
	} {
		sub(t, c.name, func(t *testing.T) {
			write(t, root+"/etc/passwd", "passwd")
			r, err := prepare(t, Options{Spec: newSpec(devTmpfs(), devpts())})
			must(t, err)
			c.setup(t)
			before := openFDs(t)
			_, _, err = r.Terminal(nil)
			wantError(t, err, "process.terminal", c.text)
			wantFile(t, root+"/etc/passwd", "passwd")
			if after := openFDs(t); after != before {
				t.Errorf("%d descriptors were open before and %d after", before, after)
			}
		})
	}
}
