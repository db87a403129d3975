package rootfs

import (
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/mountopt"
)

// filesystem mounts a new filesystem: any type but bind and cgroup.
func (r *Rootfs) filesystem(e *entry) error {
	t, err := r.target(e, folder)
	if err != nil {
		return err
	}
	defer unix.Close(t.fd)
	isProc := func() (bool, error) { return e.Type == "proc", nil }
	if err := guardProc(e, t.real, isProc); err != nil {
		return err
	}
	if e.Type == "tmpfs" && !t.created {
		if err := inheritMode(e, t.fd); err != nil {
			return err
		}
	}
	fs := newFilesystem(e)
	r.label(&fs)
	var fd int
	attached := fs.beyondFsconfig()
	switch {
	case e.Type == "proc" && r.o.Procfs != nil:
		if attached || fs.super != 0 {
			return e.fail("", errElsewhere)
		}
		fd, err = r.o.Procfs(Procfs{Source: fs.source, Attr: fs.attr, Data: fs.data})
	case attached:
		fd, err = r.mountNow(fs, t)
	default:
		fd, err = r.make(fs)
	}
	if err != nil {
		return e.within(foreign(e.Type, err))
	}
	if err := r.place(e, fs, fd, t, attached); err != nil {
		unix.Close(fd)
		return err
	}
	return r.settle(e, fd)
}

// errElsewhere is the error for a procfs that only who is in the pid namespace can
// make.
var errElsewhere = errors.New("it takes a process in the pid namespace")

// place finishes the new mount fd and attaches it at t, unless it is there
// already.
func (r *Rootfs) place(e *entry, fs filesystem, fd int, t target, attached bool) error {
	if e.opt.CopyUp && e.Type == "tmpfs" && !t.created {
		// t is the folder itself, even when the mount already hides it.
		if err := r.copyUp(e, t.fd, fd); err != nil {
			return e.within(errdefs.Doing(err, "copy what "+e.Destination+" holds into the tmpfs"))
		}
	}
	if e.Type == "mqueue" {
		if err := r.labelRoot(fd); err != nil {
			return err
		}
	}
	if err := r.setRecursive(e, fd); err != nil {
		return err
	}
	if !attached {
		if err := moveOnto(fd, t.fd); err != nil {
			return e.fail("", err)
		}
	}
	if err := r.setPropagation(e, fd); err != nil {
		return err
	}
	// fsmount(2) does not know nosymfollow before Linux 5.14.
	if fs.attr&unix.MOUNT_ATTR_NOSYMFOLLOW != 0 {
		if err := r.setattrAttached(fd, unix.MOUNT_ATTR_NOSYMFOLLOW, 0); err != nil {
			return e.fail(".options", err)
		}
	}
	if e.processView() {
		if err := r.verify(e, fd, t.real); err != nil {
			return err
		}
	}
	return r.noteView(e, t, fd)
}

// settle ends the work on the new mount fd: it is closed, or kept for Finish
// if it must become read-only then.
func (r *Rootfs) settle(e *entry, fd int) error {
	if e.opt.Set&unix.MOUNT_ATTR_RDONLY != 0 && frozenLater(e) {
		r.frozen = append(r.frozen, frozen{fd, e.index})
		return nil
	}
	return unix.Close(fd)
}

// frozen is a mount that becomes read-only in Finish.
type frozen struct{ fd, index int }

// frozenLater reports whether a read-only mount must be writable until Finish:
// a tmpfs because other mounts need folders in it, and /dev because of the
// device nodes.
func frozenLater(e *entry) bool { return e.Type == "tmpfs" || e.dest == "/dev" }

// filesystem is a filesystem to be mounted.
type filesystem struct {
	kind, source string
	// attr are the attributes of the mount, MOUNT_ATTR_*.
	attr uint64
	// super are flags of the filesystem, MS_*.
	super uint64
	data  []mountopt.Datum
}

// newFilesystem returns the filesystem that e asks for.
func newFilesystem(e *entry) filesystem {
	fs := filesystem{kind: e.Type, source: e.Source, attr: e.opt.Set, super: e.opt.SuperSet, data: e.opt.Data}
	if frozenLater(e) {
		fs.attr &^= unix.MOUNT_ATTR_RDONLY
	}
	if fs.attr&unix.MOUNT_ATTR_RDONLY != 0 && !pseudo(fs.kind) {
		// A filesystem on a device must not be written to at all.
		fs.super |= unix.MS_RDONLY
	}
	return fs
}

// pseudo reports whether a filesystem has no storage, so that it is enough if
// the mount of it is read-only. Its superblock may well be shared with the
// host.
func pseudo(kind string) bool {
	switch kind {
	case "proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2":
		return true
	}
	return false
}

// inheritMode gives a tmpfs the mode of the folder that it is mounted on,
// unless the options have one.
func inheritMode(e *entry, fd int) error {
	if _, ok := e.opt.Key("mode"); ok {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return e.fail(".destination", err)
	}
	mode := mountopt.Datum{Option: -1, Key: "mode", Value: strconv.FormatUint(uint64(st.Mode&0o7777), 8), HasValue: true}
	e.opt.Data = append(e.opt.Data, mode)
	return nil
}

// make makes a detached mount of fs, without nosymfollow, and returns its
// descriptor. Errors have a Field relative to the mount, such as "options[2]".
func (r *Rootfs) make(fs filesystem) (int, error) {
	c, err := unix.Fsopen(fs.kind, unix.FSOPEN_CLOEXEC)
	if err == unix.ENODEV {
		return -1, unknownType(fs.kind)
	}
	if err != nil {
		return -1, err
	}
	defer unix.Close(c)
	if err := configure(c, fs); err != nil {
		return -1, err
	}
	fd, err := unix.Fsmount(c, unix.FSMOUNT_CLOEXEC, int(fs.attr&^unix.MOUNT_ATTR_NOSYMFOLLOW))
	if err != nil {
		return -1, withLog(c, err)
	}
	return fd, nil
}

// foreign explains EPERM for a filesystem that shows a namespace: only who is
// privileged over that namespace may mount it.
func foreign(kind string, err error) error {
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	hint := ""
	switch kind {
	case "sysfs":
		hint = "in a user namespace it takes a new network namespace; else bind the host's /sys, with rbind"
	case "proc":
		hint = "in a user namespace it takes a new pid namespace and, outside, a /proc on which nothing is mounted; else bind the host's /proc, with rbind"
	case "mqueue":
		hint = "in a user namespace it takes a new ipc namespace; else bind the host's /dev/mqueue"
	default:
		return err
	}
	return &errdefs.Error{Err: err, Hint: hint}
}

// unknownType is the error for a filesystem that the kernel does not know.
func unknownType(kind string) error {
	e := &errdefs.Error{Field: "type", Err: &reason{"unknown filesystem type " + strconv.Quote(kind), unix.ENODEV}}
	if kind == "bind" {
		return e.WithHint("a bind mount has bind or rbind among its options")
	}
	return e.WithHint("if it is a kernel module, load it with modprobe " + kind)
}

// configure gives fs's parameters to the filesystem context c, and makes the
// filesystem.
func configure(c int, fs filesystem) error {
	if fs.source != "" {
		if err := unix.FsconfigSetString(c, "source", fs.source); err != nil {
			return &errdefs.Error{Field: "source", Err: withLog(c, err)}
		}
	}
	for _, name := range superFlags(fs.super) {
		if err := unix.FsconfigSetFlag(c, name); err != nil {
			return &errdefs.Error{Field: "options", Err: withLog(c, err)}
		}
	}
	for _, d := range fs.data {
		if err := setDatum(c, d); err != nil {
			field := "options"
			if d.Option >= 0 {
				field += "[" + strconv.Itoa(d.Option) + "]"
			}
			return &errdefs.Error{Field: field, Err: withLog(c, err), Hint: labelHint(d)}
		}
	}
	for {
		if err := unix.FsconfigCreate(c); err != unix.EINTR {
			return withLog(c, err)
		}
	}
}

// setDatum gives one parameter to the filesystem context c.
func setDatum(c int, d mountopt.Datum) error {
	if !d.HasValue {
		return unix.FsconfigSetFlag(c, d.Key)
	}
	value := d.Value
	switch d.Key {
	case "context", "fscontext", "defcontext", "rootcontext":
		// SELinux labels have commas, for which mount(2) wants quotes.
		value = strings.Trim(value, `"`)
	}
	return unix.FsconfigSetString(c, d.Key, value)
}

// superFlags returns the names under which fsconfig(2) takes flags of the
// filesystem. MS_SILENT, which only keeps the kernel log quiet, has none.
func superFlags(flags uint64) (names []string) {
	for _, f := range [...]struct {
		flag uint64
		name string
	}{
		{unix.MS_RDONLY, "ro"},
		{unix.MS_SYNCHRONOUS, "sync"},
		{unix.MS_DIRSYNC, "dirsync"},
		{unix.MS_MANDLOCK, "mand"},
		{unix.MS_LAZYTIME, "lazytime"},
	} {
		if flags&f.flag != 0 {
			names = append(names, f.name)
		}
	}
	return names
}

// withLog adds to err what the kernel has written about it into the log of
// the filesystem context c, such as "tmpfs: Bad value for 'size'".
func withLog(c int, err error) error {
	if err == nil {
		return nil
	}
	var log []string
	buf := make([]byte, 1024)
	for {
		n, rerr := unix.Read(c, buf)
		if rerr == unix.EINTR {
			continue
		}
		if rerr != nil || n == 0 {
			break
		}
		// Each message begins with its severity: e, w or i, and a space.
		text := strings.TrimSpace(string(buf[:n]))
		if len(text) > 2 && text[1] == ' ' {
			text = text[2:]
		}
		log = append(log, text)
	}
	if len(log) == 0 {
		return err
	}
	return &reason{strings.Join(log, "; ") + ": " + err.Error(), err}
}

// beyondFsconfig reports whether mount(2) must be used, because fsconfig(2)
// cannot say it: MS_I_VERSION has no name there, a string is at most 255 bytes
// long, and the backslashes that overlay wants before the commas in a folder's
// name are undone by mount(2) only.
func (fs *filesystem) beyondFsconfig() bool {
	if fs.super&unix.MS_I_VERSION != 0 || len(fs.source) > 255 {
		return true
	}
	for _, d := range fs.data {
		if len(d.Value) > 255 || strings.IndexByte(d.Value, '\\') >= 0 {
			return true
		}
	}
	return false
}

// mountNow mounts fs at t with mount(2), and returns a descriptor of the mount.
func (r *Rootfs) mountNow(fs filesystem, t target) (int, error) {
	err := r.mount(fs.source, t.fd, fs.kind, msFlags(fs.attr)|uintptr(fs.super), joinData(fs.data))
	if err == unix.ENODEV {
		return -1, unknownType(fs.kind)
	}
	if err != nil {
		return -1, err
	}
	// The descriptor t is of what lies below the new mount now.
	fd, err := openat2(r.fd, t.real, unix.O_PATH, noSymlinks)
	if err != nil {
		return -1, errdefs.Doing(err, "find the new mount")
	}
	same, err := sameMount(fd, t.fd)
	if err == nil && same {
		err = unix.EXDEV
	}
	if err != nil {
		unix.Close(fd)
		return -1, errdefs.Doing(err, "find the new mount")
	}
	return fd, nil
}

// joinData returns options for the filesystem as mount(2) takes them.
func joinData(data []mountopt.Datum) string {
	var b strings.Builder
	for i, d := range data {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(d.String())
	}
	return b.String()
}
