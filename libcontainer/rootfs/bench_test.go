package rootfs

import (
	"testing"
	"time"
)

// BenchmarkDefaultBundle times each phase of the default configuration, in
// microseconds.
func BenchmarkDefaultBundle(b *testing.B) {
	cgroups := CgroupView{}
	var phases [5]time.Duration
	names := [...]string{"open", "mounts", "devices", "enter", "finish"}
	for range b.N {
		done := make(chan struct{})
		go func() {
			defer close(done)
			inNamespace(b)
			if cgroups.Mountpoints == nil {
				cgroups = hostCgroups(b)
			}
			r, err := New(Options{Spec: defaultSpec(), Root: root, Cgroup: cgroups, CgroupNamespace: true})
			must(b, err)
			for i, phase := range []func() error{r.Open, r.Mounts, r.Devices, r.Enter, r.Finish} {
				start := time.Now()
				must(b, phase())
				phases[i] += time.Since(start)
			}
			must(b, r.Close())
		}()
		<-done
	}
	for i, d := range phases {
		b.ReportMetric(float64(d.Microseconds())/float64(b.N), names[i]+"-us/op")
	}
}
