package bundle

import "testing"

func TestValidateMemoryPolicy(t *testing.T) {
	policy := func(s string) string { return `{"linux": {"memoryPolicy": ` + s + `}}` }
	testRefusals(t, []refusal{
		{policy(`{}`), `linux.memoryPolicy.mode: invalid memory policy mode ""`},
		{policy(`{"mode": "BIND"}`), `linux.memoryPolicy.mode: invalid memory policy mode "BIND"`},
		{policy(`{"mode": "MPOL_BIND"}`), `linux.memoryPolicy.nodes: the memory policy mode requires at least one node but got 0`},
		{policy(`{"mode": "MPOL_WEIGHTED_INTERLEAVE", "nodes": ","}`), `linux.memoryPolicy.nodes: the memory policy mode requires at least one node but got 0`},
		{policy(`{"mode": "MPOL_LOCAL", "nodes": "0-7"}`), `linux.memoryPolicy.nodes: the memory policy mode requires 0 nodes but got 8`},
		{policy(`{"mode": "MPOL_BIND", "nodes": "0-9876543210"}`),
			`invalid memory policy nodes (linux.memoryPolicy.nodes): the highest node number supported is 1023, got "9876543210"`},
		{policy(`{"mode": "MPOL_BIND", "nodes": "a"}`),
			`invalid memory policy nodes (linux.memoryPolicy.nodes): must be a list of nodes such as 0-3,7, got "a" where a number belongs`},
		{policy(`{"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "x"]}`), `linux.memoryPolicy.flags[1]: invalid memory policy flag "x"`},
		{policy(`{"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]}`),
			`linux.memoryPolicy.flags: MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other`},
	})
	testAccepted(t, []string{
		policy(`null`), policy(`{"mode": "MPOL_DEFAULT"}`), policy(`{"mode": "MPOL_LOCAL", "nodes": ""}`), policy(`{"mode": "MPOL_PREFERRED"}`),
		policy(`{"mode": "MPOL_PREFERRED_MANY", "nodes": "1,3-5", "flags": ["MPOL_F_STATIC_NODES"]}`),
		policy(`{"mode": "MPOL_BIND", "nodes": "1023", "flags": ["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES"]}`),
	})
}
