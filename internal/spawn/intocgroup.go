package spawn

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// enterCgroup is what a process is doing that enters its cgroup, in runc's words.
const enterCgroup = "adding pid of the process to cgroups"

// startOutside is the second try after clone3 has failed with err: where that may
// be due to CLONE_INTO_CGROUP, the process is born where rung is, and enters the
// cgroup by writing itself into cgroup.procs, as it does on v1. The kernel asks for
// the same there (cgroup_attach_permissions), but not all that looks at the
// arguments of clone3 before, or stands in for it, knows that flag.
//
// The limit of processes is no such case: to go around it would be to lift it.
func (b *builder) startOutside(ctx context.Context, err error) (*Process, error) {
	if b.req.CgroupFD < 0 || !mayBeCgroup(err) {
		return nil, err
	}
	procs, openErr := unix.Openat(b.req.CgroupFD, "cgroup.procs", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if openErr != nil {
		return nil, err
	}
	defer unix.Close(procs)
	r := *b.req
	r.CgroupFD = -1
	r.Tasks = append(slices.Clone(r.Tasks), procs)
	p, again := Start(ctx, &r)
	if again != nil {
		// Then it was not the flag, and the first error is the true one.
		return nil, err
	}
	return p, nil
}

// mayBeCgroup tells whether clone3 may have failed for the sake of the cgroup.
func mayBeCgroup(err error) bool {
	for _, errno := range [...]unix.Errno{unix.EINVAL, unix.EPERM, unix.EACCES, unix.EBUSY, unix.EOPNOTSUPP, unix.ENODEV, unix.EBADF, unix.ENOENT} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// cgroupHint says why a cgroup of v2 does not take a process, or "": for the
// kernel's reasons see cgroup_css_set_fork and cgroup_attach_permissions.
func cgroupHint(errno error) string {
	switch {
	case errors.Is(errno, unix.EBUSY):
		return "its cgroup takes no processes, as it passes controllers on to cgroups below it (cgroup.subtree_control)"
	case errors.Is(errno, unix.EOPNOTSUPP):
		return "its cgroup takes no processes, as it is threaded or below one that is (cgroup.type)"
	case errors.Is(errno, unix.ENODEV):
		return "somebody else removed its cgroup"
	case errors.Is(errno, unix.EACCES):
		return "a user may move processes only between cgroups below one that was delegated to it (cgroups(7), \"Cgroups delegation containment\")"
	}
	return ""
}
