package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// res is short for limits of one kind.
func cpu(c specs.LinuxCPU) *specs.LinuxResources       { return &specs.LinuxResources{CPU: &c} }
func memory(m specs.LinuxMemory) *specs.LinuxResources { return &specs.LinuxResources{Memory: &m} }
func blockIO(b specs.LinuxBlockIO) *specs.LinuxResources {
	return &specs.LinuxResources{BlockIO: &b}
}

// set is a step of a test: limits, and what is then in which file.
type set struct {
	r *specs.LinuxResources
	// want has lines "file value", or the parts of an error at field.
	want  []string
	field string
}

// runSets applies limits one after the other to a cgroup.
func runSets(t *testing.T, m *Manager, dir string, steps []set) {
	t.Helper()
	for i, s := range steps {
		err := m.Set(s.r)
		if s.field != "" {
			if err == nil {
				t.Errorf("step %d: no error, want one at %s", i, s.field)
			} else {
				wantError(t, err, s.field, s.want...)
			}
			continue
		}
		if err != nil {
			t.Errorf("step %d: %v", i, err)
			continue
		}
		for _, line := range s.want {
			file, value, _ := strings.Cut(line, " ")
			if got := content(t, dir, file); got != value {
				t.Errorf("step %d: %s is %q, want %q", i, file, got, value)
			}
		}
	}
}

func TestCPUHost(t *testing.T) {
	m := newManager(t, nil)
	dir := want(t, m, "cpu", "cpu.cfs_quota_us")
	runSets(t, m, dir, []set{
		{r: cpu(specs.LinuxCPU{}), want: []string{"cpu.shares 1024", "cpu.cfs_quota_us -1"}},
		{r: cpu(specs.LinuxCPU{Shares: ptr(uint64(0)), Quota: ptr(int64(0)), Period: ptr(uint64(0)), RealtimeRuntime: ptr(int64(0)), RealtimePeriod: ptr(uint64(0)), Idle: ptr(int64(0))}),
			want: []string{"cpu.shares 1024", "cpu.cfs_quota_us -1", "cpu.cfs_period_us 100000"}},
		{r: cpu(specs.LinuxCPU{Shares: ptr(uint64(512))}), want: []string{"cpu.shares 512"}},
		{r: cpu(specs.LinuxCPU{Shares: ptr(uint64(2))}), want: []string{"cpu.shares 2"}},
		{r: cpu(specs.LinuxCPU{Shares: ptr(uint64(262144))}), want: []string{"cpu.shares 262144"}},
		{r: cpu(specs.LinuxCPU{Shares: ptr(uint64(1))}), field: "linux.resources.cpu.shares", want: []string{"between 2 and 262144"}},
		{r: cpu(specs.LinuxCPU{Shares: ptr(uint64(262145))}), field: "linux.resources.cpu.shares"},
		{r: cpu(specs.LinuxCPU{Quota: ptr(int64(50000)), Period: ptr(uint64(100000))}), want: []string{"cpu.cfs_quota_us 50000", "cpu.cfs_period_us 100000"}},
		{r: cpu(specs.LinuxCPU{Period: ptr(uint64(50000))}), want: []string{"cpu.cfs_quota_us 50000", "cpu.cfs_period_us 50000"}},
		{r: cpu(specs.LinuxCPU{Quota: ptr(int64(20000))}), want: []string{"cpu.cfs_quota_us 20000", "cpu.cfs_period_us 50000"}},
		// The burst must not exceed the quota, so the order matters.
		{r: cpu(specs.LinuxCPU{Burst: ptr(uint64(10000))}), want: []string{"cpu.cfs_burst_us 10000"}},
		{r: cpu(specs.LinuxCPU{Quota: ptr(int64(5000)), Burst: ptr(uint64(4000))}), want: []string{"cpu.cfs_quota_us 5000", "cpu.cfs_burst_us 4000"}},
		{r: cpu(specs.LinuxCPU{Quota: ptr(int64(90000)), Burst: ptr(uint64(80000))}), want: []string{"cpu.cfs_quota_us 90000", "cpu.cfs_burst_us 80000"}},
		{r: cpu(specs.LinuxCPU{Burst: ptr(uint64(100000))}), field: "linux.resources.cpu.burst", want: []string{"invalid argument"}},
		{r: cpu(specs.LinuxCPU{Quota: ptr(int64(-1)), Burst: ptr(uint64(0))}), want: []string{"cpu.cfs_quota_us -1", "cpu.cfs_burst_us 0"}},
		{r: cpu(specs.LinuxCPU{Quota: ptr(int64(7))}), field: "linux.resources.cpu.quota", want: []string{"cpu.cfs_quota_us", "invalid argument"}},
		{r: cpu(specs.LinuxCPU{Period: ptr(uint64(7))}), field: "linux.resources.cpu.period", want: []string{"invalid argument"}},
		{r: cpu(specs.LinuxCPU{Shares: ptr(uint64(100)), Idle: ptr(int64(1))}), want: []string{"cpu.idle 1"}},
		{r: cpu(specs.LinuxCPU{Shares: ptr(uint64(200)), Idle: ptr(int64(0))}), want: []string{"cpu.idle 0", "cpu.shares 200"}},
		{r: cpu(specs.LinuxCPU{Idle: ptr(int64(2))}), field: "linux.resources.cpu.idle"},
	})
}

// TestCPUBelowHost: the kernel compares quota/period with that of the cgroup
// above, so that neither order of writing the two always works.
func TestCPUBelowHost(t *testing.T) {
	m := newManager(t, nil)
	dir := want(t, m, "cpu", "cpu.cfs_quota_us")
	if err := m.Set(cpu(specs.LinuxCPU{Quota: ptr(int64(50000)), Period: ptr(uint64(100000))})); err != nil {
		t.Fatal(err)
	}
	inner, err := New(Options{ID: "x", Spec: spec(m.rec.Folders[0].Path+"/inner", nil)})
	if err != nil {
		t.Fatal(err)
	}
	if err := inner.Create(); err != nil {
		t.Fatal(err)
	}
	runSets(t, inner, dir+"/inner", []set{
		{r: cpu(specs.LinuxCPU{Quota: ptr(int64(20000)), Period: ptr(uint64(50000))}), want: []string{"cpu.cfs_quota_us 20000", "cpu.cfs_period_us 50000"}},
		{r: cpu(specs.LinuxCPU{Quota: ptr(int64(4000)), Period: ptr(uint64(10000))}), want: []string{"cpu.cfs_quota_us 4000", "cpu.cfs_period_us 10000"}},
		{r: cpu(specs.LinuxCPU{Quota: ptr(int64(100000)), Period: ptr(uint64(250000))}), want: []string{"cpu.cfs_quota_us 100000", "cpu.cfs_period_us 250000"}},
		{r: cpu(specs.LinuxCPU{Quota: ptr(int64(60000)), Period: ptr(uint64(100000))}), field: "linux.resources.cpu.period", want: []string{"cgroups above"}},
	})
}

func TestRealtimeHost(t *testing.T) {
	m := newManager(t, nil)
	dir := want(t, m, "cpu", "cpu.rt_runtime_us")
	if err := writeFile(dir+"/..", "cpu.rt_runtime_us", "100000"); err != nil {
		t.Skipf("the test's parent gets no realtime runtime: %v", err)
	}
	runSets(t, m, dir, []set{
		{r: cpu(specs.LinuxCPU{RealtimeRuntime: ptr(int64(50000)), RealtimePeriod: ptr(uint64(1000000))}), want: []string{"cpu.rt_runtime_us 50000", "cpu.rt_period_us 1000000"}},
		{r: cpu(specs.LinuxCPU{RealtimeRuntime: ptr(int64(900000))}), field: "linux.resources.cpu.realtimeRuntime", want: []string{"cpu.rt_runtime_us"}},
	})
}

func TestCpusetHost(t *testing.T) {
	r := cpu(specs.LinuxCPU{Cpus: "0", Mems: "0"})
	m := newManager(t, r)
	dir := want(t, m, "cpuset", "cpuset.cpus")
	// They have to be there before the first process.
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		if got := content(t, dir, file); got != "0" {
			t.Errorf("after Create %s is %q", file, got)
		}
	}
	runSets(t, m, dir, []set{{r: r, want: []string{"cpuset.cpus 0", "cpuset.mems 0"}}})

	plain := newManager(t, nil)
	dir, _ = plain.dir("cpuset")
	all := content(t, cgroupRoot+"/cpuset", "cpuset.cpus")
	runSets(t, plain, dir, []set{
		{r: cpu(specs.LinuxCPU{}), want: []string{"cpuset.cpus " + all}},
		{r: cpu(specs.LinuxCPU{Cpus: "0"}), want: []string{"cpuset.cpus 0"}},
		{r: cpu(specs.LinuxCPU{Cpus: "4000"}), field: "linux.resources.cpu.cpus", want: []string{"4000", "the cgroup above has " + all}},
		{r: cpu(specs.LinuxCPU{Cpus: "zero"}), field: "linux.resources.cpu.cpus"},
		{r: cpu(specs.LinuxCPU{Mems: "77"}), field: "linux.resources.cpu.mems", want: []string{"the cgroup above has 0"}},
	})
}

func TestMemoryHost(t *testing.T) {
	m := newManager(t, nil)
	dir := want(t, m, "memory", "memory.memsw.limit_in_bytes")
	const mib = 1 << 20
	none := content(t, cgroupRoot+"/memory", "memory.limit_in_bytes")
	limits := func(memory, memsw string) []string {
		return []string{"memory.limit_in_bytes " + memory, "memory.memsw.limit_in_bytes " + memsw}
	}
	both := func(limit, swap int64) *specs.LinuxResources {
		return memory(specs.LinuxMemory{Limit: &limit, Swap: &swap})
	}
	runSets(t, m, dir, []set{
		{r: both(0, 0), want: limits(none, none)},
		{r: both(-1, -1), want: limits(none, none)},
		{r: both(64*mib, 128*mib), want: limits("67108864", "134217728")},
		// Up and down, with the new values on either side of the old.
		{r: both(256*mib, 256*mib), want: limits("268435456", "268435456")},
		{r: both(16*mib, 16*mib), want: limits("16777216", "16777216")},
		{r: both(16*mib, 32*mib), want: limits("16777216", "33554432")},
		{r: both(24*mib, 24*mib), want: limits("25165824", "25165824")},
		{r: both(24*mib, -1), want: limits("25165824", none)},
		{r: both(32*mib, 0), want: limits("33554432", none)},
		{r: both(0, 48*mib), want: limits("33554432", "50331648")},
		{r: both(64*mib, 0), field: "linux.resources.memory.limit", want: []string{"memory.swap is memory and swap together", "50331648"}},
		{r: both(0, 16*mib), field: "linux.resources.memory.swap", want: []string{"33554432"}},
		{r: both(64*mib, 32*mib), field: "linux.resources.memory.swap", want: []string{"must not be below memory.limit"}},
		{r: memory(specs.LinuxMemory{Limit: ptr(int64(-1))}), want: limits(none, none)},
		{r: both(-2, 0), field: "linux.resources.memory.limit"},
		{r: memory(specs.LinuxMemory{Reservation: ptr(int64(8 * mib))}), want: []string{"memory.soft_limit_in_bytes 8388608"}},
		{r: memory(specs.LinuxMemory{Swappiness: ptr(uint64(0))}), want: []string{"memory.swappiness 0"}},
		{r: memory(specs.LinuxMemory{Swappiness: ptr(uint64(100))}), want: []string{"memory.swappiness 100"}},
		{r: memory(specs.LinuxMemory{Swappiness: ptr(^uint64(0))}), want: []string{"memory.swappiness 100"}},
		{r: memory(specs.LinuxMemory{Swappiness: ptr(uint64(101))}), field: "linux.resources.memory.swappiness"},
		{r: memory(specs.LinuxMemory{UseHierarchy: ptr(true)}), want: []string{"memory.use_hierarchy 1"}},
		{r: memory(specs.LinuxMemory{UseHierarchy: ptr(false)}), field: "linux.resources.memory.useHierarchy", want: []string{"leave the field out"}},
		{r: memory(specs.LinuxMemory{CheckBeforeUpdate: ptr(true), Limit: ptr(int64(20 * mib))}), want: []string{"memory.limit_in_bytes 20971520"}},
		{r: memory(specs.LinuxMemory{DisableOOMKiller: ptr(false)}), want: []string{"memory.swappiness 100"}},
		{r: memory(specs.LinuxMemory{DisableOOMKiller: ptr(true)})},
	})
	if got := content(t, dir, "memory.oom_control"); !strings.HasPrefix(got, "oom_kill_disable 1") {
		t.Errorf("memory.oom_control: %s", got)
	}
	again, err := Load(m.Record())
	if err != nil {
		t.Fatal(err)
	}
	runSets(t, again, dir, []set{{r: memory(specs.LinuxMemory{DisableOOMKiller: ptr(false)})}})
	if got := content(t, dir, "memory.oom_control"); !strings.HasPrefix(got, "oom_kill_disable 0") {
		t.Errorf("memory.oom_control: %s", got)
	}
}

// TestMemoryInUseHost sets a limit below what cannot be reclaimed.
func TestMemoryInUseHost(t *testing.T) {
	m := newManager(t, nil)
	dir := want(t, m, "memory", "memory.limit_in_bytes")
	cmd := exec.Command("sh", "-c", "echo 0 > "+dir+`/tasks; x=$(head -c 8000000 /dev/zero | tr '\0' x); echo ready; read y`)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	if content(t, cgroupRoot+"/memory", "memory.limit_in_bytes") == "" {
		t.Skip("v2 would kill instead of refusing the limit")
	}
	runSets(t, m, dir, []set{{
		r:     memory(specs.LinuxMemory{Limit: ptr(int64(1 << 20))}),
		field: "linux.resources.memory.limit", want: []string{"busy", "bytes already"},
	}})
}

func TestPidsHost(t *testing.T) {
	m := newManager(t, nil)
	dir := want(t, m, "pids", "pids.max")
	pids := func(n int64) *specs.LinuxResources {
		return &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &n}}
	}
	for range 3 {
		sleeperIn(t, m)
	}
	runSets(t, m, dir, []set{
		{r: &specs.LinuxResources{Pids: &specs.LinuxPids{}}, want: []string{"pids.max max"}},
		{r: pids(100), want: []string{"pids.max 100"}},
		{r: pids(1), want: []string{"pids.max 1"}}, // below what is there
		{r: pids(0), want: []string{"pids.max 1"}},
		{r: pids(-1), want: []string{"pids.max max"}},
		{r: pids(-5), want: []string{"pids.max max"}},
		{r: pids(1 << 40), field: "linux.resources.pids.limit"},
	})
}

func TestBlockIOHost(t *testing.T) {
	m := newManager(t, nil)
	dir := want(t, m, "blkio", "blkio.throttle.read_bps_device")
	major, minor, ok := wholeDisk(t)
	if !ok {
		t.Skip("this host shows no disk")
	}
	disk := fmt.Sprintf("%d:%d", major, minor)
	at := specs.LinuxThrottleDevice{}
	at.Major, at.Minor, at.Rate = major, minor, 1000
	at2 := at
	at2.Rate = 2000
	off := at
	off.Rate = 0
	nobody := at
	nobody.Major, nobody.Minor = 4000, 77
	devices := func(d specs.LinuxThrottleDevice) []specs.LinuxThrottleDevice {
		return []specs.LinuxThrottleDevice{d}
	}
	runSets(t, m, dir, []set{
		{r: blockIO(specs.LinuxBlockIO{Weight: ptr(uint16(0)), LeafWeight: ptr(uint16(0))})},
		{r: blockIO(specs.LinuxBlockIO{
			ThrottleReadBpsDevice: devices(at), ThrottleWriteBpsDevice: devices(at2),
			ThrottleReadIOPSDevice: devices(at), ThrottleWriteIOPSDevice: devices(at2),
		}), want: []string{
			"blkio.throttle.read_bps_device " + disk + " 1000", "blkio.throttle.write_bps_device " + disk + " 2000",
			"blkio.throttle.read_iops_device " + disk + " 1000", "blkio.throttle.write_iops_device " + disk + " 2000",
		}},
		{r: blockIO(specs.LinuxBlockIO{ThrottleReadBpsDevice: devices(off)}), want: []string{"blkio.throttle.read_bps_device "}},
		{r: blockIO(specs.LinuxBlockIO{ThrottleWriteIOPSDevice: append(devices(at), nobody)}),
			field: "linux.resources.blockIO.throttleWriteIOPSDevice[1]", want: []string{"4000:77", "no such block device"}},
		{r: blockIO(specs.LinuxBlockIO{LeafWeight: ptr(uint16(100))}), field: "linux.resources.blockIO.leafWeight", want: []string{"CFQ"}},
		{r: blockIO(specs.LinuxBlockIO{WeightDevice: []specs.LinuxWeightDevice{{LeafWeight: ptr(uint16(100))}}}),
			field: "linux.resources.blockIO.weightDevice[0].leafWeight", want: []string{"CFQ"}},
		{r: blockIO(specs.LinuxBlockIO{Weight: ptr(uint16(9))}), field: "linux.resources.blockIO.weight", want: []string{"between 10 and 1000"}},
		{r: blockIO(specs.LinuxBlockIO{Weight: ptr(uint16(1001))}), field: "linux.resources.blockIO.weight"},
	})
	weight := set{r: blockIO(specs.LinuxBlockIO{Weight: ptr(uint16(300))}), want: []string{"blkio.bfq.weight 300"}}
	if !exists(dir + "/blkio.bfq.weight") {
		weight = set{r: weight.r, field: "linux.resources.blockIO.weight", want: []string{"modprobe bfq"}}
	}
	runSets(t, m, dir, []set{weight})
}

// wholeDisk returns the number of some disk.
func wholeDisk(t *testing.T) (major, minor int64, ok bool) {
	t.Helper()
	entries, err := os.ReadDir("/sys/block")
	if err != nil {
		return 0, 0, false
	}
	for _, e := range entries {
		text, err := os.ReadFile("/sys/block/" + e.Name() + "/dev")
		if err == nil {
			if n, _ := fmt.Sscanf(string(text), "%d:%d", &major, &minor); n == 2 {
				return major, minor, true
			}
		}
	}
	return 0, 0, false
}

// TestAbsentControllersHost: a limit that the host cannot enforce is refused,
// and the controller named.
func TestAbsentControllersHost(t *testing.T) {
	m := newManager(t, nil)
	for _, tc := range []struct {
		controller, field string
		r                 specs.LinuxResources
	}{
		{"hugetlb", "linux.resources.hugepageLimits[0]", specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 1}}}},
		{"net_cls", "linux.resources.network.classID", specs.LinuxResources{Network: &specs.LinuxNetwork{ClassID: ptr(uint32(1))}}},
		{"net_prio", "linux.resources.network.priorities[0]", specs.LinuxResources{Network: &specs.LinuxNetwork{Priorities: []specs.LinuxInterfacePriority{{Name: "lo", Priority: 1}}}}},
		{"rdma", "linux.resources.rdma.mlx5_1", specs.LinuxResources{Rdma: map[string]specs.LinuxRdma{"mlx5_1": {HcaHandles: ptr(uint32(3))}}}},
	} {
		if _, ok := m.dir(tc.controller); ok || m.v2() {
			t.Logf("this host has %s", tc.controller)
			continue
		}
		wantError(t, m.Set(&tc.r), tc.field, "no cgroup of the controller "+tc.controller, "/proc/cgroups")
	}
	if !m.v2() {
		err := m.Set(&specs.LinuxResources{Unified: map[string]string{"memory.max": "1G"}})
		wantError(t, err, "linux.resources.unified", "cgroup v2")
	}
	// What asks for nothing is no error.
	nothing := specs.LinuxResources{Network: &specs.LinuxNetwork{ClassID: ptr(uint32(0))}, Rdma: map[string]specs.LinuxRdma{}, Unified: map[string]string{}}
	if err := m.Set(&nothing); err != nil {
		t.Error(err)
	}
}

func TestGoneHost(t *testing.T) {
	m := newManager(t, nil)
	want(t, m, "pids", "")
	if err := m.Destroy(); err != nil {
		t.Fatal(err)
	}
	m.creating = false
	err := m.Set(&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(1))}})
	wantError(t, err, "linux.resources.pids.limit", "does not exist any more")
}

func TestBundlesHost(t *testing.T) {
	for _, name := range []string{"docker", "ctr", "cri-container", "cri-sandbox", "podman"} {
		s := bundle(t, name)
		s.Linux.CgroupsPath = uniquePath(t)
		m, err := New(Options{ID: "x", Spec: s})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Create(); err != nil {
			t.Fatal(err)
		}
		if err := m.Set(s.Linux.Resources); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if dir, ok := m.dir("memory"); ok && name == "docker" {
			for file, want := range map[string]string{"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": "134217728"} {
				if got := content(t, dir, file); got != want {
					t.Errorf("%s is %s, want %s", file, got, want)
				}
			}
		}
		if err := m.Destroy(); err != nil {
			t.Error(err)
		}
	}
}

// TestConversions compares with opencontainers/cgroups, by whose formulas the
// field has agreed to go.
func TestConversions(t *testing.T) {
	for shares := uint64(1); shares < 300000; shares++ {
		if got, want := weightOf(shares), cgroups.ConvertCPUSharesToCgroupV2Value(shares); got != want {
			t.Fatalf("weightOf(%d) = %d, want %d", shares, got, want)
		}
	}
	values := []int64{-2, -1, 0, 1, 2, 4096, 1 << 20, 1 << 30, 1 << 62}
	for _, memory := range values {
		for _, swap := range values {
			got, set, err := swapOnly(memory, swap)
			want, wantErr := cgroups.ConvertMemorySwapToCgroupV2Value(swap, memory)
			if (err != nil) != (wantErr != nil) {
				// Negative numbers other than -1 are refused here.
				if swap < -1 || memory < -1 {
					continue
				}
				t.Errorf("memory %d, swap %d: %v, want %v", memory, swap, err, wantErr)
			}
			if err == nil && wantErr == nil && (got != want || set != (swap != 0 || memory == -1)) {
				t.Errorf("memory %d, swap %d: %d, %v; want %d", memory, swap, got, set, want)
			}
		}
	}
}

func TestIsPageSize(t *testing.T) {
	for s, want := range map[string]bool{
		"64KB": true, "2MB": true, "1GB": true, "": false, "MB": false, "2": false, "2M": false, "02MB": false,
		"2mb": false, "-2MB": false, "2MBMB": false, "../x2MB": false, "2/../MB": false, "2TB": false, "2MB\n": false, "+2MB": false,
	} {
		if got := isPageSize(s); got != want {
			t.Errorf("isPageSize(%q) = %v", s, got)
		}
	}
}

func TestParseBytes(t *testing.T) {
	for s, want := range map[string]int64{"0": 0, "4096": 4096, "1k": 1024, "64M": 64 << 20, "2g": 2 << 30, "1T": 1 << 40} {
		if got, err := parseBytes(s); err != nil || got != want {
			t.Errorf("parseBytes(%q) = %d, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "max", "M", "-1", "1.5G", "9999999999T"} {
		if got, err := parseBytes(s); err == nil {
			t.Errorf("parseBytes(%q) = %d", s, got)
		}
	}
}

func TestErrorsUnwrap(t *testing.T) {
	m := fakeV2(t, "pids.max")
	if err := os.Remove(m.dirs[0] + "/pids.max"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(m.dirs[0]+"/pids.max", 0o755); err != nil {
		t.Fatal(err)
	}
	err := m.setPids(3)
	var e *errdefs.Error
	if !errors.Is(err, unix.EISDIR) || !errors.As(err, &e) {
		t.Errorf("the errno is lost in %v", err)
	}
}

// TestOtherLimitsV1Host is for hosts that have more v1 controllers than most.
func TestOtherLimitsV1Host(t *testing.T) {
	m := newManager(t, nil)
	for _, tc := range []struct {
		controller string
		step       set
	}{
		{"hugetlb", set{r: &specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 4 << 20}}},
			want: []string{"hugetlb.2MB.limit_in_bytes 4194304", "hugetlb.2MB.rsvd.limit_in_bytes 4194304"}}},
		{"hugetlb", set{r: &specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "3MB", Limit: 4 << 20}}},
			field: "linux.resources.hugepageLimits[0]", want: []string{"/sys/kernel/mm/hugepages"}}},
		{"net_cls", set{r: &specs.LinuxResources{Network: &specs.LinuxNetwork{ClassID: ptr(uint32(0x100001))}}, want: []string{"net_cls.classid 1048577"}}},
		{"net_prio", set{r: &specs.LinuxResources{Network: &specs.LinuxNetwork{Priorities: []specs.LinuxInterfacePriority{{Name: "lo", Priority: 5}}}}}},
		{"net_prio", set{r: &specs.LinuxResources{Network: &specs.LinuxNetwork{Priorities: []specs.LinuxInterfacePriority{{Name: "lo", Priority: 5}, {Name: "rung9"}}}},
			field: "linux.resources.network.priorities[1]", want: []string{"rung9 0"}}},
		{"rdma", set{r: &specs.LinuxResources{Rdma: map[string]specs.LinuxRdma{"mlx": {HcaHandles: ptr(uint32(3))}}},
			field: "linux.resources.rdma.mlx", want: []string{"no such RDMA device"}}},
	} {
		if dir, ok := m.dir(tc.controller); ok && !m.v2() {
			runSets(t, m, dir, []set{tc.step})
		}
	}
}
