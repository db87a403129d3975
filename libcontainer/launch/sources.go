package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/thread"
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/idmap"
)

// The root of a container with a user namespace is nobody on the host, and
// cannot pass a folder of mode 0700 on the way to a volume. And only who is
// privileged where a filesystem was mounted may show it with other ids. Both
// the outside can do, and hands the inside a descriptor.
//
// It opens them in the container's mount namespace, where the host's mounts
// are slaves already: a mount taken from the host's own would carry mounts
// that the container makes below it back to the host.

// sendSource answers a Source frame of the inside.
func (c *creation) sendSource(fr *handshake.Frame) error {
	var want handshake.SourceRequest
	if err := fr.Decode(&want); err != nil {
		return err
	}
	f, err := c.openSource(want.Mount)
	if err != nil {
		return c.lost(c.conn.SendError(err))
	}
	defer f.Close()
	return c.lost(c.conn.SendFile(handshake.KindSource, f))
}

// openSource opens the source of mount i, or the root filesystem.
func (c *creation) openSource(i int) (*os.File, error) {
	if i == handshake.RootSource {
		return c.inMounts(func() (int, error) {
			return unix.Open(c.Bundle.Root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		})
	}
	mounts := slices.Concat(c.spec.Mounts, c.Mounts)
	if i < 0 || i >= len(mounts) {
		return nil, errors.New("handshake: there is no such mount")
	}
	m := &mounts[i]
	source := m.Source
	if !filepath.IsAbs(source) {
		source = filepath.Join(c.Bundle.Dir, source)
	}
	if !idMapped(m) {
		flags := unix.O_PATH | unix.O_CLOEXEC
		if slices.Contains(m.Options, "src-nofollow") {
			flags |= unix.O_NOFOLLOW
		}
		f, err := c.inMounts(func() (int, error) { return unix.Open(source, flags, 0) })
		if errors.Is(err, errOutside) {
			err = unix.EACCES // what the inside got: this user can no more than that
		}
		return f, sourceError(err, i, m)
	}
	return c.idMappedTree(i, m, source)
}

func mountField(i int) string { return "mounts[" + strconv.Itoa(i) + "]" }

func idMapped(m *specs.Mount) bool {
	return len(m.UIDMappings) > 0 || slices.Contains(m.Options, "idmap") || slices.Contains(m.Options, "ridmap")
}

// idMappedTree returns a detached mount of source with the ids that mount i
// asks for.
func (c *creation) idMappedTree(i int, m *specs.Mount, source string) (*os.File, error) {
	userns, err := c.mountUser(i, m)
	if err != nil {
		return nil, err
	}
	defer userns.Close()
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if slices.Contains(m.Options, "rbind") {
		flags |= unix.AT_RECURSIVE
	}
	tree, err := c.inMounts(func() (int, error) { return unix.OpenTree(unix.AT_FDCWD, source, flags) })
	if errors.Is(err, errOutside) {
		return nil, idMapError(unix.EPERM, i, m, source)
	}
	if err != nil {
		return nil, sourceError(err, i, m)
	}
	recursive := uint(0)
	if slices.Contains(m.Options, "ridmap") {
		recursive = unix.AT_RECURSIVE
	}
	err = unix.MountSetattr(int(tree.Fd()), "", unix.AT_EMPTY_PATH|recursive, &unix.MountAttr{
		Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(userns.Fd()),
	})
	if err != nil {
		tree.Close()
		return nil, idMapError(err, i, m, source)
	}
	return tree, nil
}

// mountUser returns the user namespace whose mappings mount i is to have: its
// own, or the container's.
func (c *creation) mountUser(i int, m *specs.Mount) (*os.File, error) {
	if len(m.UIDMappings) == 0 {
		return userNamespaceOf(c.process.Pid)
	}
	f, err := idmap.Mappings{UIDs: m.UIDMappings, GIDs: m.GIDMappings, Field: mountField(i)}.Namespace()
	return f, errdefs.AtField(errdefs.Doing(err, "make the mappings of an id-mapped mount"), mountField(i))
}

// sourceError says that the source of mount i cannot be opened. It returns nil
// if err is nil.
func sourceError(err error, i int, m *specs.Mount) error {
	if err == nil {
		return nil
	}
	return &errdefs.Error{Doing: "bind " + m.Source + " onto " + m.Destination, Field: mountField(i) + ".source", Err: err}
}

func idMapError(err error, i int, m *specs.Mount, source string) error {
	e := &errdefs.Error{Doing: "map the ids of " + source + " for " + m.Destination, Field: mountField(i) + ".uidMappings", Err: err}
	for j, o := range m.Options {
		if o == "idmap" || o == "ridmap" {
			e.Field = mountField(i) + ".options[" + strconv.Itoa(j) + "]"
		}
	}
	switch err {
	case unix.EINVAL:
		e.Hint = "the filesystem, or one mounted below it, cannot be id-mapped on this kernel, or is already"
	case unix.EPERM:
		e.Hint = "it takes CAP_SYS_ADMIN where the filesystem was mounted, which a rootless container does not have"
	case unix.ENOSYS:
		e.Hint = "id-mapped mounts need Linux 5.12"
	}
	return e
}

// errOutside is the error of inMounts for who may not enter the namespace: a
// user without privileges.
var errOutside = errors.New("enter the container's mount namespace")

// inMounts opens something in the container's mount namespace.
func (c *creation) inMounts(open func() (int, error)) (*os.File, error) {
	path := "/proc/" + strconv.Itoa(c.process.Pid) + "/ns/mnt"
	ns, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, errdefs.Doing(err, "open the container's mount namespace")
	}
	defer unix.Close(ns)
	fd := -1
	thread.Spend(func() {
		if err = unix.Unshare(unix.CLONE_FS); err != nil {
			return
		}
		if err = unix.Setns(ns, unix.CLONE_NEWNS); err != nil {
			err = fmt.Errorf("%w: %w", errOutside, err)
			return
		}
		fd, err = open()
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "source"), nil
}
