package thread

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSpend changes the working folder of the thread alone.
func TestSpend(t *testing.T) {
	before, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own := unix.Gettid()
	for range 20 {
		other := 0
		Spend(func() {
			other = unix.Gettid()
			if err := unix.Unshare(unix.CLONE_FS); err != nil {
				t.Error(err)
			} else if err := unix.Chdir("/proc"); err != nil {
				t.Error(err)
			}
		})
		if other == own || other == unix.Getpid() || other == 0 {
			t.Errorf("ran on thread %d, called from %d of process %d", other, own, unix.Getpid())
		}
	}
	if after, err := os.Getwd(); err != nil || after != before {
		t.Errorf("the working folder was %s and is %s, %v", before, after, err)
	}
}
