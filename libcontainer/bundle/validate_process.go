package bundle

import (
	"math"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
	"github.com/rungoci/rung/libcontainer/capname"
)

// process checks the process object. The spec lets create do without one, and
// only start must fail then; rung prepares all of the process in create, and
// refuses there, as runc does.
func (v *validator) process() error {
	if v.spec.Process == nil {
		return bad("process", "is missing")
	}
	return v.processAt(v.spec.Process, "process.")
}

// processAt checks p, whose fields have the names that begin with prefix.
func (v *validator) processAt(p *specs.Process, prefix string) error {
	if err := commandLine(p, prefix); err != nil {
		return err
	}
	if err := user(&p.User, prefix+"user"); err != nil {
		return err
	}
	if p.Capabilities != nil {
		v.capabilities(p.Capabilities, prefix+"capabilities")
	}
	if err := rlimits(p.Rlimits, prefix+"rlimits"); err != nil {
		return err
	}
	if err := v.scheduling(p, prefix); err != nil {
		return err
	}
	if err := noNUL(prefix+"apparmorProfile", p.ApparmorProfile); err != nil {
		return err
	}
	if err := noNUL(prefix+"selinuxLabel", p.SelinuxLabel); err != nil {
		return err
	}
	// Without a terminal the spec wants the size ignored, however wrong.
	if p.Terminal && p.ConsoleSize != nil {
		if err := consoleSize(p.ConsoleSize, prefix+"consoleSize"); err != nil {
			return err
		}
	}
	if adj := p.OOMScoreAdj; adj != nil && (*adj < -1000 || *adj > 1000) {
		return outOfRange(prefix+"oomScoreAdj", "from -1000 to 1000", int64(*adj))
	}
	return nil
}

// commandLine checks what execve(2) and chdir(2) are given.
func commandLine(p *specs.Process, prefix string) error {
	if len(p.Args) == 0 {
		return bad(prefix+"args", "must name the program to run, and is empty")
	}
	if p.Args[0] == "" {
		return bad(prefix+"args[0]", "must name the program to run, and is empty")
	}
	for i, arg := range p.Args {
		if err := noNUL(jsonfield.Index(prefix+"args", i), arg); err != nil {
			return err
		}
	}
	if p.Cwd == "" {
		return bad(prefix+"cwd", "is missing")
	}
	if err := absolute(prefix+"cwd", p.Cwd); err != nil {
		return err
	}
	return environment(prefix+"env", p.Env)
}

// environment checks that every entry is NAME=VALUE.
func environment(field string, env []string) error {
	for i, entry := range env {
		// The value may be a secret, so it is not shown.
		name, _, assigned := strings.Cut(entry, "=")
		switch {
		case !assigned:
			return bad(jsonfield.Index(field, i), "must have the form NAME=VALUE, and has no =")
		case name == "":
			return bad(jsonfield.Index(field, i), "must have the form NAME=VALUE, and has no name")
		case strings.IndexByte(entry, 0) >= 0:
			return bad(jsonfield.Index(field, i), "must not contain a NUL byte, as the value of "+jsonfield.Quote(name)+" does")
		}
	}
	return nil
}

// noID is the id that the kernel keeps for "leave it as it is": setresuid(2)
// with it succeeds and changes nothing, so a process would stay root.
const noID = math.MaxUint32

// maxGroups is NGROUPS_MAX, what setgroups(2) accepts.
const maxGroups = 65536

func user(u *specs.User, field string) error {
	if u.UID == noID {
		return bad(field+".uid", "must be below 4294967295, which means no user")
	}
	if u.GID == noID {
		return bad(field+".gid", "must be below 4294967295, which means no group")
	}
	if len(u.AdditionalGids) > maxGroups {
		return outOfRange(field+".additionalGids", "at most 65536 groups", int64(len(u.AdditionalGids)))
	}
	if i := slices.Index(u.AdditionalGids, noID); i >= 0 {
		return bad(jsonfield.Index(field+".additionalGids", i), "must be below 4294967295, which means no group")
	}
	if u.Umask != nil && *u.Umask > 0o777 {
		return outOfRange(field+".umask", "from 0 to 511 (octal 777)", int64(*u.Umask))
	}
	return nil
}

// capabilities warns of names that rung does not know. The spec forbids to
// fail (config.md, "Linux Process").
func (v *validator) capabilities(c *specs.LinuxCapabilities, field string) {
	for _, set := range [...]struct {
		name  string
		names []string
	}{
		{"bounding", c.Bounding},
		{"effective", c.Effective},
		{"inheritable", c.Inheritable},
		{"permitted", c.Permitted},
		{"ambient", c.Ambient},
	} {
		for i, name := range set.names {
			if _, known := capname.Parse(name); !known {
				v.warn(jsonfield.Index(field+"."+set.name, i), "unknown capability "+jsonfield.Quote(name)+" is ignored")
			}
		}
	}
}

// isRlimit says whether name is a resource of getrlimit(2).
func isRlimit(name string) bool {
	switch name {
	case "RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_LOCKS",
		"RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_RSS",
		"RLIMIT_RTPRIO", "RLIMIT_RTTIME", "RLIMIT_SIGPENDING", "RLIMIT_STACK":
		return true
	}
	return false
}

func rlimits(list []specs.POSIXRlimit, field string) error {
	for i, limit := range list {
		at := jsonfield.Index(field, i)
		if !isRlimit(limit.Type) {
			return bad(at+".type", "unknown resource "+jsonfield.Quote(limit.Type))
		}
		for j := range i {
			if list[j].Type == limit.Type {
				return bad(at+".type", limit.Type+" is limited by "+jsonfield.Index(field, j)+" already")
			}
		}
		if limit.Soft > limit.Hard {
			return bad(at+".soft", "must not be above the hard limit "+
				strconv.FormatUint(limit.Hard, 10)+", got "+strconv.FormatUint(limit.Soft, 10))
		}
	}
	return nil
}

// consoleSize checks the size of a terminal, whose struct winsize
// (ioctl_tty(2)) has 16 bits for either side.
func consoleSize(size *specs.Box, field string) error {
	if size.Height > math.MaxUint16 {
		return bad(field+".height", "must be from 0 to 65535, got "+strconv.FormatUint(uint64(size.Height), 10))
	}
	if size.Width > math.MaxUint16 {
		return bad(field+".width", "must be from 0 to 65535, got "+strconv.FormatUint(uint64(size.Width), 10))
	}
	return nil
}

// outOfRange returns an error about a number.
func outOfRange(field, want string, got int64) error {
	return bad(field, "must be "+want+", got "+strconv.FormatInt(got, 10))
}
