package state

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestLockWithin has the lock be held by a command that does not let go of it, then by
// one that does.
func TestLockWithin(t *testing.T) {
	root := t.TempDir()
	a := mustMake(t, root, "c")
	b, err := Open(root, "c")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	err = within(t, "LockWithin", func() error { return b.LockWithin(20 * time.Millisecond) })
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "and was for 20ms") {
		t.Errorf("got %v", err)
	}
	name, rerr := os.ReadFile("/proc/self/comm")
	if rerr != nil {
		t.Fatal(rerr)
	}
	want := "it is process " + strconv.Itoa(os.Getpid()) + " (" + strings.TrimSpace(string(name)) + ")"
	if err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%v does not say %q", err, want)
	}
	got := make(chan error)
	go func() { got <- b.LockWithin(patience) }()
	a.Unlock()
	if err := within(t, "LockWithin", func() error { return <-got }); err != nil {
		t.Fatal(err)
	}
	if err := a.TryLock(); !errors.Is(err, ErrLocked) {
		t.Errorf("the lock was not taken: %v", err)
	}
}

func TestLockHolder(t *testing.T) {
	const locks = `1: POSIX  ADVISORY  WRITE 1 00:1b:5678 0 EOF
2: FLOCK  ADVISORY  WRITE 2 00:1b:56789 0 EOF
3: -> FLOCK  ADVISORY  WRITE 3 00:1b:5678 0 EOF
4: FLOCK  ADVISORY  WRITE 4 00:1c:5678 0 EOF
5: FLOCK  ADVISORY  WRITE 5 00:1b:5678 0 EOF
6: FLOCK  ADVISORY  WRITE 0 103:10:77 0 EOF
7: FLOCK
`
	for file, want := range map[string]int{"00:1b:5678": 5, "00:1c:5678": 4, "103:10:77": 0, "00:1b:1": 0} {
		if got := lockHolder(locks, file); got != want {
			t.Errorf("%s: got %d, want %d", file, got, want)
		}
	}
}
