package process

import (
	"bytes"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxPasswd bounds how much of /etc/passwd is read: the file is the image's,
// and may be endless. 1 MiB holds more than 10,000 users.
const maxPasswd = 1 << 20

// homeOf returns the home folder of a user according to /etc/passwd, or "/".
func homeOf(uid uint32, root int) string {
	fd := openRegular(root, "/etc/passwd")
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

// openRegular opens a file of the image for reading if it is a regular one,
// and returns -1 if not. Symbolic links are followed, as the root is the
// container's and some images have them here, but not those of procfs, which
// lead out of it.
//
// A device is not even opened, as its driver may act on that: a watchdog begins
// to run. Where root is a folder, the caller is a process of the host that no
// device rules hold, and the container may run and exchange the file meanwhile:
// what was looked at is what is opened.
func openRegular(root int, path string) int {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS}
	if root != unix.AT_FDCWD {
		how.Resolve |= unix.RESOLVE_IN_ROOT
	}
	found, err := unix.Openat2(root, path, &how)
	if err != nil {
		return -1
	}
	defer unix.Close(found)
	if !regular(found) {
		return -1
	}
	if root != unix.AT_FDCWD {
		return reopen(found)
	}
	how.Flags = readOnly
	fd, err := unix.Openat2(root, path, &how)
	if err != nil {
		return -1
	}
	if !regular(fd) {
		unix.Close(fd)
		return -1
	}
	return fd
}

// readOnly does not block on a fifo, nor take a terminal.
const readOnly = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC

func regular(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}

// reopen opens for reading what fd, of O_PATH, refers to, and returns -1 if it
// cannot. /proc is the host's.
func reopen(fd int) int {
	p, err := OpenProc()
	if err != nil {
		return -1
	}
	defer p.Close()
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
