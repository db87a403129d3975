package state

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// Remove removes the folder with all that is in it, also what somebody else has put
// there; it follows no links and does not go into mounts. What tells of the container's
// resources goes last, so that a Remove that fails or is killed can be repeated. That
// nothing is there is a success.
func (d *Dir) Remove() error {
	dirfd := int(d.f.Fd())
	inside, err := names(dirfd)
	if errors.Is(err, unix.ENOENT) {
		return nil // a folder that was removed while it was open
	}
	if err != nil {
		return errdefs.Doing(err, "list "+d.Path())
	}
	rest := slices.DeleteFunc(inside, func(name string) bool { return name == stateFile || name == journalFile })
	for _, name := range append(rest, stateFile, journalFile) {
		if err := removeTree(dirfd, name); err != nil {
			return &errdefs.Error{Doing: "remove " + filepath.Join(d.Path(), name), Err: err, Hint: mountHint(err)}
		}
	}
	if err := unix.Rmdir(filepath.Join(d.Root, d.ID)); err != nil && err != unix.ENOENT {
		return errdefs.Doing(err, "remove "+d.Path())
	}
	return nil
}

// mountHint explains the errors of removeTree for what something is mounted on: a
// folder, a file.
func mountHint(err error) string {
	if errors.Is(err, unix.EXDEV) || errors.Is(err, unix.EBUSY) {
		return "something is mounted there: unmount it, and delete the container again"
	}
	return ""
}

// RemoveEmpty removes the folder if nothing is in it, and tells whether it did: it is
// what a create leaves that is killed before it has made anything, or a Remove that is
// killed at its last step.
func (d *Dir) RemoveEmpty() bool {
	return unix.Rmdir(filepath.Join(d.Root, d.ID)) == nil
}

// removeTree removes name from the folder dirfd, with all that is in it.
//
// A container's root may have nested folders there as deep as it liked (package
// notify), so the folders in a folder that is not empty are moved out, into dirfd, before they
// have their turn. Nothing is ever two levels down, and there is no way up that somebody
// could lead elsewhere by moving a folder meanwhile.
func removeTree(dirfd int, name string) error {
	moved := 0
	for folders := []string{name}; len(folders) > 0; {
		last := len(folders) - 1
		folder := folders[last]
		folders = folders[:last]
		err := remove(dirfd, folder)
		if err == unix.ENOTEMPTY {
			err = emptyFolder(dirfd, folder, func(fd int, inner string) error {
				to, err := moveOut(fd, inner, dirfd, &moved)
				folders = append(folders, to)
				return err
			})
			if err == nil {
				err = remove(dirfd, folder)
			}
		}
		if err != nil && folder != name {
			err = fmt.Errorf("%s, which was in it: %w", folder, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// remove removes a file or an empty folder. That it is not there is a success.
func remove(dirfd int, name string) error {
	err := unix.Unlinkat(dirfd, name, 0)
	if err == unix.EISDIR {
		err = unix.Unlinkat(dirfd, name, unix.AT_REMOVEDIR)
	}
	if err == unix.ENOENT {
		return nil
	}
	return err
}

// emptyFolder removes what is in the folder name of dirfd, and calls moveOut, with the folder
// and its name, for each folder in it that is not empty.
func emptyFolder(dirfd int, name string, moveOut func(fd int, inner string) error) error {
	fd, err := unix.Openat2(dirfd, name, &unix.OpenHow{
		Flags:   unix.O_DIRECTORY | unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_BENEATH,
	})
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	inside, err := names(fd)
	if err != nil {
		return err
	}
	for _, inner := range inside {
		err := remove(fd, inner)
		if err == unix.ENOTEMPTY {
			err = moveOut(fd, inner)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// moveOut moves the folder name of fd to dirfd, and returns its name there. number counts
// these names.
func moveOut(fd int, name string, dirfd int, number *int) (string, error) {
	for {
		to := "moved-" + strconv.Itoa(*number)
		*number++
		err := unix.Renameat(fd, name, dirfd, to)
		switch err {
		case unix.EEXIST, unix.ENOTEMPTY, unix.ENOTDIR: // a Remove that was killed has left it
		default:
			return to, err
		}
	}
}
