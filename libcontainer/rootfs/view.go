package rootfs

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// view is a procfs or sysfs that the container has at /proc or /sys. Masked and
// read-only paths below are looked up from the mount itself: who can rename in the
// root filesystem, such as another container that shares it, could exchange the
// folder for an empty one, in which there is nothing to mask (CVE-2019-19921,
// CVE-2023-27561). Below the mount only the kernel says what is there.
type view struct {
	// at is "/proc" or "/sys".
	at string
	fd int
}

// keepView notes the mount fd, which is now the last one at the path real. It
// does not take fd.
func (r *Rootfs) keepView(real string, fd int) error {
	if real != "/proc" && real != "/sys" {
		return nil
	}
	r.dropViews(func(v view) bool { return v.at == real })
	kernels, err := isView(fd)
	if err != nil || !kernels {
		return err // Anything else can have links that lead out of it.
	}
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	r.views = append(r.views, view{real, dup})
	return nil
}

// noteView is keepView for the mount fd that e asks for, at t.
func (r *Rootfs) noteView(e *entry, t target, fd int) error {
	if err := r.keepView(t.real, fd); err != nil {
		return e.fail(".destination", errdefs.Doing(err, "keep hold of the new mount"))
	}
	return nil
}

// isView reports whether fd is on a procfs or sysfs.
func isView(fd int) (bool, error) {
	var st unix.Statfs_t
	err := unix.Fstatfs(fd, &st)
	kind := uint32(st.Type)
	return kind == unix.PROC_SUPER_MAGIC || kind == unix.SYSFS_MAGIC, err
}

// dropViews closes and forgets the views that which tells.
func (r *Rootfs) dropViews(which func(view) bool) {
	kept := r.views[:0]
	for _, v := range r.views {
		if which(v) {
			unix.Close(v.fd)
		} else {
			kept = append(kept, v)
		}
	}
	r.views = kept
}

// addHookViews notes what hooks have mounted over the views since. That cannot be
// told from another mount whose folder was exchanged for the view's, so both count.
func (r *Rootfs) addHookViews() error {
	h := r.o.Spec.Hooks
	//lint:ignore SA1019 prestart is deprecated, and Docker uses it
	if h == nil || len(h.Prestart)+len(h.CreateRuntime)+len(h.CreateContainer) == 0 {
		return nil
	}
	for _, v := range r.views {
		fd, err := openat2(r.fd, v.at, unix.O_PATH, noSymlinks)
		if err == unix.ENOENT || err == unix.ELOOP {
			continue
		}
		if err != nil {
			return err
		}
		var st unix.Statx_t
		err = unix.Statx(fd, "", unix.AT_EMPTY_PATH, 0, &st)
		same := false
		if err == nil {
			same, err = sameMount(fd, v.fd)
		}
		if err != nil || same || st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
			unix.Close(fd)
			if err != nil {
				return err
			}
			continue
		}
		r.views = append(r.views, view{v.at, fd})
	}
	return nil
}

// coverView notes that the mount over is now on top of what was opened at p as
// under. If that is a view, what is to be masked below is below over from now on.
func (r *Rootfs) coverView(p string, under, over int) error {
	p = path.Clean("/" + p)
	for i, v := range r.views {
		if v.at != p {
			continue
		}
		same, err := sameMount(v.fd, under)
		if err != nil {
			return err
		}
		if !same {
			continue
		}
		dup, err := unix.FcntlInt(uintptr(over), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return err
		}
		unix.Close(v.fd)
		r.views[i].fd = dup
	}
	return nil
}

// atPath opens what is at p, a path in the container, and calls do with it. Where
// there is nothing it does nothing.
func (r *Rootfs) atPath(p string, do func(fd int) error) error {
	p = path.Clean("/" + p)
	viewed := false
	for _, v := range r.views {
		rest, ok := strings.CutPrefix(p, v.at)
		if !ok || rest != "" && rest[0] != '/' {
			continue
		}
		viewed = true
		if err := openBelow(v.fd, "./"+rest, do); err != nil {
			return err
		}
	}
	if viewed {
		return nil
	}
	return openBelow(r.fd, p, do)
}

// openBelow opens what is at p below the folder dir, and calls do with it, if there
// is something.
func openBelow(dir int, p string, do func(fd int) error) error {
	fd, err := openat2(dir, p, unix.O_PATH, inRoot)
	if err == unix.ENOENT || err == unix.ENOTDIR {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return do(fd)
}
