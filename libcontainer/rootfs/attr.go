package rootfs

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// setattr sets and clears attributes (MOUNT_ATTR_*) of the mount fd, as
// mount_setattr(2) does. The mount may be detached still. Kernels before 5.12
// return ENOSYS, those before 5.14 EINVAL for MOUNT_ATTR_NOSYMFOLLOW; see
// remountAttr.
func (r *Rootfs) setattr(fd int, set, clear uint64) error {
	if r.noSetattr {
		return unix.ENOSYS
	}
	err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: set, Attr_clr: clear})
	if err == unix.ENOSYS {
		r.noSetattr = true
	}
	return err
}

// setattrAttached is setattr for a mount that is attached, on any kernel.
func (r *Rootfs) setattrAttached(fd int, set, clear uint64) error {
	err := r.setattr(fd, set, clear)
	if needsRemount(err, set|clear) {
		return r.remountAttr(fd, set, clear)
	}
	return err
}

// needsRemount tells whether err, from setattr with the given attributes,
// means that the kernel is too old for them.
func needsRemount(err error, attr uint64) bool {
	return err == unix.ENOSYS || err == unix.EINVAL && attr&unix.MOUNT_ATTR_NOSYMFOLLOW != 0
}

// remountAttr does what setattr does with mount(2), which wants all flags at
// once and an attached mount.
func (r *Rootfs) remountAttr(fd int, set, clear uint64) error {
	now, err := attrOf(fd)
	if err != nil {
		return err
	}
	attr := now&^clear | set
	flags := msFlags(attr)
	if attr&(unix.MOUNT_ATTR__ATIME|unix.MOUNT_ATTR_NODIRATIME) == 0 {
		// Without any access-time flag mount(2) would keep the old ones.
		flags |= unix.MS_RELATIME
	}
	return r.mount("", fd, "", unix.MS_BIND|unix.MS_REMOUNT|flags, "")
}

// attrOf returns the attributes of the mount fd.
func attrOf(fd int) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return 0, err
	}
	flags, attr := uint64(st.Flags), uint64(0)
	for _, f := range attrFlags {
		if flags&f.st != 0 {
			attr |= f.attr
		}
	}
	// statfs(2) has no flag for strictatime: it is the absence of both others.
	if flags&(unix.ST_NOATIME|unix.ST_RELATIME) == 0 {
		attr |= unix.MOUNT_ATTR_STRICTATIME
	}
	return attr, nil
}

// stNoSymfollow is ST_NOSYMFOLLOW of linux/statfs.h (5.10), not in x/sys.
const stNoSymfollow = 0x2000

// attrFlags relates mount attributes to the flags of statfs(2) and mount(2).
var attrFlags = [...]struct {
	attr, st uint64
	ms       uintptr
}{
	{unix.MOUNT_ATTR_RDONLY, unix.ST_RDONLY, unix.MS_RDONLY},
	{unix.MOUNT_ATTR_NOSUID, unix.ST_NOSUID, unix.MS_NOSUID},
	{unix.MOUNT_ATTR_NODEV, unix.ST_NODEV, unix.MS_NODEV},
	{unix.MOUNT_ATTR_NOEXEC, unix.ST_NOEXEC, unix.MS_NOEXEC},
	{unix.MOUNT_ATTR_NOATIME, unix.ST_NOATIME, unix.MS_NOATIME},
	{unix.MOUNT_ATTR_NODIRATIME, unix.ST_NODIRATIME, unix.MS_NODIRATIME},
	{unix.MOUNT_ATTR_NOSYMFOLLOW, stNoSymfollow, unix.MS_NOSYMFOLLOW},
}

// msFlags returns attributes as mount(2) takes them.
func msFlags(attr uint64) (flags uintptr) {
	for _, f := range attrFlags {
		if attr&f.attr != 0 {
			flags |= f.ms
		}
	}
	if attr&unix.MOUNT_ATTR_STRICTATIME != 0 {
		flags |= unix.MS_STRICTATIME
	}
	return flags
}

// mount is mount(2) with the descriptor fd as its target.
func (r *Rootfs) mount(source string, fd int, fstype string, flags uintptr, data string) error {
	return r.byPath(fd, func(target string) error { return unix.Mount(source, target, fstype, flags, data) })
}

// unmount takes the mount away whose root fd is. The descriptor itself keeps it
// busy.
func (r *Rootfs) unmount(fd int) error {
	return r.byPath(fd, func(target string) error { return unix.Unmount(target, unix.MNT_DETACH) })
}

// byPath calls do, a system call that takes no descriptor, with a path of fd. It
// goes through the descriptor of the host's procfs, never through a /proc that
// the container may have made (CVE-2025-52881); as such a call takes no folder to
// start from either, that is done by way of the working directory.
func (r *Rootfs) byPath(fd int, do func(path string) error) error {
	cwd, err := unix.Open(".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(cwd)
	if err := unix.Fchdir(r.proc); err != nil {
		return err
	}
	err = do(procFD(fd))
	if back := unix.Fchdir(cwd); err == nil {
		err = back
	}
	return err
}

// procFD returns the path of descriptor fd below a procfs.
func procFD(fd int) string { return "self/fd/" + strconv.Itoa(fd) }
