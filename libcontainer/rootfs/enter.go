package rootfs

import (
	"bufio"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// ChangeDir makes the root, which has its mounts and is not entered yet, the
// working folder of the calling process.
func (r *Rootfs) ChangeDir() error {
	return errdefs.Doing(unix.Fchdir(r.fd), "change to the root filesystem "+r.o.Root)
}

// Enter makes the container's root the root of the process, and "/" its
// working directory.
func (r *Rootfs) Enter() error {
	if err := unix.Fchdir(r.fd); err != nil {
		return errdefs.Doing(err, "enter the root filesystem")
	}
	var err error
	switch {
	case !r.newNamespace:
		err = errdefs.Doing(unix.Chroot("."), "chroot into the root filesystem")
	case r.o.NoPivot:
		err = r.moveRoot()
	default:
		err = r.pivot()
	}
	if err != nil {
		return err
	}
	r.base = ""
	return errdefs.Doing(unix.Chdir("/"), "change to the new root")
}

// pivot makes the root the one of the whole mount namespace, and takes the old
// one away. With "." for both folders of pivot_root(2) the old root ends up
// mounted over the new one, from where it is detached; no folder for it has
// to be made in the image (pivot_root(2), NOTES).
func (r *Rootfs) pivot() error {
	old, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return errdefs.Doing(err, "open the host's root")
	}
	defer unix.Close(old)
	if err := unix.PivotRoot(".", "."); err != nil {
		e := &errdefs.Error{Doing: "make " + r.o.Root + " the root (pivot_root)", Err: err}
		if err == unix.EINVAL {
			e.Hint = "a host that runs from an initramfs needs --no-pivot"
		}
		return e
	}
	p, err := r.rootPropagation()
	if err != nil {
		return err
	}
	if p.Type == unix.MS_SHARED {
		// The mounts are still connected to the host's: without this, they
		// would be taken away there as well.
		if err := r.propagate(old, unix.MS_REC|unix.MS_SLAVE); err != nil {
			return errdefs.Doing(err, "disconnect the host's mounts")
		}
	}
	return errdefs.Doing(unix.Unmount(".", unix.MNT_DETACH), "take the host's root away")
}

// moveRoot does without pivot_root(2): it moves the root over the host's and
// enters it. The host's mounts stay below, unseen but there; the kernel would
// allow a user namespace to mount a new procfs or sysfs without masks because
// the host's are without. So those are taken away first.
func (r *Rootfs) moveRoot() error {
	if err := r.coverHost(); err != nil {
		return err
	}
	if err := unix.MoveMount(r.fd, "", unix.AT_FDCWD, "/", unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return errdefs.Doing(err, "move the root filesystem to /")
	}
	return errdefs.Doing(unix.Chroot("."), "chroot into the root filesystem")
}

// coverHost unmounts every full procfs and sysfs outside of the root, or covers
// those that may not be unmounted.
func (r *Rootfs) coverHost() error {
	mounts, err := r.fullMounts()
	if err != nil {
		return errdefs.Doing(err, "list the host's mounts")
	}
	for _, m := range mounts {
		// So that it is not unmounted on the host.
		err := unix.Mount("", m, "", unix.MS_SLAVE|unix.MS_REC, "")
		if err == unix.ENOENT || err == unix.EINVAL {
			continue // It went away with a mount that it was on.
		}
		if err == nil {
			err = unix.Unmount(m, unix.MNT_DETACH)
		}
		if err == unix.EINVAL || err == unix.EPERM {
			err = unix.Mount("tmpfs", m, "tmpfs", 0, "")
		}
		if err != nil {
			return errdefs.Doing(err, "take the host's "+m+" away")
		}
	}
	return nil
}

// fullMounts returns the mount points of the procfs and sysfs outside of the
// root of which the top is visible.
func (r *Rootfs) fullMounts() ([]string, error) {
	f, err := r.mountinfo()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var points []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// 36 35 98:0 /root /point options optional... - type source options
		head, tail, ok := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(head)
		if !ok || len(fields) < 5 || fields[3] != "/" {
			continue
		}
		kind, _, _ := strings.Cut(tail, " ")
		point := unescape(fields[4])
		if (kind == "proc" || kind == "sysfs") && !strings.HasPrefix(point+"/", r.o.Root+"/") {
			points = append(points, point)
		}
	}
	return points, lines.Err()
}

// mountinfo opens the table of the namespace's mounts.
func (r *Rootfs) mountinfo() (*os.File, error) {
	fd, err := unix.Openat(r.proc, "thread-self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	return os.NewFile(uintptr(fd), "mountinfo"), err
}

// unescape undoes the octal escapes of /proc/self/mountinfo.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
