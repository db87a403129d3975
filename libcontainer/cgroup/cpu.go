package cgroup

import (
	"math"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// The range of cpu.shares, MIN_SHARES and MAX_SHARES of kernel/sched. The
// kernel pulls values outside of it in without a word.
const (
	minShares = 2
	maxShares = 1 << 18
)

// setCPU applies linux.resources.cpu, but for the cpuset.
//
// cpu.idle takes the weight's place while it is 1, and the kernel then refuses
// to set the weight. So it is written first where it ends, last where it
// begins.
func (m *Manager) setCPU(c *specs.LinuxCPU) error {
	if c.Idle != nil && *c.Idle == 0 {
		l := limit{"cpu.idle", "cpu", "cpu.idle", "0"}
		// A kernel before 5.15 does not have it, which is the same as 0.
		if err := m.try(l); err != nil && err != unix.ENOENT {
			return m.explain(l, err)
		}
	}
	if c.Shares != nil && *c.Shares != 0 && !m.staysIdle(c) {
		if c.Idle == nil {
			if err := m.endIdle("cpu.shares"); err != nil {
				return err
			}
		}
		if err := m.setShares(*c.Shares); err != nil {
			return err
		}
	}
	if err := m.setBandwidth(c); err != nil {
		return err
	}
	if c.Idle != nil && *c.Idle != 0 {
		if err := m.apply(limit{"cpu.idle", "cpu", "cpu.idle", itoa(*c.Idle)}); err != nil {
			return err
		}
	}
	if m.creating && !m.v2() && m.res != nil && m.res.CPU == c {
		return nil // Create set it, before a process could enter.
	}
	return m.setRealtime(c)
}

// staysIdle reports whether the cgroup is idle, and is to be: it has no weight then.
func (m *Manager) staysIdle(c *specs.LinuxCPU) bool {
	return c.Idle != nil && *c.Idle == 1 && m.idle()
}

// idle reports cpu.idle. Where there is no such file, nothing is idle.
func (m *Manager) idle() bool {
	now, err := m.read("cpu", "cpu.idle")
	return err == nil && now == "1"
}

// endIdle ends cpu.idle for a weight, of a field, that is about to be set. It does so with the
// systemd driver only, as runc: systemd has idleness as a weight of its own (252),
// which another weight takes the place of.
func (m *Manager) endIdle(field string) error {
	if m.unit == nil || m.creating || !m.idle() {
		return nil
	}
	return m.apply(limit{field, "cpu", "cpu.idle", "0"})
}

// setShares sets the relative weight.
func (m *Manager) setShares(shares uint64) error {
	if m.v2() {
		return m.apply(limit{"cpu.shares", "cpu", "cpu.weight", utoa(weightOf(shares))})
	}
	if shares < minShares || shares > maxShares {
		return errdefs.Field("linux.resources.cpu.shares", utoa(shares)+" is not between 2 and 262144")
	}
	return m.apply(limit{"cpu.shares", "cpu", "cpu.shares", utoa(shares)})
}

// weightOf converts v1 shares (2 to 262144, default 1024) to a v2 weight (1 to
// 10000, default 100) by the field's common formula: a quadratic function
// through the three points, on a logarithmic scale.
func weightOf(shares uint64) uint64 {
	switch {
	case shares <= minShares:
		return 1
	case shares >= maxShares:
		return 10000
	}
	l := math.Log2(float64(shares))
	return uint64(math.Ceil(math.Pow(10, (l*l+125*l)/612-7.0/34)))
}

// setBandwidth sets quota, period and burst. A quota of 0 or a period of 0 is
// unset, a negative quota is none.
func (m *Manager) setBandwidth(c *specs.LinuxCPU) error {
	var quota int64
	var period uint64
	if c.Quota != nil {
		quota = *c.Quota
	}
	if c.Period != nil {
		period = *c.Period
	}
	var ls []limit
	if m.v2() {
		if quota != 0 || period != 0 {
			value, err := m.cpuMax(quota, period)
			if err != nil {
				return m.explain(limit{"cpu.period", "cpu", "cpu.max", utoa(period)}, err)
			}
			ls = append(ls, limit{"cpu.quota", "cpu", "cpu.max", value})
		}
	} else {
		if quota != 0 {
			ls = append(ls, limit{"cpu.quota", "cpu", "cpu.cfs_quota_us", itoa(max(quota, -1))})
		}
		if period != 0 {
			ls = append(ls, limit{"cpu.period", "cpu", "cpu.cfs_period_us", utoa(period)})
		}
	}
	if c.Burst != nil {
		l := limit{"cpu.burst", "cpu", "cpu.cfs_burst_us", utoa(*c.Burst)}
		if m.v2() {
			l.file = "cpu.max.burst"
		}
		// A kernel before 5.14 has none, which is the same as 0.
		if dir, ok := m.home("cpu"); *c.Burst != 0 || ok && exists(dir+"/"+l.file) {
			ls = append(ls, l)
		}
	}
	return m.applyTogether(ls)
}

// applyTogether writes limits that the kernel checks against each other, as
// burst <= quota and quota/period <= that of the cgroup above. Which order it
// takes depends on what is set already, so each is tried until none is left or
// none succeeds any more. The last is tried first: a period or burst before the
// quota that they are to go with.
func (m *Manager) applyTogether(ls []limit) error {
	for len(ls) > 0 {
		var refused []limit
		var first error
		for i := len(ls) - 1; i >= 0; i-- {
			err := m.try(ls[i])
			if err == nil {
				continue
			}
			if err != unix.EINVAL {
				return m.explain(ls[i], err)
			}
			refused = append([]limit{ls[i]}, refused...)
			first = err
		}
		if len(refused) == len(ls) {
			return m.explain(refused[0], first)
		}
		ls = refused
	}
	return nil
}

// cpuMax returns the value of cpu.max. The kernel keeps the period where only a
// quota is written; the other way round the quota has to be read. systemd is told
// what both come to, microseconds per second, and so needs the period as well.
func (m *Manager) cpuMax(quota int64, period uint64) (string, error) {
	value, rest := "max", ""
	if quota > 0 {
		value = itoa(quota)
	}
	if period != 0 {
		rest = " " + utoa(period)
	}
	if !m.creating && (quota == 0 || period == 0 && m.unit != nil) {
		now, err := m.read("cpu", "cpu.max")
		if err != nil {
			return "", err
		}
		quotaNow, periodNow, _ := strings.Cut(strings.TrimSpace(now), " ")
		if quota == 0 {
			value = quotaNow
		}
		if period == 0 {
			rest = " " + periodNow
		}
	}
	return value + rest, nil
}

// setRealtime sets the realtime scheduler's runtime and period; 0 is unset.
func (m *Manager) setRealtime(c *specs.LinuxCPU) error {
	var ls []limit
	if c.RealtimeRuntime != nil && *c.RealtimeRuntime != 0 {
		ls = append(ls, limit{"cpu.realtimeRuntime", "cpu", "cpu.rt_runtime_us", itoa(*c.RealtimeRuntime)})
	}
	if c.RealtimePeriod != nil && *c.RealtimePeriod != 0 {
		ls = append(ls, limit{"cpu.realtimePeriod", "cpu", "cpu.rt_period_us", utoa(*c.RealtimePeriod)})
	}
	if len(ls) > 0 && m.v2() {
		return unsupported(ls[0].field, "cgroup v2 does not control realtime scheduling")
	}
	return m.applyTogether(ls)
}

// setCpuset sets the CPUs and memory nodes.
func (m *Manager) setCpuset(c *specs.LinuxCPU) error {
	if m.creating && !m.v2() && m.res != nil && m.res.CPU == c {
		if _, ok := m.dir("cpuset"); ok {
			return nil // Create wrote them, before a process could enter.
		}
	}
	if c.Cpus != "" {
		if err := m.setCpusetFile("cpu.cpus", "cpuset.cpus", c.Cpus); err != nil {
			return err
		}
	}
	if c.Mems != "" {
		return m.setCpusetFile("cpu.mems", "cpuset.mems", c.Mems)
	}
	return nil
}

func (m *Manager) setCpusetFile(field, file, value string) error {
	l := limit{field, "cpuset", file, value}
	err := m.try(l)
	if dir, ok := m.home("cpuset"); ok && err != nil && err != unix.ENOENT {
		return atCpuset(err, dir, "linux.resources."+field, file, value)
	} else if err != nil {
		return m.explain(l, err)
	}
	return nil
}
