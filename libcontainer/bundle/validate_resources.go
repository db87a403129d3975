package bundle

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// resources checks the limits as far as that is possible without knowing
// which version of cgroups the host has.
func (v *validator) resources() error {
	if v.linux.Resources == nil {
		return nil
	}
	return v.resourcesAt(v.linux.Resources, "linux.resources.")
}

// resourcesAt checks r, whose fields have the names that begin with prefix.
func (v *validator) resourcesAt(r *specs.LinuxResources, prefix string) error {
	for i := range r.Devices {
		if err := v.deviceRule(jsonfield.Index(prefix+"devices", i), &r.Devices[i]); err != nil {
			return err
		}
	}
	if r.Memory != nil {
		if err := v.memory(r.Memory, prefix+"memory"); err != nil {
			return err
		}
	}
	if r.CPU != nil {
		if err := v.cpu(prefix+"cpu", r.CPU); err != nil {
			return err
		}
	}
	if r.BlockIO != nil {
		if err := checkBlockIO(prefix+"blockIO", r.BlockIO); err != nil {
			return err
		}
	}
	if err := checkHugepages(prefix+"hugepageLimits", r.HugepageLimits); err != nil {
		return err
	}
	if r.Network != nil {
		for i, p := range r.Network.Priorities {
			if p.Name == "" || strings.ContainsAny(p.Name, "/ \n\x00") {
				return bad(jsonfield.Index(prefix+"network.priorities", i)+".name",
					"must be the name of a network interface, got "+jsonfield.Quote(p.Name))
			}
		}
	}
	for _, device := range slices.Sorted(maps.Keys(r.Rdma)) {
		if limit := r.Rdma[device]; limit.HcaHandles == nil && limit.HcaObjects == nil {
			return bad(jsonfield.Key(prefix+"rdma", device), "must limit hcaHandles, hcaObjects or both")
		}
	}
	return v.unified(prefix+"unified", r.Unified)
}

func (v *validator) deviceRule(field string, rule *specs.LinuxDeviceCgroup) error {
	switch rule.Type {
	case "", "a", "b", "c":
	default:
		return bad(field+".type", "must be a, b or c, got "+jsonfield.Quote(rule.Type))
	}
	// As with runc, an access that there is not changes nothing, be it allowed
	// or denied.
	switch {
	case !strings.ContainsAny(rule.Access, "rwm"):
		return bad(field+".access", "must consist of r, w and m, got "+jsonfield.Quote(rule.Access))
	case strings.Trim(rule.Access, "rwm") != "":
		v.warn(field+".access", "consists of r, w and m; what else there is in "+jsonfield.Quote(rule.Access)+" is ignored")
	}
	// -1 is how older engines write "all".
	if rule.Major != nil && (*rule.Major < -1 || *rule.Major > maxMajor) {
		return outOfRange(field+".major", "from -1 (all) to 4095", *rule.Major)
	}
	if rule.Minor != nil && (*rule.Minor < -1 || *rule.Minor > maxMinor) {
		return outOfRange(field+".minor", "from -1 (all) to 1048575", *rule.Minor)
	}
	return nil
}

func (v *validator) memory(m *specs.LinuxMemory, field string) error {
	for _, limit := range [...]struct {
		name  string
		bytes *int64
	}{{".limit", m.Limit}, {".reservation", m.Reservation}, {".swap", m.Swap}} {
		if limit.bytes != nil && *limit.bytes < -1 {
			return outOfRange(field+limit.name, "a number of bytes, or -1 for no limit", *limit.bytes)
		}
	}
	// swap is the limit of memory and swap together, and 0 means unset.
	if m.Limit != nil && m.Swap != nil && *m.Swap > 0 && *m.Swap < *m.Limit {
		return outOfRange(field+".swap", "the limit of memory and swap together, so at least the limit "+
			strconv.FormatInt(*m.Limit, 10), *m.Swap)
	}
	if m.Swappiness != nil && *m.Swappiness > 100 {
		return bad(field+".swappiness", "must be from 0 to 100, got "+strconv.FormatUint(*m.Swappiness, 10))
	}
	//lint:ignore SA1019 the field is deprecated, which is what the warning says.
	if m.Kernel != nil {
		v.warn(field+".kernel", "is ignored: limits on kernel memory are obsolete")
	}
	if m.KernelTCP != nil {
		v.warn(field+".kernelTCP", "is ignored: limits on kernel memory are obsolete")
	}
	return nil
}

// cpu checks the limits in microseconds by the kernel's own bounds
// (tg_set_cfs_bandwidth in kernel/sched); 0 means unset.
func (v *validator) cpu(field string, c *specs.LinuxCPU) error {
	if p := c.Period; p != nil && *p != 0 && (*p < 1000 || *p > 1e6) {
		return bad(field+".period", "must be from 1000 to 1000000 microseconds, got "+strconv.FormatUint(*p, 10))
	}
	if q := c.Quota; q != nil && *q > 0 && *q < 1000 {
		return outOfRange(field+".quota", "at least 1000 microseconds, or -1 for no limit", *q)
	}
	if c.Quota != nil && *c.Quota > 0 && c.Burst != nil && *c.Burst > uint64(*c.Quota) {
		return bad(field+".burst", "must not be above the quota "+
			strconv.FormatInt(*c.Quota, 10)+", got "+strconv.FormatUint(*c.Burst, 10))
	}
	if c.Idle != nil && *c.Idle != 0 && *c.Idle != 1 {
		return outOfRange(field+".idle", "0 or 1", *c.Idle)
	}
	if c.Idle != nil && *c.Idle == 1 && c.Shares != nil && *c.Shares != 0 {
		v.warn(field+".shares", "has no effect while idle is 1: unable to apply both")
	}
	if err := oneLine(field+".cpus", c.Cpus); err != nil {
		return err
	}
	return oneLine(field+".mems", c.Mems)
}

// checkBlockIO checks the weights; 0 means unset.
func checkBlockIO(field string, b *specs.LinuxBlockIO) error {
	if err := weight(field+".weight", b.Weight); err != nil {
		return err
	}
	if err := weight(field+".leafWeight", b.LeafWeight); err != nil {
		return err
	}
	for i, d := range b.WeightDevice {
		at := jsonfield.Index(field+".weightDevice", i)
		if d.Weight == nil && d.LeafWeight == nil {
			return bad(at, "must set weight, leafWeight or both")
		}
		if err := weight(at+".weight", d.Weight); err != nil {
			return err
		}
		if err := weight(at+".leafWeight", d.LeafWeight); err != nil {
			return err
		}
	}
	return nil
}

func weight(field string, w *uint16) error {
	if w != nil && *w != 0 && (*w < 10 || *w > 1000) {
		return outOfRange(field, "from 10 to 1000", int64(*w))
	}
	return nil
}

func checkHugepages(field string, limits []specs.LinuxHugepageLimit) error {
	for i, limit := range limits {
		at := jsonfield.Index(field, i) + ".pageSize"
		// The value becomes part of a file's name.
		number := strings.TrimRight(limit.Pagesize, "KMGB")
		switch strings.TrimPrefix(limit.Pagesize, number) {
		case "KB", "MB", "GB":
		default:
			number = ""
		}
		if number == "" || strings.Trim(number, "0123456789") != "" {
			return bad(at, "must be a size such as 64KB, 2MB or 1GB, got "+jsonfield.Quote(limit.Pagesize))
		}
	}
	return nil
}

// unified checks that the keys are names of files in a cgroup's folder,
// and not paths that lead out of it, and that the files are limits: a write to
// one that moves, stops or ends processes would hit the container's init before
// it runs the program, or put processes of the host where they are ended with
// the container.
func (v *validator) unified(field string, unified map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(unified)) {
		at := jsonfield.Key(field, key)
		if !strings.Contains(strings.Trim(key, "."), ".") || strings.ContainsAny(key, "/\x00") {
			return bad(at, "must be the name of a file in a cgroup, such as memory.high")
		}
		switch key {
		case "cgroup.freeze", "cgroup.kill", "cgroup.procs", "cgroup.threads", "cgroup.type":
			return bad(at, "is no limit: it moves, stops or ends processes")
		}
		if err := noNUL(at, unified[key]); err != nil {
			return err
		}
	}
	if strings.TrimSpace(unified["cpu.idle"]) == "1" && unified["cpu.weight"] != "" {
		v.warn(jsonfield.Key(field, "cpu.weight"), "has no effect while cpu.idle is 1: unable to apply both")
	}
	return nil
}

// oneLine refuses what would not arrive in one write to a cgroup's file.
func oneLine(field, s string) error {
	if strings.ContainsAny(s, "\n\x00") {
		return bad(field, "must be one line, got "+jsonfield.Quote(s))
	}
	return nil
}
