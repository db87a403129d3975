package process

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const label = "system_u:system_r:container_t:s0:c1,c2"

// fakeHost is a host of files: what the kernel says of AppArmor, what of its
// own label, and whether there is a selinuxfs, and with which flags.
func fakeHost(t *testing.T, apparmor, current string, magic, flags int64) *host {
	dir := t.TempDir()
	h := &host{apparmor: dir + "/enabled", current: dir + "/current", selinuxfs: "/selinux"}
	for path, text := range map[string]string{h.apparmor: apparmor, h.current: current} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.statfs = func(path string, buf *unix.Statfs_t) error {
		if path != "/selinux" || magic == 0 {
			return unix.ENOENT
		}
		assign(&buf.Type, magic)
		assign(&buf.Flags, flags)
		return nil
	}
	return h
}

// assign sets a number whose type depends on the architecture.
func assign[T int32 | int64 | uint32](to *T, value int64) { *to = T(value) }

func TestCheckLabels(t *testing.T) {
	const selinux = unix.SELINUX_MAGIC
	apparmor := &specs.Process{ApparmorProfile: "p"}
	selinuxProcess := &specs.Process{SelinuxLabel: label}
	nothing := &specs.Process{}
	for _, tt := range []struct {
		name       string
		host       *host
		process    *specs.Process
		mountLabel string
		field      string
	}{
		{"nothing asked, nothing there", fakeHost(t, "", "", 0, 0), nothing, "", ""},
		{"AppArmor", fakeHost(t, "Y\n", "unconfined\n", 0, 0), apparmor, "", ""},
		{"AppArmor off", fakeHost(t, "N\n", "", 0, 0), apparmor, "", "process.apparmorProfile"},
		{"AppArmor empty", fakeHost(t, "\n", "", 0, 0), apparmor, "", "process.apparmorProfile"},
		{"no AppArmor", fakeHost(t, "", label, selinux, 0), apparmor, "", "process.apparmorProfile"},
		{"SELinux", fakeHost(t, "", label+"\x00", selinux, 0), selinuxProcess, label, ""},
		{"no SELinux", fakeHost(t, "Y\n", "unconfined\n", 0, 0), selinuxProcess, label, "process.selinuxLabel"},
		{"no SELinux for mounts", fakeHost(t, "Y\n", "unconfined\n", 0, 0), nothing, label, "linux.mountLabel"},
		{"a folder in its place", fakeHost(t, "", label, unix.TMPFS_MAGIC, 0), selinuxProcess, "", "process.selinuxLabel"},
		{"read-only, as in a container", fakeHost(t, "", label, selinux, unix.ST_RDONLY), selinuxProcess, "", "process.selinuxLabel"},
		{"no policy", fakeHost(t, "", "kernel\x00", selinux, 0), selinuxProcess, "", "process.selinuxLabel"},
		{"label out of reach", fakeHost(t, "", "", selinux, 0), selinuxProcess, "", "process.selinuxLabel"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.host.checkLabels(tt.process, tt.mountLabel)
			if tt.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err := check(err, 0, tt.field, "not enabled on this host", "hint: "); err != nil {
				t.Error(err)
			}
		})
	}
}

// Nothing of the host is looked at where nothing is asked for.
func TestCheckLabelsIsFree(t *testing.T) {
	h := &host{} // whose statfs would panic
	if err := h.checkLabels(&specs.Process{}, ""); err != nil {
		t.Error(err)
	}
	if err := SetLabels(nil, &specs.Process{}); err != nil {
		t.Error(err)
	}
	if err := SetKeyLabel(nil, &specs.Process{ApparmorProfile: "p"}); err != nil {
		t.Error(err)
	}
}

// fakeProc is a /proc with files for what threads write to security modules.
func fakeProc(t *testing.T) (*Proc, string) {
	t.Helper()
	dir := t.TempDir()
	self := filepath.Join(dir, "thread-self")
	for _, name := range []string{"attr/apparmor/exec", "attr/exec", "attr/keycreate", "attr/current"} {
		path := filepath.Join(self, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	// As if it were of our own making: there is no better one to turn to.
	proc := &Proc{fd: fd, fresh: true}
	t.Cleanup(func() { proc.Close() })
	return proc, self
}

// TestWhatIsWritten holds what goes to which file to proc_pid_attr(5).
func TestWhatIsWritten(t *testing.T) {
	keys := func(proc *Proc, p *specs.Process) error { return SetKeyLabel(proc, p) }
	for _, tt := range []struct {
		name    string
		process specs.Process
		do      func(*Proc, *specs.Process) error
		want    map[string]string
	}{
		{"nothing", specs.Process{}, SetLabels, map[string]string{}},
		{"AppArmor", specs.Process{ApparmorProfile: "docker-default"}, SetLabels, map[string]string{"attr/apparmor/exec": "exec docker-default"}},
		{"a stack", specs.Process{ApparmorProfile: "a//&:ns:b"}, SetLabels, map[string]string{"attr/apparmor/exec": "exec a//&:ns:b"}},
		{"SELinux", specs.Process{SelinuxLabel: label}, SetLabels, map[string]string{"attr/exec": label}},
		{"keys", specs.Process{SelinuxLabel: label}, keys, map[string]string{"attr/keycreate": label}},
		{"keys, AppArmor", specs.Process{ApparmorProfile: "p"}, keys, map[string]string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			proc, self := fakeProc(t)
			if err := tt.do(proc, &tt.process); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"attr/apparmor/exec", "attr/exec", "attr/keycreate", "attr/current"} {
				got, err := os.ReadFile(filepath.Join(self, name))
				if err != nil || string(got) != tt.want[name] {
					t.Errorf("%s has %q, want %q (%v)", name, got, tt.want[name], err)
				}
			}
		})
	}
}

// TestLabelErrors has the kernel, or a full device in its place, refuse.
func TestLabelErrors(t *testing.T) {
	p := &specs.Process{ApparmorProfile: "p"}
	l := &specs.Process{SelinuxLabel: label}
	for _, tt := range []struct {
		name  string
		err   error
		errno unix.Errno
		field string
		text  string
	}{
		{"profile not loaded", (&attrError{name: "n", errno: unix.ENOENT}).because("process.apparmorProfile", "d", apparmorHint(unix.ENOENT)),
			unix.ENOENT, "process.apparmorProfile", "it is not loaded (hint: load it with apparmor_parser"},
		{"profile forbidden", (&attrError{name: "n", errno: unix.EACCES}).because("process.apparmorProfile", "d", apparmorHint(unix.EACCES)),
			unix.EACCES, "process.apparmorProfile", "change_profile"},
		{"label unknown", (&attrError{name: "n", errno: unix.EINVAL}).because("process.selinuxLabel", "d", selinuxHint(unix.EINVAL)),
			unix.EINVAL, "process.selinuxLabel", "does not know"},
		{"label forbidden", (&attrError{name: "n", errno: unix.EACCES}).because("process.selinuxLabel", "d", selinuxHint(unix.EACCES)),
			unix.EACCES, "process.selinuxLabel", "ausearch"},
	} {
		if err := check(tt.err, tt.errno, tt.field, tt.text); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	proc, self := fakeProc(t)
	if err := os.RemoveAll(filepath.Join(self, "attr")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		err   error
		field string
		text  string
	}{
		{SetLabels(proc, p), "process.apparmorProfile", "open /proc/thread-self/attr/apparmor/exec"},
		{SetLabels(proc, l), "process.selinuxLabel", "open /proc/thread-self/attr/exec"},
		{SetKeyLabel(proc, l), "process.selinuxLabel", "open /proc/thread-self/attr/keycreate"},
	} {
		// Not "it is not loaded": nobody was asked.
		if err := check(tt.err, unix.ENOENT, tt.field, tt.text, "no such file or directory"); err != nil {
			t.Error(err)
		}
	}
}

// TestLabelsStayBeneath: a link out of /proc is not followed, and a file that
// is mounted on top is not written to (CVE-2019-19921, CVE-2025-52881).
func TestLabelsStayBeneath(t *testing.T) {
	proc, self := fakeProc(t)
	elsewhere := filepath.Join(t.TempDir(), "exec")
	exec := filepath.Join(self, "attr/exec")
	if err := errors.Join(os.WriteFile(elsewhere, nil, 0o600), os.Remove(exec), os.Symlink(elsewhere, exec)); err != nil {
		t.Fatal(err)
	}
	if err := SetLabels(proc, &specs.Process{SelinuxLabel: label}); !errors.Is(err, unix.EXDEV) {
		t.Errorf("the error is %v", err)
	}
	if got, err := os.ReadFile(elsewhere); err != nil || len(got) > 0 {
		t.Errorf("%q was written, %v", got, err)
	}
}

// TestProcFromFile hands a handle of /proc on, as exec does.
func TestProcFromFile(t *testing.T) {
	onThread(t, 0, func() error {
		opened, err := OpenProc()
		if err != nil {
			return err
		}
		f := opened.File()
		if err := opened.Close(); err != nil {
			return errors.New("closing what was handed on: " + err.Error())
		}
		proc, err := ProcFromFile(f)
		if err != nil {
			return err
		}
		if err := proc.WriteSelf("comm", "handed-on"); err != nil {
			return err
		}
		if comm := status("Name"); comm != "handed-on" {
			return errors.New("the name is " + comm)
		}
		var none *Proc
		return errors.Join(proc.Close(), none.Close())
	})
}
