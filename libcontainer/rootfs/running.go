package rootfs

import (
	"errors"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/mountopt"
)

// Running is the root filesystem of a container that runs. Its programs can
// exchange files, folders and symlinks at any moment, and those with
// CAP_SYS_ADMIN mounts, too. What holds against an image and its volumes while
// a container is made (resolve.go) holds here: a path is resolved once, within
// the root, to a descriptor.
//
// Its methods are for a thread that is in the container's mount namespace, and
// whose root and working folder are its own (CLONE_FS).
type Running struct{ r Rootfs }

// OpenRunning returns the root filesystem that is the root of the calling
// thread. proc is the host's procfs, opened with O_PATH: what is at /proc is the
// container's.
func OpenRunning(proc int) (*Running, error) {
	dup, err := unix.FcntlInt(uintptr(proc), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(dup)
		return nil, errdefs.Doing(err, "open the root of the container")
	}
	return &Running{Rootfs{o: Options{Spec: &specs.Spec{}}, fd: fd, proc: dup}}, nil
}

// Close closes the descriptors. The mounts stay.
func (w *Running) Close() error { return w.r.Close() }

// Added is a mount that Add has made.
type Added struct{ fd int }

// Close closes the descriptor of the mount, which stays.
func (a *Added) Close() error { return unix.Close(a.fd) }

// Add makes mount m, which is the number index of the caller's list. Of a bind
// mount, tree is the source: a detached tree of mounts, id-mapped and with the
// propagation that it is to have; of a tmpfs it is -1. Its destination is made
// where it does not exist. Errors name the field, below "mounts[index]".
func (w *Running) Add(index int, m *specs.Mount, tree int) (*Added, error) {
	e := entry{Mount: m, index: index, dest: w.r.clean(m.Destination)}
	var err error
	if e.opt, err = mountopt.Parse(m.Options); err != nil {
		return nil, e.within(err)
	}
	fd := tree
	if e.opt.Bind {
		err = w.r.bindTree(&e, tree)
	} else {
		fd, err = w.r.addFilesystem(&e)
	}
	if err != nil {
		return nil, err
	}
	if fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		return nil, e.fail("", err)
	}
	return &Added{fd}, nil
}

// addFilesystem mounts a new filesystem, and returns the mount. It is closed with
// r.
func (r *Rootfs) addFilesystem(e *entry) (int, error) {
	at := len(r.frozen)
	// Nothing is mounted below it later, so it need not wait until Finish to
	// become read-only; but only what is to be is kept open.
	readonly := e.opt.Set&unix.MOUNT_ATTR_RDONLY != 0
	e.opt.Set |= unix.MOUNT_ATTR_RDONLY
	if err := r.filesystem(e); err != nil {
		return -1, err
	}
	fd := r.frozen[at].fd
	if readonly {
		if err := r.setattrAttached(fd, unix.MOUNT_ATTR_RDONLY, 0); err != nil {
			return -1, e.fail(".options", err)
		}
	}
	return fd, nil
}

// Undo takes a mount away that Add has made, wherever it is by now.
func (w *Running) Undo(a *Added) error { return w.r.unmount(a.fd) }

// Remove takes away the mount at the destination of m, with all that is mounted
// below it. Programs that have files in it open keep them.
//
// No symlink is followed: the container could have it lead to a mount that
// hides something, such as a masked file of /proc.
func (w *Running) Remove(index int, m *specs.Mount) error {
	e := entry{Mount: m, index: index, dest: w.r.clean(m.Destination)}
	fail := func(err error, hint string) error {
		return &errdefs.Error{Doing: "unmount " + m.Destination, Field: e.field() + ".destination", Err: err, Hint: hint}
	}
	if e.dest == "/" {
		return fail(errors.New("the root itself cannot be unmounted"), "")
	}
	fd, err := openat2(w.r.fd, e.dest, unix.O_PATH, noSymlinks)
	if err == unix.ELOOP {
		return fail(err, "name the path without symbolic links")
	}
	if err != nil {
		return fail(err, "")
	}
	defer unix.Close(fd)
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, 0, &st); err != nil {
		return fail(err, "")
	}
	if st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
		return fail(errors.New("nothing is mounted there"), "")
	}
	if err := w.r.unmount(fd); err != nil {
		return fail(err, "")
	}
	return nil
}
