package main

import (
	"math"
	"testing"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"-1": -1, "0": 0, "1": 1, "33554432": 33554432, "32M": 32 << 20, "32m": 32 << 20, "32MB": 32 << 20, "32mib": 32 << 20,
		"32MiB": 32 << 20, "32 M": 32 << 20, "5b": 5, "5 B": 5, "1.5g": 3 << 29, "0.5k": 512, "1k": 1024, "2T": 2 << 40, "1P": 1 << 50,
		"9223372036854775807": math.MaxInt64, "8191p": 8191 << 50,
	} {
		if got, err := parseSize(text); got != want || err != nil {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " ", "M", "-2", "+1", "1x", "1kk", "1bk", "1i", "1  M", " 1", "1 ", "1.2.3", ".5", "1e3", "0x10", "inf", "nan", "1_000", "1,5",
		"8192p", "9223372036854775808", "99999999999999999999999", "-1M", "5-", "1\n", "ı",
	} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, text := range []string{"-1", "1.5GiB", "32 m", "8191p", "9223372036854775807"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseSize(text)
		if n < -1 || n == -1 && text != "-1" || err != nil && n != 0 {
			t.Errorf("%q: %d, %v", text, n, err)
		}
	})
}

// TestLimitFlags has every flag for a limit set something, and errors name it.
func TestLimitFlags(t *testing.T) {
	for _, f := range limitFlags {
		if got := flagOf("linux.resources." + f.field); got != "--"+f.name {
			t.Errorf("%s is set by %s, not by --%s", f.field, got, f.name)
		}
	}
	if got := flagOf("linux.resources.hugepageLimits[0]"); got != "linux.resources.hugepageLimits[0]" {
		t.Errorf("a field without a flag is named %s", got)
	}
}
