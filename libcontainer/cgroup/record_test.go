package cgroup

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestLoadRefuses(t *testing.T) {
	good := Folder{Controllers: "memory", Mount: "/sys/fs/cgroup/memory", Path: "/a/b"}
	for name, r := range map[string]Record{
		"unknown driver":           {Driver: "magic", Version: V1, Folders: []Folder{good}},
		"no driver":                {Version: V1, Folders: []Folder{good}},
		"the root":                 {Driver: DriverCgroupfs, Version: V1, Folders: []Folder{{Controllers: "memory", Mount: "/sys/fs/cgroup/memory", Path: "/"}}},
		"empty path":               {Driver: DriverCgroupfs, Version: V1, Folders: []Folder{{Controllers: "memory", Mount: "/sys/fs/cgroup/memory", Path: ""}}},
		"relative path":            {Driver: DriverCgroupfs, Version: V1, Folders: []Folder{{Controllers: "memory", Mount: "/sys/fs/cgroup/memory", Path: "a"}}},
		"dotdot":                   {Driver: DriverCgroupfs, Version: V1, Folders: []Folder{good, {Controllers: "memory", Mount: "/sys/fs/cgroup/memory", Path: "/a/.."}}},
		"double slash":             {Driver: DriverCgroupfs, Version: V1, Folders: []Folder{{Controllers: "memory", Mount: "/sys/fs/cgroup/memory", Path: "//"}}},
		"relative mount":           {Driver: DriverCgroupfs, Version: V1, Folders: []Folder{{Controllers: "memory", Mount: "sys", Path: "/a"}}},
		"no mount":                 {Driver: DriverCgroupfs, Version: V1, Folders: []Folder{{Controllers: "memory", Path: "/a"}}},
		"a scope without a name":   {Driver: DriverSystemd, Version: V2, Folders: []Folder{good}},
		"a scope on v1":            {Driver: DriverSystemd, Version: V1, Unit: "a.scope", Folders: []Folder{good}},
		"a scope without a folder": {Driver: DriverSystemd, Version: V2, Unit: "a.scope"},
		"unknown version":          {Driver: DriverCgroupfs, Version: "v3", Folders: []Folder{good}},
	} {
		if m, err := Load(r); err == nil {
			t.Errorf("%s: loaded %+v", name, m.rec)
		}
	}
}

func TestRecordRoundTrip(t *testing.T) {
	r := Record{Driver: DriverCgroupfs, Version: Hybrid, Rootless: true, Folders: []Folder{
		{Controllers: "cpu,cpuacct", Mount: "/sys/fs/cgroup/cpu,cpuacct", Path: "/a/b"}, {Mount: "/sys/fs/cgroup/unified", Path: "/a/b"},
	}}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Record
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	m, err := Load(back)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(m.Record(), r) {
		t.Errorf("%+v came back as %+v", r, m.Record())
	}
}

func TestView(t *testing.T) {
	m := &Manager{rec: Record{Version: Hybrid, Folders: []Folder{
		{Controllers: "cpu,cpuacct", Mount: "/sys/fs/cgroup/cpu,cpuacct", Path: "/c"},
		{Controllers: "memory", Mount: "/sys/fs/cgroup/memory", Path: "/c"},
		{Controllers: "name=systemd", Mount: "/sys/fs/cgroup/systemd", Path: "/c"},
		{Mount: "/sys/fs/cgroup/unified", Path: "/c"},
	}}, others: []hierarchy{{"name=openrc", "openrc", "/sys/fs/cgroup/openrc", "/docker"}, {"name=x", "x", "/sys/fs/cgroup/x", "/"}}}
	m.index()
	want := View{Mounts: []Mount{
		{"cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/c", "cgroup", "cpu,cpuacct", []string{"cpu", "cpuacct"}},
		{"memory", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/c", "cgroup", "memory", nil},
		{"systemd", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/systemd/c", "cgroup", "none,name=systemd", nil},
		{"unified", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified/c", "cgroup2", "", nil},
		{"openrc", "/sys/fs/cgroup/openrc", "/sys/fs/cgroup/openrc/docker", "cgroup", "none,name=openrc", nil},
		{"x", "/sys/fs/cgroup/x", "/sys/fs/cgroup/x", "cgroup", "none,name=x", nil},
	}}
	if got := m.View(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	m = &Manager{rec: Record{Version: V2, Folders: []Folder{{Mount: "/sys/fs/cgroup", Path: "/c"}}}}
	m.index()
	if got := m.View(); !reflect.DeepEqual(got, View{Unified: true, Path: "/sys/fs/cgroup/c"}) {
		t.Errorf("got %+v", got)
	}
}
