package state

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// mountPoint is a folder that is there while a container is restored.
const mountPoint = "criu-root"

// MakeMountPoint makes an empty folder in d on which a restore mounts the root
// filesystem, in a mount namespace of its own, and returns its path.
func (d *Dir) MakeMountPoint() (string, error) {
	path := filepath.Join(d.Path(), mountPoint)
	err := os.Mkdir(path, 0o700)
	if os.IsExist(err) {
		err = nil
	}
	return path, errdefs.Doing(err, "make a folder to mount the root filesystem on")
}

// RemoveMountPoint removes what MakeMountPoint has made. What is mounted there
// in other mount namespaces is unmounted (rmdir(2)).
func (d *Dir) RemoveMountPoint() error {
	err := unix.Unlinkat(int(d.f.Fd()), mountPoint, unix.AT_REMOVEDIR)
	if err == unix.ENOENT {
		return nil
	}
	return errdefs.Doing(err, "remove "+filepath.Join(d.Path(), mountPoint))
}
