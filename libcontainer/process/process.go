// Package process sets what the container's program inherits when it is
// executed: user, capabilities, limits, priorities, terminal, environment and
// working folder; and it finds that program and says why it cannot run.
//
// Every function stands alone and acts on a thread or, where the kernel keeps
// something per process, on its process: the thread of the sys.Caller that it is
// given, else the calling one. That must be locked (runtime.LockOSThread) and be
// the one that calls execve(2): other threads keep the credentials they have, and
// execve ends them. What an error says is of use where the Caller is for the
// calling thread; others have none.
//
// Functions for a field of config.json return errors that name it, and do
// nothing, no system call even, where the field is absent. Those whose field
// may come from elsewhere say so.
package process

import (
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/sys"
)

// SetHostname sets the host name of the UTS namespace (field hostname).
func SetHostname(name string) error {
	return setName(name, "hostname", unix.Sethostname)
}

// SetDomainname sets the NIS domain name of the UTS namespace (field
// domainname).
func SetDomainname(name string) error {
	return setName(name, "domainname", unix.Setdomainname)
}

func setName(name, field string, set func([]byte) error) error {
	if name == "" {
		return nil
	}
	err := set([]byte(name))
	if err == nil {
		return nil
	}
	e := &errdefs.Error{Doing: "set the " + field + " to " + name, Field: field, Err: err}
	switch err {
	case unix.EINVAL:
		e.Hint = "Linux takes at most 64 bytes"
	case unix.EPERM:
		e.Hint = "setting it needs CAP_SYS_ADMIN over the uts namespace"
	}
	return e
}

// SetNoNewPrivileges makes set-user-id bits and file capabilities void for the
// thread and what it executes, for ever (field process.noNewPrivileges; see
// PR_SET_NO_NEW_PRIVS in prctl(2)).
func SetNoNewPrivileges(c sys.Caller) error {
	if errno := sys.Prctl(c, unix.PR_SET_NO_NEW_PRIVS, 1, 0); errno != 0 {
		return &errdefs.Error{Doing: "set no_new_privs", Field: "process.noNewPrivileges", Err: errno}
	}
	return nil
}
