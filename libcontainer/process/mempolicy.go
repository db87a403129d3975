package process

import (
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/sys"
	"github.com/rungoci/rung/libcontainer/bundle"
)

// SetMemoryPolicy says from which NUMA nodes the thread, and what it
// forks or executes, gets its memory (set_mempolicy(2), field
// linux.memoryPolicy).
func SetMemoryPolicy(c sys.Caller, p *specs.LinuxMemoryPolicy) error {
	if p == nil {
		return nil
	}
	mode, nodes, err := bundle.MemoryPolicy(p)
	if err != nil {
		return err
	}
	var mask uintptr
	if nodes != nil {
		mask = c.Mem(sys.Bytes(nodes))
	}
	const maxNode = 8 * unsafe.Sizeof(*nodes)
	if errno := c.Call(unix.SYS_SET_MEMPOLICY, uintptr(mode), mask, maxNode); errno != 0 {
		return &errdefs.Error{Doing: "set the memory policy " + string(p.Mode), Field: "linux.memoryPolicy", Err: errno, Hint: policyHint(errno, p)}
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
