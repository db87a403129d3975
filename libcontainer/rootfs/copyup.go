package rootfs

import (
	"bytes"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// copyUp copies what the folder from (O_PATH) holds into the new tmpfs to,
// which is not attached yet: files, folders, symlinks, device nodes, pipes
// and sockets, with their modes, owners, times and extended attributes. The
// top folder's owner is copied unless the options give one. It is no more than the
// container may have of memory (takeMemory).
//
// What is copied is hostile. Nothing in it is looked up by a path of more than
// one component, no symlink is followed, and nothing is opened before it is
// known to be a file or a folder, since opening a pipe or a device can hang or
// have effects.
func (r *Rootfs) copyUp(e *entry, from, to int) error {
	src, err := r.reopen(from, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(src)
	dst, err := unix.Openat(to, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dst)
	if err := r.copyEntries(src, dst); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(src, &st); err != nil {
		return err
	}
	if _, ok := e.opt.Key("uid"); ok {
		st.Uid = ^uint32(0)
	}
	if _, ok := e.opt.Key("gid"); ok {
		st.Gid = ^uint32(0)
	}
	// -1 leaves an owner as it is.
	if err := unix.Fchown(dst, int(int32(st.Uid)), int(int32(st.Gid))); err != nil {
		return err
	}
	return r.copyXattrs(src, dst)
}

// reopen opens what the O_PATH descriptor fd refers to, whatever its path
// leads to by now.
func (r *Rootfs) reopen(fd, flags int) (int, error) {
	return unix.Openat(r.proc, procFD(fd), flags|unix.O_CLOEXEC, 0)
}

// copyEntries copies everything in the folder src into the folder dst.
func (r *Rootfs) copyEntries(src, dst int) error {
	buf := make([]byte, 4096)
	var names []string
	for {
		n, err := unix.ReadDirent(src, buf)
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names[:0])
		for _, name := range names {
			if err := r.copyEntry(src, dst, name); err != nil {
				return errdefs.Doing(err, "copy "+name)
			}
		}
	}
}

// copyEntry copies what is called name in the folder src into the folder dst.
func (r *Rootfs) copyEntry(src, dst int, name string) error {
	fd, err := unix.Openat(src, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil // It was removed since the folder was read.
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if err := r.takeMemory(nodeSize); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		err = r.copyFolder(fd, dst, name, &st)
	case unix.S_IFREG:
		err = r.copyFile(fd, dst, name, &st)
	case unix.S_IFLNK:
		err = copySymlink(fd, dst, name, &st)
	default:
		err = unix.Mknodat(dst, name, st.Mode, int(st.Rdev))
		if err == nil {
			err = setOwner(dst, name, &st)
		}
	}
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(dst, name, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
}

// copyFolder copies the folder fd to dst/name.
func (r *Rootfs) copyFolder(fd, dst int, name string, st *unix.Stat_t) error {
	src, err := r.reopen(fd, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(src)
	if err := unix.Mkdirat(dst, name, 0o700); err != nil {
		return err
	}
	sub, err := unix.Openat(dst, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(sub)
	if err := r.copyEntries(src, sub); err != nil {
		return err
	}
	if err := setOwner(dst, name, st); err != nil {
		return err
	}
	return r.copyXattrs(src, sub)
}

// copyFile copies the file fd to dst/name.
func (r *Rootfs) copyFile(fd, dst int, name string, st *unix.Stat_t) error {
	src, err := r.reopen(fd, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(src)
	out, err := unix.Openat(dst, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(out)
	if err := r.copyData(out, src, st.Size); err != nil {
		return err
	}
	if err := setOwner(dst, name, st); err != nil {
		return err
	}
	return r.copyXattrs(src, out)
}

// copySymlink copies the symlink fd to dst/name.
func copySymlink(fd, dst int, name string, st *unix.Stat_t) error {
	to, err := readlink(fd, "")
	if err != nil {
		return err
	}
	if err := unix.Symlinkat(to, dst, name); err != nil {
		return err
	}
	return unix.Fchownat(dst, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW)
}

// setOwner gives dst/name, which is not a symlink, the owner and mode of st.
// The mode comes last, since a change of owner clears setuid bits.
func setOwner(dst int, name string, st *unix.Stat_t) error {
	if err := unix.Fchownat(dst, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	return unix.Fchmodat(dst, name, st.Mode&0o7777, 0)
}

// copyXattrs copies the extended attributes of the file src to dst, as far as
// the tmpfs can hold them (user attributes since Linux 6.6). Security labels
// stay those of the tmpfs.
func (r *Rootfs) copyXattrs(src, dst int) error {
	list, err := xattr(func(buf []byte) (int, error) { return unix.Flistxattr(src, buf) })
	if err != nil {
		return err
	}
	for name := range bytes.SplitSeq(list, []byte{0}) {
		if len(name) == 0 || string(name) == "security.selinux" {
			continue
		}
		key := string(name)
		value, err := xattr(func(buf []byte) (int, error) { return unix.Fgetxattr(src, key, buf) })
		if err != nil {
			return err
		}
		if err := r.takeMemory(int64(len(value))); err != nil {
			return err
		}
		if err := unix.Fsetxattr(dst, key, value, 0); err != nil && !unsupported(err) {
			return errdefs.Doing(err, "set its attribute "+key)
		}
	}
	return nil
}

// xattr calls get with a buffer that is large enough. It returns nothing where
// the file cannot have extended attributes, or has lost the one asked for.
func xattr(get func([]byte) (int, error)) ([]byte, error) {
	buf := make([]byte, 256)
	for {
		n, err := get(buf)
		switch {
		case err == nil:
			return buf[:n], nil
		case errors.Is(err, unix.ERANGE) && len(buf) <= 1<<16:
			buf = make([]byte, 4*len(buf))
		case unsupported(err), errors.Is(err, unix.ENODATA):
			return nil, nil
		default:
			return nil, err
		}
	}
}

// unsupported reports whether err says that a filesystem has no such extended
// attributes.
func unsupported(err error) bool { return errors.Is(err, unix.EOPNOTSUPP) }
