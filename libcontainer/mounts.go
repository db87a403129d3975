package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/sys"
	"github.com/rungoci/rung/internal/thread"
	"github.com/rungoci/rung/libcontainer/idmap"
	"github.com/rungoci/rung/libcontainer/mountopt"
	"github.com/rungoci/rung/libcontainer/process"
	"github.com/rungoci/rung/libcontainer/rootfs"
	"github.com/rungoci/rung/libcontainer/state"
)

// HasUserNamespace tells whether the container has another user namespace than
// the runtime had.
func (c *Container) HasUserNamespace() bool { return c.state.Exec != nil && c.state.Exec.Userns }

// AddMounts makes mounts in the container, as if config.json had them: bind
// mounts, and new tmpfs. A source is one of the host, relative to the working
// folder, and must be made of mounts that can be copied (open_tree(2)); without
// a propagation option the mounts are private, so that nothing that the
// container mounts below comes back to the host. Either all are made, or none.
//
// The container needs a mount namespace of its own, and the caller the rights of
// root on the host. Errors name the field: mounts[i], or one below it. It takes
// Linux 5.12.
func (c *Container) AddMounts(mounts []specs.Mount) error {
	mounts = slices.Clone(mounts) // see ownTmpfs
	trees, err := c.openTrees(mounts)
	defer func() {
		for _, t := range trees {
			if t >= 0 {
				unix.Close(t)
			}
		}
	}()
	if err != nil {
		return err
	}
	return c.inRoot(func(w *rootfs.Running) error {
		var added []*rootfs.Added
		defer func() {
			for _, a := range added {
				a.Close()
			}
		}()
		for i := range mounts {
			a, err := w.Add(i, &mounts[i], trees[i])
			if err != nil {
				for _, a := range slices.Backward(added) {
					if uerr := w.Undo(a); uerr != nil {
						err = fmt.Errorf("%w; and take back a mount: %w", err, uerr)
					}
				}
				return err
			}
			added = append(added, a)
		}
		return nil
	})
}

// RemoveMounts takes away what is mounted at the destinations of mounts, of
// which nothing else is used. It stops at the first that fails.
func (c *Container) RemoveMounts(mounts []specs.Mount) error {
	return c.inRoot(func(w *rootfs.Running) error {
		for i := range mounts {
			if err := w.Remove(i, &mounts[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// openTrees opens the sources of mounts: detached trees of mounts, and -1 for a
// tmpfs, which has none. The caller closes what it returns.
func (c *Container) openTrees(mounts []specs.Mount) ([]int, error) {
	trees := make([]int, 0, len(mounts))
	for i := range mounts {
		fd, err := c.openTree(&mounts[i])
		if err != nil {
			return trees, atMount(err, i)
		}
		trees = append(trees, fd)
	}
	return trees, nil
}

// atMount returns err with its field, if it has one relative to mount i, as one
// of the list.
func atMount(err error, i int) error {
	field := "mounts[" + strconv.Itoa(i) + "]"
	var e *errdefs.Error
	if errors.As(err, &e) && e.Field != "" {
		e.Field = field + "." + e.Field
		return err
	}
	return errdefs.AtField(err, field)
}

func (c *Container) openTree(m *specs.Mount) (int, error) {
	opt, err := mountopt.Parse(m.Options)
	switch {
	case err != nil:
		return -1, err
	case opt.Remount:
		return -1, errors.New("a mount that is there cannot be changed, only removed")
	case !opt.Bind && m.Type != "tmpfs":
		return -1, errdefs.Doing(errors.New("only bind mounts and tmpfs can be added to a container that runs, not "+strconv.Quote(m.Type)), "mount on "+m.Destination)
	case !opt.Bind:
		return -1, c.ownTmpfs(m, opt)
	}
	if opt.CopySymlink {
		return -1, errdefs.Field("options", "copy-symlink mounts nothing, which is for config.json")
	}
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if opt.SrcNoFollow {
		flags |= unix.AT_SYMLINK_NOFOLLOW
	}
	if opt.Recursive {
		flags |= unix.AT_RECURSIVE
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, m.Source, flags)
	if err != nil {
		return -1, &errdefs.Error{Doing: "open " + m.Source, Err: err}
	}
	if err := c.prepareTree(fd, m, opt); err != nil {
		unix.Close(fd)
		return -1, errdefs.Doing(err, "prepare "+m.Source)
	}
	return fd, nil
}

// prepareTree gives the detached tree fd its ids and its propagation. A copy of
// a shared mount is shared with it, and would carry what the container mounts
// below it back to the host.
func (c *Container) prepareTree(fd int, m *specs.Mount, opt mountopt.Parsed) error {
	attr := unix.MountAttr{Propagation: unix.MS_PRIVATE}
	if len(opt.Propagation) > 0 {
		attr.Propagation = 0
	}
	if opt.IDMap || len(m.UIDMappings) > 0 {
		userns, err := c.mountUser(m)
		if err != nil {
			return err
		}
		defer userns.Close()
		attr.Attr_set, attr.Userns_fd = unix.MOUNT_ATTR_IDMAP, uint64(userns.Fd())
		at := uint(unix.AT_EMPTY_PATH)
		if opt.RecursiveIDMap {
			at |= unix.AT_RECURSIVE
		}
		if err := unix.MountSetattr(fd, "", at, &unix.MountAttr{Attr_set: attr.Attr_set, Userns_fd: attr.Userns_fd}); err != nil {
			return errdefs.Doing(err, "map its ids")
		}
	}
	if attr.Propagation != 0 {
		return unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Propagation: attr.Propagation})
	}
	for _, p := range opt.Propagation {
		at := uint(unix.AT_EMPTY_PATH)
		if p.Recursive {
			at |= unix.AT_RECURSIVE
		}
		if err := unix.MountSetattr(fd, "", at, &unix.MountAttr{Propagation: p.Type}); err != nil {
			return err
		}
	}
	return nil
}

// mountUser returns the user namespace whose mappings an id-mapped mount has.
func (c *Container) mountUser(m *specs.Mount) (*os.File, error) {
	if len(m.UIDMappings) > 0 {
		return idmap.Mappings{UIDs: m.UIDMappings, GIDs: m.GIDMappings}.Namespace()
	}
	return os.Open("/proc/" + strconv.Itoa(c.state.Init.Pid) + "/ns/user")
}

// ownTmpfs gives a tmpfs to the root of the container's user namespace: made
// from outside, it would be the host's.
func (c *Container) ownTmpfs(m *specs.Mount, opt mountopt.Parsed) error {
	uid, gid, err := c.rootIDs()
	if err != nil || uid == 0 && gid == 0 {
		return err
	}
	m.Options = slices.Clone(m.Options)
	if _, set := opt.Key("uid"); !set {
		m.Options = append(m.Options, "uid="+strconv.FormatUint(uint64(uid), 10))
	}
	if _, set := opt.Key("gid"); !set {
		m.Options = append(m.Options, "gid="+strconv.FormatUint(uint64(gid), 10))
	}
	return nil
}

// rootIDs returns the ids on the host of the container's root.
func (c *Container) rootIDs() (uid, gid uint32, err error) {
	if !c.HasUserNamespace() {
		return 0, 0, nil
	}
	m, err := idmap.Read(c.state.Init.Pid)
	if err != nil {
		return 0, 0, errdefs.Doing(err, "read the mappings of the user namespace")
	}
	uid, hasUID := idmap.ToHost(m.UIDs, 0)
	gid, hasGID := idmap.ToHost(m.GIDs, 0)
	if !hasUID || !hasGID {
		return 0, 0, errors.New("the container's user namespace has no root, whose the folders to mount on could be")
	}
	return uid, gid, nil
}

// inRoot calls do on a thread in the container's mount namespace, with its root
// filesystem.
func (c *Container) inRoot(do func(*rootfs.Running) error) error {
	doing := "change the mounts of container " + c.state.ID
	if err := c.state.Known(); err != nil {
		return errdefs.Doing(err, doing)
	}
	if c.state.Exec == nil || c.state.Exec.Chroot {
		return errdefs.Doing(errors.New("it has no mount namespace of its own"), doing)
	}
	init, err := c.Init()
	if err != nil {
		return err
	}
	defer init.Close()
	if err := c.running(); err != nil {
		return err
	}
	handle, err := process.OpenProc()
	if err != nil {
		return err
	}
	proc := handle.File()
	defer proc.Close()
	uid, gid, err := c.rootIDs()
	if err != nil {
		return errdefs.Doing(err, doing)
	}
	// Everything above that went by the number of the init was about the init,
	// if that is there still.
	if err := unix.PidfdSendSignal(int(init.Fd()), 0, nil, 0); err != nil {
		return ErrNotRunning
	}
	thread.Spend(func() {
		var w *rootfs.Running
		if w, err = c.enterRoot(init, proc); err != nil {
			err = errdefs.Doing(err, doing)
			return
		}
		defer w.Close()
		if c.HasUserNamespace() {
			if err = sys.Setfsids(uid, gid); err != nil {
				err = errdefs.Doing(err, doing)
				return
			}
		}
		// Folders that are made have the mode they are given.
		unix.Umask(0)
		err = do(w)
	})
	return err
}

// enterRoot moves the calling thread, which is not to be used for anything else
// afterwards, into the mount namespace of the init.
func (c *Container) enterRoot(init, proc *os.File) (*rootfs.Running, error) {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return nil, os.NewSyscallError("unshare", err)
	}
	switch err := unix.Setns(int(init.Fd()), unix.CLONE_NEWNS); err {
	case nil:
	case unix.ESRCH:
		if c.state.Init.Headless() {
			return nil, state.ErrHeadless
		}
		return nil, ErrNotRunning
	default:
		e := &errdefs.Error{Doing: "enter its mount namespace", Err: err}
		if err == unix.EPERM {
			e.Hint = "this takes CAP_SYS_ADMIN and CAP_SYS_CHROOT in the user namespace of the caller"
		}
		return nil, e
	}
	// Whatever the container's root has done to its init, what is changed is
	// never the host.
	var here, host unix.Stat_t
	if err := unix.Fstatat(int(proc.Fd()), "thread-self/ns/mnt", &here, 0); err != nil {
		return nil, os.NewSyscallError("fstatat", err)
	}
	if err := unix.Fstatat(int(proc.Fd()), "self/ns/mnt", &host, 0); err != nil {
		return nil, os.NewSyscallError("fstatat", err)
	}
	if here.Ino == host.Ino && here.Dev == host.Dev {
		return nil, errors.New("it is in the mount namespace of the host")
	}
	return rootfs.OpenRunning(int(proc.Fd()))
}
