package cgroup

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestPrevious(t *testing.T) {
	for _, tt := range []struct {
		file, value, text string
		want              []string
	}{
		{"cpu.max", "50000 100000", "max 100000\n", []string{"max 100000"}},
		{"pids.max", "5", "max\n", []string{"max"}},
		{"cpuset.cpus", "0", "\n", []string{"\n"}},
		{"cpuset.cpus.partition", "root", "member\n", []string{"member"}},
		{"cpuset.cpus.partition", "member", "root invalid (Parent is not a partition root)\n", []string{"root"}},
		{"memory.oom_control", "1", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", []string{"0"}},
		{"memory.pressure", "some 150000 1000000", "some avg10=0.00\nfull avg10=0.00\n", nil},
		{"io.max", "8:0 rbps=5", "", []string{"8:0 rbps=max wbps=max riops=max wiops=max"}},
		{"io.max", "8:0 rbps=5", "8:16 rbps=1 wbps=max\n8:0 rbps=7 wbps=max\n", []string{"8:0 rbps=7 wbps=max"}},
		{"io.latency", "8:0 target=5", "", []string{"8:0 target=0"}},
		{"io.weight", "200", "default 100\n8:0 50\n", []string{"100"}},
		{"io.weight", "default 200", "default 100\n8:0 50\n", []string{"default 100"}},
		{"io.weight", "8:0 200", "default 100\n8:0 50\n", []string{"8:0 50"}},
		{"io.weight", "8:16 200", "default 100\n8:0 50\n", []string{"8:16 default"}},
		{"blkio.bfq.weight", "200", "100\n", []string{"100"}},
		{"blkio.throttle.read_bps_device", "8:0 5", "8:16 7\n", []string{"8:0 0"}},
		{"blkio.throttle.read_bps_device", "8:0 5", "8:0 7\n", []string{"8:0 7"}},
		{"rdma.max", "mlx4_0 hca_handle=2", "mlx4_0 hca_handle=max hca_object=max\n", []string{"mlx4_0 hca_handle=max hca_object=max"}},
		{"rdma.max", "mlx4_1 hca_handle=2", "mlx4_0 hca_handle=max hca_object=max\n", nil},
		{"net_prio.ifpriomap", "lo 5", "lo 0\neth0 1\n", []string{"lo 0"}},
		{"cgroup.subtree_control", "+cpu +memory -io", "cpu io\n", []string{"-memory +io"}},
		{"cgroup.subtree_control", "+cpu", "cpu\n", []string{"\n"}},
	} {
		if got := previous(tt.file, tt.value, tt.text); !slices.Equal(got, tt.want) {
			t.Errorf("%s, %q to %q: %q, want %q", tt.file, tt.text, tt.value, got, tt.want)
		}
	}
}

// refused are limits of which each host's kernel takes all but the last.
func refused() *specs.LinuxResources {
	return &specs.LinuxResources{
		CPU: &specs.LinuxCPU{Shares: ptr(uint64(3000)), Quota: ptr(int64(9000)), Period: ptr(uint64(10000)), Burst: ptr(uint64(8000))},
		Memory: &specs.LinuxMemory{Limit: ptr(int64(64 << 20)), Swap: ptr(int64(64 << 20)), Reservation: ptr(int64(32 << 20)),
			Swappiness: ptr(uint64(7))},
		Pids: &specs.LinuxPids{Limit: ptr(int64(1) << 40)},
	}
}

// snapshot returns the contents of all files of the limits that refused sets.
func snapshot(t *testing.T, m *Manager) string {
	t.Helper()
	var b strings.Builder
	for _, f := range [...][2]string{
		{"cpu", "cpu.shares"}, {"cpu", "cpu.cfs_quota_us"}, {"cpu", "cpu.cfs_period_us"}, {"cpu", "cpu.cfs_burst_us"},
		{"cpu", "cpu.weight"}, {"cpu", "cpu.max"}, {"cpu", "cpu.max.burst"}, {"cpu", "cpu.idle"},
		{"memory", "memory.limit_in_bytes"}, {"memory", "memory.memsw.limit_in_bytes"}, {"memory", "memory.soft_limit_in_bytes"}, {"memory", "memory.swappiness"},
		{"memory", "memory.max"}, {"memory", "memory.swap.max"}, {"memory", "memory.low"}, {"pids", "pids.max"},
	} {
		if text, err := m.read(f[0], f[1]); err == nil {
			b.WriteString(f[1] + " " + text + "\n")
		}
	}
	return b.String()
}

// TestUpdateIsAllOrNothingHost has the kernel refuse the last of many limits,
// from different points of departure.
func TestUpdateIsAllOrNothingHost(t *testing.T) {
	m := newManager(t, nil)
	for i, start := range []*specs.LinuxResources{
		{},
		{CPU: &specs.LinuxCPU{Shares: ptr(uint64(512)), Quota: ptr(int64(50000)), Period: ptr(uint64(100000)), Burst: ptr(uint64(40000))},
			Memory: &specs.LinuxMemory{Limit: ptr(int64(128 << 20)), Swap: ptr(int64(256 << 20)), Reservation: ptr(int64(16 << 20))},
			Pids:   &specs.LinuxPids{Limit: ptr(int64(77))}},
		// Lower than what is asked for, so that the order is another.
		{CPU: &specs.LinuxCPU{Burst: ptr(uint64(1000)), Quota: ptr(int64(2000)), Period: ptr(uint64(5000))},
			Memory: &specs.LinuxMemory{Limit: ptr(int64(16 << 20)), Swap: ptr(int64(32 << 20))}},
	} {
		m.creating = true
		if err := m.SetEarly(start); err != nil {
			t.Skipf("this host lacks a limit: %v", err)
		}
		if err := m.SetLate(start); err != nil {
			t.Skipf("this host lacks a limit: %v", err)
		}
		m.creating = false
		r := refused()
		if m.v2() {
			r.Memory.Swappiness = nil
		}
		before := snapshot(t, m)
		err := m.Set(r)
		wantError(t, err, "linux.resources.pids.limit", "pids.max", "invalid argument")
		if after := snapshot(t, m); after != before {
			t.Errorf("start %d: before\n%safter\n%s", i, before, after)
		}
		r.Pids.Limit = ptr(int64(5))
		if err := m.Set(r); err != nil {
			t.Errorf("start %d: without what was refused: %v", i, err)
		}
		if after := snapshot(t, m); after == before || !strings.Contains(after, "pids.max 5\n") {
			t.Errorf("start %d: nothing was set:\n%s", i, after)
		}
	}
}

// TestIdleIsTakenBackHost: to become idle has a cgroup forget its weight.
func TestIdleIsTakenBackHost(t *testing.T) {
	m := newManager(t, nil)
	dir, ok := m.home("cpu")
	if !ok || !exists(dir+"/cpu.idle") {
		t.Skip("this kernel has no cpu.idle")
	}
	m.creating = false
	idle := func(n int64, pids int64) *specs.LinuxResources {
		return &specs.LinuxResources{CPU: &specs.LinuxCPU{Idle: &n}, Pids: &specs.LinuxPids{Limit: &pids}}
	}
	if err := m.Set(cpu(specs.LinuxCPU{Shares: ptr(uint64(333))})); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, m)
	wantError(t, m.Set(idle(1, 1<<40)), "linux.resources.pids.limit")
	if after := snapshot(t, m); after != before {
		t.Errorf("before\n%safter\n%s", before, after)
	}
	if err := m.Set(idle(1, 5)); err != nil {
		t.Fatal(err)
	}
	before = snapshot(t, m)
	wantError(t, m.Set(idle(0, 1<<40)), "linux.resources.pids.limit")
	if after := snapshot(t, m); after != before {
		t.Errorf("before\n%safter\n%s", before, after)
	}
}

// TestWhatCannotBeTakenBack has a file whose lines for other devices do not tell how
// to be rid of a new one.
func TestWhatCannotBeTakenBack(t *testing.T) {
	m := fakeV2(t, v2Controllers, "cpu.weight=100", "memory.high=max")
	m.creating = false
	r := cpu(specs.LinuxCPU{Shares: ptr(uint64(1024))})
	r.Unified = map[string]string{"io.cost.qos": "8:0 enable=1", "memory.high": "100", "pids.max": "5"}
	if err := os.WriteFile(m.dirs[0]+"/io.cost.qos", []byte("8:16 enable=0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := m.Set(r)
	wantError(t, err, "linux.resources.unified.pids.max", "this kernel does not have it", "what was set before it stays set", "taken back: io.cost.qos")
	if strings.Contains(err.Error(), "memory.high") {
		t.Errorf("says too much: %v", err)
	}
	if got := content(t, m.dirs[0], "memory.high"); got != "max" {
		t.Errorf("memory.high is %q", got)
	}
}
