package rdt

import (
	"path/filepath"
	"strconv"
	"strings"
)

// writeSchemata sets shares of a class. The kernel reads all lines before it
// changes anything.
func writeSchemata(group string, lines []string) error {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return resctrl.write(filepath.Join(group, "schemata"), b.String())
}

// contains tells whether the shares in line, such as "L3:0=ff;1=f0", are in
// force in schemata, the content of a class's file. What line does not mention
// may be anything. A value of memory bandwidth may have been rounded up to a
// multiple of gran.
func contains(schemata, line string, gran uint64) bool {
	for part := range strings.SplitSeq(line, "\n") {
		resource, shares, ok := strings.Cut(part, ":")
		resource = strings.TrimSpace(resource)
		now, found := sharesOf(schemata, resource)
		if !ok || !found {
			return false
		}
		for share := range strings.SplitSeq(strings.TrimSpace(shares), ";") {
			domain, value, ok := strings.Cut(share, "=")
			if !ok || !same(resource, now[number(domain, 10)], value, gran) {
				return false
			}
		}
	}
	return true
}

// sharesOf returns the shares of a resource by the number of the cache.
func sharesOf(schemata, resource string) (map[string]string, bool) {
	for line := range strings.SplitSeq(schemata, "\n") {
		name, shares, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) != resource {
			continue
		}
		out := make(map[string]string)
		for share := range strings.SplitSeq(strings.TrimSpace(shares), ";") {
			domain, value, _ := strings.Cut(share, "=")
			out[number(domain, 10)] = value
		}
		return out, true
	}
	return nil, false
}

// same tells whether two values of a resource mean the same: parts of a cache
// are masks in hexadecimal, bandwidth is a decimal number.
func same(resource, now, want string, gran uint64) bool {
	if resource != "MB" && resource != "SMBA" {
		return now != "" && number(now, 16) == number(want, 16)
	}
	if now == "" || number(now, 10) == number(want, 10) {
		return now != ""
	}
	n, err := strconv.ParseUint(strings.TrimSpace(want), 10, 32)
	return err == nil && gran > 0 && number(now, 10) == strconv.FormatUint((n+gran-1)/gran*gran, 10)
}

// number brings a number into one form, and leaves alone what is none.
func number(s string, base int) string {
	s = strings.TrimSpace(s)
	digits := s
	if base == 16 {
		digits = strings.TrimPrefix(strings.ToLower(s), "0x")
	}
	if n, err := strconv.ParseUint(digits, base, 64); err == nil {
		return strconv.FormatUint(n, base)
	}
	return s
}

// oneLine joins the lines of a schemata file.
func oneLine(schemata string) string {
	lines := strings.Split(schemata, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, " ")
}
