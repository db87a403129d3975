package cgroup

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// setPids limits the number of tasks, that is of processes and threads. Any
// negative number is no limit; 0 is a limit (runtime-spec, "PIDs"). As 0 it
// would mean what 1 does, since the init is there already; systemd takes no
// TasksMax of 0, and runc writes 1 for both.
func (m *Manager) setPids(n int64) error {
	value := "max"
	if n >= 0 {
		value = itoa(max(n, 1))
	}
	return m.apply(limit{"pids.limit", "pids", "pids.max", value})
}

// setHugepages limits huge pages, both when they are reserved and, for what is
// not reserved, when they are used.
func (m *Manager) setHugepages(limits []specs.LinuxHugepageLimit) error {
	for i, h := range limits {
		field := index("hugepageLimits", i)
		if !isPageSize(h.Pagesize) {
			return errdefs.Field("linux.resources."+field+".pageSize", quote(h.Pagesize)+` is not a size such as "2MB"`)
		}
		suffix := ".limit_in_bytes"
		if m.v2() {
			suffix = ".max"
		}
		prefix := "hugetlb." + h.Pagesize
		l := limit{field, "hugetlb", prefix + suffix, utoa(h.Limit)}
		if err := m.try(l); err != nil {
			e := m.explain(l, err)
			if err == unix.ENOENT && e.Hint == "" {
				e.Hint = "the page sizes of this host are listed in /sys/kernel/mm/hugepages"
			}
			return e
		}
		l.file = prefix + ".rsvd" + suffix
		// Reservations are counted since Linux 5.7.
		if err := m.try(l); err != nil && err != unix.ENOENT {
			return m.explain(l, err)
		}
	}
	return nil
}

// isPageSize reports whether s is a page size as the kernel names its files:
// digits and KB, MB or GB. It must not be able to lead to another file.
func isPageSize(s string) bool {
	digits := strings.TrimRight(s, "KMGB")
	switch s[len(digits):] {
	case "KB", "MB", "GB":
	default:
		return false
	}
	_, err := strconv.ParseUint(digits, 10, 32)
	return err == nil && digits[0] != '0'
}

// setNetwork applies linux.resources.network.
func (m *Manager) setNetwork(n *specs.LinuxNetwork) error {
	if n.ClassID != nil && *n.ClassID != 0 {
		if m.v2() {
			return unsupported("network.classID", "cgroup v2 has no net_cls controller")
		}
		if err := m.apply(limit{"network.classID", "net_cls", "net_cls.classid", utoa(uint64(*n.ClassID))}); err != nil {
			return err
		}
	}
	for i, p := range n.Priorities {
		field := index("network.priorities", i)
		if m.v2() {
			return unsupported(field, "cgroup v2 has no net_prio controller")
		}
		if p.Name == "" || strings.ContainsAny(p.Name, " \t\n/") {
			return errdefs.Field("linux.resources."+field+".name", quote(p.Name)+" is not the name of a network interface")
		}
		l := limit{field, "net_prio", "net_prio.ifpriomap", p.Name + " " + utoa(uint64(p.Priority))}
		if err := m.apply(l); err != nil {
			return err
		}
	}
	return nil
}

// setRdma applies linux.resources.rdma.
func (m *Manager) setRdma(devices map[string]specs.LinuxRdma) error {
	for _, name := range sortedKeys(devices) {
		field := "rdma." + name
		if name == "" || strings.ContainsAny(name, " \t\n") {
			return errdefs.Field("linux.resources."+field, quote(name)+" is not the name of a device")
		}
		value := name
		if d := devices[name]; d.HcaHandles != nil {
			value += " hca_handle=" + utoa(uint64(*d.HcaHandles))
		}
		if d := devices[name]; d.HcaObjects != nil {
			value += " hca_object=" + utoa(uint64(*d.HcaObjects))
		}
		if value == name {
			return errdefs.Field("linux.resources."+field, "sets neither hcaHandles nor hcaObjects")
		}
		l := limit{field, "rdma", "rdma.max", value}
		if err := m.try(l); err != nil {
			e := m.explain(l, err)
			if err == unix.ENODEV {
				e.Hint = "there is no such RDMA device"
			}
			return e
		}
	}
	return nil
}

// setUnified writes linux.resources.unified, whose keys are files of cgroup v2.
// A value of several lines is written line by line, as the kernel wants it.
func (m *Manager) setUnified(files map[string]string) error {
	if len(files) > 0 && !m.v2() {
		return errdefs.Field("linux.resources.unified", "invalid configuration: it needs cgroup v2, and this host has v1").
			WithHint("boot with systemd.unified_cgroup_hierarchy=1, or leave the field out")
	}
	for _, file := range sortedKeys(files) {
		controller, _, ok := strings.Cut(file, ".")
		if !ok || strings.ContainsAny(file, "/\x00") {
			return errdefs.Field("linux.resources.unified."+file, "is not of the form CONTROLLER.FILE")
		}
		if controlsProcesses(file) {
			return errdefs.Field("linux.resources.unified."+file, "is no limit: it moves, stops or ends processes")
		}
		if err := m.checkUnified(file, files[file]); err != nil {
			return err
		}
		if file == "cpu.weight" {
			if strings.TrimSpace(files["cpu.idle"]) == "1" {
				continue // bundle.Validate has warned: the kernel takes no weight now.
			}
			if err := m.endIdle("unified." + file); err != nil {
				return err
			}
		}
		text := files[file]
		if text == "" {
			text = "\n" // which unsets a cpuset, for one
		}
		for line := range strings.Lines(text) {
			l := limit{"unified." + file, controller, file, strings.TrimSuffix(line, "\n")}
			if err := m.apply(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// controlsProcesses reports whether a file acts on processes. A write to it
// would stop or kill the container's init before it runs the program, put
// processes of the host where Destroy ends them, or take the controllers away
// that need whole processes.
func controlsProcesses(file string) bool {
	switch file {
	case "cgroup.freeze", "cgroup.kill", "cgroup.procs", "cgroup.threads", "cgroup.type":
		return true
	}
	return false
}

// checkUnified refuses a memory.max that would have the kernel kill the
// container's init.
func (m *Manager) checkUnified(file, text string) error {
	if file != "memory.max" || !m.creating {
		return nil
	}
	bytes, err := parseBytes(strings.TrimSpace(text))
	if err != nil {
		return nil // "max", or for the kernel to judge.
	}
	err = m.checkUsage(&specs.LinuxMemory{}, bytes, 0)
	var e *errdefs.Error
	if errors.As(err, &e) {
		e.Field = "linux.resources.unified.memory.max"
	}
	return err
}

// parseBytes reads a number of bytes as the kernel's memparse does: "64M".
func parseBytes(s string) (int64, error) {
	shift := 0
	if s != "" {
		if i := strings.IndexByte("KMGT", s[len(s)-1]&^0x20); i >= 0 {
			shift = 10 * (i + 1)
			s = s[:len(s)-1]
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err == nil && (n < 0 || n > 1<<62>>shift) {
		err = strconv.ErrRange
	}
	return n << shift, err
}

// sortedKeys returns the keys of a map in order, so that what is done, and
// which error comes first, does not depend on chance.
func sortedKeys[T any](files map[string]T) []string {
	keys := make([]string, 0, len(files))
	for k := range files {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
