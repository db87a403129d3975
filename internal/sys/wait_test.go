package sys

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestEnding(t *testing.T) {
	for status, want := range map[unix.WaitStatus]string{
		0:                                    "exit status 0",
		3 << 8:                               "exit status 3",
		unix.WaitStatus(unix.SIGKILL):        "ended by signal 9 (killed)",
		unix.WaitStatus(unix.SIGSEGV) | 0x80: "ended by signal 11 (segmentation fault)", // 0x80: with a core dump
	} {
		if got := Ending(status); got != want {
			t.Errorf("%#x: got %q, want %q", uint32(status), got, want)
		}
	}
}
