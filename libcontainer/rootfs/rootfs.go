// Package rootfs makes the root filesystem of a container, from inside the
// container's mount namespace: the mounts, devices and links that config.json
// asks for, the change of root, and what is read-only or masked.
//
// The container's root filesystem belongs to an attacker. Its files were
// written by the image's author, and another container that shares a volume
// with this one can exchange folders for symlinks while we work. So no path
// in it is used twice: a path is resolved once, within the root (see
// resolve.go), to a descriptor, and everything after that, including the
// mount itself, is done on the descriptor.
//
// Mounts are made with the mount API of Linux 5.2 (open_tree, fsopen,
// move_mount): a mount is complete, with all its attributes, before it
// becomes visible. What a kernel lacks that API for (mount_setattr before
// 5.12) is done with mount(2) on /proc/self/fd, through a descriptor of the
// host's procfs.
package rootfs

import (
	"errors"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/sys"
	"github.com/rungoci/rung/libcontainer/bundle"
	"github.com/rungoci/rung/libcontainer/mountopt"
)

// Options says what root filesystem to make.
type Options struct {
	// Spec is the container's configuration. Root, Mounts and, of Linux,
	// Devices, MaskedPaths, ReadonlyPaths, RootfsPropagation, Namespaces,
	// MountLabel and Resources.Memory are read; it is validated already and
	// never changed.
	Spec *specs.Spec
	// Root is the folder on the host that becomes the container's root, as an
	// absolute path without symlinks.
	Root string
	// NoPivot moves the root over the host's instead of using pivot_root(2),
	// for hosts that run from an initramfs. It is less safe.
	NoPivot bool
	// CgroupNamespace tells that the process is in a cgroup namespace of the
	// container's own.
	CgroupNamespace bool
	// Cgroup is what mounts of type "cgroup" and "cgroup2" show.
	Cgroup CgroupView
	// Source has somebody with more rights open what this process cannot: the
	// source of a mount, by its index in Spec.Mounts, or, for RootSource, the
	// root. It returns a descriptor as O_PATH or, for an id-mapped mount, of
	// a detached tree of mounts. It may be nil.
	Source func(mount int) (fd int, err error)
	// LabelOption is the mount option that gives Linux.MountLabel to mounts; ""
	// is "context".
	LabelOption string
	// CgroupV1 is the destination of a mount that shows the v1 hierarchy
	// name=systemd, whatever it is in Spec, or "".
	CgroupV1 string
	// Procfs makes a procfs for a thread that is not in the container's pid
	// namespace, whose processes that shows, and returns a detached mount. nil
	// is for those that are.
	Procfs func(Procfs) (fd int, err error)
	// OutsideBundle tells that the working directory is not the bundle's, so
	// that relative sources can be opened by Source only.
	OutsideBundle bool
}

// Procfs is a procfs to be made.
type Procfs struct {
	// Source is its name in the table of mounts.
	Source string
	// Attr are the attributes of the mount, MOUNT_ATTR_*.
	Attr uint64
	// Data are its options.
	Data []mountopt.Datum
}

// RootSource stands for the root in Options.Source.
const RootSource = -1

// CgroupView tells which cgroup hierarchies the host has, and where in them
// the container is.
type CgroupView struct {
	// Unified is true on hosts that have cgroup v2 only.
	Unified bool
	// Mountpoints are the hierarchies of a v1 or hybrid host.
	Mountpoints []CgroupMount
	// Path is the folder of the container's cgroup on a v2 host.
	Path string
}

// CgroupMount is one cgroup hierarchy of a v1 or hybrid host.
type CgroupMount struct {
	// Dir is the name of the folder below /sys/fs/cgroup: "memory",
	// "cpu,cpuacct", "systemd", "unified".
	Dir string
	// Mountpoint is where the host has it: "/sys/fs/cgroup/memory".
	Mountpoint string
	// Type is "cgroup" or "cgroup2".
	Type string
	// Data are the mount options that select it: "memory", "name=systemd".
	Data string
	// Path is the folder of the container's cgroup on the host.
	Path string
	// Links are the names of symlinks to Dir: "cpu" for "cpu,cpuacct".
	Links []string
}

// Rootfs is a root filesystem in the making. Its methods are called in the
// order Open, Mounts, Devices, Terminal (if there is one), Enter, Finish,
// Close, from one thread.
type Rootfs struct {
	o Options
	// newNamespace is true if the mount namespace is the container's own.
	newNamespace bool
	// base is the path of the root as the kernel reports it: Options.Root,
	// and "" once it is "/".
	base string
	// fd is the container's root, as O_PATH.
	fd int
	// proc is the host's procfs, as O_PATH.
	proc int
	// frozen are mounts that Finish makes read-only, because something had
	// to be written to them first.
	frozen []frozen
	// views are the mounts at /proc and /sys.
	views []view
	// copied is the memory, in bytes, that tmpcopyup has taken.
	copied int64
	// noSetattr is true once the kernel has said that it has no
	// mount_setattr(2).
	noSetattr bool
}

// New returns a Rootfs. It makes no system calls.
func New(o Options) (*Rootfs, error) {
	if o.Spec == nil {
		return nil, errdefs.Doing(errors.New("there is no configuration"), "prepare the root filesystem")
	}
	if !path.IsAbs(o.Root) || path.Clean(o.Root) != o.Root {
		return nil, errdefs.Field("root.path", "must be an absolute, clean path by now, not "+o.Root)
	}
	if o.Root == "/" {
		return nil, errdefs.Field("root.path", "the host's own root cannot be a container's").
			WithHint("unpack an image into a folder and use that")
	}
	return &Rootfs{o: o, base: o.Root, fd: -1, proc: -1, newNamespace: bundle.HasNamespace(o.Spec, specs.MountNamespace)}, nil
}

// Open cuts the mount namespace off from the host, so that no mount made from
// now on is seen there, and makes the root a mount of its own.
func (r *Rootfs) Open() error {
	proc, err := sys.OpenProc() // the host's
	if err != nil {
		return err
	}
	r.proc = proc
	if r.newNamespace {
		if err := r.isolate(); err != nil {
			return err
		}
	}
	p, err := r.rootPropagation()
	if err != nil {
		return err
	}
	if err := r.bindRoot(); err != nil {
		return err
	}
	// As long as it is shared pivot_root(2) refuses it, and mounts in it would
	// show on the host. A slave sees what the host mounts there. This comes
	// after it was attached: a shared parent would make it shared again.
	kind := uint64(unix.MS_PRIVATE)
	if p.Type == 0 || p.Type == unix.MS_SLAVE {
		kind = unix.MS_SLAVE
	}
	return errdefs.Doing(r.propagate(r.fd, kind), "cut the root filesystem off from the host")
}

// bindRoot binds the root onto itself.
func (r *Rootfs) bindRoot() error {
	fd, err := unix.OpenTree(unix.AT_FDCWD, r.o.Root, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err == unix.EACCES && r.o.Source != nil {
		return r.bindDistantRoot()
	}
	if err != nil {
		return &errdefs.Error{Doing: "open the root filesystem " + r.o.Root, Field: "root.path", Err: err}
	}
	r.fd = fd
	err = unix.MoveMount(fd, "", unix.AT_FDCWD, r.o.Root, unix.MOVE_MOUNT_F_EMPTY_PATH)
	return errdefs.AtField(errdefs.Doing(err, "bind the root filesystem onto itself"), "root.path")
}

// bindDistantRoot is bindRoot for a root that the root of the container's user
// namespace cannot get at, because of a folder above it.
func (r *Rootfs) bindDistantRoot() error {
	root, err := r.o.Source(RootSource)
	if err != nil {
		return errdefs.AtField(errdefs.Doing(err, "open the root filesystem "+r.o.Root), "root.path")
	}
	defer unix.Close(root)
	fd, err := unix.OpenTree(root, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH)
	if err != nil {
		return &errdefs.Error{Doing: "open the root filesystem " + r.o.Root, Field: "root.path", Err: err}
	}
	r.fd = fd
	return errdefs.AtField(errdefs.Doing(moveOnto(fd, root), "bind the root filesystem onto itself"), "root.path")
}

// FD returns a descriptor of the root as O_PATH, which is open until Close.
func (r *Rootfs) FD() int { return r.fd }

// Close closes all descriptors. It is safe to call at any time, and more than
// once.
func (r *Rootfs) Close() error {
	if r == nil {
		return nil
	}
	for _, f := range r.frozen {
		unix.Close(f.fd)
	}
	r.frozen = nil
	r.dropViews(func(view) bool { return true })
	for _, fd := range []*int{&r.fd, &r.proc} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
	return nil
}

// clean returns dest as an absolute path within the container. Some engines
// give the path on the host, with the root's as its prefix; that is stripped,
// as other runtimes do.
func (r *Rootfs) clean(dest string) string {
	dest = path.Clean("/" + dest)
	if rest, ok := strings.CutPrefix(dest, r.o.Root); ok && (rest == "" || rest[0] == '/') {
		dest = path.Clean("/" + rest)
	}
	return dest
}
