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
// lead out of it. A fifo does not block.
func openRegular(root int, path string) int {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_MAGICLINKS,
	}
	if root != unix.AT_FDCWD {
		how.Resolve |= unix.RESOLVE_IN_ROOT
	}
	fd, err := unix.Openat2(root, path, &how)
	if err != nil {
		return -1
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return -1
	}
	return fd
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
