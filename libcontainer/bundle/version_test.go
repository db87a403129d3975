package bundle

import (
	"strings"
	"testing"
)

func TestParseVersion(t *testing.T) {
	for s, want := range map[string]string{
		"1.3.0":                         "1 3",
		"1.0.2-dev":                     "1 0",
		"10.20.30":                      "10 20",
		"1.0.0-alpha.1+001":             "1 0",
		"1.0.0+21AF26D3---117B344092BD": "1 0",
		"1.0.0-x-y-z.--":                "1 0",
		"1.0.0--":                       "1 0",
		"99999999999999999999999.1.0":   "99999999999999999999999 1",
		"1.0.0-0A.is.legal":             "1 0",
		"":                              "", "1": "", "1.2": "", "1.2.3.4": "", "v1.2.3": "", "01.2.3": "", "1.02.3": "", "1.2.03": "",
		"1.2.3-": "", "1.2.3+": "", "1.2.3-a..b": "", "1.2.3-01": "", "1.2.3+a+b": "", "1.2.3-ä": "", " 1.2.3": "",
		"1.2.3 ": "", "-1.2.3": "", "1..3": "", "1.2.": "", "1.2.3-a_b": "", "1.x.3": "", "1.2.3\x00": "",
	} {
		major, minor, ok := parseVersion(s)
		if got := strings.TrimSpace(major + " " + minor); got != want || ok != (want != "") {
			t.Errorf("parseVersion(%q) = %q, %v; want %q", s, got, ok, want)
		}
	}
}
