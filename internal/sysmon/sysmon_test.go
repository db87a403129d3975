package sysmon

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func slack(t *testing.T, tid string) string {
	t.Helper()
	data, err := os.ReadFile("/proc/" + tid + "/timerslack_ns")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

func TestCalm(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("changing the timer slack of other threads needs CAP_SYS_NICE")
	}
	main := strconv.Itoa(os.Getpid())
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	before := map[string]string{}
	monitor := ""
	for _, e := range threads {
		before[e.Name()] = slack(t, e.Name())
		if monitor == "" && e.Name() != main {
			monitor = e.Name()
		}
	}
	Calm()
	for tid, want := range before {
		if tid == monitor {
			want = strconv.Itoa(Slack)
		}
		if got := slack(t, tid); got != want {
			t.Errorf("thread %s has a slack of %s ns, want %s", tid, got, want)
		}
	}
}

func TestRestore(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	get := func() int {
		n, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	Restore()
	before := get()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, Slack+1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	Restore()
	if after := get(); after != before {
		t.Errorf("slack is %d ns, was %d", after, before)
	}
}
