package cgroup

import (
	"math"
	"strconv"
	"strings"
)

// readV2 reads a cgroup of v2. The file cpu.stat is there without its
// controller, too.
func readV2(r *statReader, s *Stats) {
	r.each("cpu.stat", func(key string, n uint64) {
		switch key {
		case "usage_usec":
			s.CPU.Usage.Total = n * 1000
		case "user_usec":
			s.CPU.Usage.User = n * 1000
		case "system_usec":
			s.CPU.Usage.Kernel = n * 1000
		case "nr_periods":
			s.CPU.Throttling.Periods = n
		case "nr_throttled":
			s.CPU.Throttling.ThrottledPeriods = n
		case "throttled_usec":
			s.CPU.Throttling.ThrottledTime = n * 1000
		}
	})
	s.CPU.PSI = r.psi("cpu.pressure")
	readMemoryV2(r, &s.Memory)
	if exists(r.dir + "/pids.current") {
		s.Pids = r.pids()
	} else if pids, err := pidsOf(r.dir); err == nil {
		s.Pids.Current = uint64(len(pids))
	}
	readIO(r, &s.BlockIO)
	r.hugetlb(".events", func(size string) {
		prefix := "hugetlb." + size
		h := HugetlbStats{}
		r.each(prefix+".events", func(key string, n uint64) {
			if key == "max" {
				h.Failcnt = n
			}
		})
		h.Usage = r.number(prefix + ".current")
		if exists(r.dir + "/" + prefix + ".rsvd.current") {
			h.Usage = r.number(prefix + ".rsvd.current") // Linux 5.7
		}
		s.Hugetlb[size] = h
	})
}

func readMemoryV2(r *statReader, m *MemoryStats) {
	m.PSI = r.psi("memory.pressure")
	m.Raw = map[string]uint64{}
	r.each("memory.stat", func(key string, n uint64) { m.Raw[key] = n })
	m.Cache = m.Raw["file"]
	m.Usage = r.entry("memory.", "current", "peak", "", "max")
	// Readers expect memory and swap together, as on v1. The peaks of the two
	// need not have been at the same time, so there is none of the sum.
	swap := r.entry("memory.swap.", "current", "peak", "", "max")
	m.Swap = MemoryEntry{Usage: swap.Usage + m.Usage.Usage, Limit: swap.Limit}
	if swap.Limit != math.MaxUint64 {
		m.Swap.Limit += m.Usage.Limit
	}
}

// readIO reads io.stat, whose lines are "8:0 rbytes=1 wbytes=2 rios=3 …".
func readIO(r *statReader, b *BlockIOStats) {
	b.PSI = r.psi("io.pressure")
	const file = "io.stat"
	text, _ := r.text(file)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		major, minor, ok := strings.Cut(f[0], ":")
		if !ok {
			continue
		}
		e := BlockIOEntry{Major: r.parse(file, major), Minor: r.parse(file, minor)}
		for _, item := range f[1:] {
			key, value, _ := strings.Cut(item, "=")
			to := &b.Serviced
			switch key {
			case "rbytes", "rios":
				e.Op = "Read"
			case "wbytes", "wios":
				e.Op = "Write"
			default:
				continue // discards, and the numbers of io.cost
			}
			if strings.HasSuffix(key, "bytes") {
				to = &b.ServiceBytes
			}
			e.Value = r.parse(file, value)
			*to = append(*to, e)
		}
	}
}

// psi reads a pressure file, whose lines are
// "some avg10=0.00 avg60=0.00 avg300=0.00 total=0". It returns nil where the
// kernel keeps no such numbers.
func (r *statReader) psi(file string) *PSI {
	text, ok := r.text(file)
	if !ok {
		return nil
	}
	p := new(PSI)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		to := &p.Some
		if f[0] == "full" {
			to = &p.Full
		}
		for _, item := range f[1:] {
			key, value, _ := strings.Cut(item, "=")
			if key == "total" {
				to.Total = r.parse(file, value)
				continue
			}
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				r.fail(file, err)
			}
			switch key {
			case "avg10":
				to.Avg10 = n
			case "avg60":
				to.Avg60 = n
			case "avg300":
				to.Avg300 = n
			}
		}
	}
	return p
}
