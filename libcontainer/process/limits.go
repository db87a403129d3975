package process

import (
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/sys"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// rlimitNumber returns the number of a resource of getrlimit(2).
func rlimitNumber(name string) (int, bool) {
	switch name {
	case "RLIMIT_AS":
		return unix.RLIMIT_AS, true
	case "RLIMIT_CORE":
		return unix.RLIMIT_CORE, true
	case "RLIMIT_CPU":
		return unix.RLIMIT_CPU, true
	case "RLIMIT_DATA":
		return unix.RLIMIT_DATA, true
	case "RLIMIT_FSIZE":
		return unix.RLIMIT_FSIZE, true
	case "RLIMIT_LOCKS":
		return unix.RLIMIT_LOCKS, true
	case "RLIMIT_MEMLOCK":
		return unix.RLIMIT_MEMLOCK, true
	case "RLIMIT_MSGQUEUE":
		return unix.RLIMIT_MSGQUEUE, true
	case "RLIMIT_NICE":
		return unix.RLIMIT_NICE, true
	case "RLIMIT_NOFILE":
		return unix.RLIMIT_NOFILE, true
	case "RLIMIT_NPROC":
		return unix.RLIMIT_NPROC, true
	case "RLIMIT_RSS":
		return unix.RLIMIT_RSS, true
	case "RLIMIT_RTPRIO":
		return unix.RLIMIT_RTPRIO, true
	case "RLIMIT_RTTIME":
		return unix.RLIMIT_RTTIME, true
	case "RLIMIT_SIGPENDING":
		return unix.RLIMIT_SIGPENDING, true
	case "RLIMIT_STACK":
		return unix.RLIMIT_STACK, true
	}
	return 0, false
}

// SetRlimits sets the limits of the process, in the order given (field
// process.rlimits). Setting a hard limit to what it is already needs no
// privilege, so an engine's default that equals the host's never fails.
func SetRlimits(c sys.Caller, limits []specs.POSIXRlimit) error {
	return setRlimits(0, limits, c.Rlimit)
}

// SetRlimitsOf is SetRlimits for the process pid.
func SetRlimitsOf(pid int, limits []specs.POSIXRlimit) error {
	return setRlimits(pid, limits, func(resource int, soft, hard uint64) unix.Errno {
		return errnoOf(unix.Prlimit(pid, resource, &unix.Rlimit{Cur: soft, Max: hard}, nil))
	})
}

func setRlimits(pid int, limits []specs.POSIXRlimit, set func(resource int, soft, hard uint64) unix.Errno) error {
	for i := range limits {
		l := &limits[i]
		number, ok := rlimitNumber(l.Type)
		if !ok {
			return errdefs.Field(jsonfield.Index("process.rlimits", i)+".type", "unknown resource "+jsonfield.Quote(l.Type))
		}
		if errno := set(number, l.Soft, l.Hard); errno != 0 {
			return rlimitError(errno, pid, i, l)
		}
	}
	return nil
}

func rlimitError(err error, pid, i int, l *specs.POSIXRlimit) error {
	e := &errdefs.Error{
		Doing: "set " + l.Type + " to " + strconv.FormatUint(l.Soft, 10) + ":" + strconv.FormatUint(l.Hard, 10),
		Field: jsonfield.Index("process.rlimits", i),
		Err:   err,
	}
	switch err {
	case unix.EPERM:
		e.Hint = "raising a hard limit needs CAP_SYS_RESOURCE, which rung does not have here"
		if l.Type == "RLIMIT_NOFILE" {
			e.Hint += ", and no limit of open files may be above the kernel parameter fs.nr_open"
		}
		var now unix.Rlimit
		number, _ := rlimitNumber(l.Type)
		if unix.Prlimit(pid, number, nil, &now) == nil {
			e.Hint += "; the hard limit now is " + strconv.FormatUint(now.Max, 10)
		}
	case unix.EINVAL:
		e.Hint = "the soft limit must not be above the hard one"
	}
	return e
}

// SetOOMScoreAdj sets how much the kernel prefers the process, and what it
// forks, as a victim when memory runs out, from -1000 to 1000 (field
// process.oomScoreAdj). A value that is set already is not written: lowering
// needs CAP_SYS_RESOURCE, keeping needs nothing.
func SetOOMScoreAdj(p *Proc, v *int) error {
	if v == nil {
		return nil
	}
	fd, err := p.open("thread-self/oom_score_adj", unix.O_RDWR)
	if err == nil {
		err = writeOOMScoreAdj(fd, *v)
	}
	return oomError(err, *v)
}

// SetOOMScoreAdjOf is SetOOMScoreAdj for the process pid, in the host's /proc.
func SetOOMScoreAdjOf(pid int, v *int) error {
	if v == nil {
		return nil
	}
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		err = writeOOMScoreAdj(fd, *v)
	}
	return oomError(err, *v)
}

// oomError returns nil if err is nil.
func oomError(err error, v int) error {
	if err == nil {
		return nil
	}
	e := &errdefs.Error{
		Doing: "set oom_score_adj to " + strconv.Itoa(v),
		Field: "process.oomScoreAdj",
		Err:   err,
		Hint:  coveredHint(err),
	}
	switch err {
	case unix.EACCES, unix.EPERM:
		e.Hint = "lowering it needs CAP_SYS_RESOURCE, which rung does not have here; " +
			"containerd has restrict_oom_score_adj for such hosts"
	case unix.EINVAL:
		e.Hint = "it ranges from -1000 to 1000"
	}
	return e
}

// writeOOMScoreAdj writes v to the open file fd, if it is another value, and
// closes it.
func writeOOMScoreAdj(fd, v int) error {
	value := strconv.Itoa(v)
	var buf [16]byte
	if n, err := unix.Pread(fd, buf[:], 0); err == nil && strings.TrimSpace(string(buf[:n])) == value {
		return unix.Close(fd)
	}
	return writeOnce(fd, value)
}

// ChangedOOMScoreAdj returns what has to be written to oom_score_adj for v, or
// "" where that is what the calling process has (field process.oomScoreAdj).
// It reads /proc, which must be the host's.
func ChangedOOMScoreAdj(v *int) (string, error) {
	if v == nil {
		return "", nil
	}
	value := strconv.Itoa(*v)
	now, ok := readSmall("/proc/self/oom_score_adj")
	if !ok {
		return "", &errdefs.Error{Doing: "read /proc/self/oom_score_adj", Field: "process.oomScoreAdj", Err: unix.ENOENT}
	}
	if strings.TrimSpace(now) == value {
		return "", nil
	}
	return value, nil
}
