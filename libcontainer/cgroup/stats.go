package cgroup

import (
	"errors"
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// Stats is what a container uses and may use. The JSON names are those that
// "runc events" prints, which tools read. Times are in nanoseconds, sizes in
// bytes; what the host's cgroups do not tell is zero.
type Stats struct {
	CPU     CPUStats     `json:"cpu"`
	CPUSet  CPUSetStats  `json:"cpuset"`
	Memory  MemoryStats  `json:"memory"`
	Pids    PidsStats    `json:"pids"`
	BlockIO BlockIOStats `json:"blkio"`
	// Hugetlb is by page size: "2MB".
	Hugetlb map[string]HugetlbStats `json:"hugetlb"`
}

// CPUStats is about the controllers cpu and cpuacct.
type CPUStats struct {
	Usage      CPUUsage   `json:"usage,omitzero"`
	Throttling Throttling `json:"throttling,omitzero"`
	PSI        *PSI       `json:"psi,omitempty"` // v2 only, as all PSI
}

// CPUUsage is CPU time since the container was made.
type CPUUsage struct {
	Total uint64 `json:"total,omitempty"`
	// These three have an element for each CPU (v1 only).
	PerCPU       []uint64 `json:"percpu,omitempty"`
	PerCPUKernel []uint64 `json:"percpu_kernel,omitempty"`
	PerCPUUser   []uint64 `json:"percpu_user,omitempty"`
	Kernel       uint64   `json:"kernel"`
	User         uint64   `json:"user"`
}

// Throttling tells how often, and for how long in all, the quota was used up.
type Throttling struct {
	Periods          uint64 `json:"periods,omitempty"`
	ThrottledPeriods uint64 `json:"throttledPeriods,omitempty"`
	ThrottledTime    uint64 `json:"throttledTime,omitempty"`
}

// PSI is pressure stall information (Documentation/accounting/psi.rst). Both are
// printed by runc 1.5 where nothing has waited yet, too.
type PSI struct {
	Some Pressure `json:"some"`
	Full Pressure `json:"full"`
}

// Pressure is the share of time, in percent, that was lost by waiting, and the
// lost time in all, in microseconds.
type Pressure struct {
	Avg10  float64 `json:"avg10"`
	Avg60  float64 `json:"avg60"`
	Avg300 float64 `json:"avg300"`
	Total  uint64  `json:"total"`
}

// CPUSetStats are the files of v1's cpuset controller.
type CPUSetStats struct {
	CPUs                  []uint16 `json:"cpus,omitempty"`
	CPUExclusive          uint64   `json:"cpu_exclusive"`
	Mems                  []uint16 `json:"mems,omitempty"`
	MemHardwall           uint64   `json:"mem_hardwall"`
	MemExclusive          uint64   `json:"mem_exclusive"`
	MemoryMigrate         uint64   `json:"memory_migrate"`
	MemorySpreadPage      uint64   `json:"memory_spread_page"`
	MemorySpreadSlab      uint64   `json:"memory_spread_slab"`
	MemoryPressure        uint64   `json:"memory_pressure"`
	SchedLoadBalance      uint64   `json:"sched_load_balance"`
	SchedRelaxDomainLevel int64    `json:"sched_relax_domain_level"`
}

// MemoryStats is about the controller memory.
type MemoryStats struct {
	Cache uint64      `json:"cache,omitempty"`
	Usage MemoryEntry `json:"usage,omitzero"`
	// Swap is memory and swap together, on v2 too.
	Swap MemoryEntry `json:"swap,omitzero"`
	// Kernel and KernelTCP are those of v1.
	Kernel    MemoryEntry `json:"kernel,omitzero"`
	KernelTCP MemoryEntry `json:"kernelTCP,omitzero"`
	// Raw is the file memory.stat.
	Raw map[string]uint64 `json:"raw,omitempty"`
	PSI *PSI              `json:"psi,omitempty"`
}

// MemoryEntry is about one kind of memory. Without a limit, Limit is the largest
// number that there is on v2, and one close to 1<<63 on v1.
type MemoryEntry struct {
	Limit   uint64 `json:"limit"`
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Failcnt uint64 `json:"failcnt"`
}

// PidsStats is the number of tasks, and its limit; 0 is none.
type PidsStats struct {
	Current uint64 `json:"current,omitempty"`
	Limit   uint64 `json:"limit,omitempty"`
}

// BlockIOStats is about block devices, with the cgroups below the container's.
// Which of the lists are filled depends on the kernel's I/O scheduler.
type BlockIOStats struct {
	ServiceBytes []BlockIOEntry `json:"ioServiceBytesRecursive,omitempty"`
	Serviced     []BlockIOEntry `json:"ioServicedRecursive,omitempty"`
	Queued       []BlockIOEntry `json:"ioQueueRecursive,omitempty"`
	ServiceTime  []BlockIOEntry `json:"ioServiceTimeRecursive,omitempty"`
	WaitTime     []BlockIOEntry `json:"ioWaitTimeRecursive,omitempty"`
	Merged       []BlockIOEntry `json:"ioMergedRecursive,omitempty"`
	Time         []BlockIOEntry `json:"ioTimeRecursive,omitempty"`
	Sectors      []BlockIOEntry `json:"sectorsRecursive,omitempty"`
	PSI          *PSI           `json:"psi,omitempty"`
}

// BlockIOEntry is a number for one device and one kind of operation.
type BlockIOEntry struct {
	Major uint64 `json:"major,omitempty"`
	Minor uint64 `json:"minor,omitempty"`
	Op    string `json:"op,omitempty"`
	Value uint64 `json:"value,omitempty"`
}

// HugetlbStats is about the huge pages of one size.
type HugetlbStats struct {
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Failcnt uint64 `json:"failcnt"`
}

// Stats returns what the container uses. It is an error if the container has
// no cgroup, or none any more; controllers that the host lacks tell nothing.
func (m *Manager) Stats() (*Stats, error) {
	const doing = "read the statistics of the container's cgroup"
	dir := m.primary()
	switch {
	case dir == "":
		return nil, errdefs.Doing(errors.New("it has none"), doing)
	case !exists(dir):
		return nil, errdefs.Doing(unix.ENOENT, doing+" "+dir)
	}
	s := &Stats{Hugetlb: map[string]HugetlbStats{}}
	r := &statReader{}
	if m.v2() {
		r.dir = dir
		readV2(r, s)
	} else {
		m.readV1(r, s)
	}
	switch {
	case r.err != nil:
		return nil, errdefs.Doing(r.err, "read "+r.failed)
	case !exists(dir): // gone meanwhile, with a part of the files
		return nil, errdefs.Doing(unix.ENOENT, doing+" "+dir)
	}
	return s, nil
}

// statReader reads files of dir. It keeps the first error; a file that is not
// there is none, for which files there are depends on the kernel's version and
// configuration.
type statReader struct {
	dir    string
	err    error
	failed string
}

// text returns the trimmed content of a file.
func (r *statReader) text(file string) (string, bool) {
	text, err := readFile(r.dir, file)
	switch err {
	case nil:
		return strings.TrimSpace(text), true
	case unix.ENOENT, unix.ENODEV, unix.EOPNOTSUPP:
	default:
		r.fail(file, err)
	}
	return "", false
}

func (r *statReader) fail(file string, err error) {
	if r.err == nil {
		r.err, r.failed = err, r.dir+"/"+file
	}
}

// number returns the number in a file, 0 if there is none.
func (r *statReader) number(file string) uint64 {
	text, ok := r.text(file)
	if !ok {
		return 0
	}
	return r.parse(file, text)
}

// parse reads a number; "max" is the largest. Some counters of the kernel can
// become negative, which stands for 0.
func (r *statReader) parse(file, text string) uint64 {
	if text == "max" {
		return math.MaxUint64
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil && !strings.HasPrefix(text, "-") {
		r.fail(file, errors.New("unexpected "+quote(text)))
	}
	return n
}

// each calls do for each line "key value" of a file.
func (r *statReader) each(file string, do func(key string, value uint64)) {
	text, _ := r.text(file)
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			do(key, r.parse(file, value))
		}
	}
}

// entry reads the four files about one kind of memory, whose names begin with
// prefix; those that v2 lacks are "".
func (r *statReader) entry(prefix, usage, peak, failcnt, limit string) MemoryEntry {
	if !exists(r.dir + "/" + prefix + usage) {
		return MemoryEntry{}
	}
	e := MemoryEntry{Usage: r.number(prefix + usage), Max: r.number(prefix + peak), Limit: r.number(prefix + limit)}
	if failcnt != "" {
		e.Failcnt = r.number(prefix + failcnt)
	}
	return e
}

// pids reads the files of the pids controller, which are the same on v1 and v2.
func (r *statReader) pids() PidsStats {
	p := PidsStats{Current: r.number("pids.current"), Limit: r.number("pids.max")}
	if p.Limit == math.MaxUint64 {
		p.Limit = 0
	}
	return p
}

// hugetlb calls do with each page size for which dir has a file
// "hugetlb.SIZE"+suffix.
func (r *statReader) hugetlb(suffix string, do func(size string)) {
	names, err := os.ReadDir(r.dir)
	if err != nil {
		return // gone meanwhile
	}
	for _, n := range names {
		size, ok := strings.CutPrefix(n.Name(), "hugetlb.")
		if size, cut := strings.CutSuffix(size, suffix); ok && cut && isPageSize(size) {
			do(size)
		}
	}
}
