package rootfs

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRemoveMounts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	base := t.TempDir()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the namespace is the thread's
		if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
			t.Error(err)
			return
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Error(err)
			return
		}
		for _, name := range []string{"plain", "with blank\\and\ttab"} {
			root := base + "/" + name
			if err := os.Mkdir(root, 0o755); err != nil {
				t.Error(err)
				return
			}
			removeMounts(t, root)
		}
	}()
	<-done
}

// removeMounts has one mount on root that an engine made, and two of a
// container's on top of it, one with a mount below.
func removeMounts(t *testing.T, root string) {
	tmpfs := func(dir string) {
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
			t.Error(err)
		}
	}
	count := func() int {
		n, err := CountMounts(root)
		if err != nil {
			t.Error(err)
		}
		return n
	}
	tmpfs(root)
	before := count()
	if before != 1 {
		t.Errorf("%q: counted %d mounts, want 1", root, before)
	}
	tmpfs(root)
	tmpfs(root)
	if err := os.Mkdir(root+"/proc", 0o755); err != nil {
		t.Error(err)
	}
	tmpfs(root + "/proc")
	if err := RemoveMounts(root, before); err != nil {
		t.Error(err)
	}
	if n := count(); n != 1 {
		t.Errorf("%q: %d mounts are left, want 1", root, n)
	}
	if err := RemoveMounts(root, before); err != nil {
		t.Errorf("a second time: %v", err)
	}
}
