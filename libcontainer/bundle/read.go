package bundle

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// maxSize is the largest config.json that is read, in bytes. Real ones have
// 4 to 40 KiB.
const maxSize = 16 << 20

// fileKind is what a configuration may be read from.
type fileKind bool

const (
	// regularOnly refuses all but regular files, without waiting for the
	// writer of a named pipe.
	regularOnly fileKind = false
	// pipeToo also takes what the shell makes of <(command).
	pipeToo fileKind = true
)

// readFile returns the content of the file at path, which must have at most
// maxSize bytes.
func readFile(path string, kind fileKind) ([]byte, error) {
	flags := unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NOCTTY
	if kind == regularOnly {
		flags |= unix.O_NONBLOCK
	}
	fd, err := retry(func() (int, error) { return unix.Open(path, flags, 0) })
	if err != nil {
		return nil, errdefs.Doing(err, "read "+path)
	}
	defer unix.Close(fd)

	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, errdefs.Doing(err, "read "+path)
	}
	if name := fileType(stat.Mode); name != "" && (kind == regularOnly || name != "named pipe") {
		return nil, errdefs.Doing(errors.New("is a "+name+", not a regular file"), "read "+path)
	}
	data, err := readAll(fd, stat.Size)
	return data, errdefs.Doing(err, "read "+path)
}

// readAll reads fd to its end. The size is a hint.
func readAll(fd int, size int64) ([]byte, error) {
	if size < 4096 {
		size = 4096
	}
	// One byte more than the size tells a file that grew from one that ends.
	data := make([]byte, min(size, maxSize)+1)
	n := 0
	for {
		got, err := retry(func() (int, error) { return unix.Read(fd, data[n:]) })
		if err != nil {
			return nil, err
		}
		if got == 0 {
			return data[:n], nil
		}
		if n += got; n > maxSize {
			return nil, errors.New("has more than " + strconv.Itoa(maxSize>>20) + " MiB, which no configuration needs")
		}
		if n == len(data) {
			data = append(data, make([]byte, min(n, maxSize+1-n))...)
		}
	}
}

// retry calls f until no signal interrupts it.
func retry(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		if err != unix.EINTR {
			return n, err
		}
	}
}

// fileType returns the name of the file type in mode, or "" for a regular
// file.
func fileType(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return ""
	case unix.S_IFDIR:
		return "folder"
	case unix.S_IFIFO:
		return "named pipe"
	case unix.S_IFSOCK:
		return "socket"
	}
	return "device"
}

// readFdLink returns the path of what fd refers to.
func readFdLink(fd int) (string, error) {
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Readlink("/proc/self/fd/"+strconv.Itoa(fd), buffer)
	if err != nil {
		return "", err
	}
	path := string(buffer[:n])
	if path == "" || path[0] != '/' {
		return "", errors.New("is outside of this process's root: " + path)
	}
	return path, nil
}
