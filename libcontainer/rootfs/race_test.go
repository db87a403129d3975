package rootfs

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// racePair is set in a copy of the test program that plays the attacker: to
// two paths, which it exchanges without end.
const racePair = "RUNG_TEST_RACE_PAIR"

// raceOnce is set if it exchanges them once for each byte that it reads.
const raceOnce = "RUNG_TEST_RACE_ONCE"

// race exchanges two paths until it is killed.
func race(pair string) {
	a, b, _ := strings.Cut(pair, " ")
	once := os.Getenv(raceOnce) != ""
	for fmt.Println("ready"); ; {
		if once {
			if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
				os.Exit(0)
			}
		}
		if err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE); err != nil && err != unix.EBUSY {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if once {
			fmt.Println("done")
		}
	}
}

// startRace starts an attacker that shares the files, but not the mount
// namespace, as a container that shares a volume does.
func startRace(t *testing.T, a, b string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{racePair + "=" + a + " " + b}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		must(t, cmd.Process.Kill())
		_ = cmd.Wait()
	})
	_, err = out.Read(make([]byte, 16))
	must(t, err)
}

// exchanger starts an attacker that exchanges two paths each time that the returned
// function is called.
func exchanger(t *testing.T, a, b string) func() {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{racePair + "=" + a + " " + b, raceOnce + "=1"}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		must(t, cmd.Wait())
	})
	heard := func() {
		t.Helper()
		_, err := out.Read(make([]byte, 16))
		must(t, err)
	}
	heard()
	return func() {
		t.Helper()
		_, err := in.Write([]byte("x"))
		must(t, err)
		heard()
	}
}

// Each race is run for raceFor, with a new container every time, and on a slow
// machine until there were raceTries.
const (
	raceFor   = 400 * time.Millisecond
	raceTries = 10
)

// An attacker who exchanges a folder of a shared volume for a symlink to the
// host gets nothing made or mounted there (CVE-2021-30465, CVE-2023-27561,
// CVE-2024-45310).
func TestRace(t *testing.T) {
	ours := func(dest, kind string, options ...string) specs.Mount {
		return specs.Mount{Destination: dest, Type: kind, Source: "ours", Options: options}
	}
	for _, c := range []struct {
		name  string
		a, b  string // below the root; b is a symlink to the host
		mount []specs.Mount
		setup func(s *specs.Spec)
	}{
		{name: "tmpfs", a: "/vol/x", b: "/vol/y", mount: []specs.Mount{ours("/vol/x/new/sub", "tmpfs"), ours("/vol/x", "tmpfs")}},
		{name: "copy up", a: "/vol/x", b: "/vol/y", mount: []specs.Mount{ours("/vol/x", "tmpfs", "tmpcopyup")}},
		{name: "file", a: "/vol/x", b: "/vol/y", mount: []specs.Mount{bindMount("file", "/vol/x/new/file", "bind", "ro")}},
		{name: "proc", a: "/proc", b: "/evil", mount: []specs.Mount{ours("/proc", "proc")}},
		{name: "sysfs", a: "/sys", b: "/evil", mount: []specs.Mount{ours("/sys", "sysfs", "ro")}},
		{name: "cgroup", a: "/vol/x", b: "/vol/y", mount: []specs.Mount{ours("/vol/x/cgroup", "cgroup", "ro")}},
		{name: "by mount(2)", a: "/vol/x", b: "/vol/y", mount: []specs.Mount{ours("/vol/x", "tmpfs", "iversion")}},
		{
			name: "devices", a: "/vol/x", b: "/vol/y",
			setup: func(s *specs.Spec) {
				s.Linux.Devices = []specs.LinuxDevice{{Path: "/vol/x/new/dev", Type: "c", Major: 1, Minor: 3, UID: ptr(uint32(5))}}
			},
		},
		{name: "dev", a: "/dev", b: "/evil", mount: []specs.Mount{devpts()}},
	} {
		sub(t, c.name, func(t *testing.T) {
			write(t, bundleDir+"/file", "")
			must(t, os.Mkdir(bundleDir+"/victim", 0o755))
			must(t, os.Mkdir(bundleDir+"/vol", 0o755))
			must(t, os.Mkdir(root+"/vol", 0o755))
			must(t, unix.Mount(bundleDir+"/vol", root+"/vol", "", unix.MS_BIND, ""))
			must(t, os.Mkdir(root+c.a, 0o755))
			must(t, os.Symlink("../../../../../../.."+bundleDir+"/victim", root+c.b))
			startRace(t, root+c.a, root+c.b)
			s := newSpec(c.mount...)
			if c.setup != nil {
				c.setup(s)
			}
			before := len(mountTable(t))
			worked, failed := raceContainers(t, s, before)
			t.Logf("%d containers were made, %d failed", worked, failed)
		})
	}
}

// raceContainers makes containers for a while, and checks each.
func raceContainers(t *testing.T, s *specs.Spec, before int) (worked, failed int) {
	t.Helper()
	for end := time.Now().Add(raceFor); time.Now().Before(end) || worked+failed < raceTries; {
		r, err := New(Options{Spec: s, Root: root})
		must(t, err)
		must(t, r.Open())
		err = r.Mounts()
		if err == nil {
			err = r.Devices()
		}
		if err == nil && len(s.Mounts) > 0 && s.Mounts[0].Type == "devpts" {
			master, slave, terr := r.Terminal(nil)
			if err = terr; err == nil {
				master.Close()
				slave.Close()
			}
		}
		if err == nil {
			worked++
		} else {
			failed++
		}
		for _, m := range mountTable(t)[before:] {
			if m.point != root && !strings.HasPrefix(m.point, root+"/") {
				t.Fatalf("there is a mount outside of the root: %+v", m)
			}
		}
		if l, err := os.ReadDir(bundleDir + "/victim"); err != nil || len(l) > 0 {
			t.Fatalf("there is %v on the host, %v", l, err)
		}
		must(t, r.Close())
		must(t, unix.Unmount(root, unix.MNT_DETACH))
	}
	return worked, failed
}
