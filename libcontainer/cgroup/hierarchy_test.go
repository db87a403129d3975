package cgroup

import (
	"reflect"
	"testing"
)

func TestParseSelfLine(t *testing.T) {
	for _, tc := range []struct {
		line string
		want hierarchy
		ok   bool
	}{
		{"4:memory:/docker/abc\n", hierarchy{controllers: "memory", own: "/docker/abc"}, true},
		{"2:cpu,cpuacct:/\n", hierarchy{controllers: "cpu,cpuacct", own: "/"}, true},
		{"1:name=systemd:/init.scope\n", hierarchy{controllers: "name=systemd", own: "/init.scope"}, true},
		{"0::/user.slice/a:b\n", hierarchy{own: "/user.slice/a:b"}, true},
		{"0::/", hierarchy{own: "/"}, true},
		{"", hierarchy{}, false},
		{"nonsense", hierarchy{}, false},
		{"4:memory", hierarchy{}, false},
		{"4:memory:relative\n", hierarchy{}, false},
	} {
		got, ok := parseSelfLine(tc.line)
		if ok != tc.ok || got != tc.want {
			t.Errorf("parseSelfLine(%q) = %+v, %v; want %+v, %v", tc.line, got, ok, tc.want, tc.ok)
		}
	}
}

func TestParseMounts(t *testing.T) {
	const text = `22 27 0:21 / /proc rw,relatime - proc proc rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 master:1 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /docker/x /mnt/a\040b\134c rw - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
42 31 0:38 / /x - cgroup
`
	want := []mount{
		{"/", "/sys/fs/cgroup/cpu,cpuacct", "rw,cpu,cpuacct"},
		{"/docker/x", `/mnt/a b\c`, "rw,memory"},
	}
	if got := parseMounts(text); !reflect.DeepEqual(got, want) {
		t.Errorf("parseMounts gave %+v, want %+v", got, want)
	}
}

// TestLocate is about hosts whose hierarchies are not where convention has
// them, and about containers that see a part of the host's.
func TestLocate(t *testing.T) {
	mounts := []mount{
		{"/", "/cg/hugetlb", "rw,hugetlb"},
		{"/docker/x", "/cg/rdma", "rw,rdma"},
		{"/..", "/cg/misc", "rw,misc"},
	}
	for _, tc := range []struct {
		controllers, own string
		mount, wantOwn   string
	}{
		{"hugetlb", "/a/b", "/cg/hugetlb", "/a/b"},
		{"hugetlb", "/", "/cg/hugetlb", "/"},
		{"rdma", "/docker/x", "/cg/rdma", "/"},
		{"rdma", "/docker/x/y", "/cg/rdma", "/y"},
		{"rdma", "/docker/xyz", "/cg/rdma", "/"},
		{"rdma", "/elsewhere", "/cg/rdma", "/"},
		{"misc", "/", "/cg/misc", "/"},
	} {
		if conventionalDir(tc.controllers) != "" {
			t.Logf("this host has %s; case left out", tc.controllers)
			continue
		}
		h := hierarchy{controllers: tc.controllers, own: tc.own}
		f := finder{own: true, loaded: true, mounts: mounts}
		ok, err := f.locate(&h)
		if !ok || err != nil || h.mount != tc.mount || h.own != tc.wantOwn {
			t.Errorf("%s in %s: %+v, %v, %v; want %s, %s", tc.controllers, tc.own, h, ok, err, tc.mount, tc.wantOwn)
		}
	}
	h := hierarchy{controllers: "net_cls_of_nobody", own: "/"}
	if ok, err := (&finder{loaded: true, mounts: mounts}).locate(&h); ok || err != nil {
		t.Errorf("a hierarchy that is not mounted: %v, %v", ok, err)
	}
}

func TestManaged(t *testing.T) {
	for controllers, want := range map[string]bool{
		"": true, "memory": true, "cpu,cpuacct": true, "name=systemd": true, "name=openrc": false,
	} {
		if got := (hierarchy{controllers: controllers}).managed(); got != want {
			t.Errorf("managed(%q) = %v", controllers, got)
		}
	}
}

func TestHasController(t *testing.T) {
	for _, tc := range []struct {
		list, controller string
		want             bool
	}{
		{"cpu,cpuacct", "cpu", true},
		{"cpu,cpuacct", "cpuacct", true},
		{"cpuset", "cpu", false},
		{"cpuacct", "cpu", false},
		{"", "", true},
		{"", "cpu", false},
		{"cpu", "", false},
		{"name=systemd", "name=systemd", true},
	} {
		if got := hasController(tc.list, tc.controller); got != tc.want {
			t.Errorf("hasController(%q, %q) = %v", tc.list, tc.controller, got)
		}
	}
}

// TestHierarchiesHost checks the short cut against mountinfo.
func TestHierarchiesHost(t *testing.T) {
	v := Mode()
	hs, err := hierarchies(v, true)
	if err != nil {
		t.Fatal(err)
	}
	if v == V2 {
		if len(hs) != 1 || hs[0].mount != cgroupRoot {
			t.Errorf("on v2: %+v", hs)
		}
		return
	}
	mounts, err := cgroupMounts()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mounts {
		found := false
		for _, h := range hs {
			found = found || h.mount == m.point && hasController(m.options, firstOf(h.controllers))
		}
		if !found && m.root == "/" {
			t.Errorf("mountinfo has %+v, which was not found", m)
		}
	}
	if v == Hybrid && hs[len(hs)-1].mount != unifiedRoot {
		t.Errorf("the v2 hierarchy is not the last of %+v", hs)
	}
}

func firstOf(controllers string) string {
	for i := range controllers {
		if controllers[i] == ',' {
			return controllers[:i]
		}
	}
	return controllers
}
