package bundle

import (
	"strings"
	"testing"
)

// FuzzNames is about the strings that become parts of paths on the host.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"", ".", "..", "a/../b", "a\x00b", "net.ipv4.ip_forward", "net/ipv4/conf/eth0.1/forwarding", "net.//.kernel.core_pattern",
		"0-3,5", "0-", "4294967296", "18446744073709551616", "1.0.2-dev+build"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if ValidateID(s) == nil && (strings.ContainsAny(s, "/\x00\n") || s == "" || s == "." || s == ".." || len(s) > maxID) {
			t.Errorf("the id %q would leave its folder", s)
		}
		if p, ok := SysctlPath(s); ok {
			for name := range strings.SplitSeq(p, "/") {
				if name == "" || name == "." || name == ".." || strings.Contains(name, "\x00") {
					t.Errorf("the sysctl %q became the path %q", s, p)
				}
			}
		}
		if set, err := ParseCPUList(s); err != nil && set != nil || err == nil && set != nil && set.Count() == 0 {
			t.Errorf("the CPUs %q became %v, %v", s, set, err)
		}
		if major, minor, ok := parseVersion(s); ok && (major == "" || minor == "") {
			t.Errorf("the version %q has no major or minor number", s)
		}
	})
}
