package process

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const passwd = `root:x:0:0:root:/root:/bin/sh
# a comment
daemon:x:1:1::/usr/sbin
short:x:2
bad:x:x3:3::/bad:
negative:x:-4:4::/negative:
huge:x:4294967296:0::/huge:
blank:x:5:5:::/bin/sh
app:x:1000:1000:App,,,:/home/app:/bin/sh
again:x:1000:1000::/home/again:/bin/sh
nul:x:6:6::/a` + "\x00" + `b:/bin/sh
last:x:7:7::/home/last`

func TestEnv(t *testing.T) {
	needRoot(t)
	root := t.TempDir()
	must(t, os.Mkdir(root+"/etc", 0o755), os.WriteFile(root+"/etc/passwd", []byte(passwd), 0o644))
	tests := []struct {
		name string
		env  []string
		uid  uint32
		want []string
	}{
		{"none", nil, 0, []string{"HOME=/root"}},
		{"home given", []string{"A=1", "HOME=/here"}, 0, []string{"A=1", "HOME=/here"}},
		{"home empty", []string{"HOME=", "A=1"}, 0, []string{"A=1", "HOME=/root"}},
		{"home emptied", []string{"HOME=/x", "HOME="}, 0, []string{"HOME=/root"}},
		{"home of a user", []string{"A=1"}, 1000, []string{"A=1", "HOME=/home/app"}},
		{"last wins, in its place", []string{"A=1", "B=2", "A=3", "C="}, 7, []string{"B=2", "A=3", "C=", "HOME=/home/last"}},
		{"value with =", []string{"A=b=c"}, 1, []string{"A=b=c", "HOME=/usr/sbin"}},
		{"unknown user", nil, 99, []string{"HOME=/"}},
		{"user in a short line", nil, 2, []string{"HOME=/"}},
		{"user with an empty home", nil, 5, []string{"HOME=/"}},
		{"home with a NUL", nil, 6, []string{"HOME=/"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inRoot(t, root, func() error {
				given := slices.Clone(tt.env)
				if got := Env(tt.env, tt.uid, Folder{FD: unix.AT_FDCWD}); !slices.Equal(got, tt.want) {
					return fmt.Errorf("got %q, want %q", got, tt.want)
				}
				if !slices.Equal(given, tt.env) {
					return fmt.Errorf("the argument was changed")
				}
				return nil
			})
		})
	}
}

// What an image can put in the place of /etc/passwd.
func TestHostilePasswd(t *testing.T) {
	needRoot(t)
	tests := []struct {
		name string
		make func(path string) error
		want string
	}{
		{"missing", func(string) error { return nil }, "/"},
		{"fifo", func(p string) error { return unix.Mkfifo(p, 0o644) }, "/"},
		{"folder", func(p string) error { return os.Mkdir(p, 0o755) }, "/"},
		{"endless device", func(p string) error { return unix.Mknod(p, unix.S_IFCHR|0o644, int(unix.Mkdev(1, 5))) }, "/"},
		{"loop", func(p string) error { return os.Symlink(p, p) }, "/"},
		{"symbolic link", func(p string) error {
			return os.Symlink("../usr/passwd", p)
		}, "/usr/home"},
		{"line too long", func(p string) error {
			long := "x:x:1:1:" + strings.Repeat("y", 10000) + ":/long:\n"
			return os.WriteFile(p, []byte(long+"a:x:1:1::/home/a:/bin/sh\n"), 0o644)
		}, "/home/a"},
		{"end of a line too long", func(p string) error {
			// Thrown away at 4096 bytes, its rest would look like a line.
			long := strings.Repeat("y", 4096) + "z:x:1:1::/wrong:"
			return os.WriteFile(p, []byte(long+"\n"+long), 0o644)
		}, "/"},
		{"beyond the limit", func(p string) error {
			return os.WriteFile(p, []byte(strings.Repeat("\n", maxPasswd)+"a:x:1:1::/home/a:/bin/sh\n"), 0o644)
		}, "/"},
		{"sparse", func(p string) error {
			must(t, os.WriteFile(p, nil, 0o644))
			return os.Truncate(p, 1<<40)
		}, "/"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			must(t,
				os.Mkdir(root+"/etc", 0o755),
				os.Mkdir(root+"/usr", 0o755),
				os.WriteFile(root+"/usr/passwd", []byte("u:x:1:1::/usr/home:"), 0o644),
				tt.make(root+"/etc/passwd"))
			inRoot(t, root, func() error {
				if got := homeOf(1, Folder{FD: unix.AT_FDCWD}); got != tt.want {
					return fmt.Errorf("got %q, want %q", got, tt.want)
				}
				return nil
			})
			fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			must(t, err)
			defer unix.Close(fd)
			proc, err := OpenProc()
			must(t, err)
			defer proc.Close()
			for _, p := range []*Proc{nil, proc} {
				if got := homeOf(1, Folder{FD: fd, Proc: p}); got != tt.want {
					t.Errorf("below a folder: got %q, want %q", got, tt.want)
				}
			}
		})
	}
}

// What is no ordinary file is not opened: the driver of a device may act on that.
func TestPasswdNotOpened(t *testing.T) {
	root := t.TempDir()
	must(t, os.Mkdir(root+"/etc", 0o755), unix.Mkfifo(root+"/etc/passwd", 0o644))
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(dir)
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	must(t, err)
	defer unix.Close(watch)
	_, err = unix.InotifyAddWatch(watch, root+"/etc/passwd", unix.IN_OPEN)
	must(t, err)
	if got := homeOf(1, Folder{FD: dir}); got != "/" {
		t.Errorf("got %q", got)
	}
	if n, err := unix.Read(watch, make([]byte, 512)); err != unix.EAGAIN {
		t.Errorf("it was opened: %d bytes of events, %v", n, err)
	}
}

// A file of the kernel's is not read, though it is a regular one: what reads
// /proc/kmsg takes the lines away from who should have them.
func TestPasswdOfKernel(t *testing.T) {
	needRoot(t)
	root := t.TempDir()
	must(t, os.Mkdir(root+"/etc", 0o755), os.WriteFile(root+"/etc/passwd", nil, 0o644))
	onThread(t, unix.CLONE_NEWNS|unix.CLONE_NEWUTS, func() error {
		if err := unix.Setdomainname([]byte("a:x:1:1::/kernel:")); err != nil {
			return err
		}
		if err := unix.Mount("/proc/sys/kernel/domainname", root+"/etc/passwd", "", unix.MS_BIND, ""); err != nil {
			return err
		}
		if line, err := os.ReadFile(root + "/etc/passwd"); err != nil || !strings.Contains(string(line), "/kernel") {
			return fmt.Errorf("the file has %q: %v", line, err)
		}
		fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		p, err := OpenProc()
		if err != nil {
			return err
		}
		defer p.Close()
		for _, proc := range []*Proc{nil, p} {
			if got := homeOf(1, Folder{FD: fd, Proc: proc}); got != "/" {
				return fmt.Errorf("below a folder: got %q", got)
			}
		}
		if err := unix.Chroot(root); err != nil {
			return err
		}
		if got := homeOf(1, Folder{FD: unix.AT_FDCWD}); got != "/" {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
}

// scanPasswd must find the same whatever the sizes of the pieces it reads.
func FuzzScanPasswd(f *testing.F) {
	f.Add([]byte(passwd), uint32(1000), 7)
	f.Add([]byte(":::::\n::0:::/x:"), uint32(0), 1)
	f.Add([]byte(strings.Repeat("x", 5000)+"\na:x:3:3::/y:"), uint32(3), 4096)
	f.Fuzz(func(t *testing.T, data []byte, uid uint32, piece int) {
		reader := func(size int) func([]byte) int {
			rest := data
			return func(p []byte) int {
				n := copy(p[:min(size, len(p))], rest)
				rest = rest[n:]
				return n
			}
		}
		home := scanPasswd(uid, reader(1<<20))
		if home == "" || strings.ContainsAny(home, "\n\x00:") {
			t.Errorf("home %q", home)
		}
		if pieces := scanPasswd(uid, reader(max(1, piece%4096))); pieces != home {
			t.Errorf("%q in pieces, %q at once", pieces, home)
		}
	})
}
