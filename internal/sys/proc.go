package sys

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// procRootInode is the inode number of the root of every procfs (PROC_ROOT_INO
// of linux/proc_fs.h). A bind mount of a folder below has another.
const procRootInode = 1

// OpenProc opens /proc (O_PATH, close-on-exec) and makes sure that it is the root of a
// procfs, so that what is opened beneath the descriptor is what it is called, and not
// what an image has put in the place of /proc (CVE-2025-52881). The caller closes it.
func OpenProc() (int, error) {
	fd, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, errdefs.Doing(err, "open /proc")
	}
	if err := verifyProc(fd); err != nil {
		unix.Close(fd)
		return -1, &errdefs.Error{
			Doing: "open /proc",
			Err:   err,
			Hint:  "mount procfs there: mount -t proc proc /proc",
		}
	}
	return fd, nil
}

func verifyProc(fd int) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return err
	}
	if uint32(fs.Type) != unix.PROC_SUPER_MAGIC {
		return errors.New("it is not a procfs")
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Ino != procRootInode {
		return errors.New("it is not the root of a procfs")
	}
	return nil
}
