package bundle

import "testing"

func TestValidateRdt(t *testing.T) {
	rdt := func(s string) string { return `{"linux": {"intelRdt": ` + s + `}}` }
	testRefusals(t, []refusal{
		{rdt(`{"closID": ".."}`), `linux.intelRdt.closID: must be the name of a folder, or /, got ".."`},
		{rdt(`{"closID": "a/b"}`), `linux.intelRdt.closID: must be the name of a folder, or /, got "a/b"`},
		{rdt(`{"closID": "a\nb"}`), `linux.intelRdt.closID: must be the name of a folder, or /, got "a\nb"`},
		{rdt(`{"closID": "info"}`), `linux.intelRdt.closID: "info" is no class of service, but resctrl's own`},
		{rdt(`{"closID": "a\u0000b"}`), `linux.intelRdt.closID: must not contain a NUL byte, got "a\x00b"`},
		{rdt(`{"memBwSchema": "L3:0=1"}`), `linux.intelRdt.memBwSchema: must begin with MB:, got "L3:0=1"`},
		{rdt(`{"memBwSchema": "MB:0=1\nMB:1=1"}`), `linux.intelRdt.memBwSchema: must be one line, got "MB:0=1\nMB:1=1"`},
		{rdt(`{"schemata": ["MB:0=1", "L3:0=1\n"]}`), `linux.intelRdt.schemata[1]: must be one line, got "L3:0=1\n"`},
	})
	testAccepted(t, []string{
		rdt(`{}`), rdt(`{"closID": "/"}`),
		rdt(`{"closID": "a", "l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=10", "schemata": ["L2:0=1"], "enableMonitoring": true}`),
	})
}
