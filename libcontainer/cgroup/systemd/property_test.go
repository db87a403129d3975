package systemd

import (
	"reflect"
	"testing"

	"github.com/rungoci/rung/internal/dbus"
)

func TestProperties(t *testing.T) {
	mask := func(b ...any) dbus.Array { return dbus.Array{Of: "y", Items: b} }
	for name, c := range map[string]struct {
		limits []Limit
		want   []Property
	}{
		"nothing": {nil, nil},
		"memory": {[]Limit{{"memory.max", "1024"}, {"memory.swap.max", "max"}, {"memory.low", "64K"}, {"memory.high", "1g\n"}},
			[]Property{{"MemoryMax", uint64(1024)}, {"MemorySwapMax", infinity}, {"MemoryLow", uint64(65536)}, {"MemoryHigh", uint64(1 << 30)}}},
		"pids":          {[]Limit{{"pids.max", "10"}, {"pids.max", "max"}}, []Property{{"TasksMax", infinity}}},
		"weight":        {[]Limit{{"cpu.weight", "59"}}, []Property{{"CPUWeight", uint64(59)}}},
		"idle":          {[]Limit{{"cpu.weight", "59"}, {"cpu.idle", "1"}}, []Property{{"CPUWeight", uint64(0)}}},
		"idle first":    {[]Limit{{"cpu.idle", "1"}, {"cpu.weight", "59"}}, []Property{{"CPUWeight", uint64(0)}}},
		"idle no more":  {[]Limit{{"cpu.idle", "0"}, {"cpu.weight", "59"}}, []Property{{"CPUWeight", uint64(59)}}},
		"quota":         {[]Limit{{"cpu.max", "34000"}}, []Property{{"CPUQuotaPerSecUSec", uint64(340000)}}},
		"quota, period": {[]Limit{{"cpu.max", "5000 10000"}}, []Property{{"CPUQuotaPerSecUSec", uint64(500000)}, {"CPUQuotaPeriodUSec", uint64(10000)}}},
		"no quota":      {[]Limit{{"cpu.max", "max 10000"}}, []Property{{"CPUQuotaPerSecUSec", infinity}, {"CPUQuotaPeriodUSec", uint64(10000)}}},
		"cpus":          {[]Limit{{"cpuset.cpus", "0-2, 9"}, {"cpuset.mems", "0"}}, []Property{{"AllowedCPUs", mask(byte(7), byte(2))}, {"AllowedMemoryNodes", mask(byte(1))}}},
		"io":            {[]Limit{{"io.weight", "default 500"}}, []Property{{"IOWeight", uint64(500)}}},
		"io of a disk":  {[]Limit{{"io.weight", "8:0 500"}, {"io.max", "8:0 rbps=1"}}, nil},
		"bfq":           {[]Limit{{"io.bfq.weight", "1000"}}, []Property{{"IOWeight", uint64(10000)}}},
		"not systemd's": {[]Limit{{"hugetlb.2MB.max", "1"}, {"rdma.max", "x hca_handle=1"}, {"misc.max", "res 1"}, {"memory.oom.group", "1"}}, nil},
		"nonsense":      {[]Limit{{"memory.max", "many"}, {"cpu.max", "1 2 3"}, {"cpu.max", "-1"}, {"cpuset.cpus", "9-1"}, {"cpuset.cpus", "0-99999999"}, {"cpuset.cpus", ""}, {"cpu.max", "1 0"}}, nil},
	} {
		if got := Properties(c.limits); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestRoundBandwidth(t *testing.T) {
	for value, want := range map[string]string{
		"33333":                "34000",
		"34000":                "34000",
		"33333 50000":          "33500 50000",
		"1 1000000":            "10000 1000000",
		"max":                  "max",
		"max 100000":           "max 100000",
		"x 100000":             "x 100000",
		"18446744073709551615": "18446744073709551615",
	} {
		if got := RoundBandwidth(value); got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
		// What was rounded is what systemd will compute from the property.
		if got := RoundBandwidth(RoundBandwidth(value)); got != want {
			t.Errorf("%q twice: got %q", value, got)
		}
	}
}

// TestFromBFQ: systemd's way back, BFQ_WEIGHT, leads to the same weight.
func TestFromBFQ(t *testing.T) {
	for n := uint64(1); n <= 1000; n++ {
		w := fromBFQ(n)
		back := w
		if w > 100 {
			back = 100 + (w-100)*(1000-100)/(10000-100)
		}
		if back != n {
			t.Errorf("%d: IOWeight %d, which is %d", n, w, back)
		}
	}
}
