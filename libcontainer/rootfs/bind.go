package rootfs

import (
	"errors"
	"path"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// bind makes a bind mount. A relative source is relative to the working
// directory, which is the bundle's.
func (r *Rootfs) bind(e *entry) error {
	if e.opt.CopySymlink {
		if link, err := readlink(unix.AT_FDCWD, e.Source); err == nil {
			return r.copySymlink(e, link)
		}
	}
	fd, err := r.openSource(e)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return r.bindTree(e, fd)
}

// bindTree mounts the detached tree of mounts fd.
func (r *Rootfs) bindTree(e *entry, fd int) error {
	t, err := r.target(e, func() (bool, error) { return isFile(fd) })
	if err != nil {
		return err
	}
	defer unix.Close(t.fd)
	if err := guardProc(e, t.real, func() (bool, error) { return isProcfs(fd) }); err != nil {
		return err
	}
	// The attributes are set before anybody can see the mount.
	late, err := r.bindAttr(e, fd)
	if err != nil {
		return err
	}
	if err := r.setRecursive(e, fd); err != nil {
		return err
	}
	if err := r.attach(e, fd, t); err != nil {
		return err
	}
	if late {
		set, clear := e.bindAttr()
		if err := r.remountAttr(fd, set, clear); err != nil {
			return e.fail(".options", err)
		}
	}
	return r.noteView(e, t, fd)
}

// openSource returns a detached copy of the mounts that e shows.
func (r *Rootfs) openSource(e *entry) (int, error) {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if e.opt.Recursive {
		flags |= unix.AT_RECURSIVE
	}
	if e.opt.SrcNoFollow {
		flags |= unix.AT_SYMLINK_NOFOLLOW
	}
	var err error
	if e.opt.IDMap || len(e.UIDMappings) > 0 {
		return r.askSource(e, errors.New("an id-mapped mount can only be made by the outside"))
	}
	if r.o.OutsideBundle && !path.IsAbs(e.Source) {
		err = unix.EACCES
	} else {
		var fd int
		if fd, err = unix.OpenTree(unix.AT_FDCWD, e.Source, flags); err == nil {
			return fd, nil
		}
	}
	if err != unix.EACCES {
		return -1, e.fail(".source", err)
	}
	source, err := r.askSource(e, err)
	if err != nil {
		return -1, err
	}
	defer unix.Close(source)
	fd, err := unix.OpenTree(source, "", flags|unix.AT_EMPTY_PATH)
	if err != nil {
		return -1, e.fail(".source", err)
	}
	return fd, nil
}

// askSource has the source of e opened by Options.Source; err is the error if
// that cannot be asked.
func (r *Rootfs) askSource(e *entry, err error) (int, error) {
	// A mount that stands for another one has a source that is not
	// config.json's.
	if r.o.Source == nil || e.Mount != &r.o.Spec.Mounts[e.index] {
		return -1, e.fail(".source", err)
	}
	fd, err := r.o.Source(e.index)
	if err != nil {
		return -1, errdefs.AtField(err, e.field()+".source")
	}
	return fd, nil
}

// copySymlink makes a symlink to link at the destination, where one like it may
// be already.
func (r *Rootfs) copySymlink(e *entry, link string) error {
	parent, name := path.Split(e.dest)
	if name == "" {
		return e.fail(".destination", errors.New("the root itself cannot be a symlink"))
	}
	dir, real, _, err := r.resolveOrCreate(path.Clean(parent), folder)
	if err != nil {
		return e.fail(".destination", err)
	}
	defer unix.Close(dir)
	if err := guardProc(e, path.Join(real, name), func() (bool, error) { return false, nil }); err != nil {
		return err
	}
	err = unix.Symlinkat(link, dir, name)
	if err == unix.EEXIST {
		if have, rerr := readlink(dir, name); rerr == nil && have == link {
			return nil
		}
		err = errors.New("is there already, and no symlink to " + link)
	}
	if err != nil {
		return e.fail(".destination", err)
	}
	return nil
}

// isFile reports whether fd is anything but a folder.
func isFile(fd int) (bool, error) {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	return st.Mode&unix.S_IFMT != unix.S_IFDIR, err
}

// isProcfs reports whether fd is on a procfs.
func isProcfs(fd int) (bool, error) {
	var st unix.Statfs_t
	err := unix.Fstatfs(fd, &st)
	return uint32(st.Type) == unix.PROC_SUPER_MAGIC, err
}

// plainAttr are the attributes that a bind mount with any option about
// attributes does not take over from its source.
const plainAttr = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC |
	unix.MOUNT_ATTR_NOSYMFOLLOW

// bindAttr returns the attributes to set and to clear. A bind mount without
// options about attributes keeps those of its source. With any, it has those
// that are asked for and no others; only the access-time setting stays unless
// one was chosen.
func (e *entry) bindAttr() (set, clear uint64) {
	if !e.opt.SetsAttributes() {
		return 0, 0
	}
	return e.opt.Set, plainAttr&^e.opt.Set | e.opt.Clear
}

// bindAttr sets the attributes of the detached bind mount fd. late tells that
// the kernel cannot do that before the mount is attached.
func (r *Rootfs) bindAttr(e *entry, fd int) (late bool, err error) {
	set, clear := e.bindAttr()
	if set|clear == 0 {
		return false, nil
	}
	err = r.setattr(fd, set, clear)
	if err == unix.EPERM {
		err = r.setattrLocked(e, fd, set, clear)
	}
	if needsRemount(err, set|clear) {
		return true, nil
	}
	if err != nil {
		return false, e.fail(".options", err)
	}
	return false, nil
}

// setattrLocked is setattr for a mount whose attributes are locked, as those
// are that come from a more privileged user namespace. It leaves them as they
// are, unless an option asked explicitly for something else.
func (r *Rootfs) setattrLocked(e *entry, fd int, set, clear uint64) error {
	const unlockable = unix.MOUNT_ATTR_NOSYMFOLLOW
	now, err := attrOf(fd)
	if err != nil {
		return err
	}
	if lost := now & e.opt.Clear & (plainAttr &^ unlockable); lost != 0 {
		return &reason{"the source's " + attrNames(lost) + " cannot be taken away here", unix.EPERM}
	}
	if e.opt.Clear&unix.MOUNT_ATTR__ATIME != 0 {
		const atime = unix.MOUNT_ATTR__ATIME | unix.MOUNT_ATTR_NODIRATIME
		if now&atime != set&atime {
			return &reason{"the source's access-time setting cannot be changed here", unix.EPERM}
		}
	}
	return r.setattr(fd, set&^unix.MOUNT_ATTR__ATIME, clear&unlockable)
}

// attrNames returns lockable attributes as the options that set them.
func attrNames(attr uint64) string {
	names := ""
	for _, f := range [...]struct {
		attr uint64
		name string
	}{
		{unix.MOUNT_ATTR_RDONLY, "ro"},
		{unix.MOUNT_ATTR_NOSUID, "nosuid"},
		{unix.MOUNT_ATTR_NODEV, "nodev"},
		{unix.MOUNT_ATTR_NOEXEC, "noexec"},
	} {
		if attr&f.attr == 0 {
			continue
		}
		if names != "" {
			names += ","
		}
		names += f.name
	}
	return names
}

// setRecursive sets the attributes that the r options (rro, rnosuid, ...) ask
// for on the whole tree of mounts fd.
func (r *Rootfs) setRecursive(e *entry, fd int) error {
	set, clear := e.opt.RecSet, e.opt.RecClear
	if set|clear == 0 {
		return nil
	}
	err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: set, Attr_clr: clear})
	switch {
	case err == nil:
		return nil
	case err == unix.ENOSYS:
		err = &reason{"recursive mount options need Linux 5.12", err}
	case err == unix.EINVAL && (set|clear)&unix.MOUNT_ATTR_NOSYMFOLLOW != 0:
		err = &reason{"rnosymfollow and rsymfollow need Linux 5.14", err}
	}
	return e.fail(".options", err)
}

// remount changes the mount that is at the destination already: with bind its
// attributes, without it the filesystem's parameters too.
func (r *Rootfs) remount(e *entry) error {
	fd, real, err := r.resolve(e.dest)
	if err != nil {
		return e.fail(".destination", err)
	}
	defer unix.Close(fd)
	if real == "/" {
		return e.fail(".destination", errors.New("the root itself cannot be remounted"))
	}
	if e.opt.Bind {
		set, clear := e.bindAttr()
		err = r.setattrAttached(fd, set, clear)
	} else {
		flags := unix.MS_REMOUNT | msFlags(e.opt.Set) | uintptr(e.opt.SuperSet)
		err = r.mount(e.Source, fd, e.Type, flags, joinData(e.opt.Data))
	}
	if err != nil {
		return e.fail("", errdefs.Doing(err, "change the mount at "+e.Destination))
	}
	if err := r.setRecursive(e, fd); err != nil {
		return err
	}
	return r.setPropagation(e, fd)
}
