package process

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

const argField = "process.args[0]"

// defaultPath is where execvp(3) looks if there is no PATH.
const defaultPath = "/bin:/usr/bin"

// errNotFound is what engines look for to tell a missing program (exit status
// 127) from other failures. It is ENOENT.
type errNotFound struct{ name string }

func (e errNotFound) Error() string {
	return "exec: " + strconv.Quote(e.name) + ": executable file not found in $PATH"
}

func (errNotFound) Unwrap() error { return unix.ENOENT }

// LookupExecutable returns the path of the program arg0 (field
// process.args[0]). One with a slash is taken as it is, relative to the
// working folder; others are searched for in the PATH of env, as execvp(3)
// does, and in /bin and /usr/bin without PATH. Files that the calling thread
// may not execute are passed over, so call it after SetUser and Caps.Apply.
//
// The error is ENOENT if there is none, with the words "executable file not
// found in $PATH" where PATH was searched; EACCES or EISDIR if a path is
// given and cannot be executed.
func LookupExecutable(arg0 string, env []string) (string, error) {
	if strings.Contains(arg0, "/") {
		if errno := access(arg0); errno != 0 {
			return "", execError(arg0, errno, accessHint(arg0, errno))
		}
		return arg0, nil
	}
	list, given := lookupEnv(env, "PATH")
	if !given {
		list = defaultPath
	}
	var refused string
	var why unix.Errno
	if arg0 != "" {
		for dir := range strings.SplitSeq(list, ":") {
			file := searched(dir, arg0)
			errno := access(file)
			if errno == 0 {
				return file, nil
			}
			if refused == "" && errno != unix.ENOENT && errno != unix.ENOTDIR {
				refused, why = file, errno
			}
		}
	}
	e := &errdefs.Error{Field: argField, Err: errNotFound{arg0}}
	switch {
	case refused != "":
		e.Hint = refused + " is there, but cannot be executed: " + why.Error()
		if hint := accessHint(refused, why); hint != "" {
			e.Hint += ", " + hint
		}
	case !given:
		e.Hint = "process.env has no PATH, so " + defaultPath + " was searched"
	case strings.ContainsAny(arg0, " \t"):
		e.Hint = "it looks like a whole command line; every word of one is an element of process.args of its own"
	default:
		e.Hint = "searched in " + strconv.Quote(list)
	}
	return "", e
}

// Candidates returns the paths that execve(2) has to be tried with, one after the
// other, to run the program that LookupExecutable would find. It looks at no file.
func Candidates(arg0 string, env []string) []string {
	if arg0 == "" || strings.Contains(arg0, "/") {
		return []string{arg0}
	}
	list, given := lookupEnv(env, "PATH")
	if !given {
		list = defaultPath
	}
	var files []string
	for dir := range strings.SplitSeq(list, ":") {
		files = append(files, searched(dir, arg0))
	}
	return files
}

// searched is the path of a program in one of the folders of PATH.
func searched(dir, name string) string {
	if dir == "" {
		dir = "."
	}
	return dir + "/" + name
}

// access tells whether the calling thread may execute the file, by its
// effective ids as execve(2) does. A folder is EISDIR, for which execve has
// only EACCES; so are other files that are not regular, which keep that.
func access(path string) unix.Errno {
	var st unix.Stat_t
	if errno := errnoOf(unix.Stat(path, &st)); errno != 0 {
		return errno
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		return unix.EISDIR
	default:
		return unix.EACCES
	}
	// This also says EACCES of a mount with noexec.
	errno := errnoOf(unix.Faccessat2(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS))
	if errno == unix.ENOSYS || errno == unix.EPERM {
		// A seccomp filter older than the system call, as around a
		// container engine in a container. The mode is a fair guess, and
		// execve has the last word.
		if st.Mode&0o111 != 0 {
			return 0
		}
		return unix.EACCES
	}
	return errno
}

// errnoOf returns the errno that an error of package unix is.
func errnoOf(err error) unix.Errno {
	errno, _ := err.(unix.Errno)
	return errno
}

func execError(path string, err error, hint string) error {
	return &errdefs.Error{Doing: "exec " + strconv.Quote(path), Field: argField, Err: err, Hint: hint}
}
