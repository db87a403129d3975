package rootfs

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// NullStdio replaces those of the standard streams that are the host's null
// device by the container's own, as runc does: through the host's the program
// would hold a mount of the host, and a checkpoint, which has to find each open
// file in the container, would fail. It comes after Enter. In a container that
// has no null device, or something else at its place, nothing is replaced.
//
// streams are the descriptors of the three streams; replace is called for each that
// null is to take the place of, and does not keep that.
func (r *Rootfs) NullStdio(streams [3]int, replace func(null, stream int) error) error {
	if !r.newNamespace {
		return nil
	}
	null := -1
	defer func() {
		if null >= 0 {
			unix.Close(null)
		}
	}()
	for stream, fd := range streams {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || uint64(st.Rdev) != unix.Mkdev(1, 3) {
			continue
		}
		if null < 0 {
			path, err := r.openNull()
			if err != nil {
				return nil
			}
			null, err = r.reopen(path, unix.O_RDWR)
			unix.Close(path)
			if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
				return nil // its cgroup does not let it
			}
			if err != nil {
				return errdefs.Doing(err, "open the container's /dev/null")
			}
		}
		if err := replace(null, stream); err != nil {
			return errdefs.Doing(err, "replace the host's /dev/null by the container's")
		}
	}
	return nil
}
