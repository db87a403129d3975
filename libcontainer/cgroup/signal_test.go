package cgroup

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"
)

// TestRounds has a container make processes while they are signalled.
func TestRounds(t *testing.T) {
	type proc struct {
		pid  int
		born uint64
	}
	for _, tt := range []struct {
		name  string
		lists [][]proc
		want  [][]int
	}{
		{"nothing", [][]proc{{}}, nil},
		{"none is new", [][]proc{{{1, 5}, {2, 5}}, {{1, 5}, {2, 5}}}, [][]int{{1, 2}}},
		{"one is new", [][]proc{{{1, 5}}, {{1, 5}, {2, 6}}, {{2, 6}}}, [][]int{{1}, {2}}},
		{"one has the number of another", [][]proc{{{1, 5}, {2, 5}}, {{1, 5}, {2, 7}}, {{1, 5}, {2, 7}}}, [][]int{{1, 2}, {2}}},
		{"nobody can tell", [][]proc{{{1, 0}, {2, 0}}, {{1, 0}, {2, 0}}}, [][]int{{1, 2}}},
	} {
		var now []proc
		var got [][]int
		r := rounds{
			list: func() ([]int, error) {
				if len(tt.lists) == 0 {
					t.Fatalf("%s: asked for more", tt.name)
				}
				now, tt.lists = tt.lists[0], tt.lists[1:]
				var pids []int
				for _, p := range now {
					pids = append(pids, p.pid)
				}
				return pids, nil
			},
			send: func(pids []int) error {
				got = append(got, slices.Clone(pids))
				return nil
			},
			born: func(pid int) uint64 {
				i := slices.IndexFunc(now, func(p proc) bool { return p.pid == pid })
				return now[i].born
			},
		}
		if err := r.run(time.Minute); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if !slices.EqualFunc(got, tt.want, slices.Equal[[]int]) || len(tt.lists) != 0 {
			t.Errorf("%s: got %v, want %v; %d lists unread", tt.name, got, tt.want, len(tt.lists))
		}
	}
}

// TestRoundsEnd has each list hold a process that is new. However little time there
// is, those that were there at first are signalled.
func TestRoundsEnd(t *testing.T) {
	for _, timeout := range []time.Duration{0, 10 * time.Millisecond} {
		next, signalled := 0, 0
		r := rounds{
			list: func() ([]int, error) { next++; return []int{next}, nil },
			send: func(pids []int) error { signalled += len(pids); return nil },
			born: func(int) uint64 { return 0 },
		}
		done := make(chan error)
		go func() { done <- r.run(timeout) }()
		select {
		case err := <-done:
			if err != errEndless || signalled == 0 {
				t.Errorf("%v after %d processes", err, signalled)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the rounds have no end")
		}
	}
}

func TestRoundsError(t *testing.T) {
	bad := errors.New("bad")
	fine := func() ([]int, error) { return []int{1}, nil }
	for name, r := range map[string]rounds{
		"list": {list: func() ([]int, error) { return nil, bad }},
		"send": {list: fine, send: func([]int) error { return bad }, born: func(int) uint64 { return 0 }},
	} {
		if err := r.run(time.Minute); err != bad {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStartTime(t *testing.T) {
	self := startTime(os.Getpid())
	child := startTime(sleeper(t).Process.Pid)
	if self == 0 || child < self {
		t.Errorf("this process was born at %d, a child of it at %d", self, child)
	}
	if got := startTime(1 << 30); got != 0 {
		t.Errorf("nobody was born at %d", got)
	}
}
