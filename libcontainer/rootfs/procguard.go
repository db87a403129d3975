package rootfs

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// processView reports whether e is a new procfs or sysfs, which must be exactly
// where it is expected.
func (e *entry) processView() bool {
	return !e.opt.Bind && (e.Type == "proc" || e.Type == "sysfs")
}

// ordinaryFolder makes sure that a procfs or sysfs is mounted where its
// destination says and nowhere else. A symlink as its last component is
// refused, so for /proc and /sys there is none at all: with /proc elsewhere,
// what is masked and what is checked through it would be another place than
// what the container's programs then use (CVE-2019-19921, CVE-2023-27561,
// CVE-2023-28642).
func (r *Rootfs) ordinaryFolder(e *entry) error {
	fd, err := openat2(r.fd, e.dest, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, inRoot)
	switch err {
	case nil:
		unix.Close(fd)
		return nil
	case unix.ENOENT:
		return nil
	case unix.ENOTDIR:
		return &errdefs.Error{
			Doing: e.doing(), Field: e.field() + ".destination",
			Err:  &reason{e.Type + " must be mounted on ordinary directory, not on a symlink or a file", err},
			Hint: "make " + e.dest + " a directory in the image",
		}
	}
	return e.fail(".destination", err)
}

// exactPlace makes sure that a procfs or sysfs for a folder of the root, such as
// /proc, is mounted on that and on nothing that a symlink leads to. ordinaryFolder
// has seen none, but one may have come since. real is where the descriptor is that
// is mounted onto.
func (e *entry) exactPlace(real string) error {
	if !e.processView() || strings.LastIndexByte(e.dest, '/') > 0 || real == e.dest {
		return nil
	}
	return e.fail(".destination", errors.New("was exchanged for a symlink to "+real))
}

// verify makes sure that the mount fd is what the path real, in the
// container, now leads to. It fails if the folder was moved while the mount
// was put on it (CVE-2019-19921).
func (r *Rootfs) verify(e *entry, fd int, real string) error {
	got, err := openat2(r.fd, real, unix.O_PATH, noSymlinks)
	if err != nil {
		return e.fail(".destination", errdefs.Doing(err, "find the new mount"))
	}
	defer unix.Close(got)
	same, err := sameMount(got, fd)
	if err != nil {
		return e.fail(".destination", errdefs.Doing(err, "check the new mount"))
	}
	if !same {
		return e.fail(".destination", errors.New("was exchanged while it was being mounted on"))
	}
	return nil
}

// sameMount reports whether two descriptors are on the same mount.
func sameMount(a, b int) (bool, error) {
	var sa, sb unix.Statx_t
	if err := unix.Statx(a, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &sa); err != nil {
		return false, err
	}
	if err := unix.Statx(b, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &sb); err != nil {
		return false, err
	}
	return sa.Mnt_id == sb.Mnt_id, nil
}

// guardProc refuses mounts onto /proc that are not a procfs, and mounts onto
// files in it: with them an image could fake what the runtime reads and
// writes there, such as /proc/self/attr/exec (CVE-2019-16884,
// CVE-2019-19921). procfs tells whether what is mounted is one.
func guardProc(e *entry, real string, procfs func() (bool, error)) error {
	rest, ok := strings.CutPrefix(real, "/proc")
	switch {
	case !ok || rest != "" && rest[0] != '/':
		return nil
	case rest == "":
		ok, err := procfs()
		if err != nil {
			return e.fail(".source", err)
		}
		if !ok {
			return e.fail(".destination", errors.New("only a procfs can be mounted on /proc"))
		}
		return nil
	case emulated(rest):
		return nil
	}
	return e.fail(".destination", errors.New("nothing can be mounted on "+real+", inside /proc"))
}

// emulated reports whether a file of /proc is one of those that lxcfs and its
// like replace, and that no security depends on.
func emulated(name string) bool {
	switch name {
	case "/cpuinfo", "/diskstats", "/loadavg", "/meminfo", "/slabinfo", "/stat", "/swaps", "/uptime",
		"/sys/kernel/ns_last_pid", "/sys/crypto/fips_enabled":
		return true
	}
	return false
}
