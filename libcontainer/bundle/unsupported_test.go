package bundle

import (
	"testing"
)

func TestUnsupported(t *testing.T) {
	const not = ` are not supported by this version of rung`
	testRefusals(t, []refusal{
		{`{"linux": {"netDevices": {"eth0": {}}}}`, `linux.netDevices: network devices` + not},
		{`{"linux": {"memoryPolicy": {"mode": "MPOL_BIND"}}}`, `linux.memoryPolicy: memory policies` + not},
		{`{"linux": {"memoryPolicy": {"nodes": "0"}}}`, `linux.memoryPolicy: memory policies` + not},
		{`{"linux": {"memoryPolicy": {"flags": ["MPOL_F_STATIC_NODES"]}}}`, `linux.memoryPolicy: memory policies` + not},
	})
	testAccepted(t, []string{
		`{"linux": {"uidMappings": [], "gidMappings": [], "seccomp": {}, "mountLabel": "", "intelRdt": {}, "netDevices": {}, "memoryPolicy": {}}}`,
		`{"process": {"apparmorProfile": "", "selinuxLabel": ""}}`,
		`{"process": {"apparmorProfile": "p", "selinuxLabel": "l"}, "linux": {"mountLabel": "l"}}`,
	})
}
