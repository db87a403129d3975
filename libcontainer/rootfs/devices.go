package rootfs

import (
	"errors"
	"path"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// device is a device node to make.
type device struct {
	path string
	// mode has the type (S_IFCHR, S_IFBLK, S_IFIFO) and the permissions.
	mode     uint32
	rdev     uint64
	uid, gid int
	// field is where config.json asks for it; "" for a default device.
	field string
	// exact tells that config.json gives the mode or owner, which a node that
	// exists already must then get too.
	exact bool
}

// defaultDevices are the devices that every container has (config-linux.md,
// "Default Devices").
var defaultDevices = [...]struct {
	name         string
	major, minor uint32
}{
	{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
}

// Devices makes the device nodes of config.json, the default ones, and the
// links that belong in /dev. A /dev that was bound from the host is left
// alone: it has all that, and is the host's.
func (r *Rootfs) Devices() error {
	if r.boundDev() {
		return nil
	}
	defer unix.Umask(unix.Umask(0))
	dev, err := r.openDev()
	if err != nil {
		return err
	}
	defer unix.Close(dev)
	if err := r.nodes(dev); err != nil {
		return err
	}
	return r.devLinks(dev)
}

// boundDev reports whether a bind mount is on /dev.
func (r *Rootfs) boundDev() bool {
	for i := range r.o.Spec.Mounts {
		m := &r.o.Spec.Mounts[i]
		if r.clean(m.Destination) != "/dev" {
			continue
		}
		for _, o := range m.Options {
			if o == "bind" || o == "rbind" {
				return true
			}
		}
	}
	return false
}

// openDev opens the container's /dev, and makes it where the image has none.
func (r *Rootfs) openDev() (int, error) {
	fd, _, _, err := r.resolveOrCreate("/dev", folder)
	return fd, errdefs.Doing(err, "open the container's /dev")
}

// nodes makes all device nodes. dev is the container's /dev.
func (r *Rootfs) nodes(dev int) error {
	var configured []specs.LinuxDevice
	if r.o.Spec.Linux != nil {
		configured = r.o.Spec.Linux.Devices
	}
	var replaced [len(defaultDevices)]bool
	for i := range configured {
		d, err := newDevice(&configured[i], "linux.devices["+strconv.Itoa(i)+"]")
		if err != nil {
			return err
		}
		d.path = r.clean(d.path)
		if d.path == "/dev/ptmx" {
			continue // It is a link, see devLinks.
		}
		for j := range defaultDevices {
			if d.path == "/dev/"+defaultDevices[j].name {
				replaced[j] = true
			}
		}
		if err := r.node(dev, &d); err != nil {
			return err
		}
	}
	for j, p := range defaultDevices {
		if replaced[j] {
			continue
		}
		d := device{path: "/dev/" + p.name, mode: unix.S_IFCHR | 0o666, rdev: unix.Mkdev(p.major, p.minor)}
		if err := r.node(dev, &d); err != nil {
			return err
		}
	}
	return nil
}

// newDevice returns the device that an entry of linux.devices asks for.
func newDevice(s *specs.LinuxDevice, field string) (device, error) {
	d := device{path: s.Path, mode: 0o666, field: field}
	switch s.Type {
	case "c", "u":
		d.mode |= unix.S_IFCHR
	case "b":
		d.mode |= unix.S_IFBLK
	case "p":
		d.mode |= unix.S_IFIFO
	default:
		return d, errdefs.Field(field+".type", strconv.Quote(s.Type)+" is not a type of device").WithHint("use c, u, b or p")
	}
	if s.Type != "p" {
		if s.Major < 0 || s.Minor < 0 || s.Major > 0xfff || s.Minor > 0xfffff {
			return d, errdefs.Field(field, "there is no device "+strconv.FormatInt(s.Major, 10)+":"+strconv.FormatInt(s.Minor, 10))
		}
		d.rdev = unix.Mkdev(uint32(s.Major), uint32(s.Minor))
	}
	if s.FileMode != nil {
		d.mode = d.mode&unix.S_IFMT | uint32(*s.FileMode)&0o7777
		d.exact = true
	}
	if s.UID != nil {
		d.uid, d.exact = int(*s.UID), true
	}
	if s.GID != nil {
		d.gid, d.exact = int(*s.GID), true
	}
	return d, nil
}

// node makes the device node d. dev is the container's /dev.
func (r *Rootfs) node(dev int, d *device) error {
	dir, name := path.Split(d.path)
	fd := dev
	if dir != "/dev/" {
		if name == "" {
			return d.fail(errors.New("the path must be that of a file"))
		}
		var err error
		if fd, _, _, err = r.resolveOrCreate(path.Clean(dir), folder); err != nil {
			return d.fail(err)
		}
		defer unix.Close(fd)
	}
	err := unix.Mknodat(fd, name, d.mode, int(d.rdev))
	created := err == nil
	if err == unix.EPERM {
		// Without the privilege to make device nodes, as in a user namespace,
		// the host's node is shown instead.
		return d.fail(r.bindNode(fd, name, d))
	}
	if err != nil && err != unix.EEXIST {
		return d.fail(err)
	}
	var st unix.Stat_t
	if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return d.fail(err)
	}
	if !d.matches(&st) {
		return d.fail(&reason{"there is already another file at that path", unix.EEXIST})
	}
	if d.owned(&st) || !created && !d.exact {
		return nil
	}
	return d.fail(r.own(fd, name, d))
}

// fail returns err as an error about d, or nil if err is nil.
func (d *device) fail(err error) error {
	if err == nil {
		return nil
	}
	return &errdefs.Error{Doing: "make the device " + d.path, Field: d.field, Err: err}
}

// matches reports whether st is the device itself, whatever its owner.
func (d *device) matches(st *unix.Stat_t) bool {
	if st.Mode&unix.S_IFMT != d.mode&unix.S_IFMT {
		return false
	}
	return d.mode&unix.S_IFMT == unix.S_IFIFO || uint64(st.Rdev) == d.rdev
}

// owned reports whether st has the permissions and the owner of d. They differ
// after mknod(2) if config.json says so, or if the folder gives its group or
// its default ACL to what is made in it.
func (d *device) owned(st *unix.Stat_t) bool {
	return st.Mode&0o7777 == d.mode&0o7777 && int(st.Uid) == d.uid && int(st.Gid) == d.gid
}

// own gives the node name in the folder dir the permissions and owner of d. It
// works on a descriptor that is checked to be the device, so that it cannot
// be made to change another file.
func (r *Rootfs) own(dir int, name string, d *device) error {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if !d.matches(&st) {
		return unix.EEXIST
	}
	if err := unix.Fchownat(fd, "", d.uid, d.gid, unix.AT_EMPTY_PATH); err != nil {
		return errdefs.Doing(err, "give it its owner")
	}
	// After the owner, because a change of owner clears the setuid bits.
	// fchmod(2) refuses O_PATH; through procfs it works on every kernel.
	err = unix.Fchmodat(r.proc, procFD(fd), d.mode&0o7777, 0)
	return errdefs.Doing(err, "give it its mode")
}

// bindNode shows the host's device node at name in the folder dir.
func (r *Rootfs) bindNode(dir int, name string, d *device) error {
	host, err := unix.OpenTree(unix.AT_FDCWD, d.path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return errdefs.Doing(err, "bind it from the host, as it cannot be made")
	}
	defer unix.Close(host)
	var st unix.Stat_t
	if err := unix.Fstat(host, &st); err != nil {
		return err
	}
	if !d.matches(&st) {
		return errors.New("the host has another device at that path")
	}
	fd, err := openOrCreate(dir, name, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return moveOnto(host, fd)
}

// devLinks makes the links in /dev (runtime-linux.md, "Dev symbolic links",
// and /dev/ptmx). A link that is there already stays, except /dev/ptmx, which
// must lead to the container's own devpts.
func (r *Rootfs) devLinks(dev int) error {
	if err := unix.Unlinkat(dev, "ptmx", 0); err != nil && err != unix.ENOENT {
		return errdefs.Doing(err, "remove the old /dev/ptmx")
	}
	links := [...]struct{ name, to string }{
		{"ptmx", "pts/ptmx"},
		{"fd", "/proc/self/fd"},
		{"stdin", "/proc/self/fd/0"},
		{"stdout", "/proc/self/fd/1"},
		{"stderr", "/proc/self/fd/2"},
		{"core", "/proc/kcore"},
	}
	for _, l := range links {
		if l.name == "core" && unix.Faccessat(r.proc, "kcore", unix.F_OK, 0) != nil {
			continue // The kernel was built without it.
		}
		if err := unix.Symlinkat(l.to, dev, l.name); err != nil && err != unix.EEXIST {
			return errdefs.Doing(err, "make the link /dev/"+l.name)
		}
	}
	return nil
}
