package memfd

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNew(t *testing.T) {
	f := made(t, "#!/bin/sh\necho ran")
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("its descriptor has the flags %#x, %v; want close-on-exec", flags, err)
	}
	out, err := exec.Command(procPath(f)).CombinedOutput()
	if err != nil || string(out) != "ran\n" {
		t.Errorf("it ran with %q, %v", out, err)
	}
}

func TestSeal(t *testing.T) {
	f := made(t, "text")
	if err := Seal(f); err != nil {
		t.Fatal(err)
	}
	_, write := f.WriteAt([]byte("T"), 0)
	_, reopened := os.OpenFile(procPath(f), os.O_WRONLY|os.O_TRUNC, 0)
	_, unseal := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_FUTURE_WRITE)
	for what, err := range map[string]error{
		"write": write, "grow": f.Truncate(5), "shrink": f.Truncate(3), "open to cut short": reopened, "change its seals": unseal,
	} {
		if !errors.Is(err, unix.EPERM) {
			t.Errorf("%s: %v, want EPERM", what, err)
		}
	}
	if got, err := os.ReadFile(procPath(f)); string(got) != "text" {
		t.Errorf("it holds %q, %v", got, err)
	}
}

// made returns a new file with that content.
func made(t *testing.T, content string) *os.File {
	t.Helper()
	f, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
	return f
}

// procPath returns a path by which this process and its children reach f.
func procPath(f *os.File) string {
	return "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(int(f.Fd()))
}
