package bundle

import "testing"

func TestValidateNetDevices(t *testing.T) {
	devices := func(s string) string {
		return `{"linux": {"namespaces": [{"type": "network"}], "netDevices": ` + s + `}}`
	}
	testRefusals(t, []refusal{
		{`{"linux": {"namespaces": [{"type": "mount"}], "netDevices": {"eth0": {}}}}`, `linux.netDevices: needs a network namespace in linux.namespaces`},
		{devices(`{"a/b": {}}`), `linux.netDevices["a/b"]: invalid network device name "a/b"`},
		{devices(`{"": {}}`), `linux.netDevices[""]: invalid network device name ""`},
		{devices(`{"eth%d": {}}`), `linux.netDevices["eth%d"]: invalid network device name "eth%d"`},
		{devices(`{"eth0": {"name": "a b"}}`), `linux.netDevices.eth0.name: invalid network device name "a b"`},
		{devices(`{"eth0": {"name": "sixteen_is_a_lot"}}`), `linux.netDevices.eth0.name: invalid network device name "sixteen_is_a_lot"`},
		{devices(`{"eth0": {"name": ".."}}`), `linux.netDevices.eth0.name: invalid network device name ".."`},
		{devices(`{"eth0": {"name": "e%d%d"}}`), `linux.netDevices.eth0.name: invalid network device name "e%d%d"`},
		{devices(`{"eth0": {"name": "e%s"}}`), `linux.netDevices.eth0.name: invalid network device name "e%s"`},
		{devices(`{"eth0": {"name": "eth1"}, "eth1": {}}`), `linux.netDevices.eth1.name: is also the name of linux.netDevices.eth0`},
	})
	testAccepted(t, []string{
		`{"linux": {"netDevices": {}}}`,
		devices(`{"eth0": {}, "eth1": {"name": "other"}}`), devices(`{"a": {"name": "eth%d"}, "b": {"name": "eth%d"}}`),
		`{"linux": {"namespaces": [{"type": "network", "path": "/n"}], "netDevices": {"fifteen_letters": {}}}}`,
	})
}
