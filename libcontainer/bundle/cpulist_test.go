package bundle

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseCPUList(t *testing.T) {
	cpus := func(set *unix.CPUSet) []int {
		var list []int
		for cpu := 0; set != nil && cpu <= maxCPU; cpu++ {
			if set.IsSet(cpu) {
				list = append(list, cpu)
			}
		}
		return list
	}
	for s, want := range map[string][]int{
		"": nil, ",": nil, " , ": nil,
		"0": {0}, "3": {3}, "0-3": {0, 1, 2, 3}, "0-1,7": {0, 1, 7}, " 1 , 2,": {1, 2}, "5-5": {5}, "1,1,0-1": {0, 1},
		"1023": {1023}, "0007": {7},
	} {
		set, err := ParseCPUList(s)
		if err != nil || !slices.Equal(cpus(set), want) || (set == nil) != (want == nil) {
			t.Errorf("ParseCPUList(%q) = %v, %v; want %v", s, cpus(set), err, want)
		}
	}
	const form = "must be a list of CPUs such as 0-3,7, got "
	for s, want := range map[string]string{
		"x":                      form + `"x" where a number belongs`,
		"-1":                     form + `"" where a number belongs`,
		"1-":                     form + `"" where a number belongs`,
		"1-2-3":                  form + `"2-3" where a number belongs`,
		"0x1":                    form + `"0x1" where a number belongs`,
		"+1":                     form + `"+1" where a number belongs`,
		"1 2":                    form + `"1 2" where a number belongs`,
		"1 - 2":                  form + `"1 " where a number belongs`,
		"0-3:2":                  form + `"3:2" where a number belongs`,
		"all":                    form + `"all" where a number belongs`,
		"2-1":                    `the range "2-1" ends before it begins`,
		"1024":                   `the highest CPU number supported is 1023, got "1024"`,
		"0-99999999999999999999": `the highest CPU number supported is 1023, got "99999999999999999999"`,
	} {
		if set, err := ParseCPUList(s); err == nil || err.Error() != want || set != nil {
			t.Errorf("ParseCPUList(%q):\n got %v, %v\nwant %s", s, set, err, want)
		}
	}
}
