package cgroup

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/fs"
	"github.com/opencontainers/cgroups/fs2"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// asOthersSay converts what opencontainers/cgroups read to Stats.
func asOthersSay(o *cgroups.Stats) *Stats {
	memory := func(d cgroups.MemoryData) MemoryEntry { return MemoryEntry{d.Limit, d.Usage, d.MaxUsage, d.Failcnt} }
	entries := func(l []cgroups.BlkioStatEntry) (out []BlockIOEntry) {
		for _, e := range l {
			out = append(out, BlockIOEntry(e))
		}
		return out
	}
	psi := func(p *cgroups.PSIStats) *PSI {
		if p == nil {
			return nil
		}
		return &PSI{Pressure(p.Some), Pressure(p.Full)}
	}
	c, m, b := o.CpuStats, o.MemoryStats, o.BlkioStats
	s := &Stats{
		CPU: CPUStats{
			Usage: CPUUsage{c.CpuUsage.TotalUsage, c.CpuUsage.PercpuUsage, c.CpuUsage.PercpuUsageInKernelmode, c.CpuUsage.PercpuUsageInUsermode,
				c.CpuUsage.UsageInKernelmode, c.CpuUsage.UsageInUsermode},
			Throttling: Throttling(c.ThrottlingData), PSI: psi(c.PSI),
		},
		CPUSet: CPUSetStats(o.CPUSetStats),
		Memory: MemoryStats{m.Cache, memory(m.Usage), memory(m.SwapUsage), memory(m.KernelUsage), memory(m.KernelTCPUsage), m.Stats, psi(m.PSI)},
		Pids:   PidsStats(o.PidsStats),
		BlockIO: BlockIOStats{entries(b.IoServiceBytesRecursive), entries(b.IoServicedRecursive), entries(b.IoQueuedRecursive),
			entries(b.IoServiceTimeRecursive), entries(b.IoWaitTimeRecursive), entries(b.IoMergedRecursive), entries(b.IoTimeRecursive),
			entries(b.SectorsRecursive), psi(b.PSI)},
		Hugetlb: map[string]HugetlbStats{},
	}
	for size, h := range o.HugetlbStats {
		s.Hugetlb[size] = HugetlbStats{h.Usage, h.MaxUsage, h.Failcnt}
	}
	return s
}

// TestStatsHost compares with opencontainers/cgroups, while nothing moves in
// the cgroup.
func TestStatsHost(t *testing.T) {
	m := newManager(t, nil)
	m.creating = false
	for range 2 {
		sleeperIn(t, m)
	}
	if err := m.Set(&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(9))}}); err != nil {
		t.Fatal(err)
	}
	if err := m.Freeze(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Thaw() }) // before the sleepers are ended
	config := &cgroups.Cgroup{Resources: &cgroups.Resources{}}
	var other cgroups.Manager
	var err error
	if m.v2() {
		other, err = fs2.NewManager(config, m.unified())
	} else {
		paths := map[string]string{}
		for i, f := range m.rec.Folders {
			for c := range strings.SplitSeq(f.Controllers, ",") {
				paths[c] = m.dirs[i]
			}
		}
		other, err = fs.NewManager(config, paths)
	}
	if err != nil {
		t.Fatal(err)
	}
	// The kernel gathers some numbers from the CPUs now and then.
	var got, want []byte
	for range 20 {
		s, err := m.Stats()
		if err != nil {
			t.Fatal(err)
		}
		o, err := other.GetStats()
		if err != nil {
			t.Fatal(err)
		}
		if s.Pids.Current != 2 || s.Pids.Limit != 9 {
			t.Errorf("pids %+v", s.Pids)
		}
		got, want = marshal(t, s), marshal(t, asOthersSay(o))
		if string(got) == string(want) {
			return
		}
	}
	t.Errorf("got\n%s\nwant\n%s", got, want)
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestStatsV2(t *testing.T) {
	m := fakeV2(t, v2Controllers,
		"cpu.stat=usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 10\nnr_throttled 4\nthrottled_usec 7\nnr_bursts 1\n",
		"cpu.pressure=some avg10=1.50 avg60=0.25 avg300=0.00 total=99\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=33\n",
		"memory.stat=anon 100\nfile 200\nkernel 50\n", "memory.current=4096", "memory.max=8192", "memory.peak=5000",
		"memory.swap.current=1000", "memory.swap.max=2000", "memory.swap.peak=1500", "memory.pressure=some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
		"pids.current=3", "pids.max=20",
		"io.stat=8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n8:16 \n254:1 rbytes=7 wbytes=8 rios=9 wios=10 cost.usage=3\n",
		"hugetlb.2MB.events=max 5\n", "hugetlb.2MB.current=2097152", "hugetlb.2MB.rsvd.current=4194304", "hugetlb.1GB.events=max 0\n", "hugetlb.1GB.current=0")
	got, err := m.Stats()
	if err != nil {
		t.Fatal(err)
	}
	want := &Stats{
		CPU: CPUStats{Usage: CPUUsage{Total: 5000, User: 3000, Kernel: 2000}, Throttling: Throttling{10, 4, 7000},
			PSI: &PSI{Pressure{1.5, 0.25, 0, 99}, Pressure{0.5, 0, 0, 33}}},
		Memory: MemoryStats{Cache: 200, Usage: MemoryEntry{Limit: 8192, Usage: 4096, Max: 5000}, Swap: MemoryEntry{Limit: 10192, Usage: 5096},
			Raw: map[string]uint64{"anon": 100, "file": 200, "kernel": 50}, PSI: &PSI{}},
		Pids: PidsStats{3, 20},
		BlockIO: BlockIOStats{
			ServiceBytes: []BlockIOEntry{{8, 0, "Read", 1}, {8, 0, "Write", 2}, {254, 1, "Read", 7}, {254, 1, "Write", 8}},
			Serviced:     []BlockIOEntry{{8, 0, "Read", 3}, {8, 0, "Write", 4}, {254, 1, "Read", 9}, {254, 1, "Write", 10}},
		},
		Hugetlb: map[string]HugetlbStats{"2MB": {Usage: 4194304, Failcnt: 5}, "1GB": {}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", marshal(t, got), marshal(t, want))
	}
}

// TestStatsV2Sparse has few controllers, and limits that are none.
func TestStatsV2Sparse(t *testing.T) {
	m := fakeV2(t, "cpu.stat=usage_usec 5\n", "cgroup.procs=1\n2\n", "memory.current=1", "memory.max=max", "memory.swap.current=2", "memory.swap.max=max")
	s, err := m.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if s.Pids != (PidsStats{Current: 2}) || s.Memory.Usage.Limit != math.MaxUint64 || s.Memory.Swap.Limit != math.MaxUint64 || s.Memory.Swap.Usage != 3 ||
		s.CPU.PSI != nil || s.CPU.Usage.Total != 5000 {
		t.Errorf("%s", marshal(t, s))
	}
}

func TestStatsErrors(t *testing.T) {
	m := fakeV2(t, "cpu.stat=usage_usec five\n")
	if _, err := m.Stats(); err == nil || !strings.Contains(err.Error(), `/cpu.stat: unexpected "five"`) {
		t.Errorf("a word for a number: %v", err)
	}
	m = fakeV2(t, "memory.stat=cache -5\nfile 3\n", "pids.current=1", "pids.max=max")
	if s, err := m.Stats(); err != nil || s.Memory.Raw["cache"] != 0 || s.Memory.Raw["file"] != 3 || s.Pids.Limit != 0 {
		t.Errorf("a negative counter: %v", err)
	}
	if err := os.RemoveAll(m.dirs[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Stats(); err == nil || !strings.Contains(err.Error(), "no such file or directory") {
		t.Errorf("without its cgroup: %v", err)
	}
	if _, err := (&Manager{}).Stats(); err == nil || !strings.Contains(err.Error(), "it has none") {
		t.Errorf("without a cgroup: %v", err)
	}
}

// TestStatsV1Files has what this kernel may not have.
func TestStatsV1Files(t *testing.T) {
	root := t.TempDir()
	m := &Manager{rec: Record{Driver: DriverCgroupfs, Version: V1}}
	for controller, files := range map[string]map[string]string{
		"cpu,cpuacct": {"cpuacct.usage": "7", "cpuacct.stat": "user 2\nsystem 3\n", "cpuacct.usage_percpu": "3 4 \n", "cpuacct.usage_all": "cpu user system\n0 1 2\n1 3 4\n",
			"cpu.stat": "nr_periods 1\nnr_throttled 2\nthrottled_time 3\n"},
		"cpuset": {"cpuset.cpus": "0-2,7\n", "cpuset.mems": "0\n", "cpuset.sched_relax_domain_level": "-1\n", "cpuset.sched_load_balance": "1\n"},
		"blkio": {"blkio.bfq.io_serviced_recursive": "Total 0\n", "blkio.throttle.io_serviced_recursive": "8:0 Read 1\n8:0 Total 1\nTotal 1\n",
			"blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\n8:0 Total 4096\nTotal 4096\n"},
		"hugetlb": {"hugetlb.2MB.failcnt": "1", "hugetlb.2MB.usage_in_bytes": "2", "hugetlb.2MB.max_usage_in_bytes": "3", "hugetlb.1GB.failcnt": "0",
			"hugetlb.1GB.rsvd.failcnt": "4", "hugetlb.1GB.rsvd.usage_in_bytes": "5", "hugetlb.1GB.rsvd.max_usage_in_bytes": "6"},
	} {
		m.rec.Folders = append(m.rec.Folders, Folder{Controllers: controller, Mount: root, Path: "/" + controller})
		for name, text := range files {
			if err := os.MkdirAll(filepath.Join(root, controller), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, controller, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	m.index()
	got, err := m.Stats()
	if err != nil {
		t.Fatal(err)
	}
	want := &Stats{
		CPU:    CPUStats{Usage: CPUUsage{7, []uint64{3, 4}, []uint64{2, 4}, []uint64{1, 3}, 30000000, 20000000}, Throttling: Throttling{1, 2, 3}},
		CPUSet: CPUSetStats{CPUs: []uint16{0, 1, 2, 7}, Mems: []uint16{0}, SchedLoadBalance: 1, SchedRelaxDomainLevel: -1},
		BlockIO: BlockIOStats{ServiceBytes: []BlockIOEntry{{8, 0, "Read", 4096}, {8, 0, "Total", 4096}},
			Serviced: []BlockIOEntry{{8, 0, "Read", 1}, {8, 0, "Total", 1}}},
		Hugetlb: map[string]HugetlbStats{"2MB": {2, 3, 1}, "1GB": {5, 6, 4}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", marshal(t, got), marshal(t, want))
	}
}

// TestPSINames: a pressure of nothing is a number too, for those who read by names.
func TestPSINames(t *testing.T) {
	const none = `{"avg10":0,"avg60":0,"avg300":0,"total":0}`
	if got, want := string(marshal(t, &PSI{})), `{"some":`+none+`,"full":`+none+`}`; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// FuzzStats reads files with any content.
func FuzzStats(f *testing.F) {
	f.Add("8:0 rbytes=1 wbytes=2\n")
	f.Add("some avg10=0.00 total=0\n")
	f.Add("0-2,7\n")
	f.Add("usage_usec -1\n\n max\n")
	f.Fuzz(func(t *testing.T, text string) {
		r := &statReader{dir: t.TempDir()}
		if err := os.WriteFile(r.dir+"/f", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r.each("f", func(string, uint64) {})
		r.list("f")
		r.devices("f")
		r.psi("f")
		for _, name := range []string{"io.stat", "cpuacct.usage_all", "memory.stat"} {
			if err := os.Rename(r.dir+"/f", r.dir+"/"+name); err == nil {
				var s Stats
				readV2(r, &s)
				readCPUAcct(r, &s)
				readMemoryV1(r, &s)
				_ = os.Rename(r.dir+"/"+name, r.dir+"/f")
			}
		}
		if r.err != nil && strings.ContainsAny(r.err.Error(), "\n\x00") {
			t.Errorf("the error is not one line: %q", r.err)
		}
	})
}
