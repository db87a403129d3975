package bundle

import (
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

const fieldPolicy = "linux.memoryPolicy"

// memoryPolicy checks linux.memoryPolicy. What else set_mempolicy(2) refuses
// depends on the kernel and the machine.
func (v *validator) memoryPolicy() error {
	if v.linux.MemoryPolicy == nil {
		return nil
	}
	_, _, err := MemoryPolicy(v.linux.MemoryPolicy)
	return err
}

// MemoryPolicy returns the arguments of set_mempolicy(2) for a policy: its mode
// with the flags, and the nodes, nil where there are none.
func MemoryPolicy(p *specs.LinuxMemoryPolicy) (mode int, nodes *unix.CPUSet, err error) {
	mode, known := policyMode(p.Mode)
	if !known {
		return 0, nil, bad(fieldPolicy+".mode", "invalid memory policy mode "+jsonfield.Quote(string(p.Mode)))
	}
	nodes, err = ParseNodeList(p.Nodes)
	if err != nil {
		return 0, nil, &errdefs.Error{Doing: "invalid memory policy nodes", Field: fieldPolicy + ".nodes", Err: err}
	}
	switch p.Mode {
	case specs.MpolDefault, specs.MpolLocal:
		if nodes != nil {
			return 0, nil, bad(fieldPolicy+".nodes", "the memory policy mode requires 0 nodes but got "+strconv.Itoa(nodes.Count()))
		}
	case specs.MpolPreferred: // without any it is MPOL_LOCAL
	default:
		if nodes == nil {
			return 0, nil, bad(fieldPolicy+".nodes", "the memory policy mode requires at least one node but got 0")
		}
	}
	for i, name := range p.Flags {
		flag, known := policyFlag(name)
		if !known {
			return 0, nil, bad(jsonfield.Index(fieldPolicy+".flags", i), "invalid memory policy flag "+jsonfield.Quote(string(name)))
		}
		mode |= flag
	}
	if both := unix.MPOL_F_STATIC_NODES | unix.MPOL_F_RELATIVE_NODES; mode&both == both {
		return 0, nil, bad(fieldPolicy+".flags", "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other")
	}
	return mode, nodes, nil
}

func policyMode(mode specs.MemoryPolicyModeType) (int, bool) {
	switch mode {
	case specs.MpolDefault:
		return unix.MPOL_DEFAULT, true
	case specs.MpolPreferred:
		return unix.MPOL_PREFERRED, true
	case specs.MpolBind:
		return unix.MPOL_BIND, true
	case specs.MpolInterleave:
		return unix.MPOL_INTERLEAVE, true
	case specs.MpolLocal:
		return unix.MPOL_LOCAL, true
	case specs.MpolPreferredMany:
		return unix.MPOL_PREFERRED_MANY, true
	case specs.MpolWeightedInterleave:
		return unix.MPOL_WEIGHTED_INTERLEAVE, true
	}
	return 0, false
}

func policyFlag(flag specs.MemoryPolicyFlagType) (int, bool) {
	switch flag {
	case specs.MpolFNumaBalancing:
		return unix.MPOL_F_NUMA_BALANCING, true
	case specs.MpolFRelativeNodes:
		return unix.MPOL_F_RELATIVE_NODES, true
	case specs.MpolFStaticNodes:
		return unix.MPOL_F_STATIC_NODES, true
	}
	return 0, false
}
