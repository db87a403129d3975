package cgroup

import (
	"os/exec"
	"testing"
	"time"
)

// BenchmarkLife is what every container pays: its folders made, opened and
// removed.
func BenchmarkLife(b *testing.B) {
	for _, name := range []string{"absolute", "relative"} {
		b.Run(name, func(b *testing.B) {
			path := uniquePath(b)
			if name == "relative" {
				path = path[1:]
			}
			for b.Loop() {
				life(b, path)
			}
		})
	}
}

func life(b *testing.B, path string) {
	m, err := New(Options{ID: "test", Spec: spec(path, nil)})
	if err != nil {
		b.Fatal(err)
	}
	if err := m.Create(); err != nil {
		b.Fatal(err)
	}
	j, err := m.Join()
	if err != nil {
		b.Fatal(err)
	}
	j.Close()
	if err := m.Destroy(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkNew(b *testing.B) {
	path := uniquePath(b)
	for b.Loop() {
		if _, err := New(Options{ID: "test", Spec: spec(path, nil)}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParts reports the parts of a life, in microseconds each.
func BenchmarkParts(b *testing.B) {
	s := bundle(b, "docker")
	s.Linux.CgroupsPath = uniquePath(b)
	var total [7]time.Duration
	for b.Loop() {
		var m *Manager
		var j *Join
		r := s.Linux.Resources
		for i, part := range [...]func() error{
			func() (err error) { m, err = New(Options{ID: "test", Spec: s}); return err },
			func() error { return m.Create() },
			func() (err error) { j, err = m.Join(); return err },
			func() error { return j.Close() },
			func() error { return m.SetEarly(r) },
			func() error { return m.SetDevices(r) },
			func() error { return m.SetLate(r) },
		} {
			t := time.Now()
			if err := part(); err != nil {
				b.Fatal(err)
			}
			total[i] += time.Since(t)
		}
		if err := m.Destroy(); err != nil {
			b.Fatal(err)
		}
	}
	for i, name := range [...]string{"new", "create", "join", "close", "early", "devices", "late"} {
		b.ReportMetric(float64(total[i].Microseconds())/float64(b.N), name+"-us")
	}
}

// BenchmarkDestroyRunning removes the cgroups of a container whose only process
// is alive.
func BenchmarkDestroyRunning(b *testing.B) {
	path := uniquePath(b)
	var total time.Duration
	for b.Loop() {
		m, err := New(Options{ID: "test", Spec: spec(path, nil)})
		if err != nil {
			b.Fatal(err)
		}
		if err := m.Create(); err != nil {
			b.Fatal(err)
		}
		cmd := exec.Command("sleep", "1000")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		if err := m.AddProcess(cmd.Process.Pid); err != nil {
			b.Fatal(err)
		}
		t := time.Now()
		if err := m.Destroy(); err != nil {
			b.Fatal(err)
		}
		total += time.Since(t)
		_ = cmd.Wait()
	}
	b.ReportMetric(float64(total.Microseconds())/float64(b.N), "destroy-us")
}
