package rootfs

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// inRoot resolves a path as if the folder it starts at were "/": neither
	// symlinks nor ".." lead out of it, whatever is renamed meanwhile, and
	// the links in /proc that jump anywhere are refused (CVE-2021-30465).
	inRoot = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS
	// noSymlinks also refuses symlinks, so that the path given is the path
	// reached.
	noSymlinks = inRoot | unix.RESOLVE_NO_SYMLINKS

	// maxLinks is how many symlinks one path may go through, as in the kernel.
	maxLinks = 40
	// maxRetries bounds how often a path is looked up again because something
	// in it changed meanwhile.
	maxRetries = 128
)

// openat2 opens name below the folder dir. The kernel says EAGAIN when a
// rename kept it from knowing that the path stayed within the root.
func openat2(dir int, name string, flags, resolve uint64) (int, error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: resolve}
	for try := 0; ; try++ {
		fd, err := unix.Openat2(dir, name, &how)
		if (err == unix.EAGAIN || err == unix.EINTR) && try < maxRetries {
			continue
		}
		return fd, err
	}
}

// resolve opens dest, an absolute and clean path in the container, as O_PATH.
// It also returns the path that was reached, which is another one where
// symlinks were followed.
func (r *Rootfs) resolve(dest string) (fd int, real string, err error) {
	// Nearly no path has symlinks. Then the path is its own proof, and the
	// kernel need not be asked where the descriptor is.
	fd, err = openat2(r.fd, dest, unix.O_PATH, noSymlinks)
	if err == nil {
		return fd, dest, nil
	}
	if err != unix.ELOOP {
		return -1, "", err
	}
	if fd, err = openat2(r.fd, dest, unix.O_PATH, inRoot); err != nil {
		return -1, "", err
	}
	if real, err = r.realPath(fd); err != nil {
		unix.Close(fd)
		return -1, "", err
	}
	return fd, real, nil
}

// realPath returns where in the container the descriptor fd is.
func (r *Rootfs) realPath(fd int) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(r.proc, procFD(fd), buf)
	if err != nil {
		return "", err
	}
	real, ok := strings.CutPrefix(string(buf[:n]), r.base)
	if !ok || real != "" && real[0] != '/' {
		// It was moved out of the root since it was opened (CVE-2021-30465).
		return "", unix.EXDEV
	}
	return path.Clean("/" + real), nil
}

// resolveOrCreate is resolve, but makes dest, and the folders it is in, where
// they do not exist: an empty file if file says so, or else a folder. created
// tells whether dest was made.
func (r *Rootfs) resolveOrCreate(dest string, file func() (bool, error)) (fd int, real string, created bool, err error) {
	for range maxRetries {
		fd, real, err = r.resolve(dest)
		if err != unix.ENOENT {
			return fd, real, created, err
		}
		isFile, err := file()
		if err != nil {
			return -1, "", false, err
		}
		if err := r.create(dest, isFile); err != nil {
			return -1, "", false, err
		}
		created = true
	}
	return -1, "", false, unix.EAGAIN
}

// create makes dest, an empty file or a folder, and the folders it is in.
// Symlinks that lead to nothing are followed, within the root, and what they
// lead to is made: images have /var/run -> /run without a /run, and
// /etc/resolv.conf -> /run/systemd/resolve/stub-resolv.conf.
//
// Nothing is made by path: each folder is made in a descriptor of the one
// before, so that no exchanged folder leads out of the root (CVE-2024-45310).
func (r *Rootfs) create(dest string, file bool) error {
	todo := components(dest)
	for range maxLinks {
		dir, n, err := r.openPrefix(todo)
		if err != nil {
			return err
		}
		if n == len(todo) {
			unix.Close(dir)
			return nil
		}
		link, err := readlink(dir, todo[n])
		if err == nil {
			unix.Close(dir)
			todo = followed(todo[:n], link, todo[n+1:])
			continue
		}
		err = makeAll(dir, todo[n:], file)
		unix.Close(dir)
		if err != unix.EEXIST {
			return err
		}
	}
	return unix.ELOOP
}

// components splits a path, leaving out what has no effect.
func components(p string) []string {
	parts := strings.Split(p, "/")
	n := 0
	for _, c := range parts {
		if c != "" && c != "." {
			parts[n] = c
			n++
		}
	}
	return parts[:n]
}

// followed returns the components of a path after the symlink in the middle
// of it, with the target link, was followed.
func followed(before []string, link string, after []string) []string {
	var p []string
	if !strings.HasPrefix(link, "/") {
		p = append(p, before...)
	}
	p = append(p, components(link)...)
	return append(p, after...)
}

// openPrefix opens the longest part of a path that exists, and returns of how
// many components it is. Only if that is all of them may it be a file.
func (r *Rootfs) openPrefix(parts []string) (fd, n int, err error) {
	flags := uint64(unix.O_PATH)
	for n = len(parts); n >= 0; n-- {
		fd, err = openat2(r.fd, "/"+strings.Join(parts[:n], "/"), flags, inRoot)
		if err != unix.ENOENT {
			return fd, n, err
		}
		flags |= unix.O_DIRECTORY
	}
	return -1, 0, err
}

// readlink returns the target of the symlink name in the folder dir.
func readlink(dir int, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// makeAll makes the folders parts, one in the other, in the folder dir; the
// last is an empty file if file is set. It returns EEXIST if the first exists
// by now.
func makeAll(dir int, parts []string, file bool) error {
	cur := dir
	defer func() {
		if cur != dir {
			unix.Close(cur)
		}
	}()
	for i, name := range parts {
		if name == ".." {
			// Only a symlink's target can have it here, below a folder that
			// does not exist.
			return unix.ENOENT
		}
		if file && i == len(parts)-1 {
			fd, err := unix.Openat(cur, name, unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
			if err == nil {
				unix.Close(fd)
			}
			return err
		}
		if err := unix.Mkdirat(cur, name, 0o755); err != nil {
			return err
		}
		next, err := unix.Openat(cur, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if cur != dir {
			unix.Close(cur)
		}
		cur = next
	}
	return nil
}
