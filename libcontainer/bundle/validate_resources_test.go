package bundle

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestResourceRefusals(t *testing.T) {
	resources := func(r string) string { return `{"linux": {"resources": {` + r + `}}}` }
	testRefusals(t, []refusal{
		{resources(`"devices": [{"allow": true, "type": "x", "access": "r"}]`),
			`linux.resources.devices[0].type: must be a, b or c, got "x"`},
		{resources(`"devices": [{"allow": true}]`), `linux.resources.devices[0].access: must consist of r, w and m, got ""`},
		{resources(`"devices": [{"access": "x"}]`), `linux.resources.devices[0].access: must consist of r, w and m, got "x"`},
		{resources(`"devices": [{"access": "r", "major": -2}]`),
			`linux.resources.devices[0].major: must be from -1 (all) to 4095, got -2`},
		{resources(`"devices": [{"access": "r", "minor": 1048576}]`),
			`linux.resources.devices[0].minor: must be from -1 (all) to 1048575, got 1048576`},

		{resources(`"memory": {"limit": -2}`),
			`linux.resources.memory.limit: must be a number of bytes, or -1 for no limit, got -2`},
		{resources(`"memory": {"reservation": -5}`),
			`linux.resources.memory.reservation: must be a number of bytes, or -1 for no limit, got -5`},
		{resources(`"memory": {"swap": -3}`),
			`linux.resources.memory.swap: must be a number of bytes, or -1 for no limit, got -3`},
		{resources(`"memory": {"limit": 200, "swap": 100}`),
			`linux.resources.memory.swap: must be the limit of memory and swap together, so at least the limit 200, got 100`},
		{resources(`"memory": {"swappiness": 101}`), `linux.resources.memory.swappiness: must be from 0 to 100, got 101`},

		{resources(`"cpu": {"period": 999}`),
			`linux.resources.cpu.period: must be from 1000 to 1000000 microseconds, got 999`},
		{resources(`"cpu": {"period": 1000001}`),
			`linux.resources.cpu.period: must be from 1000 to 1000000 microseconds, got 1000001`},
		{resources(`"cpu": {"quota": 999}`),
			`linux.resources.cpu.quota: must be at least 1000 microseconds, or -1 for no limit, got 999`},
		{resources(`"cpu": {"quota": 50000, "burst": 50001}`),
			`linux.resources.cpu.burst: must not be above the quota 50000, got 50001`},
		{resources(`"cpu": {"idle": 2}`), `linux.resources.cpu.idle: must be 0 or 1, got 2`},
		{resources(`"cpu": {"cpus": "0\n1"}`), `linux.resources.cpu.cpus: must be one line, got "0\n1"`},
		{resources(`"cpu": {"mems": "0\u0000"}`), `linux.resources.cpu.mems: must be one line, got "0\x00"`},

		{resources(`"blockIO": {"weight": 9}`), `linux.resources.blockIO.weight: must be from 10 to 1000, got 9`},
		{resources(`"blockIO": {"leafWeight": 1001}`), `linux.resources.blockIO.leafWeight: must be from 10 to 1000, got 1001`},
		{resources(`"blockIO": {"weightDevice": [{"major": 8, "minor": 0}]}`),
			`linux.resources.blockIO.weightDevice[0]: must set weight, leafWeight or both`},
		{resources(`"blockIO": {"weightDevice": [{"weight": 5}]}`),
			`linux.resources.blockIO.weightDevice[0].weight: must be from 10 to 1000, got 5`},
		{resources(`"blockIO": {"weightDevice": [{"leafWeight": 5}]}`),
			`linux.resources.blockIO.weightDevice[0].leafWeight: must be from 10 to 1000, got 5`},

		{resources(`"hugepageLimits": [{"pageSize": "2MB", "limit": 1}, {"limit": 1}]`),
			`linux.resources.hugepageLimits[1].pageSize: must be a size such as 64KB, 2MB or 1GB, got ""`},
		{resources(`"hugepageLimits": [{"pageSize": "MB"}]`),
			`linux.resources.hugepageLimits[0].pageSize: must be a size such as 64KB, 2MB or 1GB, got "MB"`},
		{resources(`"hugepageLimits": [{"pageSize": "2MKB"}]`),
			`linux.resources.hugepageLimits[0].pageSize: must be a size such as 64KB, 2MB or 1GB, got "2MKB"`},
		{resources(`"hugepageLimits": [{"pageSize": "/../2MB"}]`),
			`linux.resources.hugepageLimits[0].pageSize: must be a size such as 64KB, 2MB or 1GB, got "/../2MB"`},
		{resources(`"network": {"priorities": [{"priority": 1}]}`),
			`linux.resources.network.priorities[0].name: must be the name of a network interface, got ""`},
		{resources(`"network": {"priorities": [{"name": "a/b"}]}`),
			`linux.resources.network.priorities[0].name: must be the name of a network interface, got "a/b"`},
		{resources(`"rdma": {"mlx5_1": {}}`), `linux.resources.rdma.mlx5_1: must limit hcaHandles, hcaObjects or both`},
		{resources(`"unified": {"../memory.max": "1"}`),
			`linux.resources.unified["../memory.max"]: must be the name of a file in a cgroup, such as memory.high`},
		{resources(`"unified": {"cgroup.freeze": "1"}`),
			`linux.resources.unified["cgroup.freeze"]: is no limit: it moves, stops or ends processes`},
		{resources(`"unified": {"cgroup.procs": "1"}`),
			`linux.resources.unified["cgroup.procs"]: is no limit: it moves, stops or ends processes`},
		{resources(`"unified": {"..": "1"}`),
			`linux.resources.unified[".."]: must be the name of a file in a cgroup, such as memory.high`},
		{resources(`"unified": {"memory.high": "1\u0000"}`),
			`linux.resources.unified["memory.high"]: must not contain a NUL byte, got "1\x00"`},
	})
}

func TestParseResources(t *testing.T) {
	r, warnings, err := ParseResources([]byte(`{"memory":{"limit":33554432,"kernel":1},"cpu":{"cpus":"0","idle":1},"pids":{"limit":-1},"unknown":[]}`))
	if err != nil || *r.Memory.Limit != 33554432 || r.CPU.Cpus != "0" || *r.CPU.Idle != 1 || *r.Pids.Limit != -1 {
		t.Errorf("%+v, %v", r, err)
	}
	if want := []string{"memory.kernel: is ignored: limits on kernel memory are obsolete"}; !slices.Equal(warnings, want) {
		t.Errorf("warnings %q, want %q", warnings, want)
	}
	dir := t.TempDir()
	path := dir + "/resources.json"
	for doc, want := range map[string]string{
		`{"memory":{"limit":"1G"}}`:               `memory.limit: expected integer, got string at line 1 column 20`,
		"{\n \"cpu\": {\n  \"idle\": true\n }\n}": `cpu.idle: expected integer, got boolean at line 3 column 11`,
		`{"cpu":{"quota":5}}`:                     `cpu.quota: must be at least 1000 microseconds, or -1 for no limit, got 5`,
		`{"memory":{"limit":5,"swap":4}}`:         `memory.swap: must be the limit of memory and swap together, so at least the limit 5, got 4`,
		`{"unified":{"a/b":""}}`:                  `unified["a/b"]: must be the name of a file in a cgroup, such as memory.high`,
		`null`:                                    "parse " + path + ": expected object, got null",
		`{"memory":{}`:                            "parse " + path + `: expected a comma or } after the field "memory", got the end of the file at line 1 column 13`,
	} {
		if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := LoadResources(path)
		if err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", doc, err, want)
		}
	}
	if _, _, err := LoadResources(dir + "/none"); err == nil || err.Error() != "read "+dir+"/none: no such file or directory" {
		t.Errorf("a missing file: %v", err)
	}
	if _, _, err := LoadResources(dir); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder: %v", err)
	}
}
