package cgroup

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestOOMV2(t *testing.T) {
	m := fakeV2(t, v2Controllers, "memory.events=low 0\noom 2\noom_kill 1\n")
	o, err := m.WatchOOM()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	readable := func() bool { return waitFor(o.Fd(), unix.POLLIN, time.Now().Add(time.Millisecond)) }
	if readable() || o.Happened() {
		t.Error("what was before the watch counts")
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(m.dirs[0]+"/memory.events", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("low 7\noom 3\noom_kill 1\n")
	if !readable() || o.Happened() || readable() {
		t.Error("an event other than a kill counts, or is told twice")
	}
	write("low 7\noom 3\noom_kill 3\n")
	if !readable() || !o.Happened() || readable() || o.Happened() {
		t.Error("a kill is not told, or twice")
	}
	if err := os.RemoveAll(m.dirs[0]); err != nil {
		t.Fatal(err)
	}
	if o.Happened() {
		t.Error("the end of the cgroup counts")
	}
}

func TestOOMErrors(t *testing.T) {
	m := fakeV2(t, "cgroup.controllers=cpu pids\n")
	if _, err := m.WatchOOM(); err == nil || !strings.Contains(err.Error(), "no cgroup of the controller memory") {
		t.Errorf("without the controller: %v", err)
	}
	m = fakeV2(t, v2Controllers)
	if _, err := m.WatchOOM(); err == nil || !strings.Contains(err.Error(), "no such file or directory") {
		t.Errorf("without memory.events: %v", err)
	}
}

func TestOOMV1Host(t *testing.T) {
	m := newManager(t, nil)
	want(t, m, "memory", "cgroup.event_control")
	o, err := m.WatchOOM()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if o.Happened() {
		t.Error("it happened before anything did")
	}
	// The kernel tells of the end of the cgroup, too, when it gets to it.
	if err := m.Destroy(); err != nil {
		t.Fatal(err)
	}
	if waitFor(o.Fd(), unix.POLLIN, time.Now().Add(5*time.Second)) && o.Happened() {
		t.Error("the end of the cgroup counts")
	}
}
