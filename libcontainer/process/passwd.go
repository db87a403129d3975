package process

import (
	"bytes"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxPasswd bounds how much of /etc/passwd is read: the file is the image's,
// and may be endless. 1 MiB holds more than 10,000 users.
const maxPasswd = 1 << 20

// Folder is the root folder of a container, from where its files are looked at.
type Folder struct {
	// FD is a descriptor of it, or unix.AT_FDCWD if the calling thread has
	// entered it and has given up what rights the container has not.
	FD int
	// Proc is the host's /proc, or nil where that is at /proc.
	Proc *Proc
}

// homeOf returns the home folder of a user according to /etc/passwd, or "/".
func homeOf(uid uint32, root Folder) string {
	fd := root.open("/etc/passwd", ordinary)
	if fd < 0 {
		return "/"
	}
	defer unix.Close(fd)
	return scanPasswd(uid, func(p []byte) int {
		n, err := unix.Read(fd, p)
		if err != nil {
			return 0
		}
		return n
	})
}

// open opens a file of the image for reading if is says that it is one to be
// read, and returns -1 if not. Symbolic links are followed, as the root is the
// container's and some images have them here, but not those of procfs, which
// lead out of it.
//
// Anything else is not even opened: the driver of a device may act on that, as
// a watchdog does, and to read a file of the kernel's can take away what it
// tells, as with /proc/kmsg. Where the root is a descriptor, the caller has the
// rights of the host, and a container may exchange the file meanwhile: what was
// looked at is what is opened.
func (root Folder) open(path string, is func(fd int) bool) int {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS}
	if root.FD != unix.AT_FDCWD {
		how.Resolve |= unix.RESOLVE_IN_ROOT
	}
	found, err := unix.Openat2(root.FD, path, &how)
	if err != nil {
		return -1
	}
	defer unix.Close(found)
	if !is(found) {
		return -1
	}
	if root.FD != unix.AT_FDCWD {
		return root.reopen(found)
	}
	how.Flags = readOnly
	fd, err := unix.Openat2(root.FD, path, &how)
	if err != nil {
		return -1
	}
	if !is(fd) {
		unix.Close(fd)
		return -1
	}
	return fd
}

// readOnly does not block on a fifo, nor take a terminal.
const readOnly = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC

// regular tells whether fd, which may be of O_PATH, is a regular file.
func regular(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}

// ordinary tells whether fd is a regular file that holds what somebody has
// written to it, and not what the kernel makes up.
func ordinary(fd int) bool {
	var fs unix.Statfs_t
	return regular(fd) && unix.Fstatfs(fd, &fs) == nil && !ofKernel(uint32(fs.Type))
}

// ofKernel tells whether a filesystem, by its type as statfs(2) has it, has files
// that are the kernel's interface.
func ofKernel(kind uint32) bool {
	switch kind {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.TRACEFS_MAGIC, unix.DEBUGFS_MAGIC, unix.SECURITYFS_MAGIC,
		unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.SELINUX_MAGIC, unix.SMACK_MAGIC, unix.AAFS_MAGIC,
		unix.PSTOREFS_MAGIC, unix.EFIVARFS_MAGIC, unix.BPF_FS_MAGIC, unix.BINFMTFS_MAGIC, unix.RDTGROUP_SUPER_MAGIC,
		unix.XENFS_SUPER_MAGIC, unix.BINDERFS_SUPER_MAGIC, unix.OPENPROM_SUPER_MAGIC, configfsMagic:
		return true
	}
	return false
}

// configfsMagic is CONFIGFS_MAGIC of the kernel's fs/configfs/mount.c.
const configfsMagic = 0x62656570

// reopen opens for reading what fd, of O_PATH, refers to, and returns -1 if it
// cannot.
func (root Folder) reopen(fd int) int {
	p := root.Proc
	if p == nil {
		var err error
		if p, err = OpenProc(); err != nil {
			return -1
		}
		defer p.Close()
	}
	own, err := p.open("thread-self/fd", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return -1
	}
	defer unix.Close(own)
	again, err := unix.Openat(own, strconv.Itoa(fd), readOnly, 0)
	if err != nil {
		return -1
	}
	return again
}

// scanPasswd reads passwd(5) with read, which returns 0 at the end, and returns
// the home folder of the first line for uid, or "/". It needs little memory
// whatever the file: lines longer than its buffer are left out.
func scanPasswd(uid uint32, read func([]byte) int) string {
	buf := make([]byte, 4096)
	fill, total, skip := 0, 0, false
	for total < maxPasswd {
		n := read(buf[fill:])
		if n <= 0 {
			break
		}
		total += n
		fill += n
		rest := buf[:fill]
		for {
			line, after, whole := bytes.Cut(rest, []byte{'\n'})
			if !whole {
				break
			}
			if home, ok := passwdLine(line, uid); ok && !skip {
				return home
			}
			skip = false
			rest = after
		}
		if len(rest) == len(buf) {
			// The start of this line is thrown away, so what follows up to
			// the next newline is not a line.
			rest, skip = nil, true
		}
		fill = copy(buf, rest)
	}
	if home, ok := passwdLine(buf[:fill], uid); ok && !skip {
		return home
	}
	return "/"
}

// passwdLine returns the home folder in a line name:password:uid:gid:comment:
// home:shell if it is for uid. An empty one, or one with a NUL byte that would
// cut the environment short, is "/".
func passwdLine(line []byte, uid uint32) (string, bool) {
	const uidField, homeField = 2, 5
	var id, home []byte
	for field := 0; field <= homeField; field++ {
		part, after, _ := bytes.Cut(line, []byte{':'})
		switch field {
		case uidField:
			id = part
		case homeField:
			home = part
		}
		line = after
	}
	n, err := strconv.ParseUint(string(id), 10, 32)
	if err != nil || uint32(n) != uid {
		return "", false
	}
	if len(home) == 0 || bytes.IndexByte(home, 0) >= 0 {
		return "/", true
	}
	return string(home), true
}
