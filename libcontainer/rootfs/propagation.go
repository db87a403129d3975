package rootfs

import (
	"path"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/mountopt"
)

// rootPropagation returns linux.rootfsPropagation. The type is 0 where the
// configuration does not say.
func (r *Rootfs) rootPropagation() (mountopt.Propagation, error) {
	name := ""
	if r.o.Spec.Linux != nil {
		name = r.o.Spec.Linux.RootfsPropagation
	}
	if name == "" {
		return mountopt.Propagation{}, nil
	}
	p, ok := mountopt.ParsePropagation(name)
	if !ok {
		return p, errdefs.Field("linux.rootfsPropagation", name+" is not a propagation type").
			WithHint("use private, slave, shared or unbindable")
	}
	return p, nil
}

// isolate stops mount events from going to the host. By default the host's
// mounts are made slaves: what the host mounts still arrives, for the bind
// mounts that want it ("rslave"), and nothing goes back.
//
// A shared root (linux.rootfsPropagation) keeps the connection in both
// directions, since a bind mount with "rshared" is meant to show its mounts
// to the host. Then only the mount that the root lies on is cut off:
// pivot_root(2) refuses a shared one, and the container's mounts would go to
// the host through it.
func (r *Rootfs) isolate() error {
	p, err := r.rootPropagation()
	if err != nil {
		return err
	}
	if p.Type == unix.MS_SHARED {
		return errdefs.Doing(privateParent(r.o.Root), "make the mount below the root filesystem private")
	}
	flags := uintptr(unix.MS_REC | unix.MS_SLAVE)
	if p.Type == unix.MS_PRIVATE && p.Recursive {
		flags = unix.MS_REC | unix.MS_PRIVATE
	}
	err = unix.Mount("", "/", "", flags, "")
	if err == unix.EINVAL {
		return &errdefs.Error{Doing: "stop mounts from propagating to the host", Err: err,
			Hint: "rung runs in a chroot whose root is no mount point; bind-mount that folder onto itself"}
	}
	return errdefs.Doing(err, "stop mounts from propagating to the host")
}

// privateParent makes the mount that dir lies on private. mount(2) says EINVAL
// for a folder that is not the top of a mount.
func privateParent(dir string) error {
	for {
		err := unix.Mount("", dir, "", unix.MS_PRIVATE, "")
		if err != unix.EINVAL || dir == "/" {
			return err
		}
		dir = path.Dir(dir)
	}
}

// propagate sets the propagation type of the mount fd; flags is an MS_ type,
// with MS_REC for the mounts below as well.
func (r *Rootfs) propagate(fd int, flags uint64) error {
	if !r.noSetattr {
		at := uint(unix.AT_EMPTY_PATH)
		if flags&unix.MS_REC != 0 {
			at |= unix.AT_RECURSIVE
		}
		err := unix.MountSetattr(fd, "", at, &unix.MountAttr{Propagation: flags &^ unix.MS_REC})
		if err != unix.ENOSYS {
			return err
		}
		r.noSetattr = true
	}
	return r.mount("", fd, "", uintptr(flags), "")
}
