package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestDestroyProcessesHost(t *testing.T) {
	for _, frozen := range []bool{false, true} {
		m := newManager(t, nil)
		var pids []int
		for range 20 {
			pids = append(pids, sleeperIn(t, m))
		}
		if frozen {
			if err := m.Freeze(); err != nil {
				t.Fatal(err)
			}
		}
		begin := time.Now()
		if err := m.Destroy(); err != nil {
			t.Fatal(err)
		}
		t.Logf("frozen %v: removed in %v", frozen, time.Since(begin))
		noneLeft(t, m)
		for _, pid := range pids {
			waitGone(t, pid)
		}
	}
}

// TestDestroyForksHost has a container that keeps making processes.
func TestDestroyForksHost(t *testing.T) {
	for _, kill := range []bool{true, false} {
		m := newManager(t, nil)
		if !kill {
			withoutUnified(t, m) // and with it, without cgroup.kill
		}
		cmd := exec.Command("sh", "-c", "trap '' TERM; f() { while :; do (sleep 0.01; :) & done; }; read x; f & f & f")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		start(t, cmd)
		if err := m.AddProcess(cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
		if dir, ok := m.dir("pids"); ok {
			if err := writeFile(dir, "pids.max", "200"); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Fprintln(in)
		time.Sleep(20 * time.Millisecond)
		begin := time.Now()
		if err := m.Destroy(); err != nil {
			t.Fatal(err)
		}
		t.Logf("cgroup.kill %v: removed in %v", kill, time.Since(begin))
		noneLeft(t, m)
	}
}

// TestDestroyNestedHost has a container that made cgroups of its own.
func TestDestroyNestedHost(t *testing.T) {
	m := newManager(t, nil)
	for i, dir := range m.dirs {
		for j := range 3 {
			for k := range 3 {
				if err := os.MkdirAll(fmt.Sprintf("%s/a%d/b%d", dir, j, k), 0o755); err != nil {
					t.Fatal(err)
				}
			}
		}
		if m.rec.Folders[i].Controllers == "pids" {
			if err := addProcess(dir+"/a1/b1", sleeper(t).Process.Pid); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := m.Destroy(); err != nil {
		t.Fatal(err)
	}
	noneLeft(t, m)
}

// TestDestroyDeepHost nests so deep that the path is longer than PATH_MAX.
func TestDestroyDeepHost(t *testing.T) {
	m := newManager(t, nil)
	dir := m.primary()
	cur, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.Repeat("d", 250)
	depth := 0
	for range 30 {
		if err := unix.Mkdirat(cur, name, 0o755); err != nil {
			t.Logf("at depth %d: %v", depth, err)
			break
		}
		next, err := unix.Openat(cur, name, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(cur)
		cur = next
		depth++
	}
	pid := sleeper(t).Process.Pid
	fd, err := unix.Openat(cur, "cgroup.procs", unix.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	inside := writeAll(fd, fmt.Sprint(pid))
	unix.Close(fd)
	unix.Close(cur)
	t.Logf("%d levels, %d bytes; the process in it: %v", depth, depth*len(name), inside)
	if pids, err := m.Procs(); err != nil || inside == nil && !slices.Equal(pids, []int{pid}) {
		t.Errorf("Procs() = %v, %v; want %d", pids, err, pid)
	}
	if err := m.Destroy(); err != nil {
		t.Fatal(err)
	}
	noneLeft(t, m)
}

// TestDestroyQuicklyHost removes again and again right after the last process
// ended, which is when a sleep loop would be needed if the kernel was not done.
func TestDestroyQuicklyHost(t *testing.T) {
	for _, unified := range []bool{true, false} {
		var slowest, sum time.Duration
		for range 50 {
			m := newManager(t, nil)
			if !unified {
				withoutUnified(t, m)
			}
			cmd := exec.Command("sleep", "1000")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if err := m.AddProcess(cmd.Process.Pid); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			begin := time.Now()
			if err := m.Destroy(); err != nil {
				t.Fatal(err)
			}
			slowest = max(slowest, time.Since(begin))
			sum += time.Since(begin)
			noneLeft(t, m)
		}
		t.Logf("v2 hierarchy %v: %v on average, the slowest took %v", unified, sum/50, slowest)
	}
}

// withoutUnified takes the v2 folder of a hybrid host from m, as if the host
// had v1 only.
func withoutUnified(t *testing.T, m *Manager) {
	t.Helper()
	if m.rec.Version != Hybrid {
		return
	}
	last := len(m.dirs) - 1
	if err := rmdir(m.dirs[last]); err != nil {
		t.Fatal(err)
	}
	m.rec.Version = V1
	m.rec.Folders, m.dirs, m.made = m.rec.Folders[:last], m.dirs[:last], m.made[:last]
}
