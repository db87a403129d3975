package cgroup

import (
	"golang.org/x/sys/unix"
)

// The files of a cgroup are opened, used once and closed. These functions do
// so with as few system calls as there can be, and return the bare
// unix.Errno, which their callers wrap with what they were doing.

// openFile opens the file name of folder dir.
func openFile(dir, name string, flags int) (int, error) {
	for {
		fd, err := unix.Open(dir+"/"+name, flags|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// readFile returns what the file name of folder dir contains.
func readFile(dir, name string) (string, error) {
	fd, err := openFile(dir, name, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return readAll(fd)
}

// readAll reads fd from where it stands to its end.
func readAll(fd int) (string, error) {
	buf := make([]byte, 0, 4096)
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, make([]byte, len(buf))...)[:len(buf)]
		}
		n, err := unix.Read(fd, buf[len(buf):cap(buf)])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return "", err
		case n == 0:
			return string(buf), nil
		default:
			buf = buf[:len(buf)+n]
		}
	}
}

// writeFile writes value to the file name of folder dir, with a single
// write(2): cgroup files take every write for a whole value.
func writeFile(dir, name, value string) error {
	fd, err := openFile(dir, name, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return writeAll(fd, value)
}

// readAt is readFile where the folder is open.
func readAt(dirfd int, name string) (string, error) {
	fd, err := unix.Openat(dirfd, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return readAll(fd)
}

// writeAt is writeFile where the folder is open.
func writeAt(dirfd int, name, value string) error {
	fd, err := unix.Openat(dirfd, name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return writeAll(fd, value)
}

// writeAll writes value to fd with a single write(2).
func writeAll(fd int, value string) error {
	for {
		_, err := unix.Write(fd, []byte(value))
		if err != unix.EINTR {
			return err
		}
	}
}

// exists reports whether path is there.
func exists(path string) bool {
	return unix.Access(path, unix.F_OK) == nil
}
