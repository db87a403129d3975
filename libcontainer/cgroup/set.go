package cgroup

import (
	"errors"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/cgroup/systemd"
)

// Set applies limits: SetEarly, SetDevices and SetLate in one.
//
// A Manager from Load leaves the devices alone: their rules are made once, and
// engines repeat them in every update. Limits that r does not mention, or that
// are zero where zero means "unset" (Docker sends such zeros), stay. What a
// limit is combined with (quota with period, memory with swap) is asked of the
// kernel, so that no record of earlier updates is needed.
//
// An error names its field of config.json. A Manager from Load has then taken
// back what it had set of the others; where that was not possible the error
// says so. A limit that the host cannot enforce is an error, except for kernel
// memory, which is deprecated in the runtime-spec and gives a warning.
func (m *Manager) Set(r *specs.LinuxResources) error {
	if !m.creating {
		return m.update(r)
	}
	if err := m.SetEarly(r); err != nil {
		return err
	}
	if err := m.SetDevices(r); err != nil {
		return err
	}
	return m.SetLate(r)
}

// update is Set for a container that runs.
func (m *Manager) update(r *specs.LinuxResources) error {
	m.journal = &journal{}
	defer func() { m.journal = nil }()
	err := m.SetEarly(r)
	if err == nil {
		err = m.SetLate(r)
	}
	if err != nil {
		return m.journal.takeBack(err)
	}
	return nil
}

// SetEarly applies the limits that do not disturb the container's init while
// it sets up: cpu, cpuset, blockIO, hugepageLimits, network and rdma.
func (m *Manager) SetEarly(r *specs.LinuxResources) error {
	if r == nil {
		return nil
	}
	if r.CPU != nil {
		if err := m.setCPU(r.CPU); err != nil {
			return err
		}
		if err := m.setCpuset(r.CPU); err != nil {
			return err
		}
	}
	if r.BlockIO != nil {
		if err := m.setBlockIO(r.BlockIO); err != nil {
			return err
		}
	}
	if err := m.setHugepages(r.HugepageLimits); err != nil {
		return err
	}
	if r.Network != nil {
		if err := m.setNetwork(r.Network); err != nil {
			return err
		}
	}
	return m.setRdma(r.Rdma)
}

// SetLate applies the limits that have to wait until the container's init has
// started its threads and uses no more memory, that is until it waits for the
// gate: memory, pids and unified. With the systemd driver it tells systemd of
// all that was set.
func (m *Manager) SetLate(r *specs.LinuxResources) error {
	m.unlock() // the init is in the cgroup
	if r == nil {
		return nil
	}
	if r.Memory != nil {
		if err := m.setMemory(r.Memory); err != nil {
			return err
		}
	}
	if r.Pids != nil && r.Pids.Limit != nil {
		if err := m.setPids(*r.Pids.Limit); err != nil {
			return err
		}
	}
	if err := m.setUnified(r.Unified); err != nil {
		return err
	}
	return m.tell()
}

// limit is a value for one file of one controller.
type limit struct {
	// field is that of config.json, below linux.resources.
	field string
	// controller is the name that the host's cgroup version has for it.
	controller string
	file       string
	value      string
}

// v2 reports whether the container's limits are those of cgroup v2.
func (m *Manager) v2() bool { return m.rec.Version == V2 }

// home returns the folder in which the limits of a controller are. On v2 all
// are in the same, whether the controller is enabled or not.
func (m *Manager) home(controller string) (string, bool) {
	if m.v2() {
		return m.dir("")
	}
	return m.dir(controller)
}

// apply writes l. Its error is complete.
func (m *Manager) apply(l limit) error {
	err := m.try(l)
	if err == nil {
		return nil
	}
	return m.explain(l, err)
}

// try writes l. Its error is the bare errno, ENOENT where the controller or the
// file is missing.
func (m *Manager) try(l limit) error {
	if m.unit != nil && l.file == "cpu.max" {
		l.value = systemd.RoundBandwidth(l.value)
	}
	dir, ok := m.home(l.controller)
	err := error(unix.ENOENT)
	switch {
	case ok && m.journal != nil:
		err = m.journal.write(dir, l)
	case ok:
		err = writeFile(dir, l.file, l.value)
	}
	if err == unix.ENOENT && m.goesWithout(l, dir) {
		m.without = append(m.without, l.field)
		return nil
	}
	if err == nil && m.unit != nil {
		m.unit.told = append(m.unit.told, systemd.Limit{File: l.file, Value: l.value})
	}
	return err
}

// read returns the trimmed content of a file of a controller.
func (m *Manager) read(controller, file string) (string, error) {
	dir, ok := m.home(controller)
	if !ok {
		return "", unix.ENOENT
	}
	text, err := readFile(dir, file)
	return strings.TrimSpace(text), err
}

// explain turns the errno of a failed write into an error that says what to do.
func (m *Manager) explain(l limit, err error) *errdefs.Error {
	e := &errdefs.Error{
		Doing: "set " + l.file + " to " + quote(l.value),
		Field: "linux.resources." + l.field,
		Err:   err,
	}
	dir, ok := m.home(l.controller)
	switch {
	case !ok:
		e.Err = errors.New("the container has no cgroup of the controller " + l.controller)
		e.Hint = m.absent(l.controller)
	case err == unix.ENOENT && !exists(dir):
		e.Hint = "the cgroup " + dir + " does not exist any more"
	case err == unix.ENOENT && m.v2() && !m.enabled(dir, l.controller):
		e.Err = errors.New("the controller " + l.controller + " is not available in the cgroup " + dir)
		e.Hint = m.absent(l.controller)
	case err == unix.ENOENT:
		e.Err = errors.New("this kernel does not have it")
	case err == unix.EINVAL || err == unix.ERANGE:
		e.Hint = "the kernel does not take this value, or not with the limits that it and the cgroups above it have"
	case err == unix.ENODEV && strings.Contains(l.value, ":"):
		e.Hint = "there is no such block device, or it is a partition: limits apply to whole disks"
	case isPermission(err):
		e.Hint = "the cgroup " + dir + " is not writable for this user"
	}
	return e
}

// enabled reports whether a v2 cgroup has a controller.
func (m *Manager) enabled(dir, controller string) bool {
	text, err := readFile(dir, "cgroup.controllers")
	return err == nil && hasField(text, controller)
}

// hasField reports whether the words of text include word.
func hasField(text, word string) bool {
	for f := range strings.FieldsSeq(text) {
		if f == word {
			return true
		}
	}
	return false
}

// absent says why a controller is not there.
func (m *Manager) absent(controller string) string {
	if err, ok := m.notEnabled[controller]; ok {
		return err.Error()
	}
	switch {
	case m.rec.Rootless:
		return "without privileges a container has only the controllers that were delegated to its user"
	case m.v2():
		return "the kernel may lack it (see " + cgroupRoot + "/cgroup.controllers), or the cgroup above does not pass it on (cgroup.subtree_control)"
	}
	return "this host has not mounted it (see /proc/cgroups and " + cgroupRoot + ")"
}

// unsupported is the error for a limit that cgroup v2 has no equivalent of. The
// runtime-spec wants an error there.
func unsupported(field, what string) error {
	return errdefs.Field("linux.resources."+field, what).
		WithHint("this host has cgroup v2; leave the field out")
}

// quote makes a value from the configuration fit for an error.
func quote(s string) string { return strconv.Quote(s) }

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func utoa(n uint64) string { return strconv.FormatUint(n, 10) }
