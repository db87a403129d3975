package main

import (
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseSignal(t *testing.T) {
	for text, want := range map[string]unix.Signal{
		"TERM": unix.SIGTERM, "SIGTERM": unix.SIGTERM, "term": unix.SIGTERM, "sigkill": unix.SIGKILL, "SigHup": unix.SIGHUP,
		"USR1": unix.SIGUSR1, "winch": unix.SIGWINCH, "9": unix.SIGKILL, "09": unix.SIGKILL, "15": unix.SIGTERM,
		"0": 0, "1": 1, "34": 34, "64": 64,
		// As kill -l numbers them: those of the C library.
		"RTMIN": 34, "SIGRTMIN": 34, "RTMIN+0": 34, "RTMIN+3": 37, "sigrtmin+3": 37, "SIGRTMIN+4": 38, "RTMIN+30": 64,
		"RTMAX": 64, "RTMAX-0": 64, "RTMAX-14": 50, "sigrtmax-30": 34,
	} {
		if got, err := parseSignal(text); got != want || err != nil {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " ", "SIG", "TERM ", " TERM", "SIGSIGTERM", "SIGTERM\n", "TERM,KILL", "NONE", "65", "-1", "1.0", "0x9", "9KILL", "99999999999999999999",
		"RT", "RTMIN+", "RTMIN-1", "RTMIN+31", "RTMIN+-1", "RTMIN++3", "RTMIN3", "RTMIN+x", "RTMIN + 3", "RTMAX-", "RTMAX+1", "RTMAX-31", "RTMAX--3", "RTMAX3", "RTMIN+99999999999999999999",
	} {
		sig, err := parseSignal(text)
		if err == nil {
			t.Errorf("%q is signal %d", text, sig)
			continue
		}
		wantError(t, text, err, "send a signal: unknown signal "+strconv.Quote(text), "hint: a name such as TERM, or a number from 0 to 64")
	}
}
