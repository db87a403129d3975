package bundle

import (
	"testing"
)

func TestUnsupported(t *testing.T) {
	const not = ` are not supported by this version of rung`
	testRefusals(t, []refusal{
		{`{"linux": {"netDevices": {"eth0": {}}}}`, `linux.netDevices: network devices` + not},
	})
	testAccepted(t, []string{
		`{"linux": {"uidMappings": [], "gidMappings": [], "seccomp": {}, "mountLabel": "", "intelRdt": {}, "netDevices": {}}}`,
		`{"process": {"apparmorProfile": "", "selinuxLabel": ""}}`,
		`{"process": {"apparmorProfile": "p", "selinuxLabel": "l"}, "linux": {"mountLabel": "l"}}`,
	})
}
