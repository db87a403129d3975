package process

import (
	"errors"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/sys"
)

// errOutside is an attack, or a descriptor of rung's that leaked.
var errOutside = errors.New("it lies outside of the container's root")

// Chdir makes cwd the working folder (field process.cwd), and then makes sure
// that it is inside the root: a path such as /proc/self/fd/7 leads wherever a
// descriptor points (CVE-2024-21626).
//
// Call it before SetUser, as root may enter folders that the user may not; if
// the error is EACCES or EPERM, again after it, as on a network filesystem the
// user may enter folders that root may not.
func Chdir(c sys.Caller, cwd string) error {
	var err error
	if errno := c.Call(unix.SYS_CHDIR, sys.CString(c, cwd)); errno != 0 {
		err = errno
	} else if err = verifyCwd(c); err == nil {
		return nil
	}
	e := &errdefs.Error{Doing: "enter the working folder " + strconv.Quote(cwd), Field: "process.cwd", Err: err}
	switch err {
	case unix.ENOENT:
		e.Hint = "create it in the image, or name one that exists"
	case unix.ENOTDIR:
		e.Hint = "it, or a part of its path, is not a folder"
	case unix.EACCES, unix.EPERM:
		e.Hint = "the container's user may not enter it, or a folder on the way to it"
	case errOutside:
		e.Hint = "this looks like an attempt to break out; a working folder must not lead through /proc"
	}
	return e
}

// verifyCwd asks the kernel where the working folder is. For one that the root
// does not reach getcwd(2) says so in front of the path.
func verifyCwd(c sys.Caller) error {
	switch errno := c.Absolute(unix.SYS_GETCWD, c.Mem(make([]byte, unix.PathMax)), unix.PathMax); errno {
	case 0:
		return nil
	case unix.EXDEV:
		return errOutside
	default:
		return errno
	}
}

// MakeCwd makes the working folder and its parents, with mode 0755 less the
// umask, where they are missing, as runc does: Kubernetes relies on it for
// workingDir. It is for create, not for exec, and comes after the root has
// been entered and before that is made read-only. No link of procfs leads it
// out of the root.
func MakeCwd(cwd string) error {
	cwd = path.Clean("/" + cwd)
	var st unix.Stat_t
	if err := unix.Stat(cwd, &st); err != unix.ENOENT {
		return nil // Chdir says what else may be wrong
	}
	if err := mkdirAll(cwd); err != nil {
		e := &errdefs.Error{Doing: "make the working folder " + strconv.Quote(cwd), Field: "process.cwd", Err: err}
		if err == unix.EROFS {
			e.Hint = "create it in the image, as the filesystem is read-only"
		}
		return e
	}
	return nil
}

// mkdirAll makes the folder name, a cleaned absolute path. It resolves every
// parent from the root again: the path may hold symbolic links, and "mkdir -p"
// is rare.
func mkdirAll(name string) error {
	root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	for start := 1; start <= len(name); {
		end := len(name)
		if i := strings.IndexByte(name[start:], '/'); i >= 0 {
			end = start + i
		}
		parent, err := unix.Openat2(root, name[:start], &how)
		if err != nil {
			return err
		}
		err = unix.Mkdirat(parent, name[start:end], 0o755)
		unix.Close(parent)
		if err != nil && err != unix.EEXIST {
			return err
		}
		start = end + 1
	}
	return nil
}
