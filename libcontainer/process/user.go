package process

import (
	"math"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/sys"
)

// defaultUmask is what runc and crun give a container whose config has none.
// The spec would have the caller's umask inherited, which makes containers
// depend on the shell that their engine was started from.
const defaultUmask = 0o022

// SetUmask sets the file mode creation mask: that of the field
// process.user.umask, else 0022.
func SetUmask(c sys.Caller, u specs.User) {
	umask := uint32(defaultUmask)
	if u.Umask != nil {
		umask = *u.Umask
	}
	c.Try(unix.SYS_UMASK, uintptr(umask)) // never fails
}

// noID means "leave it as it is" to setresuid(2), which then succeeds and
// leaves the thread root.
const noID = math.MaxUint32

// SetUser sets the supplementary groups, the group and the user of the
// thread (fields process.user.additionalGids, gid and uid). It drops all
// supplementary groups where the config has none and the kernel allows it; with
// keepGroups it leaves them as they are.
//
// The permitted capabilities survive (PR_SET_KEEPCAPS, which execve(2) takes
// back), so that Caps.Apply can follow; without it, all are gone after
// execve. The kernel resets the parent death signal and makes the process
// undumpable where the user or group changes.
func SetUser(c sys.Caller, u specs.User, keepGroups bool) error {
	if u.UID == noID {
		return errdefs.Field("process.user.uid", "must be below 4294967295, which means no user")
	}
	if u.GID == noID {
		return errdefs.Field("process.user.gid", "must be below 4294967295, which means no group")
	}
	if u.UID != 0 {
		if errno := sys.Prctl(c, unix.PR_SET_KEEPCAPS, 1, 0); errno != 0 {
			return &errdefs.Error{Doing: "keep the capabilities over a change of user", Field: "process.user.uid", Err: errno}
		}
	}
	var errno unix.Errno
	if !keepGroups {
		errno = sys.Setgroups(c, u.AdditionalGids)
	}
	if errno == unix.EPERM && len(u.AdditionalGids) == 0 && sys.Capable(unix.CAP_SETGID) {
		// A user namespace in which setgroups(2) is denied, as it has to be
		// where a user without privileges mapped a group (CVE-2014-8989). The
		// groups that the process has stay, and are not mapped there.
		errno = 0
	}
	if errno != 0 {
		return idError(errno, "set the supplementary groups", "process.user.additionalGids")
	}
	if errno := sys.Setresgid(c, u.GID, u.GID, u.GID); errno != 0 {
		return idError(errno, "become group "+strconv.FormatUint(uint64(u.GID), 10), "process.user.gid")
	}
	if errno := sys.Setresuid(c, u.UID, u.UID, u.UID); errno != 0 {
		return idError(errno, "become user "+strconv.FormatUint(uint64(u.UID), 10), "process.user.uid")
	}
	return nil
}

func idError(errno unix.Errno, doing, field string) error {
	e := &errdefs.Error{Doing: doing, Field: field, Err: errno}
	switch errno {
	case unix.EINVAL:
		e.Hint = "the user namespace does not map this id"
	case unix.EPERM:
		e.Hint = "rung lacks CAP_SETUID or CAP_SETGID, or the user namespace denies setgroups, as that of a user without subordinate groups does"
	case unix.EAGAIN:
		e.Hint = "the user has as many processes as RLIMIT_NPROC allows"
	}
	return e
}
