package rootfs

import (
	"errors"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/mountopt"
)

// entry is one entry of "mounts" in config.json.
type entry struct {
	*specs.Mount
	index int
	opt   mountopt.Parsed
	// dest is the destination, absolute and clean, within the container.
	dest string
}

// Mounts makes the mounts of config.json, in their order. Errors name the
// field that is to blame: mounts[i], or its destination, source, type or
// options[j].
func (r *Rootfs) Mounts() error {
	// The folders made for mounts have the mode they are given, not less.
	defer unix.Umask(unix.Umask(0))
	for i := range r.o.Spec.Mounts {
		e := entry{Mount: &r.o.Spec.Mounts[i], index: i}
		e.dest = r.clean(e.Destination)
		if err := r.mountEntry(&e); err != nil {
			return err
		}
	}
	return nil
}

// mountEntry makes one mount.
func (r *Rootfs) mountEntry(e *entry) error {
	var err error
	if e.opt, err = mountopt.Parse(e.Options); err != nil {
		return e.within(err)
	}
	switch {
	case e.dest == r.o.CgroupV1:
		return r.systemdV1(e)
	case e.opt.Remount:
		return r.remount(e)
	case e.opt.Bind:
		return r.bind(e)
	case e.Type == "":
		return e.fail(".type", errors.New("is required, unless the options have bind or rbind"))
	case e.Type == "cgroup":
		return r.cgroup(e)
	case e.Type == "cgroup2":
		return r.cgroup2(e)
	default:
		return r.filesystem(e)
	}
}

// fail returns err as an error about the field of the entry, such as
// ".source", or "" for the entry itself.
func (e *entry) fail(field string, err error) error {
	return &errdefs.Error{Doing: e.doing(), Field: e.field() + field, Err: err}
}

// within returns err, whose field (if it has one) is relative to the entry,
// with the field it has in config.json and what was being done.
func (e *entry) within(err error) error {
	var d *errdefs.Error
	if !errors.As(err, &d) {
		return e.fail("", err)
	}
	if d.Field == "" {
		d.Field = e.field()
	} else {
		d.Field = e.field() + "." + d.Field
	}
	if d.Doing == "" {
		d.Doing = e.doing()
	}
	return err
}

// field is the path of the entry in config.json.
func (e *entry) field() string { return "mounts[" + strconv.Itoa(e.index) + "]" }

// doing says what mounting the entry means.
func (e *entry) doing() string {
	switch {
	case e.opt.Remount:
		return "remount " + e.Destination
	case e.opt.Bind:
		return "bind " + e.Source + " onto " + e.Destination
	default:
		return "mount " + e.Type + " on " + e.Destination
	}
}

// target is where a mount goes.
type target struct {
	// fd is the folder or file to mount onto, as O_PATH.
	fd int
	// real is its path in the container, without symlinks.
	real string
	// created tells that it was made for the mount.
	created bool
}

// target opens the destination of e, and makes it where it does not exist: a
// folder, or a file if the function file says so.
func (r *Rootfs) target(e *entry, file func() (bool, error)) (target, error) {
	if e.dest == "/" {
		return target{}, e.fail(".destination", errors.New("the root itself cannot be mounted over"))
	}
	if e.processView() {
		if err := r.ordinaryFolder(e); err != nil {
			return target{}, err
		}
	}
	if e.opt.DestNoFollow {
		// A symlink at the end is what is mounted on; one that leads there is
		// followed still. What is not there is no symlink.
		fd, err := openat2(r.fd, e.dest, unix.O_PATH|unix.O_NOFOLLOW, inRoot)
		if err == nil {
			return r.symlinkTarget(e, fd)
		}
	}
	fd, real, created, err := r.resolveOrCreate(e.dest, file)
	if err != nil {
		return target{}, e.fail(".destination", err)
	}
	if real == "/" {
		unix.Close(fd)
		return target{}, e.fail(".destination", errors.New("leads to the root itself, which cannot be mounted over"))
	}
	if err := e.exactPlace(real); err != nil {
		unix.Close(fd)
		return target{}, err
	}
	return target{fd, real, created}, nil
}

// symlinkTarget is the target fd, which may be a symlink.
func (r *Rootfs) symlinkTarget(e *entry, fd int) (target, error) {
	real, err := r.realPath(fd)
	if err == nil && real == "/" {
		err = errors.New("leads to the root itself, which cannot be mounted over")
	}
	if err != nil {
		unix.Close(fd)
		return target{}, e.fail(".destination", err)
	}
	return target{fd: fd, real: real}, nil
}

// folder says that a destination is to be made as a folder.
func folder() (file bool, err error) { return false, nil }

// attach puts the detached mount fd at t, and finishes it with what can only
// be done in place.
func (r *Rootfs) attach(e *entry, fd int, t target) error {
	if err := moveOnto(fd, t.fd); err != nil {
		return e.fail("", err)
	}
	return r.setPropagation(e, fd)
}

// moveOnto attaches the detached mount tree at the descriptor fd. What was
// opened and checked is what is mounted over, however the path to it has
// changed since (CVE-2021-30465).
func moveOnto(tree, fd int) error {
	err := unix.MoveMount(tree, "", fd, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	if err != nil {
		return mismatch(tree, fd, err)
	}
	return nil
}

// setPropagation applies the propagation types of e to the mount fd.
func (r *Rootfs) setPropagation(e *entry, fd int) error {
	for _, p := range e.opt.Propagation {
		flags := p.Type
		if p.Recursive {
			flags |= unix.MS_REC
		}
		if err := r.propagate(fd, flags); err != nil {
			return e.fail(".options", errdefs.Doing(err, "set the propagation type"))
		}
	}
	return nil
}

// mismatch explains an error of move_mount(2) by the kinds of what was to be
// mounted and of what it was to be mounted on.
func mismatch(from, to int, err error) error {
	var f, t unix.Stat_t
	if unix.Fstat(from, &f) != nil || unix.Fstat(to, &t) != nil {
		return err
	}
	isDir := func(st *unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFDIR }
	switch {
	case isDir(&f) && !isDir(&t):
		return &reason{"a folder cannot be mounted on a file", unix.ENOTDIR}
	case !isDir(&f) && isDir(&t):
		return &reason{"a file cannot be mounted on a folder", unix.EISDIR}
	}
	return err
}

// reason is an errno with a better text than its own.
type reason struct {
	text string
	err  error
}

func (r *reason) Error() string { return r.text }
func (r *reason) Unwrap() error { return r.err }
