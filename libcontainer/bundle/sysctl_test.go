package bundle

import (
	"fmt"
	"testing"
)

func TestSysctlPath(t *testing.T) {
	for key, want := range map[string]string{
		"net.ipv4.ip_forward":              "net/ipv4/ip_forward",
		"net/ipv4/ip_forward":              "net/ipv4/ip_forward",
		"net.ipv4.conf.eth0/100.rp_filter": "net/ipv4/conf/eth0.100/rp_filter",
		"net/ipv4/conf/eth0.100/rp_filter": "net/ipv4/conf/eth0.100/rp_filter",
		"kernel.sem":                       "kernel/sem",
		"a.b/c":                            "a/b.c",
		"a/b.c":                            "a/b.c",
		"a...b":                            "", "": "", "a": "", ".": "", "/": "", "..": "", "a.": "", ".a": "", "a//b": "", "a/../b": "", "a/..": "",
		"net.//.kernel": "", "net./.kernel": "", "net/./kernel": "", "../a": "", "a.b\x00": "",
	} {
		path, ok := SysctlPath(key)
		if ok != (want != "") || ok && path != want {
			t.Errorf("SysctlPath(%q) = %q, %v; want %q", key, path, ok, want)
		}
	}
}

func TestSysctlRefusals(t *testing.T) {
	sysctl := func(key string) string {
		return `{"linux": {"namespaces": [], "sysctl": {` + key + `: "1"}}}`
	}
	own := func(key string) string { return `{"linux": {"sysctl": {` + key + `: "1"}}}` }
	const ipc = ` belongs to the ipc namespace, which is not in linux.namespaces, so it would change the host`
	const host = ` belongs to no namespace, so it would change the host`
	const noName = ` is not the name of a kernel parameter`
	testRefusals(t, []refusal{
		{sysctl(`"kernel.msgmax"`), `linux.sysctl["kernel.msgmax"]:` + ipc},
		{sysctl(`"kernel.shm_rmid_forced"`), `linux.sysctl["kernel.shm_rmid_forced"]:` + ipc},
		{sysctl(`"kernel/sem"`), `linux.sysctl["kernel/sem"]:` + ipc},
		{sysctl(`"fs.mqueue.msg_max"`), `linux.sysctl["fs.mqueue.msg_max"]:` + ipc},
		{sysctl(`"net.core.somaxconn"`),
			`linux.sysctl["net.core.somaxconn"]: belongs to the network namespace, which is not in linux.namespaces, so it would change the host`},
		{sysctl(`"kernel.domainname"`),
			`linux.sysctl["kernel.domainname"]: belongs to the uts namespace, which is not in linux.namespaces, so it would change the host`},
		{own(`"user.max_user_namespaces"`),
			`linux.sysctl["user.max_user_namespaces"]: belongs to the user namespace, which is not in linux.namespaces, so it would change the host`},
		{own(`"kernel.hostname"`),
			`linux.sysctl["kernel.hostname"]: conflicts with the field hostname (hint: set hostname instead)`},
		{own(`"vm.swappiness"`), `linux.sysctl["vm.swappiness"]:` + host},
		{own(`"kernel.core_pattern"`), `linux.sysctl["kernel.core_pattern"]:` + host},
		{own(`"kernel/core_pattern"`), `linux.sysctl["kernel/core_pattern"]:` + host},
		{own(`"fs.mqueue"`), `linux.sysctl["fs.mqueue"]:` + host},
		{own(`"netx.core"`), `linux.sysctl["netx.core"]:` + host},
		{own(`"kernel.msgmax.x"`), `linux.sysctl["kernel.msgmax.x"]:` + host},
		{own(`"net"`), `linux.sysctl.net:` + noName},
		{own(`""`), `linux.sysctl[""]:` + noName},
		{own(`"net..core"`), `linux.sysctl["net..core"]:` + noName},
		{own(`"net.core."`), `linux.sysctl["net.core."]:` + noName},
		{own(`"/net/core/x"`), `linux.sysctl["/net/core/x"]:` + noName},
		{own(`"net/../kernel/core_pattern"`), `linux.sysctl["net/../kernel/core_pattern"]:` + noName},
		{own(`"net.//.kernel.core_pattern"`), `linux.sysctl["net.//.kernel.core_pattern"]:` + noName},
		{own(`"net/./core"`), `linux.sysctl["net/./core"]:` + noName},
		{own(`"net.core.x\u0000"`), `linux.sysctl["net.core.x\x00"]:` + noName},
		{`{"linux": {"sysctl": {"net.core.somaxconn": "1\u0000"}}}`,
			`linux.sysctl["net.core.somaxconn"]: must not contain a NUL byte, got "1\x00"`},
	})
}

func TestHostNamespaces(t *testing.T) {
	const joins = `{"linux": {"namespaces": [{"type": "mount"}, {"type": "%s", "path": "%s"}], "sysctl": {"%s": "1"}}}`
	for _, tc := range []struct{ kind, file, key string }{
		{"network", "net", "net.core.somaxconn"},
		{"ipc", "ipc", "fs.mqueue.msg_max"},
		{"uts", "uts", "kernel.domainname"},
	} {
		load := func(path, key string) error {
			_, err := Load(makeBundle(t, patched(t, fmt.Sprintf(joins, tc.kind, path, key))))
			return err
		}
		want := fmt.Sprintf("linux.sysctl[%q]: would change the host, whose %s namespace linux.namespaces[1] joins", tc.key, tc.kind)
		if err := load("/proc/self/ns/"+tc.file, tc.key); err == nil || err.Error() != want {
			t.Errorf("\n got %v\nwant %s", err, want)
		}
		want = "look at the namespace /none (linux.namespaces[1].path): no such file or directory"
		if err := load("/none", tc.key); err == nil || err.Error() != want {
			t.Errorf("\n got %v\nwant %s", err, want)
		}
		// What else is a namespace is for the one who joins to find out.
		if err := load("/proc/self/ns/mnt", tc.key); err != nil {
			t.Error(err)
		}
	}
	// Joining alone changes nothing.
	patch := `{"linux": {"namespaces": [{"type": "network", "path": "/proc/self/ns/net"}]}}`
	if _, err := Load(makeBundle(t, patched(t, patch))); err != nil {
		t.Error(err)
	}
}
