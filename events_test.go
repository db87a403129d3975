package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/rungoci/rung/libcontainer"
	"github.com/rungoci/rung/libcontainer/cgroup"
	"github.com/rungoci/rung/libcontainer/rdt"
)

// The types that readers of "runc events" decode with, by the names that are
// documented there.
type (
	readerEvent struct {
		Type string          `json:"type"`
		ID   string          `json:"id"`
		Data json.RawMessage `json:"data"`
	}
	readerMemory struct {
		Limit   uint64 `json:"limit"`
		Usage   uint64 `json:"usage"`
		Max     uint64 `json:"max"`
		Failcnt uint64 `json:"failcnt"`
	}
	readerPSI struct {
		Some, Full struct {
			Avg10  float64 `json:"avg10"`
			Avg60  float64 `json:"avg60"`
			Avg300 float64 `json:"avg300"`
			Total  uint64  `json:"total"`
		}
	}
	readerBlkio struct {
		Major uint64 `json:"major"`
		Minor uint64 `json:"minor"`
		Op    string `json:"op"`
		Value uint64 `json:"value"`
	}
	readerStats struct {
		CPU struct {
			Usage struct {
				Total        uint64   `json:"total"`
				Percpu       []uint64 `json:"percpu"`
				PercpuKernel []uint64 `json:"percpu_kernel"`
				PercpuUser   []uint64 `json:"percpu_user"`
				Kernel       uint64   `json:"kernel"`
				User         uint64   `json:"user"`
			} `json:"usage"`
			Throttling struct {
				Periods          uint64 `json:"periods"`
				ThrottledPeriods uint64 `json:"throttledPeriods"`
				ThrottledTime    uint64 `json:"throttledTime"`
			} `json:"throttling"`
			PSI *readerPSI `json:"psi"`
		} `json:"cpu"`
		CPUSet struct {
			CPUs                  []uint16 `json:"cpus"`
			CPUExclusive          uint64   `json:"cpu_exclusive"`
			Mems                  []uint16 `json:"mems"`
			MemHardwall           uint64   `json:"mem_hardwall"`
			MemExclusive          uint64   `json:"mem_exclusive"`
			MemoryMigrate         uint64   `json:"memory_migrate"`
			MemorySpreadPage      uint64   `json:"memory_spread_page"`
			MemorySpreadSlab      uint64   `json:"memory_spread_slab"`
			MemoryPressure        uint64   `json:"memory_pressure"`
			SchedLoadBalance      uint64   `json:"sched_load_balance"`
			SchedRelaxDomainLevel int64    `json:"sched_relax_domain_level"`
		} `json:"cpuset"`
		Memory struct {
			Cache     uint64            `json:"cache"`
			Usage     readerMemory      `json:"usage"`
			Swap      readerMemory      `json:"swap"`
			Kernel    readerMemory      `json:"kernel"`
			KernelTCP readerMemory      `json:"kernelTCP"`
			Raw       map[string]uint64 `json:"raw"`
			PSI       *readerPSI        `json:"psi"`
		} `json:"memory"`
		Pids struct {
			Current uint64 `json:"current"`
			Limit   uint64 `json:"limit"`
		} `json:"pids"`
		Blkio struct {
			Bytes       []readerBlkio `json:"ioServiceBytesRecursive"`
			Serviced    []readerBlkio `json:"ioServicedRecursive"`
			Queued      []readerBlkio `json:"ioQueueRecursive"`
			ServiceTime []readerBlkio `json:"ioServiceTimeRecursive"`
			WaitTime    []readerBlkio `json:"ioWaitTimeRecursive"`
			Merged      []readerBlkio `json:"ioMergedRecursive"`
			Time        []readerBlkio `json:"ioTimeRecursive"`
			Sectors     []readerBlkio `json:"sectorsRecursive"`
			PSI         *readerPSI    `json:"psi"`
		} `json:"blkio"`
		Hugetlb map[string]struct {
			Usage   uint64 `json:"usage"`
			Max     uint64 `json:"max"`
			Failcnt uint64 `json:"failcnt"`
		} `json:"hugetlb"`
		IntelRdt struct {
			L3CacheInfo *struct {
				CbmMask    string `json:"cbm_mask"`
				MinCbmBits uint64 `json:"min_cbm_bits"`
				NumClosids uint64 `json:"num_closids"`
			} `json:"l3_cache_info"`
			L3CacheSchemaRoot string `json:"l3_cache_schema_root"`
			L3CacheSchema     string `json:"l3_cache_schema"`
			MemBwInfo         *struct {
				BandwidthGran uint64 `json:"bandwidth_gran"`
				DelayLinear   uint64 `json:"delay_linear"`
				MinBandwidth  uint64 `json:"min_bandwidth"`
				NumClosids    uint64 `json:"num_closids"`
			} `json:"mem_bw_info"`
			MemBwSchemaRoot string   `json:"mem_bw_schema_root"`
			MemBwSchema     string   `json:"mem_bw_schema"`
			Schemata        []string `json:"schemata"`
			MBMStats        []struct {
				MBMTotalBytes uint64 `json:"mbm_total_bytes"`
				MBMLocalBytes uint64 `json:"mbm_local_bytes"`
			} `json:"mbm_stats"`
			CMTStats []struct {
				LLCOccupancy uint64 `json:"llc_occupancy"`
			} `json:"cmt_stats"`
		} `json:"intel_rdt"`
		NetworkInterfaces []*struct{} `json:"network_interfaces"`
	}
)

// TestEventsForReaders has readers decode an event with all there can be, and
// no name that they do not know.
func TestEventsForReaders(t *testing.T) {
	psi := &cgroup.PSI{Some: cgroup.Pressure{Avg10: 1, Avg60: 2, Avg300: 3, Total: 4}, Full: cgroup.Pressure{Avg10: 5, Avg60: 6, Avg300: 7, Total: 8}}
	entry := cgroup.MemoryEntry{Limit: 1, Usage: 2, Max: 3, Failcnt: 4}
	devices := func(n uint64) []cgroup.BlockIOEntry {
		return []cgroup.BlockIOEntry{{Major: 8, Minor: 1, Op: "Read", Value: n}}
	}
	stats := libcontainer.Stats{Stats: cgroup.Stats{
		CPU: cgroup.CPUStats{Usage: cgroup.CPUUsage{Total: 1, PerCPU: []uint64{2}, PerCPUKernel: []uint64{3}, PerCPUUser: []uint64{4}, Kernel: 5, User: 6},
			Throttling: cgroup.Throttling{Periods: 7, ThrottledPeriods: 8, ThrottledTime: 9}, PSI: psi},
		CPUSet:  cgroup.CPUSetStats{CPUs: []uint16{1}, CPUExclusive: 2, Mems: []uint16{3}, MemHardwall: 4, MemExclusive: 5, MemoryMigrate: 6, MemorySpreadPage: 7, MemorySpreadSlab: 8, MemoryPressure: 9, SchedLoadBalance: 10, SchedRelaxDomainLevel: -1},
		Memory:  cgroup.MemoryStats{Cache: 1, Usage: entry, Swap: entry, Kernel: entry, KernelTCP: entry, Raw: map[string]uint64{"anon": 5}, PSI: psi},
		Pids:    cgroup.PidsStats{Current: 1, Limit: 2},
		BlockIO: cgroup.BlockIOStats{ServiceBytes: devices(1), Serviced: devices(2), Queued: devices(3), ServiceTime: devices(4), WaitTime: devices(5), Merged: devices(6), Time: devices(7), Sectors: devices(8), PSI: psi},
		Hugetlb: map[string]cgroup.HugetlbStats{"2MB": {Usage: 1, Max: 2, Failcnt: 3}},
	}, IntelRdt: rdt.Stats{
		L3CacheInfo: &rdt.L3CacheInfo{CbmMask: "f", MinCbmBits: 1, NumClosids: 2}, L3CacheSchemaRoot: "L3:0=f", L3CacheSchema: "L3:0=1",
		MemBwInfo: &rdt.MemBwInfo{BandwidthGran: 1, DelayLinear: 2, MinBandwidth: 3, NumClosids: 4}, MemBwSchemaRoot: "MB:0=100", MemBwSchema: "MB:0=1",
		Schemata: []string{"L3:0=1"}, MBMStats: []rdt.MBMStats{{MBMTotalBytes: 1, MBMLocalBytes: 2}}, CMTStats: []rdt.CMTStats{{LLCOccupancy: 3}},
	}}
	text, err := json.Marshal(libcontainer.Event{Type: libcontainer.EventStats, ID: "c", Data: &stats})
	if err != nil {
		t.Fatal(err)
	}
	var event readerEvent
	if err := json.Unmarshal(text, &event); err != nil || event.Type != "stats" || event.ID != "c" {
		t.Fatalf("%s: %+v, %v", text, event, err)
	}
	var got readerStats
	decoder := json.NewDecoder(bytes.NewReader(event.Data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		t.Fatalf("%s: %v", event.Data, err)
	}
	// All that a reader got, it got under the name by which it was written.
	again, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if lower(again) != lower(event.Data) {
		t.Errorf("written\n%s\nread\n%s", event.Data, again)
	}
	text, err = json.Marshal(libcontainer.Event{Type: libcontainer.EventOOM, ID: "c"})
	if string(text) != `{"type":"oom","id":"c"}` || err != nil {
		t.Errorf("an event without data is %s, %v", text, err)
	}
}

// lower is for the names Some and Full, which are the only ones without a tag.
func lower(text []byte) string { return string(bytes.ToLower(text)) }
