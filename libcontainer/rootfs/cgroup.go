package rootfs

import (
	"errors"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/mountopt"
)

// cgroupRoot is where a host with cgroup v2 only has its hierarchy.
const cgroupRoot = "/sys/fs/cgroup"

// cgroup makes a mount of type "cgroup", which stands for whatever cgroup
// hierarchies the host has.
func (r *Rootfs) cgroup(e *entry) error {
	if r.o.Cgroup.Unified {
		return r.cgroup2(e)
	}
	return r.cgroup1(e)
}

// cgroup2 shows the unified hierarchy. Within a cgroup namespace that is a
// mount of it, which begins at the namespace's cgroup. In the host's it is a
// bind of the host's: mounting it anew would reset the host's own mount options,
// such as nsdelegate (apply_cgroup_root_flags of the kernel).
func (r *Rootfs) cgroup2(e *entry) error {
	if !r.o.CgroupNamespace && inHostCgroupNamespace() {
		if host := r.unifiedRoot(); host != "" {
			return r.cgroupBind(e, host)
		}
	}
	own := *e.Mount
	own.Type = "cgroup2"
	err := r.filesystem(&entry{Mount: &own, index: e.index, opt: e.opt, dest: e.dest})
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EBUSY) || r.o.Cgroup.Path == "" {
		return err
	}
	// A user namespace that does not own the cgroup namespace may not mount
	// it, but may show what it would have shown.
	return r.cgroupBind(e, r.o.Cgroup.Path)
}

// hostCgroupNamespace is the inode number of the cgroup namespace that the
// kernel boots with, CGROUP_NS_INIT_INO of linux/nsfs.h.
const hostCgroupNamespace = 0xEFFFFFFB

// inHostCgroupNamespace reports whether this process is in that namespace. It is
// not where a configuration names the namespace of another container.
func inHostCgroupNamespace() bool {
	var st unix.Stat_t
	return unix.Stat("/proc/thread-self/ns/cgroup", &st) != nil || st.Ino == hostCgroupNamespace
}

// unifiedRoot returns where the host has the unified hierarchy, or "" if it has
// it nowhere.
func (r *Rootfs) unifiedRoot() string {
	if r.o.Cgroup.Unified {
		return cgroupRoot
	}
	for _, h := range r.o.Cgroup.Mountpoints {
		if h.Type == "cgroup2" {
			return h.Mountpoint
		}
	}
	return ""
}

// cgroupBind binds the folder source, of a cgroup hierarchy, onto the
// destination of e.
func (r *Rootfs) cgroupBind(e *entry, source string) error {
	own := specs.Mount{Destination: e.Destination, Source: source, Type: "bind", Options: e.Options}
	opt := e.opt
	opt.Bind, opt.Data = true, nil
	return r.bind(&entry{Mount: &own, index: e.index, opt: opt, dest: e.dest})
}

// cgroup1 shows the hierarchies of a v1 or hybrid host: a tmpfs with a folder
// for each, and links for those that go by several names.
func (r *Rootfs) cgroup1(e *entry) error {
	t, err := r.target(e, folder)
	if err != nil {
		return err
	}
	defer unix.Close(t.fd)
	if err := guardProc(e, t.real, func() (bool, error) { return false, nil }); err != nil {
		return err
	}
	const plain = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	fs := filesystem{
		kind: "tmpfs", source: "tmpfs", attr: plain,
		data: []mountopt.Datum{{Option: -1, Key: "mode", Value: "755", HasValue: true}},
	}
	r.label(&fs)
	fd, err := r.make(fs)
	if err != nil {
		return e.within(err)
	}
	defer unix.Close(fd)
	if err := r.attach(e, fd, t); err != nil {
		return err
	}
	if err := r.noteView(e, t, fd); err != nil {
		return err
	}
	readonly := e.opt.Set & unix.MOUNT_ATTR_RDONLY
	for i := range r.o.Cgroup.Mountpoints {
		h := &r.o.Cgroup.Mountpoints[i]
		if err := r.hierarchy(e, h, fd, plain|readonly); err != nil {
			return e.within(errdefs.Doing(err, "mount the cgroup hierarchy "+h.Dir+" on "+e.Destination+"/"+h.Dir))
		}
	}
	if readonly != 0 {
		if err := r.setattrAttached(fd, readonly, 0); err != nil {
			return e.fail(".options", err)
		}
	}
	return nil
}

// hierarchy shows one hierarchy in its folder of the tmpfs fd, and makes the
// links to it. The tmpfs is new and only ours, so its paths can be trusted.
func (r *Rootfs) hierarchy(e *entry, h *CgroupMount, fd int, attr uint64) error {
	if err := unix.Mkdirat(fd, h.Dir, 0o755); err != nil {
		return err
	}
	dir, err := unix.Openat(fd, h.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	m, err := r.hierarchyMount(h, attr)
	if err != nil {
		return err
	}
	defer unix.Close(m)
	if err := moveOnto(m, dir); err != nil {
		return err
	}
	// mount_setattr(2) may be missing, and then this can only be done now.
	if err := r.setattrAttached(m, attr, 0); err != nil {
		return err
	}
	if err := r.setPropagation(e, m); err != nil {
		return err
	}
	for _, name := range h.Links {
		if err := unix.Symlinkat(h.Dir, fd, name); err != nil && err != unix.EEXIST {
			return errdefs.Doing(err, "link "+strconv.Quote(name)+" to it")
		}
	}
	return nil
}

// hierarchyMount returns a detached mount that begins at the container's
// cgroup: the hierarchy itself if there is a cgroup namespace, or else a bind
// of the cgroup's folder.
func (r *Rootfs) hierarchyMount(h *CgroupMount, attr uint64) (int, error) {
	if !r.o.CgroupNamespace {
		return unix.OpenTree(unix.AT_FDCWD, h.Path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	}
	opt, err := mountopt.Parse([]string{h.Data})
	if err != nil {
		return -1, err
	}
	fd, err := r.make(filesystem{kind: h.Type, source: "cgroup", attr: attr, data: opt.Data})
	var d *errdefs.Error
	if errors.As(err, &d) {
		d.Field = "" // It is about h.Data, which is not in config.json.
	}
	return fd, err
}

// systemdV1 mounts, in place of what e asks for, the v1 hierarchy that systemd
// keeps track of services in: old versions of it know no other. The host must
// have mounted it, as a new hierarchy can only be made outside of cgroup
// namespaces.
func (r *Rootfs) systemdV1(e *entry) error {
	m := *e.Mount
	m.Type, m.Source = "cgroup", "cgroup"
	v1 := entry{Mount: &m, index: e.index, dest: e.dest}
	v1.opt.Set = e.opt.Set
	for _, option := range [...]string{"none", "xattr"} {
		v1.opt.Data = append(v1.opt.Data, mountopt.Datum{Option: -1, Key: option})
	}
	v1.opt.Data = append(v1.opt.Data, mountopt.Datum{Option: -1, Key: "name", Value: "systemd", HasValue: true})
	return r.filesystem(&v1)
}
