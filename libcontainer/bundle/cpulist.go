package bundle

import (
	"errors"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// maxCPU is the largest number that a unix.CPUSet holds.
const maxCPU = int(unsafe.Sizeof(unix.CPUSet{}))*8 - 1

// ParseCPUList parses a list of CPUs such as "0-3,7" (process.execCPUAffinity
// in config.md of the runtime spec) into a set for sched_setaffinity(2). Blanks
// around an element and empty elements are accepted, as in runc. A list that
// names no CPU gives nil.
func ParseCPUList(list string) (*unix.CPUSet, error) { return parseList(list, "CPU") }

// ParseNodeList is ParseCPUList for a list of memory nodes
// (linux.memoryPolicy.nodes), into a set for set_mempolicy(2).
func ParseNodeList(list string) (*unix.CPUSet, error) { return parseList(list, "node") }

// parseList parses a list of numbers of what.
func parseList(list, what string) (*unix.CPUSet, error) {
	var set *unix.CPUSet
	for element := range strings.SplitSeq(list, ",") {
		element = strings.TrimSpace(element)
		if element == "" {
			continue
		}
		first, last, isRange := strings.Cut(element, "-")
		if !isRange {
			last = first
		}
		from, err := parseNumber(first, what)
		if err != nil {
			return nil, err
		}
		to, err := parseNumber(last, what)
		if err != nil {
			return nil, err
		}
		if from > to {
			return nil, errors.New("the range " + jsonfield.Quote(element) + " ends before it begins")
		}
		if set == nil {
			set = new(unix.CPUSet)
		}
		for cpu := from; cpu <= to; cpu++ {
			set.Set(cpu)
		}
	}
	return set, nil
}

func parseNumber(s, what string) (int, error) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, errors.New("must be a list of " + what + "s such as 0-3,7, got " + jsonfield.Quote(s) + " where a number belongs")
	}
	n, err := strconv.Atoi(s)
	if err != nil || n > maxCPU {
		return 0, errors.New("the highest " + what + " number supported is " + strconv.Itoa(maxCPU) + ", got " + jsonfield.Quote(s))
	}
	return n, nil
}
