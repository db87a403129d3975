package systemd

import (
	"math"
	"strconv"
	"strings"

	"github.com/rungoci/rung/internal/dbus"
)

// Property is a property of a unit, as in org.freedesktop.systemd1(5). Value is
// one of the types of package dbus.
type Property struct {
	Name  string
	Value any
}

// since returns the version of systemd from which on it takes p, 0 for what each
// that rung runs with takes.
func (p Property) since() int {
	switch {
	case p.Name == "CPUWeight" && p.Value == uint64(0):
		return 252 // idle
	case p.Name == "MemoryZSwapMax":
		return 253
	}
	return 0
}

// infinity is how systemd has "no limit".
const infinity = uint64(math.MaxUint64)

// Limit is a value that was written to a file of a cgroup v2.
type Limit struct{ File, Value string }

// Properties returns what to tell systemd of limits that were written to a
// scope's cgroup, the later of two of one file: systemd writes what it knows
// anew whenever it likes, say at daemon-reload, with its defaults for what it
// has not been told of. Of files that it never writes to there is nothing to
// tell. The values are those that the kernel took.
func Properties(limits []Limit) []Property {
	var props []Property
	set := func(name string, value any) {
		for i := range props {
			if props[i].Name == name {
				props[i].Value = value
				return
			}
		}
		props = append(props, Property{name, value})
	}
	idle := false
	for _, l := range limits {
		value := strings.TrimSpace(l.Value)
		switch l.File {
		case "cpu.idle":
			// A weight of 0 is how systemd has "idle" (252).
			idle = value == "1"
			if idle {
				set("CPUWeight", uint64(0))
			}
		case "cpu.weight":
			if n, ok := number(value); ok && !idle {
				set("CPUWeight", n)
			}
		case "cpu.max":
			if perSecond, period, ok := bandwidth(value); ok {
				set("CPUQuotaPerSecUSec", perSecond)
				if period != 0 {
					set("CPUQuotaPeriodUSec", period)
				}
			}
		case "io.weight":
			if n, ok := number(strings.TrimPrefix(value, "default ")); ok {
				set("IOWeight", n)
			}
		case "io.bfq.weight":
			if n, ok := number(value); ok {
				set("IOWeight", fromBFQ(n))
			}
		default:
			if name := cpuset(l.File); name != "" {
				if mask, ok := bitmask(value); ok {
					set(name, mask)
				}
			} else if name := plain(l.File); name != "" {
				if n, ok := bytesOrMax(value); ok {
					if l.File == "pids.max" && n == 0 {
						n = 1 // systemd takes no 0 for it, nor does runc.
					}
					set(name, n)
				}
			}
		}
	}
	return props
}

// plain returns the property whose value, a number or "max", is that of a file,
// or "". It is no map, which every start of rung would make.
func plain(file string) string {
	switch file {
	case "memory.high":
		return "MemoryHigh"
	case "memory.low":
		return "MemoryLow"
	case "memory.max":
		return "MemoryMax"
	case "memory.min":
		return "MemoryMin"
	case "memory.swap.max":
		return "MemorySwapMax"
	case "memory.zswap.max":
		return "MemoryZSwapMax"
	case "pids.max":
		return "TasksMax"
	}
	return ""
}

// cpuset returns the property for a file with a list of numbers, or "".
func cpuset(file string) string {
	switch file {
	case "cpuset.cpus":
		return "AllowedCPUs"
	case "cpuset.mems":
		return "AllowedMemoryNodes"
	}
	return ""
}

func number(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}

// bytesOrMax reads a number as the kernel's memparse does, "64M", or "max".
func bytesOrMax(s string) (uint64, bool) {
	if s == "max" {
		return infinity, true
	}
	shift := 0
	if s != "" {
		if i := strings.IndexByte("KMGTPE", s[len(s)-1]&^0x20); i >= 0 {
			shift, s = 10*(i+1), s[:len(s)-1]
		}
	}
	n, ok := number(s)
	return n << shift, ok && n<<shift>>shift == n
}

// defaultPeriod is the kernel's period of cpu.max, in microseconds.
const defaultPeriod = 100000

// NoBandwidth is what cpu.max says in a new cgroup.
const NoBandwidth = "max 100000"

// bandwidth reads a value of cpu.max, "QUOTA [PERIOD]", as microseconds per
// second, in full percent of a processor, and the period, 0 where there is none.
func bandwidth(value string) (perSecond, period uint64, ok bool) {
	quota, rest, _ := strings.Cut(value, " ")
	if rest != "" {
		if period, ok = number(strings.TrimSpace(rest)); !ok || period == 0 {
			return 0, 0, false
		}
	}
	if quota == "max" {
		return infinity, period, true
	}
	n, ok := number(quota)
	if !ok || n > math.MaxUint64/1000000/2 {
		return 0, 0, false
	}
	by := period
	if by == 0 {
		by = defaultPeriod
	}
	const percent = 10000
	perSecond = n * 1000000 / by
	if odd := perSecond % percent; odd != 0 {
		perSecond += percent - odd
	}
	return perSecond, period, true
}

// RoundBandwidth returns a value for cpu.max that systemd can keep: it writes
// full percents of a processor to the file by which it remembers the unit, and
// would lower the limit at daemon-reload. So the quota is rounded up, as runc
// does. What is not of the form "QUOTA [PERIOD]" stays.
func RoundBandwidth(value string) string {
	perSecond, period, ok := bandwidth(value)
	if !ok || perSecond == infinity {
		return value
	}
	by := period
	if by == 0 {
		by = defaultPeriod
	}
	_, rest, _ := strings.Cut(value, " ")
	return strings.TrimSpace(strconv.FormatUint(perSecond*by/1000000, 10) + " " + rest)
}

// fromBFQ returns the IOWeight (1 to 10000) of which systemd makes the weight n
// (1 to 1000) for the BFQ scheduler: up to 100 they are the same, beyond it
// they are stretched (BFQ_WEIGHT in its sources).
func fromBFQ(n uint64) uint64 {
	if n <= 100 {
		return n
	}
	return min(100+(n-100)*(10000-100)/(1000-100), 10000)
}

// maxBit bounds the numbers in a list: more than any kernel has processors
// (NR_CPUS) or memory nodes.
const maxBit = 1 << 16

// bitmask turns a list such as "0-3,7" into a set of bits, the lowest first.
func bitmask(list string) (dbus.Array, bool) {
	var bits []byte
	for element := range strings.SplitSeq(list, ",") {
		if element = strings.TrimSpace(element); element == "" {
			continue
		}
		first, last, isRange := strings.Cut(element, "-")
		if !isRange {
			last = first
		}
		from, ok := number(first)
		to, ok2 := number(last)
		if !ok || !ok2 || from > to || to >= maxBit {
			return dbus.Array{}, false
		}
		for n := from; n <= to; n++ {
			for uint64(len(bits)) <= n/8 {
				bits = append(bits, 0)
			}
			bits[n/8] |= 1 << (n % 8)
		}
	}
	mask := dbus.Array{Of: "y"}
	for _, b := range bits {
		mask.Items = append(mask.Items, b)
	}
	return mask, len(bits) > 0
}
