package rootfs

import (
	"bytes"
	"os"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// A container that shares the host's mount namespace has its mounts there, and
// nobody takes them away when its processes end. Before it is made CountMounts
// tells how many mounts lie on its root already (an engine may have mounted
// the root filesystem), and RemoveMounts later takes away what came on top.

// CountMounts returns the number of mounts at path, an absolute path without
// symbolic links, in the caller's mount namespace.
func CountMounts(path string) (int, error) {
	data, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return 0, errdefs.Doing(err, "count the mounts on "+path)
	}
	return countMounts(data, path), nil
}

func countMounts(mountinfo []byte, path string) int {
	n := 0
	for line := range bytes.SplitSeq(mountinfo, []byte("\n")) {
		if fields := bytes.Fields(line); len(fields) > 4 && unescape(string(fields[4])) == path {
			n++
		}
	}
	return n
}

// RemoveMounts takes mounts away from path, with all that is mounted below
// them, until keep of them are left.
func RemoveMounts(path string, keep int) error {
	n, err := CountMounts(path)
	if err != nil {
		return err
	}
	for ; n > keep; n-- {
		err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if err != nil {
			return errdefs.Doing(err, "unmount "+path)
		}
	}
	return nil
}
