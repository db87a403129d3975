package spawn

import (
	"errors"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestIdle(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := Idle()
	if err != nil {
		t.Fatal(err)
	}
	// It keeps nothing of its parent's open: the pipe ends with w.
	w.Close()
	if n, _ := r.Read(make([]byte, 1)); n != 0 {
		t.Error("read from a pipe that nobody writes to")
	}
	if err := unix.PidfdSendSignal(int(p.PidFD.Fd()), 0, nil, 0); err != nil {
		t.Errorf("it is not there: %v", err)
	}
	if fds, err := os.ReadDir("/proc/" + strconv.Itoa(p.Pid) + "/fd"); err != nil || len(fds) != 1 {
		t.Errorf("its descriptors: %v, %v", fds, err)
	}
	p.Abandon()
	if err := unix.Kill(p.Pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("it is still there: %v", err)
	}
}

// TestIdleEndsByItself: the end of the pipe that only its parent holds is its
// own, so that nothing is left of a parent that was killed.
func TestIdleEndsByItself(t *testing.T) {
	p, err := Idle()
	if err != nil {
		t.Fatal(err)
	}
	defer p.PidFD.Close()
	p.report.Close()
	if status := p.Wait(); !status.Exited() {
		t.Errorf("it ended with %v", status)
	}
}
