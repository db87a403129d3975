package rootfs

import (
	"errors"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/sys"
)

// Terminal makes a pseudoterminal of the container's own devpts, of the given
// size in characters (nil leaves it at 0 by 0), and shows its slave as
// /dev/console. The caller owns both files; they are close-on-exec, and
// neither has become a controlling terminal.
func (r *Rootfs) Terminal(size *specs.Box) (master, slave *os.File, err error) {
	m, s, err := r.terminal(size)
	if err != nil {
		return nil, nil, errField(err, "make the container's terminal", "process.terminal")
	}
	return os.NewFile(uintptr(m), "/dev/ptmx"), os.NewFile(uintptr(s), "/dev/console"), nil
}

// JoinTerminal is Terminal for a process in the container: a pseudoterminal of
// the devpts at /dev/pts of its own root, which /dev/console does not show. The
// container's processes are at work on those paths meanwhile.
func JoinTerminal(size *specs.Box) (master, slave *os.File, err error) {
	m, s, err := joinTerminal(size)
	if err != nil {
		return nil, nil, errField(err, "make a terminal of the container", "process.terminal")
	}
	return os.NewFile(uintptr(m), "/dev/ptmx"), os.NewFile(uintptr(s), "terminal"), nil
}

// joinTerminal is JoinTerminal with descriptors. What it opens is a file of a
// devpts, in which nobody can make another, and not what somebody mounts over
// it; so it need not be looked at before (CVE-2025-52565), which would take a
// /proc that can be trusted.
func joinTerminal(size *specs.Box) (master, slave int, err error) {
	const name = "open the container's /dev/pts/ptmx"
	dir, err := openat2(unix.AT_FDCWD, "/dev/pts", unix.O_PATH|unix.O_DIRECTORY, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return -1, -1, noDevpts(err)
	}
	defer unix.Close(dir)
	var fs unix.Statfs_t
	if err := unix.Fstatfs(dir, &fs); err != nil {
		return -1, -1, errdefs.Doing(err, name)
	}
	if uint32(fs.Type) != unix.DEVPTS_SUPER_MAGIC {
		return -1, -1, noDevpts(errors.New("there is no devpts at /dev/pts"))
	}
	const beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV
	if master, err = openat2(dir, "ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, beneath); err != nil {
		return -1, -1, errdefs.Doing(err, name)
	}
	err = checkPtmx(master)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(master), unix.F_SETFL, unix.O_RDWR)
	}
	if err == nil {
		slave, err = openSlave(master, size)
	}
	if err != nil {
		unix.Close(master)
		return -1, -1, err
	}
	return master, slave, nil
}

// noDevpts is the error for a container without terminals.
func noDevpts(err error) error {
	return &errdefs.Error{Doing: "open the container's /dev/pts/ptmx", Err: err, Hint: "mounts must have a devpts at /dev/pts"}
}

// errField returns err with what was being done and the field that asked.
func errField(err error, doing, field string) error {
	return &errdefs.Error{Doing: doing, Field: field, Err: err}
}

// terminal is Terminal with descriptors.
func (r *Rootfs) terminal(size *specs.Box) (master, slave int, err error) {
	if master, err = r.openPtmx(); err != nil {
		return -1, -1, err
	}
	slave, err = openSlave(master, size)
	if err != nil {
		unix.Close(master)
		return -1, -1, err
	}
	if err := r.console(slave); err != nil {
		unix.Close(master)
		unix.Close(slave)
		return -1, -1, errdefs.Doing(err, "show it as /dev/console")
	}
	return master, slave, nil
}

// openPtmx opens the multiplexer of the container's devpts, which makes a new
// pseudoterminal. It is opened without effect first, and really only once it
// is known to be no other device or file that the image put there
// (CVE-2025-52565).
func (r *Rootfs) openPtmx() (int, error) {
	fd, err := openat2(r.fd, "/dev/pts/ptmx", unix.O_PATH|unix.O_NOFOLLOW, noSymlinks)
	if err != nil {
		e := &errdefs.Error{Doing: "open the container's /dev/pts/ptmx", Err: err}
		if err == unix.ENOENT {
			e.Hint = "mounts must have a devpts at /dev/pts"
		}
		return -1, e
	}
	defer unix.Close(fd)
	if err := checkPtmx(fd); err != nil {
		return -1, err
	}
	m, err := r.reopen(fd, unix.O_RDWR|unix.O_NOCTTY)
	return m, errdefs.Doing(err, "open the container's /dev/pts/ptmx")
}

// checkPtmx makes sure that fd is the multiplexer of a devpts: character
// device 5:2 with inode number 2, which no other file of it has.
func checkPtmx(fd int) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if uint32(fs.Type) != unix.DEVPTS_SUPER_MAGIC || st.Ino != 2 ||
		st.Mode&unix.S_IFMT != unix.S_IFCHR || uint64(st.Rdev) != unix.Mkdev(5, 2) {
		return errors.New("the container's /dev/pts/ptmx is not that of a devpts")
	}
	return nil
}

// openSlave unlocks and opens the other end of the pseudoterminal master, and
// sets its size. It asks the kernel for it by descriptor (Linux 4.13), not by
// a path that could lead elsewhere.
func openSlave(master int, size *specs.Box) (int, error) {
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return -1, errdefs.Doing(err, "unlock the terminal")
	}
	slave, err := sys.PtyPeer(master, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if err != nil {
		return -1, errdefs.Doing(err, "open the terminal's slave")
	}
	if size != nil {
		ws := unix.Winsize{Row: uint16(size.Height), Col: uint16(size.Width)}
		if err := unix.IoctlSetWinsize(slave, unix.TIOCSWINSZ, &ws); err != nil {
			unix.Close(slave)
			return -1, errdefs.Doing(err, "set the terminal's size")
		}
	}
	return slave, nil
}

// console mounts the pseudoterminal slave onto the container's /dev/console.
// Neither /dev nor the file in it may be a symlink, and what is mounted onto
// is a descriptor (CVE-2025-52565).
func (r *Rootfs) console(slave int) error {
	tree, err := unix.OpenTree(slave, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	dev, err := openat2(r.fd, "/dev", unix.O_PATH|unix.O_DIRECTORY, noSymlinks)
	if err != nil {
		return err
	}
	defer unix.Close(dev)
	fd, err := openOrCreate(dev, "console", 0o620)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return moveOnto(tree, fd)
}

// openOrCreate opens the file name in the folder dir as O_PATH, and makes it
// with the given mode where there is none. A symlink is an error: ELOOP.
func openOrCreate(dir int, name string, mode uint32) (int, error) {
	if err := unix.Mknodat(dir, name, unix.S_IFREG|mode, 0); err != nil && err != unix.EEXIST {
		return -1, err
	}
	return openat2(dir, name, unix.O_PATH, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS)
}
