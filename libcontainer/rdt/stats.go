package rdt

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rungoci/rung/internal/errdefs"
)

// Stats is what a container has and uses of caches and memory bandwidth. Its
// JSON is that of runc; what the host does not have is left out.
type Stats struct {
	L3CacheInfo       *L3CacheInfo `json:"l3_cache_info,omitempty"`
	L3CacheSchemaRoot string       `json:"l3_cache_schema_root,omitempty"`
	L3CacheSchema     string       `json:"l3_cache_schema,omitempty"`
	MemBwInfo         *MemBwInfo   `json:"mem_bw_info,omitempty"`
	MemBwSchemaRoot   string       `json:"mem_bw_schema_root,omitempty"`
	MemBwSchema       string       `json:"mem_bw_schema,omitempty"`
	// Schemata are the lines of the class's file.
	Schemata []string `json:"schemata,omitempty"`
	// MBMStats and CMTStats have an element for each L3 cache. They are of
	// the container alone if it has counters of its own
	// (linux.intelRdt.enableMonitoring), else of all that is in its class.
	MBMStats []MBMStats `json:"mbm_stats,omitempty"`
	CMTStats []CMTStats `json:"cmt_stats,omitempty"`
}

// L3CacheInfo says what shares of the L3 cache there can be.
type L3CacheInfo struct {
	CbmMask    string `json:"cbm_mask,omitempty"`
	MinCbmBits uint64 `json:"min_cbm_bits,omitempty"`
	NumClosids uint64 `json:"num_closids,omitempty"`
}

// MemBwInfo says what shares of the memory bandwidth there can be.
type MemBwInfo struct {
	BandwidthGran uint64 `json:"bandwidth_gran,omitempty"`
	DelayLinear   uint64 `json:"delay_linear,omitempty"`
	MinBandwidth  uint64 `json:"min_bandwidth,omitempty"`
	NumClosids    uint64 `json:"num_closids,omitempty"`
}

// MBMStats is what went between one L3 cache and memory, in bytes.
type MBMStats struct {
	MBMTotalBytes uint64 `json:"mbm_total_bytes"`
	MBMLocalBytes uint64 `json:"mbm_local_bytes"`
}

// CMTStats is what is used of one L3 cache, in bytes.
type CMTStats struct {
	LLCOccupancy uint64 `json:"llc_occupancy"`
}

// Stats returns what the container has and uses now. It is empty for one
// without a class.
func (r *Record) Stats() (*Stats, error) {
	s := new(Stats)
	if r == nil {
		return s, nil
	}
	root, err := resctrl.find()
	if err != nil {
		return nil, errdefs.AtField(err, fieldRdt)
	}
	all, err := readFile(filepath.Join(root, "schemata"))
	if err != nil {
		return nil, err
	}
	own, err := readFile(filepath.Join(r.Group, "schemata"))
	if err != nil {
		return nil, err
	}
	s.Schemata = strings.Split(strings.TrimSpace(own), "\n")
	if err := s.allocation(filepath.Join(root, "info"), all, own); err != nil {
		return nil, err
	}
	dir := r.Monitor
	if dir == "" {
		dir = r.Group
	}
	return s, s.monitoring(filepath.Join(root, "info", "L3_MON", "mon_features"), filepath.Join(dir, "mon_data"))
}

// allocation fills in the shares, with the limits from the folder info.
func (s *Stats) allocation(info, all, own string) error {
	var n numbers
	if dir := filepath.Join(info, "L3"); exists(dir) {
		mask, err := readFile(filepath.Join(dir, "cbm_mask"))
		if err != nil {
			return err
		}
		s.L3CacheInfo = &L3CacheInfo{CbmMask: mask, MinCbmBits: n.read(dir, "min_cbm_bits"), NumClosids: n.read(dir, "num_closids")}
		s.L3CacheSchemaRoot, s.L3CacheSchema = lineOf(all, "L3"), lineOf(own, "L3")
	}
	if dir := filepath.Join(info, "MB"); exists(dir) {
		s.MemBwInfo = &MemBwInfo{BandwidthGran: n.read(dir, "bandwidth_gran"), DelayLinear: n.read(dir, "delay_linear"),
			MinBandwidth: n.read(dir, "min_bandwidth"), NumClosids: n.read(dir, "num_closids")}
		s.MemBwSchemaRoot, s.MemBwSchema = lineOf(all, "MB"), lineOf(own, "MB")
	}
	return n.err
}

// lineOf returns the line of a schemata file for a resource.
func lineOf(schemata, resource string) string {
	for line := range strings.SplitSeq(schemata, "\n") {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, resource+":") {
			return line
		}
	}
	return ""
}

// monitoring fills in the counters, of which the file features says what they
// are, from the folder data.
func (s *Stats) monitoring(features, data string) error {
	if !exists(features) {
		return nil
	}
	text, err := readFile(features)
	if err != nil {
		return err
	}
	there := strings.Fields(text)
	caches, err := os.ReadDir(data)
	if err != nil {
		return errdefs.Doing(cause(err), "list "+data)
	}
	var n numbers
	count := func(dir, name string) uint64 {
		if !slices.Contains(there, name) {
			return 0
		}
		return n.read(dir, name)
	}
	for _, cache := range caches {
		dir := filepath.Join(data, cache.Name())
		if slices.Contains(there, "mbm_total_bytes") || slices.Contains(there, "mbm_local_bytes") {
			s.MBMStats = append(s.MBMStats, MBMStats{count(dir, "mbm_total_bytes"), count(dir, "mbm_local_bytes")})
		}
		if slices.Contains(there, "llc_occupancy") {
			s.CMTStats = append(s.CMTStats, CMTStats{count(dir, "llc_occupancy")})
		}
	}
	return n.err
}

// numbers reads files that hold a number each, until the first error.
type numbers struct{ err error }

func (n *numbers) read(dir, name string) uint64 {
	if n.err != nil {
		return 0
	}
	path := filepath.Join(dir, name)
	text, err := readFile(path)
	if err != nil {
		n.err = err
		return 0
	}
	value, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil {
		// "Unavailable": the processor has no counter free at the moment.
		n.err = errdefs.Doing(&numberError{text}, "read "+path)
	}
	return value
}

type numberError struct{ text string }

func (e *numberError) Error() string { return "it is no number but " + strconv.Quote(e.text) }
