package rootfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestMaskedPaths(t *testing.T) {
	inNamespace(t)
	for _, f := range []string{"/file", "/dir1/secret", "/dir2/secret", "/dir3/sub/secret"} {
		write(t, root+f, "secret")
	}
	link(t, "/link", "/dir3/sub")
	s := newSpec(devTmpfs())
	s.Linux.MaskedPaths = []string{"/file", "/dir1", "/nowhere/at/all", "/file/below", "/dir2", "/link", "/dir1/", "//file", "/dev/zero"}
	enter(t, Options{Spec: s})
	wantFile(t, "/file", "")
	wantFile(t, "/dev/zero", "")
	var devs []uint64
	for _, dir := range []string{"/dir1", "/dir2", "/dir3/sub"} {
		if l, err := os.ReadDir(dir); err != nil || len(l) > 0 {
			t.Errorf("%s shows %v, %v", dir, l, err)
		}
		if err := os.Mkdir(dir+"/x", 0o755); !errors.Is(err, unix.EROFS) {
			t.Errorf("mkdir in %s: %v", dir, err)
		}
		var st unix.Stat_t
		must(t, unix.Stat(dir, &st))
		devs = append(devs, st.Dev)
	}
	if devs[0] != devs[1] || devs[1] != devs[2] {
		t.Errorf("the masks of folders are different filesystems: %v", devs)
	}
	must(t, os.Mkdir("/proc", 0o755))
	must(t, unix.Mount("proc", "/proc", "proc", 0, ""))
	count := map[string]int{}
	for _, m := range mountTable(t) {
		count[m.point]++
	}
	for _, p := range []string{"/file", "/dir1", "/dir2", "/dir3/sub"} {
		if count[p] != 1 {
			t.Errorf("%s is masked %d times", p, count[p])
		}
	}
}

// CVE-2025-31133: what is in the place of /dev/null must not be shown.
func TestMasksWithoutNull(t *testing.T) {
	for _, c := range []struct {
		name  string
		setup func(t *testing.T)
	}{
		{"file", func(t *testing.T) { write(t, "/dev/null", "evil") }},
		{"symlink", func(t *testing.T) { must(t, os.Symlink("/evil", "/dev/null")) }},
		{"symlink to another device", func(t *testing.T) { must(t, os.Symlink("/dev/zero", "/dev/null")) }},
		{"other device", func(t *testing.T) { mknod(t, "/dev/null", unix.S_IFCHR, 1, 5) }},
		{"nothing", func(t *testing.T) {}},
		{"folder", func(t *testing.T) { must(t, os.Mkdir("/dev/null", 0o755)) }},
	} {
		sub(t, c.name, func(t *testing.T) {
			write(t, root+"/file", "secret")
			write(t, root+"/evil", "evil")
			s := newSpec(devTmpfs())
			s.Linux.MaskedPaths = []string{"/nowhere", "/file"}
			r, err := prepare(t, Options{Spec: s})
			must(t, err)
			must(t, r.Enter())
			must(t, os.Remove("/dev/null"))
			c.setup(t)
			wantError(t, r.Finish(), "linux.maskedPaths[1]", "/dev/null")
			wantFile(t, "/file", "secret")
		})
	}
}

// A path through /proc/self/fd and its like would leave the container.
func TestPathsThroughMagicLinks(t *testing.T) {
	for _, field := range []string{"linux.maskedPaths", "linux.readonlyPaths"} {
		sub(t, field, func(t *testing.T) {
			s := newSpec(defaultMounts()[:2]...)
			paths := []string{"/proc/self/root/etc"}
			if field == "linux.maskedPaths" {
				s.Linux.MaskedPaths = paths
			} else {
				s.Linux.ReadonlyPaths = paths
			}
			r, err := prepare(t, Options{Spec: s})
			must(t, err)
			must(t, r.Enter())
			wantError(t, r.Finish(), field+"[0]", "symbolic links")
		})
	}
}

// Read-only paths keep their other attributes, and the mounts below them.
func TestReadonlyPaths(t *testing.T) {
	for _, old := range []bool{false, true} {
		sub(t, fmt.Sprint("without mount_setattr: ", old), func(t *testing.T) {
			write(t, root+"/file", "x")
			s := newSpec(
				specs.Mount{Destination: "/a", Type: "tmpfs", Options: []string{"nosuid", "noexec", "noatime"}},
				specs.Mount{Destination: "/a/b", Type: "tmpfs", Options: []string{"nodev"}},
				specs.Mount{Destination: "/proc", Type: "proc"},
			)
			s.Linux.ReadonlyPaths = []string{"/a", "/nowhere", "/file", "/file/x"}
			if old {
				failSyscall(t, unix.SYS_MOUNT_SETATTR, unix.ENOSYS)
			}
			enter(t, Options{Spec: s})
			for point, want := range map[string]string{
				"/a": "ro,nosuid,noexec,noatime", "/a/b": "rw,nodev,relatime", "/file": "ro,relatime",
			} {
				if got := mountAt(t, point).options; got != want {
					t.Errorf("%s: got %s, want %s", point, got, want)
				}
			}
			if err := os.WriteFile("/file", nil, 0); !errors.Is(err, unix.EROFS) {
				t.Errorf("write to /file: %v", err)
			}
		})
	}
}

func TestRootPropagation(t *testing.T) {
	for _, c := range []struct {
		value, want string
		toHost      bool // a shared volume's mounts arrive on the host
	}{
		{"", "master", false},
		{"private", "", false},
		{"rprivate", "", false},
		{"slave", "master", false},
		{"rslave", "master", false},
		{"shared", "shared", true},
		{"rshared", "shared", true},
		{"unbindable", "unbindable", false},
		{"runbindable", "unbindable", false},
	} {
		sub(t, c.value, func(t *testing.T) {
			// The host's mounts are all shared, as systemd makes them.
			must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""))
			must(t, os.Mkdir(bundleDir+"/vol", 0o755))
			must(t, unix.Mount("vol", bundleDir+"/vol", "tmpfs", 0, ""))
			must(t, unix.Mount("", bundleDir+"/vol", "", unix.MS_SHARED, ""))
			must(t, os.Mkdir(bundleDir+"/vol/sub", 0o755))
			host := startHost(t)

			must(t, unix.Unshare(unix.CLONE_NEWNS))
			s := newSpec(specs.Mount{Destination: "/proc", Type: "proc"}, bindMount("vol", "/vol", "bind", "rshared"))
			s.Linux.RootfsPropagation = c.value
			enter(t, Options{Spec: s})
			if got := kinds(mountAt(t, "/").optional); got != c.want {
				t.Errorf("the root is %q, want %q", got, c.want)
			}
			must(t, unix.Mount("fromcontainer", "/vol/sub", "tmpfs", 0, ""))
			table := host()
			if got := strings.Contains(table, "fromcontainer"); got != c.toHost {
				t.Errorf("the volume's mount arrived on the host: %v, want %v", got, c.toHost)
			}
			// None of the container's other mounts did, and no mount of the
			// host was lost when the container left it.
			if strings.Contains(table, " "+root+"/") {
				t.Errorf("the container's mounts are on the host:\n%s", table)
			}
			for _, point := range []string{"/proc", "/sys", scratch, bundleDir + "/vol"} {
				if !strings.Contains(table, " "+point+" ") {
					t.Errorf("%s is no longer mounted on the host", point)
				}
			}
		})
	}
}

// startHost starts a process that stays in the present mount namespace, and
// returns a function that shows that one's mounts.
func startHost(t *testing.T) func() string {
	t.Helper()
	cmd := exec.Command("sh", "-c", "echo ready; read line; cat /proc/self/mountinfo")
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	buf := make([]byte, 6)
	_, err = out.Read(buf)
	must(t, err)
	return func() string {
		in.Close()
		var all strings.Builder
		chunk := make([]byte, 4096)
		for {
			n, err := out.Read(chunk)
			all.Write(chunk[:n])
			if err != nil {
				break
			}
		}
		must(t, cmd.Wait())
		return all.String()
	}
}

func TestBadRootPropagation(t *testing.T) {
	inNamespace(t)
	s := newSpec()
	s.Linux.RootfsPropagation = "sideways"
	r, err := New(Options{Spec: s, Root: root})
	must(t, err)
	defer r.Close()
	wantError(t, r.Open(), "linux.rootfsPropagation", "sideways")
}

func TestNoPivot(t *testing.T) {
	inNamespace(t)
	failSyscall(t, unix.SYS_PIVOT_ROOT, unix.EINVAL)
	s := defaultSpec()
	s.Mounts = s.Mounts[:6]
	enter(t, Options{Spec: s, NoPivot: true})
	checkDefaultDev(t)
	if m := mountAt(t, "/"); m.source != "scratch" {
		t.Errorf("the root is %+v", m)
	}
	cwd, err := os.Getwd()
	if cwd != "/" {
		t.Errorf("the working directory is %q, %v", cwd, err)
	}
}

// What pivot_root(2) refuses on an initial ramdisk is told, and how to do without.
func TestPivotFails(t *testing.T) {
	for _, test := range []struct {
		errno unix.Errno
		want  string
	}{
		{unix.EINVAL, "(pivot_root): invalid argument (hint: a host that runs from an initramfs needs --no-pivot)"},
		{unix.EPERM, "(pivot_root): operation not permitted"},
	} {
		sub(t, test.errno.Error(), func(t *testing.T) {
			failSyscall(t, unix.SYS_PIVOT_ROOT, test.errno)
			r, err := prepare(t, Options{Spec: newSpec()})
			must(t, err)
			if err := r.Enter(); err == nil || !strings.HasSuffix(err.Error(), test.want) {
				t.Errorf("got %v, want ...%s", err, test.want)
			}
		})
	}
}

// Before the root is moved, the host's procfs and sysfs are taken away, as the
// kernel would let a user namespace mount new ones because of them.
func TestCoverHost(t *testing.T) {
	inNamespace(t)
	odd := bundleDir + `/sp ace\t`
	must(t, os.Mkdir(odd, 0o755))
	must(t, unix.Mount("proc", odd, "proc", 0, ""))
	r, err := prepare(t, Options{Spec: newSpec(defaultMounts()[0])})
	must(t, err)
	must(t, r.coverHost())
	fd, err := r.mountinfo()
	must(t, err)
	b, err := io.ReadAll(fd)
	must(t, err)
	must(t, fd.Close())
	for _, line := range strings.Split(string(b), "\n") {
		full := strings.Contains(line, " / ") && (strings.Contains(line, " - proc ") || strings.Contains(line, " - sysfs "))
		if full && !strings.Contains(line, " "+root+"/proc ") {
			t.Errorf("there is still %s", line)
		}
	}
}

// Without a mount namespace of its own, a container is a chroot.
func TestNoNamespace(t *testing.T) {
	inNamespace(t)
	must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""))
	write(t, root+"/file", "inside")
	s := newSpec(specs.Mount{Destination: "/a", Type: "tmpfs", Source: "ours"})
	s.Linux.Namespaces = nil
	must(t, os.MkdirAll(root+"/proc", 0o755))
	s.Root.Readonly = true
	enter(t, Options{Spec: s})
	wantFile(t, "/file", "inside")
	if err := os.WriteFile("/file", nil, 0); !errors.Is(err, unix.EROFS) {
		t.Errorf("write to the read-only root: %v", err)
	}
	if _, err := os.Lstat("/tmp"); err == nil {
		t.Error("the host is still there")
	}
	must(t, unix.Mount("proc", "/proc", "proc", 0, ""))
	if m := mountAt(t, "/a"); m.source != "ours" {
		t.Errorf("got %+v", m)
	}
}

func TestMasksWithoutNamespace(t *testing.T) {
	for field, set := range map[string]func(s *specs.Spec){
		"linux.readonlyPaths": func(s *specs.Spec) { s.Linux.ReadonlyPaths = []string{"/etc"} },
		"linux.maskedPaths":   func(s *specs.Spec) { s.Linux.MaskedPaths = []string{"/etc"} },
	} {
		sub(t, field, func(t *testing.T) {
			s := newSpec()
			s.Linux.Namespaces = nil
			set(s)
			r, err := prepare(t, Options{Spec: s})
			must(t, err)
			must(t, r.Enter())
			wantError(t, r.Finish(), field, "needs a mount namespace")
		})
	}
}

func TestNewErrors(t *testing.T) {
	for _, o := range []Options{
		{Root: "/x"},
		{Root: "x", Spec: newSpec()},
		{Root: "/x/../y", Spec: newSpec()},
		{Root: "", Spec: newSpec()},
		{Root: "/", Spec: newSpec()},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

// Close leaves no descriptor open, wherever the work stopped.
func TestDescriptors(t *testing.T) {
	for phases := range 6 {
		sub(t, fmt.Sprint(phases), func(t *testing.T) {
			s := defaultSpec()
			s.Mounts[1].Options = append(s.Mounts[1].Options, "ro")
			s.Mounts = append(s.Mounts, bindMount("src", "/mnt", "rbind", "ro"))
			must(t, os.Mkdir(bundleDir+"/src", 0o755))
			cgroups := hostCgroups(t)
			before := openFDs(t)
			r, err := New(Options{Spec: s, Root: root, Cgroup: cgroups})
			must(t, err)
			for _, phase := range []func() error{r.Open, r.Mounts, r.Devices, r.Enter, r.Finish}[:phases] {
				must(t, phase())
			}
			must(t, r.Close())
			must(t, r.Close())
			if phases < 4 {
				if after := openFDs(t); after != before {
					t.Errorf("%d descriptors were open before and %d after", before, after)
				}
			}
		})
	}
}
