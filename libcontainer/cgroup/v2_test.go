package cgroup

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// fakeV2 returns a Manager of a folder that looks like a v2 cgroup with the
// files. An argument can be "file=content".
func fakeV2(t *testing.T, files ...string) *Manager {
	t.Helper()
	root := t.TempDir()
	m := &Manager{creating: true, rec: Record{Driver: DriverCgroupfs, Version: V2, Folders: []Folder{{Mount: root, Path: "/c"}}}}
	m.index()
	if err := os.Mkdir(m.dirs[0], 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name, text, _ := strings.Cut(f, "=")
		if err := os.WriteFile(filepath.Join(m.dirs[0], name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

const v2Controllers = "cgroup.controllers=cpuset cpu io memory hugetlb pids rdma\n"

// v2Case is limits for a new container, or an update, and the files that they
// make of empty ones.
type v2Case struct {
	name   string
	update bool
	files  []string
	r      *specs.LinuxResources
	want   map[string]string
	field  string
	err    string
}

func runV2(t *testing.T, cases []v2Case) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			m := fakeV2(t, append(tc.files, v2Controllers)...)
			m.creating = !tc.update
			err := m.SetEarly(tc.r)
			if err == nil {
				err = m.SetLate(tc.r)
			}
			if tc.field != "" {
				wantError(t, err, tc.field, tc.err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for file, want := range tc.want {
				if got := content(t, m.dirs[0], file); got != want {
					t.Errorf("%s is %q, want %q", file, got, want)
				}
			}
		})
	}
}

func TestCPUV2(t *testing.T) {
	runV2(t, []v2Case{
		{"zeros", false, nil, cpu(specs.LinuxCPU{Shares: ptr(uint64(0)), Quota: ptr(int64(0)), Period: ptr(uint64(0)), RealtimeRuntime: ptr(int64(0)), Burst: ptr(uint64(0)), Idle: ptr(int64(0))}), nil, "", ""},
		{"shares", false, []string{"cpu.weight"}, cpu(specs.LinuxCPU{Shares: ptr(uint64(1024))}), map[string]string{"cpu.weight": "100"}, "", ""},
		{"no shares are too few", false, []string{"cpu.weight"}, cpu(specs.LinuxCPU{Shares: ptr(uint64(1))}), map[string]string{"cpu.weight": "1"}, "", ""},
		{"quota and period", false, []string{"cpu.max"}, cpu(specs.LinuxCPU{Quota: ptr(int64(5000)), Period: ptr(uint64(10000))}), map[string]string{"cpu.max": "5000 10000"}, "", ""},
		{"quota", false, []string{"cpu.max"}, cpu(specs.LinuxCPU{Quota: ptr(int64(5000))}), map[string]string{"cpu.max": "5000"}, "", ""},
		{"no quota", false, []string{"cpu.max"}, cpu(specs.LinuxCPU{Quota: ptr(int64(-1)), Period: ptr(uint64(10000))}), map[string]string{"cpu.max": "max 10000"}, "", ""},
		{"period", false, []string{"cpu.max"}, cpu(specs.LinuxCPU{Period: ptr(uint64(10000))}), map[string]string{"cpu.max": "max 10000"}, "", ""},
		{"period of an update", true, []string{"cpu.max=7 100000"}, cpu(specs.LinuxCPU{Period: ptr(uint64(200000))}), map[string]string{"cpu.max": "7 200000"}, "", ""},
		{"burst", false, []string{"cpu.max", "cpu.max.burst"}, cpu(specs.LinuxCPU{Quota: ptr(int64(5000)), Burst: ptr(uint64(100))}), map[string]string{"cpu.max": "5000", "cpu.max.burst": "100"}, "", ""},
		{"burst on an old kernel", false, []string{"cpu.max"}, cpu(specs.LinuxCPU{Burst: ptr(uint64(100))}), nil, "linux.resources.cpu.burst", "kernel does not have it"},
		{"idle", false, []string{"cpu.idle"}, cpu(specs.LinuxCPU{Idle: ptr(int64(1))}), map[string]string{"cpu.idle": "1"}, "", ""},
		{"realtime", false, nil, cpu(specs.LinuxCPU{RealtimeRuntime: ptr(int64(1))}), nil, "linux.resources.cpu.realtimeRuntime", "realtime"},
		{"cpuset", false, []string{"cpuset.cpus", "cpuset.mems"}, cpu(specs.LinuxCPU{Cpus: "0-1", Mems: "0"}), map[string]string{"cpuset.cpus": "0-1", "cpuset.mems": "0"}, "", ""},
		{"without the controller", false, []string{"cgroup.controllers=memory"}, cpu(specs.LinuxCPU{Shares: ptr(uint64(5))}), nil, "linux.resources.cpu.shares", "kernel does not have it"},
	})
}

func TestMemoryV2(t *testing.T) {
	both := func(limit, swap int64) *specs.LinuxResources {
		return memory(specs.LinuxMemory{Limit: &limit, Swap: &swap})
	}
	files := []string{"memory.max", "memory.swap.max", "memory.low", "memory.current=1000000\n"}
	runV2(t, []v2Case{
		{"zeros", false, nil, both(0, 0), nil, "", ""},
		{"limit", false, files, both(64<<20, 0), map[string]string{"memory.max": "67108864", "memory.swap.max": ""}, "", ""},
		{"limit and swap", false, files, both(64<<20, 128<<20), map[string]string{"memory.max": "67108864", "memory.swap.max": "67108864"}, "", ""},
		{"no swap", false, files, both(64<<20, 64<<20), map[string]string{"memory.max": "67108864", "memory.swap.max": "0"}, "", ""},
		{"unlimited swap", false, files, both(64<<20, -1), map[string]string{"memory.max": "67108864", "memory.swap.max": "max"}, "", ""},
		{"unlimited", false, files, both(-1, 0), map[string]string{"memory.max": "max", "memory.swap.max": "max"}, "", ""},
		{"unlimited, but swap is not", false, files, both(-1, 5000000), map[string]string{"memory.max": "max", "memory.swap.max": "5000000"}, "", ""},
		{"swap alone", false, files, both(0, 128<<20), nil, "linux.resources.memory.swap", "without memory.limit"},
		{"swap too small", false, files, both(64<<20, 32<<20), nil, "linux.resources.memory.swap", "must not be below"},
		{"reservation", false, files, memory(specs.LinuxMemory{Reservation: ptr(int64(4096))}), map[string]string{"memory.low": "4096"}, "", ""},
		{"no reservation", false, files, memory(specs.LinuxMemory{Reservation: ptr(int64(-1))}), map[string]string{"memory.low": "max"}, "", ""},
		{"a kernel without swap", false, []string{"memory.max"}, both(64<<20, 64<<20), map[string]string{"memory.max": "67108864"}, "", ""},
		{"a kernel without swap, and swap", false, []string{"memory.max"}, both(64<<20, 65<<20), nil, "linux.resources.memory.swap", "does not have it"},
		// The kernel would kill the container's init.
		{"in use", false, files, both(999999, 0), nil, "linux.resources.memory.limit", "1000000 bytes already"},
		{"in use, update", true, files, both(999999, 0), map[string]string{"memory.max": "999999"}, "", ""},
		{"in use, checked update", true, files, memory(specs.LinuxMemory{Limit: ptr(int64(999999)), CheckBeforeUpdate: ptr(true)}), nil, "linux.resources.memory.limit", "1000000 bytes already"},
		{"in use, unified", false, files, &specs.LinuxResources{Unified: map[string]string{"memory.max": "512K"}}, nil, "linux.resources.unified.memory.max", "1000000 bytes already"},
		// What v1's kernel keeps when only one of the two is updated.
		{"update of the limit", true, []string{"memory.max=100\n", "memory.swap.max=50\n"}, both(120, 0), map[string]string{"memory.max": "120", "memory.swap.max": "30"}, "", ""},
		{"update of the limit beyond both", true, []string{"memory.max=100\n", "memory.swap.max=50\n"}, both(151, 0), nil, "linux.resources.memory.swap", "must not be below"},
		{"update of the limit, unlimited swap", true, []string{"memory.max=100\n", "memory.swap.max=max\n"}, both(120, 0), map[string]string{"memory.swap.max": "max"}, "", ""},
		{"update of swap", true, []string{"memory.max=100\n", "memory.swap.max=50\n"}, both(0, 170), map[string]string{"memory.max": "100", "memory.swap.max": "70"}, "", ""},
		{"swappiness", false, files, memory(specs.LinuxMemory{Swappiness: ptr(uint64(5))}), nil, "linux.resources.memory.swappiness", "cgroup v2"},
		{"swappiness of old Docker", false, files, memory(specs.LinuxMemory{Swappiness: ptr(^uint64(0))}), nil, "", ""},
		{"OOM killer", false, files, memory(specs.LinuxMemory{DisableOOMKiller: ptr(true)}), nil, "linux.resources.memory.disableOOMKiller", "cgroup v2"},
		{"OOM killer as it is", true, files, memory(specs.LinuxMemory{DisableOOMKiller: ptr(false)}), nil, "", ""},
		{"hierarchy", false, files, memory(specs.LinuxMemory{UseHierarchy: ptr(true)}), nil, "", ""},
		{"no hierarchy", false, files, memory(specs.LinuxMemory{UseHierarchy: ptr(false)}), nil, "linux.resources.memory.useHierarchy", "always"},
		//lint:ignore SA1019 engines still send it
		{"kernel memory is ignored", false, files, memory(specs.LinuxMemory{Kernel: ptr(int64(5))}), nil, "", ""},
	})
}

func TestBlockIOV2(t *testing.T) {
	at := specs.LinuxThrottleDevice{Rate: 5}
	at.Major, at.Minor = 8, 16
	off := at
	off.Rate = 0
	weight := specs.LinuxWeightDevice{Weight: ptr(uint16(1000))}
	weight.Major, weight.Minor = 8, 16
	runV2(t, []v2Case{
		{"zeros", false, nil, blockIO(specs.LinuxBlockIO{Weight: ptr(uint16(0)), LeafWeight: ptr(uint16(0))}), nil, "", ""},
		{"BFQ", false, []string{"io.bfq.weight", "io.weight"}, blockIO(specs.LinuxBlockIO{Weight: ptr(uint16(10))}), map[string]string{"io.bfq.weight": "10", "io.weight": ""}, "", ""},
		{"io.cost", false, []string{"io.weight"}, blockIO(specs.LinuxBlockIO{Weight: ptr(uint16(10))}), map[string]string{"io.weight": "1"}, "", ""},
		{"io.cost, most", false, []string{"io.weight"}, blockIO(specs.LinuxBlockIO{Weight: ptr(uint16(1000))}), map[string]string{"io.weight": "10000"}, "", ""},
		{"BFQ device", false, []string{"io.bfq.weight"}, blockIO(specs.LinuxBlockIO{WeightDevice: []specs.LinuxWeightDevice{weight}}), map[string]string{"io.bfq.weight": "8:16 1000"}, "", ""},
		{"io.cost device", false, []string{"io.weight"}, blockIO(specs.LinuxBlockIO{WeightDevice: []specs.LinuxWeightDevice{weight}}), map[string]string{"io.weight": "8:16 10000"}, "", ""},
		{"leaf weight", false, nil, blockIO(specs.LinuxBlockIO{LeafWeight: ptr(uint16(10))}), nil, "linux.resources.blockIO.leafWeight", "cgroup v2"},
		{"no weight", false, nil, blockIO(specs.LinuxBlockIO{Weight: ptr(uint16(10))}), nil, "linux.resources.blockIO.weight", "modprobe bfq"},
		{"read bytes", false, []string{"io.max"}, blockIO(specs.LinuxBlockIO{ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{at}}), map[string]string{"io.max": "8:16 rbps=5"}, "", ""},
		{"write bytes", false, []string{"io.max"}, blockIO(specs.LinuxBlockIO{ThrottleWriteBpsDevice: []specs.LinuxThrottleDevice{at}}), map[string]string{"io.max": "8:16 wbps=5"}, "", ""},
		{"reads", false, []string{"io.max"}, blockIO(specs.LinuxBlockIO{ThrottleReadIOPSDevice: []specs.LinuxThrottleDevice{at}}), map[string]string{"io.max": "8:16 riops=5"}, "", ""},
		{"no limit of writes", false, []string{"io.max"}, blockIO(specs.LinuxBlockIO{ThrottleWriteIOPSDevice: []specs.LinuxThrottleDevice{off}}), map[string]string{"io.max": "8:16 wiops=max"}, "", ""},
	})
}

func TestOtherLimitsV2(t *testing.T) {
	hugepages := func(size string) *specs.LinuxResources {
		return &specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: size, Limit: 4096}}}
	}
	unified := func(kv ...string) *specs.LinuxResources {
		r := &specs.LinuxResources{Unified: map[string]string{}}
		for i := 0; i < len(kv); i += 2 {
			r.Unified[kv[i]] = kv[i+1]
		}
		return r
	}
	runV2(t, []v2Case{
		{"pids", false, []string{"pids.max"}, &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(7))}}, map[string]string{"pids.max": "7"}, "", ""},
		{"pids unlimited", false, []string{"pids.max"}, &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(-1))}}, map[string]string{"pids.max": "max"}, "", ""},
		{"hugepages", false, []string{"hugetlb.2MB.max", "hugetlb.2MB.rsvd.max"}, hugepages("2MB"), map[string]string{"hugetlb.2MB.max": "4096", "hugetlb.2MB.rsvd.max": "4096"}, "", ""},
		{"hugepages before 5.7", false, []string{"hugetlb.2MB.max"}, hugepages("2MB"), map[string]string{"hugetlb.2MB.max": "4096"}, "", ""},
		{"hugepages of another size", false, []string{"hugetlb.2MB.max"}, hugepages("4MB"), nil, "linux.resources.hugepageLimits[0]", "/sys/kernel/mm/hugepages"},
		{"hugepages of a hostile size", false, nil, hugepages("../c/2MB"), nil, "linux.resources.hugepageLimits[0].pageSize", "not a size"},
		{"class id", false, nil, &specs.LinuxResources{Network: &specs.LinuxNetwork{ClassID: ptr(uint32(1))}}, nil, "linux.resources.network.classID", "net_cls"},
		{"priority", false, nil, &specs.LinuxResources{Network: &specs.LinuxNetwork{Priorities: []specs.LinuxInterfacePriority{{Name: "lo"}}}}, nil, "linux.resources.network.priorities[0]", "net_prio"},
		{"rdma", false, []string{"rdma.max"}, &specs.LinuxResources{Rdma: map[string]specs.LinuxRdma{"a": {HcaHandles: ptr(uint32(1)), HcaObjects: ptr(uint32(2))}}}, map[string]string{"rdma.max": "a hca_handle=1 hca_object=2"}, "", ""},
		{"rdma without a limit", false, []string{"rdma.max"}, &specs.LinuxResources{Rdma: map[string]specs.LinuxRdma{"a": {}}}, nil, "linux.resources.rdma.a", "neither"},
		{"rdma hostile name", false, []string{"rdma.max"}, &specs.LinuxResources{Rdma: map[string]specs.LinuxRdma{"a b": {}}}, nil, "linux.resources.rdma.a b", "not the name"},
		{"unified", false, []string{"memory.high", "pids.max"}, unified("memory.high", "1G", "pids.max", "max"), map[string]string{"memory.high": "1G", "pids.max": "max"}, "", ""},
		{"unified core file", false, []string{"cgroup.max.depth"}, unified("cgroup.max.depth", "3"), map[string]string{"cgroup.max.depth": "3"}, "", ""},
		{"unified without the controller", false, nil, unified("misc.max", "a 3"), nil, "linux.resources.unified.misc.max", "the controller misc is not available"},
		{"unified unknown file", false, nil, unified("memory.magic", "3"), nil, "linux.resources.unified.memory.magic", "this kernel does not have it"},
		{"unified freeze", false, []string{"cgroup.freeze"}, unified("cgroup.freeze", "1"), nil, "linux.resources.unified.cgroup.freeze", "is no limit"},
		{"unified processes", false, []string{"cgroup.procs"}, unified("cgroup.procs", "1"), nil, "linux.resources.unified.cgroup.procs", "is no limit"},
		{"unified path", false, nil, unified("../c/memory.max", "3"), nil, "linux.resources.unified.../c/memory.max", "CONTROLLER.FILE"},
		{"unified name", false, nil, unified("memory", "3"), nil, "linux.resources.unified.memory", "CONTROLLER.FILE"},
	})
}

// TestUnifiedLines: the kernel wants one line with each write.
func TestUnifiedLines(t *testing.T) {
	m := fakeV2(t, v2Controllers, "io.max")
	fd, err := os.OpenFile(m.dirs[0]+"/io.max", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	if err := m.setUnified(map[string]string{"io.max": "8:0 rbps=1234567\n8:16 wiops=2\n"}); err != nil {
		t.Fatal(err)
	}
	// In a plain file the second line lies over the first.
	if got := content(t, m.dirs[0], "io.max"); got != "8:16 wiops=24567" {
		t.Errorf("got %q", got)
	}
}

func TestEnableControllers(t *testing.T) {
	m := fakeV2(t, "cgroup.controllers=cpu\n")
	root := m.rec.Folders[0].Mount
	write := func(dir, file, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(root, "cgroup.controllers", "cpu memory pids\n")
	write(root, "cgroup.subtree_control", "")
	if err := m.enableControllers(m.rec.Folders[0], m.dirs[0]); err != nil {
		t.Fatal(err)
	}
	if got := content(t, root, "cgroup.subtree_control"); got != "+memory +pids" {
		t.Errorf("the root's cgroup.subtree_control got %q", got)
	}
	// Nothing is written where nothing is missing.
	write(m.dirs[0], "cgroup.controllers", "cpu memory pids\n")
	if err := os.Remove(root + "/cgroup.subtree_control"); err != nil {
		t.Fatal(err)
	}
	if err := m.enableControllers(m.rec.Folders[0], m.dirs[0]); err != nil || len(m.notEnabled) != 0 {
		t.Errorf("%v, %v", err, m.notEnabled)
	}
	// What could not be passed on is said when a limit needs it.
	write(m.dirs[0], "cgroup.controllers", "cpu\n")
	if err := m.enableControllers(m.rec.Folders[0], m.dirs[0]); err != nil {
		t.Fatal(err)
	}
	wantError(t, m.setPids(5), "linux.resources.pids.limit", "the controller pids is not available", root+" does not pass pids on")
}

func TestNeededControllers(t *testing.T) {
	for _, tc := range []struct {
		r       *specs.LinuxResources
		want    string
		threads bool
	}{
		{nil, "", false},
		{&specs.LinuxResources{}, "", false},
		{bundle(t, "docker").Linux.Resources, "cpu memory pids", false},
		{bundle(t, "ctr").Linux.Resources, "cpu", true},
		{bundle(t, "podman").Linux.Resources, "pids", true},
		{cpu(specs.LinuxCPU{Shares: ptr(uint64(0)), Cpus: "0"}), "cpuset", true},
		{blockIO(specs.LinuxBlockIO{Weight: ptr(uint16(0))}), "", false},
		{blockIO(specs.LinuxBlockIO{Weight: ptr(uint16(10))}), "io", false},
		{&specs.LinuxResources{Unified: map[string]string{"cgroup.max.depth": "1", "misc.max": "a 1"}}, "misc", false},
	} {
		got := neededControllers(tc.r)
		if strings.Join(got, " ") != tc.want || threadsOnly(got) != tc.threads {
			t.Errorf("got %v, %v; want %q, %v", got, threadsOnly(got), tc.want, tc.threads)
		}
	}
}

func TestCheckTypeV2(t *testing.T) {
	m := fakeV2(t, "cgroup.type=domain invalid\n")
	if err := m.checkType(m.dirs[0]); err != nil {
		t.Fatal(err)
	}
	if got := content(t, m.dirs[0], "cgroup.type"); !strings.HasPrefix(got, "threaded") {
		t.Errorf("cgroup.type is %q", got)
	}
}

// v2Host returns a Manager of a cgroup on a host with v2 only, and its folder.
func v2Host(t *testing.T, r *specs.LinuxResources) (*Manager, string) {
	t.Helper()
	if Mode() != V2 {
		t.Skip("this host has no cgroup v2 with controllers")
	}
	m := newManager(t, r)
	return m, m.unified()
}

func TestLimitsV2Host(t *testing.T) {
	m, dir := v2Host(t, nil)
	const mib = 1 << 20
	mem := func(limit, swap int64) *specs.LinuxResources {
		return memory(specs.LinuxMemory{Limit: &limit, Swap: &swap})
	}
	pids := func(n int64) *specs.LinuxResources {
		return &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &n}}
	}
	hugepages := func(size string) *specs.LinuxResources {
		return &specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: size, Limit: 4 * mib}}}
	}
	runSets(t, m, dir, []set{
		{r: cpu(specs.LinuxCPU{Shares: ptr(uint64(2)), Quota: ptr(int64(50000)), Period: ptr(uint64(100000))}), want: []string{"cpu.weight 1", "cpu.max 50000 100000"}},
		{r: cpu(specs.LinuxCPU{Shares: ptr(uint64(262144)), Quota: ptr(int64(20000)), Burst: ptr(uint64(10000))}), want: []string{"cpu.weight 10000", "cpu.max 20000 100000", "cpu.max.burst 10000"}},
		{r: cpu(specs.LinuxCPU{Quota: ptr(int64(5000)), Burst: ptr(uint64(4000))}), want: []string{"cpu.max 5000 100000", "cpu.max.burst 4000"}},
		{r: cpu(specs.LinuxCPU{Quota: ptr(int64(-1)), Burst: ptr(uint64(0))}), want: []string{"cpu.max max 100000"}},
		{r: cpu(specs.LinuxCPU{Quota: ptr(int64(7))}), field: "linux.resources.cpu.quota", want: []string{"cpu.max", "invalid argument"}},
		{r: cpu(specs.LinuxCPU{Shares: ptr(uint64(100)), Idle: ptr(int64(1))}), want: []string{"cpu.idle 1"}},
		{r: cpu(specs.LinuxCPU{Shares: ptr(uint64(1024)), Idle: ptr(int64(0))}), want: []string{"cpu.idle 0", "cpu.weight 100"}},
		{r: cpu(specs.LinuxCPU{Cpus: "0", Mems: "0"}), want: []string{"cpuset.cpus 0", "cpuset.mems 0"}},
		{r: cpu(specs.LinuxCPU{Cpus: "zero"}), field: "linux.resources.cpu.cpus", want: []string{"zero", "the cgroup above has 0"}},
		{r: mem(64*mib, 128*mib), want: []string{"memory.max 67108864", "memory.swap.max 67108864"}},
		{r: mem(64*mib, 64*mib), want: []string{"memory.max 67108864", "memory.swap.max 0"}},
		{r: mem(-1, 0), want: []string{"memory.max max", "memory.swap.max max"}},
		{r: memory(specs.LinuxMemory{Reservation: ptr(int64(8 * mib))}), want: []string{"memory.low 8388608"}},
		{r: pids(1), want: []string{"pids.max 1"}},
		{r: pids(0), want: []string{"pids.max 1"}},
		{r: pids(-1), want: []string{"pids.max max"}},
		{r: hugepages("2MB"), want: []string{"hugetlb.2MB.max 4194304", "hugetlb.2MB.rsvd.max 4194304"}},
		{r: hugepages("3MB"), field: "linux.resources.hugepageLimits[0]", want: []string{"/sys/kernel/mm/hugepages"}},
		{r: &specs.LinuxResources{Rdma: map[string]specs.LinuxRdma{"mlx": {HcaHandles: ptr(uint32(3))}}}, field: "linux.resources.rdma.mlx", want: []string{"no such RDMA device"}},
		{r: &specs.LinuxResources{Unified: map[string]string{"memory.high": "1G", "cgroup.max.depth": "3"}}, want: []string{"memory.high 1073741824", "cgroup.max.depth 3"}},
		{r: &specs.LinuxResources{Unified: map[string]string{"magic.max": "1"}}, field: "linux.resources.unified.magic.max", want: []string{"controller magic is not available"}},
	})
	// What a process uses stays where it was when it moves, so this one is
	// made in the cgroup.
	j, err := m.Join()
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	cmd := exec.Command("sh", "-c", "echo ready; read x")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: j.CgroupFD}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); _ = cmd.Wait() }()
	runSets(t, m, dir, []set{{r: mem(4096, 0), field: "linux.resources.memory.limit", want: []string{"bytes already"}}})
}

// TestReclaimV2Host: pages of files are no obstacle to a limit below what they
// take.
func TestReclaimV2Host(t *testing.T) {
	m, dir := v2Host(t, nil)
	file := filepath.Join(t.TempDir(), "pages")
	if fsType(filepath.Dir(file)) == unix.TMPFS_MAGIC {
		t.Skip("the folder for temporary files is a tmpfs, whose pages have nowhere to go")
	}
	script := "echo $$ >" + dir + "/cgroup.procs; head -c 16777216 /dev/zero >" + file + "; sync " + file
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if usage, ok := m.current("memory.current"); !ok || usage < 16<<20 {
		t.Fatalf("the pages of the file are not accounted for: %d", usage)
	}
	runSets(t, m, dir, []set{{
		r:    memory(specs.LinuxMemory{Limit: ptr(int64(8 << 20))}),
		want: []string{"memory.max 8388608", "memory.high max"},
	}})
}

func TestBlockIOV2Host(t *testing.T) {
	m, dir := v2Host(t, nil)
	at := specs.LinuxThrottleDevice{Rate: 4096}
	var ok bool
	if at.Major, at.Minor, ok = wholeDisk(t); !ok {
		t.Skip("this host shows no disk")
	}
	disk := itoa(at.Major) + ":" + itoa(at.Minor)
	two := at
	two.Rate = 50
	off := at
	off.Rate = 0
	list := func(d specs.LinuxThrottleDevice) []specs.LinuxThrottleDevice { return []specs.LinuxThrottleDevice{d} }
	nobody := at
	nobody.Major = 4000
	runSets(t, m, dir, []set{
		{r: blockIO(specs.LinuxBlockIO{ThrottleReadBpsDevice: list(at), ThrottleWriteIOPSDevice: list(two)}), want: []string{"io.max " + disk + " rbps=4096 wbps=max riops=max wiops=50"}},
		{r: blockIO(specs.LinuxBlockIO{ThrottleReadBpsDevice: list(off)}), want: []string{"io.max " + disk + " rbps=max wbps=max riops=max wiops=50"}},
		{r: blockIO(specs.LinuxBlockIO{ThrottleReadBpsDevice: list(nobody)}), field: "linux.resources.blockIO.throttleReadBpsDevice[0]", want: []string{"no such block device"}},
	})
}

// TestProcessesAboveV2Host: a cgroup with processes passes controllers on at
// best to threaded cgroups. It becomes the root of such only where that serves a
// limit; where it cannot, the error says why.
func TestProcessesAboveV2Host(t *testing.T) {
	pids := specs.LinuxPids{Limit: ptr(int64(50))}
	limit := specs.LinuxMemory{Limit: ptr(int64(1 << 30))}
	for _, tc := range []struct {
		name        string
		r           *specs.LinuxResources
		outer, kind string
		refused     bool
	}{
		{"no limits", nil, "domain", "domain", false},
		{"pids", &specs.LinuxResources{Pids: &pids}, "domain threaded", "threaded", false},
		{"pids and memory", &specs.LinuxResources{Pids: &pids, Memory: &limit}, "domain", "domain", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			outer, dir := v2Host(t, nil)
			sleeperIn(t, outer)
			m, err := New(Options{ID: "x", Spec: spec(outer.rec.Folders[0].Path+"/inner", tc.r)})
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Create(); err != nil {
				t.Fatal(err)
			}
			for path, want := range map[string]string{dir: tc.outer, m.unified(): tc.kind} {
				if got := content(t, path, "cgroup.type"); got != want {
					t.Errorf("%s is %s, want %s", path, got, want)
				}
			}
			err = m.Set(tc.r)
			if tc.refused {
				wantError(t, err, "linux.resources.memory.limit",
					"the controller memory is not available", dir+" does not pass memory on", "no internal processes")
			} else if err != nil {
				t.Error(err)
			}
			sleeperIn(t, m)
			if err := m.Destroy(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestJoinRunningV2Host is about an init that passes controllers on.
func TestJoinRunningV2Host(t *testing.T) {
	m, dir := v2Host(t, nil)
	pid := sleeperIn(t, m)
	if got := joined(t, m, pid); got != dir {
		t.Errorf("%s is joined, want %s", got, dir)
	}
	if err := os.Mkdir(dir+"/init.scope", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := addProcess(dir+"/init.scope", pid); err != nil {
		t.Fatal(err)
	}
	if got := joined(t, m, pid); got != dir {
		t.Errorf("%s is joined, want %s: it can still take processes", got, dir)
	}
	if err := writeFile(dir, "cgroup.subtree_control", "+memory"); err != nil {
		t.Fatal(err)
	}
	if got := joined(t, m, pid); got != dir+"/init.scope" {
		t.Errorf("%s is joined, want the init's", got)
	}
}

func joined(t *testing.T, m *Manager, pid int) string {
	t.Helper()
	j, err := m.JoinRunning(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	path, err := os.Readlink("/proc/self/fd/" + itoa(int64(j.CgroupFD)))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestThreadedV2Host makes a container below a threaded cgroup.
func TestThreadedV2Host(t *testing.T) {
	outer, dir := v2Host(t, nil)
	if err := os.Mkdir(dir+"/threads", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(dir+"/threads", "cgroup.type", "threaded"); err != nil {
		t.Fatal(err)
	}
	m, err := New(Options{ID: "x", Spec: spec(outer.rec.Folders[0].Path+"/threads/inner", nil)})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Create(); err != nil {
		t.Fatal(err)
	}
	if got := content(t, m.unified(), "cgroup.type"); got != "threaded" {
		t.Errorf("cgroup.type is %s", got)
	}
	wantError(t, m.Set(memory(specs.LinuxMemory{Limit: ptr(int64(1 << 30))})), "linux.resources.memory.limit", "not available")
	if pids, err := m.Procs(); err != nil || len(pids) != 0 {
		t.Errorf("Procs() = %v, %v", pids, err)
	}
	if err := m.Destroy(); err != nil {
		t.Error(err)
	}
}
