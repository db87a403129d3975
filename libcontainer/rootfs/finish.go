package rootfs

import (
	"errors"
	"path"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/mountopt"
)

// Finish makes read-only what must be, masks what must not be seen, and sets
// the propagation type of the root. It comes after Enter.
func (r *Rootfs) Finish() error {
	for _, f := range r.frozen {
		if err := r.setattrAttached(f.fd, unix.MOUNT_ATTR_RDONLY, 0); err != nil {
			at := r.o.Spec.Mounts[f.index].Destination
			return errField(err, "make the mount on "+at+" read-only", "mounts["+strconv.Itoa(f.index)+"]")
		}
	}
	if r.o.Spec.Root != nil && r.o.Spec.Root.Readonly {
		if err := r.setattrAttached(r.fd, unix.MOUNT_ATTR_RDONLY, 0); err != nil {
			return errField(err, "make the root read-only", "root.readonly")
		}
	}
	if r.o.Spec.Linux == nil {
		return nil
	}
	if !r.newNamespace {
		return refuseMasks(r.o.Spec.Linux)
	}
	if err := r.addHookViews(); err != nil {
		return errdefs.Doing(err, "look for what hooks have mounted")
	}
	for i, p := range r.o.Spec.Linux.ReadonlyPaths {
		if err := r.readonlyPath(p); err != nil {
			return errField(err, "make "+p+" read-only", "linux.readonlyPaths["+strconv.Itoa(i)+"]")
		}
	}
	if err := r.maskPaths(r.o.Spec.Linux.MaskedPaths); err != nil {
		return err
	}
	return r.finalPropagation()
}

// finalPropagation sets the propagation type that the root has from now on. It
// comes last: nothing can be bound from an unbindable mount.
func (r *Rootfs) finalPropagation() error {
	p, err := r.rootPropagation()
	if err != nil || p.Type == 0 || p.Type == unix.MS_PRIVATE || !r.newNamespace {
		return err
	}
	flags := p.Type
	if p.Recursive {
		flags |= unix.MS_REC
	}
	if err := r.propagate(r.fd, flags); err != nil {
		return errField(err, "set the propagation type of the root", "linux.rootfsPropagation")
	}
	return nil
}

// refuseMasks fails if paths are to be masked or read-only in a container
// without a mount namespace of its own, where that would be done on the host.
func refuseMasks(l *specs.Linux) error {
	field := "linux.maskedPaths"
	switch {
	case len(l.ReadonlyPaths) > 0:
		field = "linux.readonlyPaths"
	case len(l.MaskedPaths) == 0:
		return nil
	}
	return errdefs.Field(field, "needs a mount namespace").WithHint(`add {"type": "mount"} to linux.namespaces`)
}

// readonlyPath makes what is at p read-only by mounting it, with all mounts
// below it, onto itself.
func (r *Rootfs) readonlyPath(p string) error {
	return r.atPath(p, func(fd int) error {
		tree, err := unix.OpenTree(fd, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|unix.AT_RECURSIVE)
		if err != nil {
			return err
		}
		defer unix.Close(tree)
		// All other attributes stay as they are.
		err = r.setattr(tree, unix.MOUNT_ATTR_RDONLY, 0)
		if err != nil && err != unix.ENOSYS {
			return err
		}
		late := err == unix.ENOSYS
		if err := moveOnto(tree, fd); err != nil {
			return err
		}
		if late {
			if err := r.remountAttr(tree, unix.MOUNT_ATTR_RDONLY, 0); err != nil {
				return err
			}
		}
		return r.coverView(p, fd, tree)
	})
}

// masks are the two things that can be mounted over a masked path. Each is
// opened when the first path needs it.
type masks struct {
	// null is the container's /dev/null, for files.
	null int
	// empty is the mount of an empty read-only tmpfs, for folders. It is
	// attached to the first folder, and copied to the others.
	empty int
}

// maskPaths hides what is at the given paths.
func (r *Rootfs) maskPaths(paths []string) error {
	m := masks{null: -1, empty: -1}
	defer func() {
		for _, fd := range [...]int{m.null, m.empty} {
			if fd >= 0 {
				unix.Close(fd)
			}
		}
	}()
	for i, p := range paths {
		if maskedBefore(paths[:i], p) {
			continue
		}
		if err := r.maskPath(&m, p); err != nil {
			return errField(err, "mask "+p, "linux.maskedPaths["+strconv.Itoa(i)+"]")
		}
	}
	return nil
}

// maskedBefore reports whether the path p is also among those before it.
func maskedBefore(before []string, p string) bool {
	p = path.Clean("/" + p)
	for _, b := range before {
		if len(b) >= len(p) && path.Clean("/"+b) == p {
			return true
		}
	}
	return false
}

// maskPath hides what is at p. A path where nothing is needs no mask.
func (r *Rootfs) maskPath(m *masks, p string) error {
	return r.atPath(p, func(fd int) error {
		file, err := isFile(fd)
		if err != nil {
			return err
		}
		if file {
			return r.maskFile(m, fd)
		}
		return r.maskFolder(m, fd)
	})
}

// maskFile mounts /dev/null over the file fd.
func (r *Rootfs) maskFile(m *masks, fd int) error {
	if m.null < 0 {
		null, err := r.openNull()
		if err != nil {
			return err
		}
		m.null = null
	}
	tree, err := unix.OpenTree(m.null, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	return moveOnto(tree, fd)
}

// openNull opens the container's /dev/null, and makes sure that it is the null
// device: an image or a volume could have put a symlink or another file
// there, which would be shown, writable, in the place of what is masked
// (CVE-2025-31133). The masks are made of the descriptor that was checked.
func (r *Rootfs) openNull() (int, error) {
	fd, err := openat2(r.fd, "/dev/null", unix.O_PATH|unix.O_NOFOLLOW, noSymlinks)
	if err != nil {
		return -1, errdefs.Doing(err, "open the container's /dev/null")
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, errdefs.Doing(err, "check the container's /dev/null")
	}
	if st.Mode&unix.S_IFMT != unix.S_IFCHR || uint64(st.Rdev) != unix.Mkdev(1, 3) {
		unix.Close(fd)
		return -1, errdefs.Doing(errors.New("it is not the null device"), "check the container's /dev/null")
	}
	return fd, nil
}

// maskFolder mounts an empty read-only tmpfs over the folder fd.
func (r *Rootfs) maskFolder(m *masks, fd int) error {
	if m.empty >= 0 {
		tree, err := unix.OpenTree(m.empty, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
		if err != nil {
			return err
		}
		defer unix.Close(tree)
		return moveOnto(tree, fd)
	}
	empty, err := r.emptyFolder()
	if err != nil {
		return err
	}
	if err := moveOnto(empty, fd); err != nil {
		unix.Close(empty)
		return err
	}
	m.empty = empty
	return nil
}

// emptyFolder makes a tmpfs that has room for nothing, and is read-only in
// itself, not just as a mount.
func (r *Rootfs) emptyFolder() (int, error) {
	fs := filesystem{
		kind: "tmpfs", source: "tmpfs", attr: unix.MOUNT_ATTR_RDONLY, super: unix.MS_RDONLY,
		data: []mountopt.Datum{
			{Option: -1, Key: "nr_blocks", Value: "1", HasValue: true},
			{Option: -1, Key: "nr_inodes", Value: "1", HasValue: true},
		},
	}
	r.label(&fs)
	return r.make(fs)
}
