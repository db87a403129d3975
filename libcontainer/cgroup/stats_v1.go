package cgroup

import (
	"errors"
	"strconv"
	"strings"
)

// tick is the unit of cpuacct.stat in nanoseconds: USER_HZ is 100 on all
// architectures of rung.
const tick = 1e9 / 100

// readV1 reads the controllers of a v1 or hybrid host.
func (m *Manager) readV1(r *statReader, s *Stats) {
	for _, c := range [...]struct {
		controller string
		read       func(*statReader, *Stats)
	}{
		{"cpuacct", readCPUAcct}, {"cpu", readThrottling}, {"cpuset", readCpuset}, {"memory", readMemoryV1},
		{"pids", func(r *statReader, s *Stats) { s.Pids = r.pids() }}, {"blkio", readBlkio}, {"hugetlb", readHugetlbV1},
	} {
		if dir, ok := m.dir(c.controller); ok && exists(dir) {
			r.dir = dir
			c.read(r, s)
		}
	}
}

func readCPUAcct(r *statReader, s *Stats) {
	u := &s.CPU.Usage
	u.Total = r.number("cpuacct.usage")
	r.each("cpuacct.stat", func(key string, ticks uint64) {
		switch key {
		case "user":
			u.User = ticks * tick
		case "system":
			u.Kernel = ticks * tick
		}
	})
	each, _ := r.text("cpuacct.usage_percpu")
	for n := range strings.FieldsSeq(each) {
		u.PerCPU = append(u.PerCPU, r.parse("cpuacct.usage_percpu", n))
	}
	const file = "cpuacct.usage_all" // "cpu user system", then a line for each
	all, _ := r.text(file)
	for line := range strings.Lines(all) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] == "cpu" {
			continue
		}
		u.PerCPUUser = append(u.PerCPUUser, r.parse(file, f[1]))
		u.PerCPUKernel = append(u.PerCPUKernel, r.parse(file, f[2]))
	}
}

func readThrottling(r *statReader, s *Stats) {
	r.each("cpu.stat", func(key string, n uint64) {
		switch key {
		case "nr_periods":
			s.CPU.Throttling.Periods = n
		case "nr_throttled":
			s.CPU.Throttling.ThrottledPeriods = n
		case "throttled_time":
			s.CPU.Throttling.ThrottledTime = n
		}
	})
}

func readCpuset(r *statReader, s *Stats) {
	c := &s.CPUSet
	c.CPUs, c.Mems = r.list("cpuset.cpus"), r.list("cpuset.mems")
	for _, f := range [...]struct {
		name string
		to   *uint64
	}{
		{"cpu_exclusive", &c.CPUExclusive}, {"mem_hardwall", &c.MemHardwall}, {"mem_exclusive", &c.MemExclusive},
		{"memory_migrate", &c.MemoryMigrate}, {"memory_spread_page", &c.MemorySpreadPage}, {"memory_spread_slab", &c.MemorySpreadSlab},
		{"memory_pressure", &c.MemoryPressure}, {"sched_load_balance", &c.SchedLoadBalance},
	} {
		*f.to = r.number("cpuset." + f.name)
	}
	const level = "cpuset.sched_relax_domain_level"
	if text, ok := r.text(level); ok {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			r.fail(level, err)
		}
		c.SchedRelaxDomainLevel = n
	}
}

// list reads a list of numbers such as "0-2,7".
func (r *statReader) list(file string) []uint16 {
	text, _ := r.text(file)
	if text == "" {
		return nil
	}
	var out []uint16
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, err1 := strconv.ParseUint(from, 10, 16)
		last, err2 := strconv.ParseUint(to, 10, 16)
		if err := errors.Join(err1, err2); err != nil || first > last {
			r.fail(file, errors.New("unexpected "+quote(text)))
			return nil
		}
		for n := first; n <= last; n++ {
			out = append(out, uint16(n))
		}
	}
	return out
}

func readMemoryV1(r *statReader, s *Stats) {
	entry := func(kind string) MemoryEntry {
		return r.entry("memory."+kind, "usage_in_bytes", "max_usage_in_bytes", "failcnt", "limit_in_bytes")
	}
	s.Memory.Usage, s.Memory.Swap = entry(""), entry("memsw.")
	s.Memory.Kernel, s.Memory.KernelTCP = entry("kmem."), entry("kmem.tcp.")
	s.Memory.Raw = map[string]uint64{}
	r.each("memory.stat", func(key string, n uint64) { s.Memory.Raw[key] = n })
	s.Memory.Cache = s.Memory.Raw["cache"]
}

// readBlkio reads the numbers of the scheduler BFQ where it is in use, else
// those of throttling, which all of a device's requests pass through.
func readBlkio(r *statReader, s *Stats) {
	b := &s.BlockIO
	for _, prefix := range [...]string{"blkio.bfq.", "blkio.throttle."} {
		b.Serviced = r.devices(prefix + "io_serviced_recursive")
		if b.Serviced == nil {
			continue
		}
		b.ServiceBytes = r.devices(prefix + "io_service_bytes_recursive")
		// These are there where the kernel has CONFIG_BFQ_CGROUP_DEBUG.
		b.Queued = r.devices(prefix + "io_queued_recursive")
		b.ServiceTime = r.devices(prefix + "io_service_time_recursive")
		b.WaitTime = r.devices(prefix + "io_wait_time_recursive")
		b.Merged = r.devices(prefix + "io_merged_recursive")
		b.Time = r.devices(prefix + "time_recursive")
		b.Sectors = r.devices(prefix + "sectors_recursive")
		return
	}
}

// devices reads lines of the form "8:0 Read 4096" or "8:0 4096". The last line
// is a total, and is left out.
func (r *statReader) devices(file string) []BlockIOEntry {
	var out []BlockIOEntry
	text, _ := r.text(file)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		major, minor, ok := strings.Cut(f[0], ":")
		if !ok {
			continue
		}
		e := BlockIOEntry{Major: r.parse(file, major), Minor: r.parse(file, minor), Value: r.parse(file, f[len(f)-1])}
		if len(f) > 2 {
			e.Op = f[1]
		}
		out = append(out, e)
	}
	return out
}

func readHugetlbV1(r *statReader, s *Stats) {
	r.hugetlb(".failcnt", func(size string) {
		prefix := "hugetlb." + size
		if exists(r.dir + "/" + prefix + ".rsvd.failcnt") {
			prefix += ".rsvd" // Linux 5.7
		}
		s.Hugetlb[size] = HugetlbStats{
			Usage: r.number(prefix + ".usage_in_bytes"), Max: r.number(prefix + ".max_usage_in_bytes"), Failcnt: r.number(prefix + ".failcnt"),
		}
	})
}
