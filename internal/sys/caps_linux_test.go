package sys

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// TestCapable compares with what the kernel says in text.
func TestCapable(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "\nCapEff:")
	text, _, _ := strings.Cut(after, "\n")
	effective, err := strconv.ParseUint(strings.TrimSpace(text), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	for number := range uint(64) {
		if want := effective&(1<<number) != 0; Capable(number) != want {
			t.Errorf("capability %d: %v, want %v", number, !want, want)
		}
	}
}
