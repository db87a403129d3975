package process

import (
	"errors"
	"os"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

func TestOpenProcRefusesImpostors(t *testing.T) {
	needRoot(t)
	tests := []struct {
		name   string
		mount  func() error
		reason string
	}{
		{"tmpfs", func() error { return unix.Mount("tmpfs", "/proc", "tmpfs", 0, "") }, "not a procfs"},
		{"folder of procfs", func() error { return unix.Mount("/proc/sys", "/proc", "", unix.MS_BIND, "") }, "not the root of a procfs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onThread(t, unix.CLONE_NEWNS, func() error {
				if err := tt.mount(); err != nil {
					return err
				}
				_, err := OpenProc()
				return check(err, 0, "", tt.reason)
			})
		})
	}
}

func TestProcCloseTwice(t *testing.T) {
	p, err := OpenProc()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Error(err)
	}
}

func TestProcStaysBeneath(t *testing.T) {
	p, err := OpenProc()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, name := range []string{"../../../etc/hostname", "root/etc/hostname", "cwd/x", "exe", "fd/0"} {
		if err := p.WriteSelf(name, ""); err == nil {
			t.Errorf("thread-self/%s was opened", name)
		}
	}
}

func TestWriteSelf(t *testing.T) {
	onThread(t, 0, func() error {
		p, err := OpenProc()
		if err != nil {
			return err
		}
		defer p.Close()
		if err := p.WriteSelf("comm", "rung-test"); err != nil {
			return err
		}
		comm, err := os.ReadFile("/proc/thread-self/comm")
		if err != nil || strings.TrimSpace(string(comm)) != "rung-test" {
			return errors.New("comm is " + string(comm))
		}
		return check(p.WriteSelf("no-such-file", "x"), unix.ENOENT, "", "write to /proc/thread-self/no-such-file")
	})
}

func TestSetSysctls(t *testing.T) {
	needRoot(t)
	const file = "/proc/sys/net/ipv4/ip_forward"
	tests := []struct {
		name  string
		set   map[string]string
		errno unix.Errno
		field string
	}{
		{"nothing", nil, 0, ""},
		{"dots", map[string]string{"net.ipv4.ip_forward": "1"}, 0, ""},
		{"slashes", map[string]string{"net/ipv4/ip_forward": "1"}, 0, ""},
		{"interface with a dot", map[string]string{"net.ipv4.conf.d/1.forwarding": "1", "net/ipv4/ip_forward": "1"}, 0, ""},
		{"unknown", map[string]string{"net.ipv4.nonsense": "1"}, unix.ENOENT, `linux.sysctl["net.ipv4.nonsense"]`},
		{"bad value", map[string]string{"net.ipv4.ip_forward": "yes"}, unix.EINVAL, `linux.sysctl["net.ipv4.ip_forward"]`},
		{"empty value", map[string]string{"net.ipv4.ip_forward": ""}, unix.EINVAL, `linux.sysctl["net.ipv4.ip_forward"]`},
		{"read-only", map[string]string{"net.ipv4.tcp_available_congestion_control": "x"}, unix.EACCES, jsonfield.Key("linux.sysctl", "net.ipv4.tcp_available_congestion_control")},
		{"climbing", map[string]string{"net/../kernel/core_pattern": "x"}, unix.EINVAL, `linux.sysctl["net/../kernel/core_pattern"]`},
		{"first in order fails", map[string]string{"net.b": "", "net.a": ""}, unix.ENOENT, `linux.sysctl["net.a"]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onThread(t, unix.CLONE_NEWNET, func() error {
				if err := newBridge("d.1"); err != nil {
					return err
				}
				p, err := OpenProc()
				if err != nil {
					return err
				}
				defer p.Close()
				if err := check(SetSysctls(p, tt.set), tt.errno, tt.field); err != nil || tt.errno != 0 || tt.set == nil {
					return err
				}
				got, err := os.ReadFile(file)
				if err == nil && string(got) != "1\n" {
					err = errors.New("ip_forward is " + string(got))
				}
				return err
			})
		})
	}
}

// newBridge makes a network interface; a bridge is the one that needs no
// netlink.
func newBridge(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	cname, err := unix.BytePtrFromString(name)
	if err != nil {
		return err
	}
	const siocBrAddBr = 0x89a0
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), siocBrAddBr, uintptr(unsafe.Pointer(cname))); errno != 0 {
		return errno
	}
	return nil
}

// A container, or an engine in one, has mounts on top of its procfs.
func TestSysctlBelowMounts(t *testing.T) {
	needRoot(t)
	onThread(t, unix.CLONE_NEWNS|unix.CLONE_NEWNET, func() error {
		if err := unix.Mount("tmpfs", "/proc/sys", "tmpfs", 0, ""); err != nil {
			return err
		}
		if err := os.MkdirAll("/proc/sys/net/ipv4", 0o755); err != nil {
			return err
		}
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", nil, 0o644); err != nil {
			return err
		}
		p, err := OpenProc()
		if err != nil {
			return err
		}
		defer p.Close()
		for _, value := range []string{"1", "0", "1"} {
			if err := p.Sysctl("net.ipv4.ip_forward", value); err != nil {
				return err
			}
		}
		if planted, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward"); err != nil || len(planted) > 0 {
			return errors.New("the file on top was written")
		}
		if err := unix.Unmount("/proc/sys", unix.MNT_DETACH); err != nil {
			return err
		}
		got, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
		if err == nil && string(got) != "1\n" {
			err = errors.New("ip_forward is " + string(got))
		}
		return err
	})
}
