package process

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle"
)

// SetMemoryPolicy says from which NUMA nodes the calling thread, and what it
// forks or executes, gets its memory (set_mempolicy(2), field
// linux.memoryPolicy).
func SetMemoryPolicy(p *specs.LinuxMemoryPolicy) error {
	if p == nil {
		return nil
	}
	mode, nodes, err := bundle.MemoryPolicy(p)
	if err != nil {
		return err
	}
	if err := unix.SetMemPolicy(mode, nodes); err != nil {
		return &errdefs.Error{Doing: "set the memory policy " + string(p.Mode), Field: "linux.memoryPolicy", Err: err, Hint: policyHint(err, p)}
	}
	return nil
}

func policyHint(err error, p *specs.LinuxMemoryPolicy) string {
	switch {
	case err == unix.ENOSYS:
		return "this kernel was built without NUMA"
	case err != unix.EINVAL:
		return ""
	case p.Mode == specs.MpolWeightedInterleave:
		return "it needs Linux 6.9, and nodes that this machine has"
	case p.Mode == specs.MpolPreferredMany:
		return "it needs Linux 5.15, and nodes that this machine has"
	}
	return "none of the nodes is in this machine, or in the cpuset of its cgroup, or the flags are not for this mode"
}
