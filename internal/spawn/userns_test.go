package spawn

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// mapIDs maps the namespace's ids 0 to 999 to 100000 and up.
func mapIDs(pid int) error {
	for _, file := range []string{"uid_map", "gid_map"} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, file), []byte("0 100000 1000\n"), 0); err != nil {
			return err
		}
	}
	return nil
}

// utsIsOwn tells whether the uts namespace belongs to the user namespace of
// this process.
func utsIsOwn() bool {
	uts, err := os.Open("/proc/self/ns/uts")
	if err != nil {
		return false
	}
	defer uts.Close()
	owner, err := unix.IoctlRetInt(int(uts.Fd()), unix.NS_GET_USERNS)
	if err != nil {
		return false
	}
	defer unix.Close(owner)
	var a, b unix.Stat_t
	return unix.Fstat(owner, &a) == nil && unix.Stat("/proc/self/ns/user", &b) == nil && a.Ino == b.Ino
}

func holds(t *testing.T, out string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(out, want) {
			t.Errorf("missing %q in:\n%s", want, out)
		}
	}
}

// namespace opens a namespace file of a new process in a namespace of its own.
func namespace(t *testing.T, flag, file string) (*os.File, int) {
	t.Helper()
	cmd := exec.Command("unshare", flag, "sh", "-c", "echo; exec sleep 60")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", cmd.Process.Pid, file))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, cmd.Process.Pid
}

// TestNewUser makes a user namespace and others that belong to it, in one
// process and in two.
func TestNewUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("writing mappings needs root")
	}
	net, pid := namespace(t, "--net", "net")
	offsets := func(pid int) error {
		if err := mapIDs(pid); err != nil {
			return err
		}
		return os.WriteFile(fmt.Sprintf("/proc/%d/timens_offsets", pid), []byte("monotonic 1000 0\n"), 0)
	}
	for name, tt := range map[string]struct {
		request Request
		want    []string
	}{
		"alone":                  {Request{Prepare: mapIDs}, nil},
		"with others":            {Request{New: unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP, Prepare: mapIDs}, []string{"pid 1\n"}},
		"with the host's joined": {Request{New: unix.CLONE_NEWPID, Join: []Join{{int(net.Fd()), unix.CLONE_NEWNET, ""}}, Prepare: mapIDs}, []string{"pid 1\n", nsLink(t, pid, "net")}},
		"with clocks":            {Request{New: unix.CLONE_NEWPID | unix.CLONE_NEWTIME, TimeOffsets: "x", Prepare: offsets}, []string{"pid 1\n", "monotonic        1000         0\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.request.New |= unix.CLONE_NEWUSER
			out, err := spawned(t, &tt.request)
			if err != nil {
				t.Fatal(err)
			}
			holds(t, out, append(tt.want, "ids 0 0 groups []\n", "uid_map          0     100000       1000\n")...)
			if tt.request.New&unix.CLONE_NEWUTS != 0 {
				holds(t, out, "uts owned by own user namespace\n")
			}
		})
	}
}

// TestJoinUser enters the user namespace of another process.
func TestJoinUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("joining needs root")
	}
	user, pid := namespace(t, "--user", "user")
	if err := mapIDs(pid); err != nil {
		t.Fatal(err)
	}
	out, err := spawned(t, &Request{
		New:  unix.CLONE_NEWPID | unix.CLONE_NEWUTS,
		Join: []Join{{int(user.Fd()), unix.CLONE_NEWUSER, "linux.namespaces[0].path"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, out, "pid 1\n", "ids 0 0 groups []\n", "uid_map          0     100000       1000\n", "uts owned by own user namespace\n")
}

// TestHidden checks that a process in a user namespace is hidden from others
// in it from its first instruction on: its files in /proc are the host's.
func TestHidden(t *testing.T) {
	out, err := spawned(t, &Request{New: unix.CLONE_NEWUSER, Prepare: mapIDs, Exe: unreadableSelf(t)})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, out, "dumpable 0\n")
}

func unreadableSelf(t *testing.T) *os.File {
	t.Helper()
	f, err := SealUnreadable()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestNewUserFails(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making namespaces needs root")
	}
	broken := errors.New("broken")
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for name, tt := range map[string]struct {
		request Request
		want    string
	}{
		"the parent":         {Request{Prepare: func(int) error { return broken }}, "broken"},
		"the parent, later":  {Request{TimeOffsets: "x", New: unix.CLONE_NEWTIME, Prepare: func(int) error { return broken }}, "broken"},
		"no mapping of root": {Request{Prepare: func(int) error { return nil }}, "become root in the user namespace"},
		"what is joined":     {Request{Join: []Join{{int(null.Fd()), unix.CLONE_NEWNET, "linux.namespaces[3].path"}}, Prepare: mapIDs}, "linux.namespaces[3].path"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.request.New |= unix.CLONE_NEWUSER
			if _, err := spawned(t, &tt.request); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
