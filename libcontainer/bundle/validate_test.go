package bundle

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// base is a small valid configuration, which the tests patch.
const base = `{
	"ociVersion": "1.3.0",
	"root": {"path": "rootfs"},
	"process": {"args": ["sh"], "cwd": "/", "user": {"uid": 0, "gid": 0}},
	"linux": {"namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}]}
}`

// patched returns base with patch merged into it as in RFC 7396: null removes
// a field, arrays are replaced.
func patched(t testing.TB, patch string) []byte {
	t.Helper()
	parse := func(text string) (doc any) {
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&doc); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return doc
	}
	data, err := json.Marshal(merge(parse(base), parse(patch)))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func merge(doc, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	d, ok := doc.(map[string]any)
	if !ok {
		d = make(map[string]any)
	}
	for _, key := range slices.Sorted(maps.Keys(p)) {
		if p[key] == nil {
			delete(d, key)
		} else {
			d[key] = merge(d[key], p[key])
		}
	}
	return d
}

// validate parses and validates base with patch.
func validate(t testing.TB, patch string) ([]string, error) {
	t.Helper()
	spec, err := Parse(patched(t, patch))
	if err != nil {
		t.Fatalf("patch %s: %v", patch, err)
	}
	return Validate(spec)
}

type refusal struct{ patch, want string }

func testRefusals(t *testing.T, cases []refusal) {
	t.Helper()
	for _, tc := range cases {
		_, err := validate(t, tc.patch)
		if err == nil || err.Error() != tc.want {
			t.Errorf("%.200s:\n got %v\nwant %s", tc.patch, err, tc.want)
		}
	}
}

// testAccepted checks that patches give a valid configuration and no warning.
func testAccepted(t *testing.T, patches []string) {
	t.Helper()
	for _, patch := range patches {
		if warnings, err := validate(t, patch); err != nil || len(warnings) > 0 {
			t.Errorf("%.200s: %v, warnings %q", patch, err, warnings)
		}
	}
}

func TestGeneralRefusals(t *testing.T) {
	long := strings.Repeat("h", 65)
	testRefusals(t, []refusal{
		{`{"ociVersion": null}`, `ociVersion: is missing`},
		{`{"ociVersion": "1.0"}`, `ociVersion: must be a semantic version such as 1.3.0, got "1.0"`},
		{`{"ociVersion": "0.1.0"}`, `ociVersion: must have the major version 1, got "0.1.0"`},
		{`{"ociVersion": "2.0.0"}`, `ociVersion: must have the major version 1, got "2.0.0"`},
		{`{"root": null}`, `root: is missing`},
		{`{"root": {"path": ""}}`, `root.path: is missing`},
		{`{"root": {"path": "root\u0000fs"}}`, `root.path: must not contain a NUL byte, got "root\x00fs"`},

		{`{"linux": {"namespaces": []}, "hostname": "x"}`,
			`hostname: needs a uts namespace in linux.namespaces; without one it would rename the host`},
		{`{"linux": null, "domainname": "x"}`,
			`domainname: needs a uts namespace in linux.namespaces; without one it would rename the host`},
		{`{"hostname": "` + long + `"}`, `hostname: is longer than 64 bytes`},
		{`{"domainname": "` + long + `"}`, `domainname: is longer than 64 bytes`},
		{`{"hostname": "a\u0000b"}`, `hostname: must not contain a NUL byte, got "a\x00b"`},

		{`{"annotations": {"": "x"}}`, `annotations[""]: the key must not be empty`},

		{`{"hooks": {"prestart": [{"path": "hook"}]}}`,
			`hooks.prestart[0].path: must be an absolute path, got "hook"`},
		{`{"hooks": {"createRuntime": [{"path": "/h"}, {}]}}`,
			`hooks.createRuntime[1].path: must be an absolute path, got ""`},
		{`{"hooks": {"createContainer": [{"path": "/h", "timeout": 0}]}}`,
			`hooks.createContainer[0].timeout: must be a number of seconds greater than 0, got 0`},
		{`{"hooks": {"startContainer": [{"path": "/h", "timeout": -1}]}}`,
			`hooks.startContainer[0].timeout: must be a number of seconds greater than 0, got -1`},
		{`{"hooks": {"poststart": [{"path": "/h", "env": ["A"]}]}}`,
			`hooks.poststart[0].env[0]: must have the form NAME=VALUE, and has no =`},
		{`{"hooks": {"poststop": [{"path": "/h", "args": ["h", "a\u0000"]}]}}`,
			`hooks.poststop[0].args[1]: must not contain a NUL byte, got "a\x00"`},
		{`{"hooks": {"poststop": [{"path": "/h\u0000"}]}}`,
			`hooks.poststop[0].path: must not contain a NUL byte, got "/h\x00"`},
	})
}

func TestProcessRefusals(t *testing.T) {
	testRefusals(t, []refusal{
		{`{"process": null}`, `process: is missing`},
		{`{"process": {"args": null}}`, `process.args: must name the program to run, and is empty`},
		{`{"process": {"args": []}}`, `process.args: must name the program to run, and is empty`},
		{`{"process": {"args": [""]}}`, `process.args[0]: must name the program to run, and is empty`},
		{`{"process": {"args": ["sh", "a\u0000b"]}}`, `process.args[1]: must not contain a NUL byte, got "a\x00b"`},
		{`{"process": {"cwd": null}}`, `process.cwd: is missing`},
		{`{"process": {"cwd": "tmp"}}`, `process.cwd: must be an absolute path, got "tmp"`},
		{`{"process": {"cwd": "/\u0000"}}`, `process.cwd: must not contain a NUL byte, got "/\x00"`},
		{`{"process": {"env": ["A=b", "SECRET"]}}`, `process.env[1]: must have the form NAME=VALUE, and has no =`},
		{`{"process": {"env": ["=b"]}}`, `process.env[0]: must have the form NAME=VALUE, and has no name`},
		{`{"process": {"env": [""]}}`, `process.env[0]: must have the form NAME=VALUE, and has no =`},
		{`{"process": {"env": ["A=se\u0000cret"]}}`,
			`process.env[0]: must not contain a NUL byte, as the value of "A" does`},

		{`{"process": {"user": {"uid": 4294967295}}}`, `process.user.uid: must be below 4294967295, which means no user`},
		{`{"process": {"user": {"gid": 4294967295}}}`, `process.user.gid: must be below 4294967295, which means no group`},
		{`{"process": {"user": {"additionalGids": [1, 4294967295]}}}`,
			`process.user.additionalGids[1]: must be below 4294967295, which means no group`},
		{`{"process": {"user": {"additionalGids": [` + strings.Repeat("1,", 65536) + `1]}}}`,
			`process.user.additionalGids: must be at most 65536 groups, got 65537`},
		{`{"process": {"user": {"umask": 512}}}`, `process.user.umask: must be from 0 to 511 (octal 777), got 512`},

		{`{"process": {"rlimits": [{"type": "RLIMIT_FOO", "soft": 1, "hard": 1}]}}`,
			`process.rlimits[0].type: unknown resource "RLIMIT_FOO"`},
		{`{"process": {"rlimits": [{"soft": 1, "hard": 1}]}}`, `process.rlimits[0].type: unknown resource ""`},
		{`{"process": {"rlimits": [{"type": "RLIMIT_AS", "soft": 1, "hard": 1}, {"type": "RLIMIT_AS", "soft": 1, "hard": 1}]}}`,
			`process.rlimits[1].type: RLIMIT_AS is limited by process.rlimits[0] already`},
		{`{"process": {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1025, "hard": 1024}]}}`,
			`process.rlimits[0].soft: must not be above the hard limit 1024, got 1025`},

		{`{"process": {"terminal": true, "consoleSize": {"height": 65536, "width": 80}}}`,
			`process.consoleSize.height: must be from 0 to 65535, got 65536`},
		{`{"process": {"terminal": true, "consoleSize": {"height": 25, "width": 70000}}}`,
			`process.consoleSize.width: must be from 0 to 65535, got 70000`},
		{`{"process": {"oomScoreAdj": 1001}}`, `process.oomScoreAdj: must be from -1000 to 1000, got 1001`},
		{`{"process": {"oomScoreAdj": -1001}}`, `process.oomScoreAdj: must be from -1000 to 1000, got -1001`},
	})
}

func TestSchedulingRefusals(t *testing.T) {
	scheduler := func(s string) string { return `{"process": {"scheduler": ` + s + `}}` }
	testRefusals(t, []refusal{
		{scheduler(`{}`), `process.scheduler.policy: is missing`},
		{scheduler(`{"policy": "SCHED_FAST"}`), `process.scheduler.policy: unknown policy "SCHED_FAST"`},
		{scheduler(`{"policy": "SCHED_OTHER", "nice": 20}`), `process.scheduler.nice: must be from -20 to 19, got 20`},
		{scheduler(`{"policy": "SCHED_BATCH", "nice": -21}`), `process.scheduler.nice: must be from -20 to 19, got -21`},
		{scheduler(`{"policy": "SCHED_OTHER", "priority": 1}`),
			`process.scheduler.priority: must be 0 with SCHED_OTHER, got 1`},
		{scheduler(`{"policy": "SCHED_FIFO"}`), `process.scheduler.priority: must be from 1 to 99 with SCHED_FIFO, got 0`},
		{scheduler(`{"policy": "SCHED_RR", "priority": 100}`),
			`process.scheduler.priority: must be from 1 to 99 with SCHED_RR, got 100`},
		{scheduler(`{"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_X"]}`),
			`process.scheduler.flags[1]: unknown flag "SCHED_FLAG_X"`},
		{scheduler(`{"policy": "SCHED_OTHER", "runtime": 1}`),
			`process.scheduler.runtime: is for SCHED_DEADLINE only, not for SCHED_OTHER`},
		{scheduler(`{"policy": "SCHED_IDLE", "deadline": 1}`),
			`process.scheduler.deadline: is for SCHED_DEADLINE only, not for SCHED_IDLE`},
		{scheduler(`{"policy": "SCHED_ISO", "period": 1}`),
			`process.scheduler.period: is for SCHED_DEADLINE only, not for SCHED_ISO`},
		{scheduler(`{"policy": "SCHED_DEADLINE"}`),
			`process.scheduler.runtime: must be at least 1024 nanoseconds, got 0`},
		{scheduler(`{"policy": "SCHED_DEADLINE", "runtime": 2000, "deadline": 1999}`),
			`process.scheduler.deadline: must not be below the runtime 2000, got 1999`},
		{scheduler(`{"policy": "SCHED_DEADLINE", "runtime": 2000, "deadline": 3000, "period": 2999}`),
			`process.scheduler.period: must not be below the deadline 3000, got 2999`},

		{`{"process": {"ioPriority": {}}}`, `process.ioPriority.class: is missing`},
		{`{"process": {"ioPriority": {"class": "IOPRIO_CLASS_NONE"}}}`,
			`process.ioPriority.class: unknown class "IOPRIO_CLASS_NONE"`},
		{`{"process": {"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 8}}}`,
			`process.ioPriority.priority: must be from 0 to 7, got 8`},
		{`{"process": {"ioPriority": {"class": "IOPRIO_CLASS_RT", "priority": -1}}}`,
			`process.ioPriority.priority: must be from 0 to 7, got -1`},
		{`{"process": {"execCPUAffinity": {"initial": "x"}}}`,
			`process.execCPUAffinity.initial: must be a list of CPUs such as 0-3,7, got "x" where a number belongs`},
		{`{"process": {"execCPUAffinity": {"initial": "0", "final": "3-1"}}}`,
			`process.execCPUAffinity.final: the range "3-1" ends before it begins`},
	})
}

func TestMountRefusals(t *testing.T) {
	mount := func(m string) string {
		return `{"mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}, ` + m + `]}`
	}
	testRefusals(t, []refusal{
		{mount(`{"type": "tmpfs"}`), `mounts[1].destination: is missing`},
		{mount(`{"destination": "/x", "options": ["ro", "rbind"]}`), `mounts[1].source: is missing, and a bind mount needs one`},
		{mount(`{"destination": "/x", "options": ["bind"]}`), `mounts[1].source: is missing, and a bind mount needs one`},
		{mount(`{"destination": "/x", "type": "bind"}`), `mounts[1].source: is missing, and a bind mount needs one`},
		{mount(`{"destination": "/x", "source": "/x"}`), `mounts[1].type: is missing, and only a bind mount can do without`},
		{mount(`{"destination": "/x\u0000", "type": "tmpfs"}`), `mounts[1].destination: must not contain a NUL byte, got "/x\x00"`},
		{mount(`{"destination": "/x", "type": "tmpfs\u0000"}`), `mounts[1].type: must not contain a NUL byte, got "tmpfs\x00"`},
		{mount(`{"destination": "/x", "type": "none", "source": "\u0000", "options": ["bind"]}`),
			`mounts[1].source: must not contain a NUL byte, got "\x00"`},
		{mount(`{"destination": "/x", "type": "tmpfs", "options": ["ro", "size=1\u0000"]}`),
			`mounts[1].options[1]: must not contain a NUL byte, got "size=1\x00"`},
	})
}

func TestLinuxRefusals(t *testing.T) {
	namespaces := func(list string) string { return `{"linux": {"namespaces": [{"type": "pid"}, ` + list + `]}}` }
	device := func(d string) string { return `{"linux": {"devices": [` + d + `]}}` }
	testRefusals(t, []refusal{
		{namespaces(`{}`), `linux.namespaces[1].type: is missing`},
		{namespaces(`{"type": "net"}`), `linux.namespaces[1].type: unknown namespace "net"`},
		{namespaces(`{"type": "pid"}`), `linux.namespaces[1].type: the pid namespace is set by linux.namespaces[0] already`},
		{namespaces(`{"type": "ipc", "path": "ns/ipc"}`), `linux.namespaces[1].path: must be an absolute path, got "ns/ipc"`},
		{namespaces(`{"type": "ipc", "path": "/\u0000"}`), `linux.namespaces[1].path: must not contain a NUL byte, got "/\x00"`},

		{`{"linux": {"timeOffsets": {"monotonic": {"secs": 1}}}}`,
			`linux.timeOffsets: needs a new time namespace in linux.namespaces`},
		{`{"linux": {"namespaces": [{"type": "time", "path": "/proc/1/ns/time"}], "timeOffsets": {"monotonic": {"secs": 1}}}}`,
			`linux.timeOffsets: needs a new time namespace; that of "/proc/1/ns/time" has its offsets`},
		{`{"linux": {"namespaces": [{"type": "time"}], "timeOffsets": {"realtime": {"secs": 1}}}}`,
			`linux.timeOffsets.realtime: unknown clock; those with an offset are monotonic and boottime`},
		{`{"linux": {"namespaces": [{"type": "time"}], "timeOffsets": {"boottime": {"nanosecs": 1000000000}}}}`,
			`linux.timeOffsets.boottime.nanosecs: must be from 0 to 999999999, got 1000000000`},

		{device(`{"path": "/dev/x"}`), `linux.devices[0].type: is missing`},
		{device(`{"path": "/dev/x", "type": "d"}`), `linux.devices[0].type: must be c, u, b or p, got "d"`},
		{device(`{"path": "dev/x", "type": "c"}`), `linux.devices[0].path: must be an absolute path, got "dev/x"`},
		{device(`{"type": "c"}`), `linux.devices[0].path: must be an absolute path, got ""`},
		{device(`{"path": "/dev/x", "type": "c", "major": 4096}`), `linux.devices[0].major: must be from 0 to 4095, got 4096`},
		{device(`{"path": "/dev/x", "type": "u", "major": -1}`), `linux.devices[0].major: must be from 0 to 4095, got -1`},
		{device(`{"path": "/dev/x", "type": "b", "minor": 1048576}`), `linux.devices[0].minor: must be from 0 to 1048575, got 1048576`},
		{device(`{"path": "/dev/x", "type": "c", "minor": -1}`), `linux.devices[0].minor: must be from 0 to 1048575, got -1`},
		{device(`{"path": "/dev/x", "type": "p", "fileMode": 65536}`),
			`linux.devices[0].fileMode: must be the permission bits, in decimal, got 65536`},
		{device(`{"path": "/dev/x", "type": "c", "uid": 4294967295}`),
			`linux.devices[0].uid: must be below 4294967295, which means no user`},
		{device(`{"path": "/dev/x", "type": "c", "gid": 4294967295}`),
			`linux.devices[0].gid: must be below 4294967295, which means no group`},

		{`{"linux": {"namespaces": [], "maskedPaths": ["/proc/kcore"]}}`,
			`linux.maskedPaths: needs a mount namespace in linux.namespaces`},
		{`{"linux": {"namespaces": [], "readonlyPaths": ["/proc/sys"]}}`,
			`linux.readonlyPaths: needs a mount namespace in linux.namespaces`},
		{`{"linux": {"maskedPaths": ["/proc/kcore", "proc/keys"]}}`,
			`linux.maskedPaths[1]: must be an absolute path, got "proc/keys"`},
		{`{"linux": {"readonlyPaths": [""]}}`, `linux.readonlyPaths[0]: must be an absolute path, got ""`},
		{`{"linux": {"rootfsPropagation": "public"}}`,
			`linux.rootfsPropagation: must be shared, slave, private or unbindable, or one of these after an r, got "public"`},
		{`{"linux": {"cgroupsPath": "/a/../../b"}}`, `linux.cgroupsPath: must not lead upwards, got "/a/../../b"`},
		{`{"linux": {"cgroupsPath": "a\u0000"}}`, `linux.cgroupsPath: must not contain a NUL byte, got "a\x00"`},

		{`{"linux": {"personality": {}}}`, `linux.personality.domain: is missing`},
		{`{"linux": {"personality": {"domain": "BSD"}}}`, `linux.personality.domain: must be LINUX or LINUX32, got "BSD"`},
		{`{"linux": {"personality": {"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"]}}}`,
			`linux.personality.flags[0]: unknown flag "ADDR_NO_RANDOMIZE"`},
	})
}

func TestAccepted(t *testing.T) {
	testAccepted(t, []string{
		`{}`,
		`{"ociVersion": "1.0.2-dev"}`, `{"ociVersion": "1.3.99"}`, `{"ociVersion": "1.0.0-rc.1+build.007"}`,
		`{"linux": null}`,
		`{"annotations": {"a": ""}, "unknown": {"field": [1]}}`,
		`{"hostname": "h", "domainname": "` + strings.Repeat("d", 64) + `"}`,
		`{"hostname": "h", "linux": {"namespaces": [{"type": "uts", "path": "/proc/1/ns/uts"}]}}`,
		`{"hooks": {}}`,
		`{"hooks": {"prestart": [{"path": "/h", "args": ["h"], "env": ["A="], "timeout": 1}]}}`,
		`{"process": {"env": ["A=", "B=c=d", "A=again"], "oomScoreAdj": -1000}}`,
		`{"process": {"user": {"uid": 4294967294, "gid": 4294967294, "umask": 511, "additionalGids": [5, 5]}}}`,
		`{"process": {"capabilities": {"bounding": ["CAP_CHOWN", "CAP_CHECKPOINT_RESTORE"]}}}`,
		`{"process": {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 18446744073709551615}, {"type": "RLIMIT_RTTIME"}]}}`,
		`{"process": {"terminal": true, "consoleSize": {"height": 65535, "width": 0}}}`,
		`{"process": {"terminal": false, "consoleSize": {"height": 65536, "width": 65536}}}`,
		`{"process": {"scheduler": {"policy": "SCHED_BATCH", "nice": 19, "priority": 0}}}`,
		`{"process": {"scheduler": {"policy": "SCHED_RR", "priority": 99, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}}}`,
		`{"process": {"scheduler": {"policy": "SCHED_DEADLINE", "nice": 19, "runtime": 42000, "deadline": 100000, "period": 1000000}}}`,
		`{"process": {"scheduler": {"policy": "SCHED_DEADLINE", "runtime": 1024, "deadline": 1024}}}`,
		`{"process": {"ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 7}}}`,
		`{"process": {"execCPUAffinity": {"initial": "0-3,7", "final": ""}}}`,
		`{"mounts": [{"destination": "/x", "source": "x", "options": ["rbind"]}]}`,
		`{"mounts": [{"destination": "/x", "options": ["remount", "ro"]}]}`,
		`{"linux": {"namespaces": [{"type": "cgroup"}, {"type": "time"}, {"type": "mount", "path": "/proc/1/ns/mnt"}],
			"timeOffsets": {"monotonic": {"secs": -5, "nanosecs": 999999999}, "boottime": {}}}}`,
		`{"linux": {"timeOffsets": {}, "sysctl": {}, "maskedPaths": [], "resources": {}}}`,
		`{"linux": {"namespaces": [], "maskedPaths": [], "readonlyPaths": []}}`,
		`{"linux": {"sysctl": {"kernel.msgmax": "1", "fs.mqueue.queues_max": "1", "net.ipv4.conf.eth0/100.forwarding": "1",
			"net/ipv4/conf/eth0.100/rp_filter": "1", "kernel.domainname": "d", "kernel/shmmax": "1"}}}`,
		`{"linux": {"devices": [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 438, "uid": 0, "gid": 0},
			{"path": "/dev/b", "type": "b", "major": 4095, "minor": 1048575, "fileMode": 25008}, {"path": "/p", "type": "p", "major": -1}]}}`,
		`{"linux": {"rootfsPropagation": "rslave", "personality": {"domain": "LINUX32", "flags": []}}}`,
		`{"linux": {"cgroupsPath": "/a/..b/c"}}`, `{"linux": {"cgroupsPath": "system.slice:docker:1234"}}`,
		`{"linux": {"resources": {"memory": {"limit": -1, "swap": -1, "reservation": 0, "swappiness": 0, "disableOOMKiller": true}}}}`,
		`{"linux": {"resources": {"memory": {"limit": 200, "swap": 0}}}}`, `{"linux": {"resources": {"memory": {"limit": 200, "swap": -1}}}}`,
		`{"linux": {"resources": {"cpu": {"shares": 2, "quota": -1, "period": 0, "burst": 100, "cpus": "0-1", "mems": "0", "idle": 0}}}}`,
		`{"linux": {"resources": {"pids": {"limit": 0}, "network": {"classID": 1, "priorities": [{"name": "eth0", "priority": 1}]}}}}`,
		`{"linux": {"resources": {"blockIO": {"weight": 0, "weightDevice": [{"major": 8, "minor": 0, "weight": 10}],
			"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}]}}}}`,
		`{"linux": {"resources": {"hugepageLimits": [{"pageSize": "64KB", "limit": 0}, {"pageSize": "1GB", "limit": 1}]}}}`,
		`{"linux": {"resources": {"rdma": {"mlx5_1": {"hcaHandles": 3}}, "unified": {"memory.high": "1", "hugetlb.1GB.max": "2"}}}}`,
		`{"linux": {"resources": {"devices": [{"access": "rwm"}, {"allow": true, "type": "c", "major": -1, "minor": 0, "access": "m"}]}}}`,
	})
}

func TestWarnings(t *testing.T) {
	for _, tc := range []struct {
		patch string
		want  []string
	}{
		{`{"ociVersion": "1.4.0"}`, []string{
			`ociVersion: "1.4.0" is newer than 1.3.0, the version that rung knows; fields that it added are ignored`}},
		{`{"ociVersion": "1.10.0-rc.1"}`, []string{
			`ociVersion: "1.10.0-rc.1" is newer than 1.3.0, the version that rung knows; fields that it added are ignored`}},
		{`{"process": {"capabilities": {"bounding": ["CAP_CHOWN", "CAP_NEW"], "ambient": ["cap_kill"]}}}`, []string{
			`process.capabilities.bounding[1]: unknown capability "CAP_NEW" is ignored`,
			`process.capabilities.ambient[0]: unknown capability "cap_kill" is ignored`}},
		{`{"mounts": [{"destination": "tmp", "type": "tmpfs"}]}`, []string{
			`mounts[0].destination: should be an absolute path, taking "tmp" as relative to /`}},
		{`{"windows": {}, "vm": {}, "solaris": {}, "zos": {}, "freebsd": {}}`, []string{
			`solaris: is not for Linux and is ignored`, `windows: is not for Linux and is ignored`,
			`vm: is not for Linux and is ignored`, `zos: is not for Linux and is ignored`,
			`freebsd: is not for Linux and is ignored`}},
		{`{"linux": {"resources": {"devices": [{"access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwa"}]}}}`, []string{
			`linux.resources.devices[1].access: consists of r, w and m; what else there is in "rwa" is ignored`}},
		{`{"linux": {"resources": {"cpu": {"shares": 200, "idle": 1}}}}`, []string{
			`linux.resources.cpu.shares: has no effect while idle is 1: unable to apply both`}},
		{`{"linux": {"resources": {"unified": {"cpu.idle": "1", "cpu.weight": "8"}}}}`, []string{
			`linux.resources.unified["cpu.weight"]: has no effect while cpu.idle is 1: unable to apply both`}},
		{`{"linux": {"resources": {"memory": {"kernel": 1, "kernelTCP": 1}}}}`, []string{
			`linux.resources.memory.kernel: is ignored: limits on kernel memory are obsolete`,
			`linux.resources.memory.kernelTCP: is ignored: limits on kernel memory are obsolete`}},
	} {
		warnings, err := validate(t, tc.patch)
		if err != nil || !slices.Equal(warnings, tc.want) {
			t.Errorf("%s: %v\n got %q\nwant %q", tc.patch, err, warnings, tc.want)
		}
	}
}
