package cgroup

import (
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

const fieldDevices = "linux.resources.devices"

// SetDevices applies the rules of linux.resources.devices, and after them the
// default ones (see defaultDevices).
//
// The caller has to see to it that no process of a new container uses a device
// meanwhile: v1 can only go from "all devices" to a list by way of "none". A
// container's init may go on making device nodes and terminals afterwards, but
// mount a block device only if the rules allow it. So the time is when its
// mounts are made and it waits: for the hooks prestart and createRuntime, which
// may then add rules of their own, or for the gate.
//
// In a user namespace, and for a user without privileges, the kernel allows
// neither. Rules are left out there, as its own denial of device access is
// stricter.
func (m *Manager) SetDevices(r *specs.LinuxResources) error {
	var rules []specs.LinuxDeviceCgroup
	if r != nil {
		rules = r.Devices
	}
	var set func() error
	if m.v2() {
		l, err := orderDevices(rules, m.devices)
		if err != nil {
			return err
		}
		set = func() error { return m.setDevicesV2(l) }
	} else {
		l, err := compileDevices(rules, m.devices)
		if err != nil {
			return err
		}
		set = func() error { return m.setDevicesV1(l) }
	}
	err := set()
	if err != nil && (m.rec.Rootless && isPermission(err) || inUserNamespace()) {
		return nil
	}
	m.devicesSet = true
	return err
}

// setDevicesV1 makes l the list of the devices cgroup. A cgroup that has a list
// gets what differs, so that its processes notice nothing of what stays.
func (m *Manager) setDevicesV1(want deviceList) error {
	dir, ok := m.dir("devices")
	if !ok {
		if m.rec.Rootless {
			return nil
		}
		return m.explain(limit{"devices", "devices", "devices.deny", "a"}, unix.ENOENT)
	}
	have := deviceList{allowed: true}
	if !m.untouched(dir) {
		text, err := readFile(dir, "devices.list")
		if err == nil {
			have, err = parseDevices(text)
		}
		if err != nil {
			return &errdefs.Error{Doing: "read " + dir + "/devices.list", Field: fieldDevices, Err: err}
		}
	}
	if have.allowed {
		// Which exceptions such a list has, the kernel does not tell.
		if err := m.writeDevices(dir, want.allowed, []string{"a"}); err != nil {
			return err
		}
		return m.writeDevices(dir, !want.allowed, lines(want.exceptions))
	}
	if want.allowed {
		if err := m.writeDevices(dir, true, []string{"a"}); err != nil {
			return err
		}
		return m.writeDevices(dir, false, lines(want.exceptions))
	}
	if err := m.writeDevices(dir, true, lines(missing(want, have))); err != nil {
		return err
	}
	return m.writeDevices(dir, false, lines(missing(have, want)))
}

// untouched reports whether Create of this Manager made the folder dir, and its
// device rules are still those that the kernel gave it.
func (m *Manager) untouched(dir string) bool {
	for i, d := range m.dirs {
		if d == dir {
			return m.made[i] && !m.devicesSet
		}
	}
	return false
}

// missing returns what of the exceptions of a is not in b.
func missing(a, b deviceList) []exception {
	var out []exception
	for _, e := range a.exceptions {
		for _, x := range b.exceptions {
			if x.device == e.device {
				e.access &^= x.access
			}
		}
		if e.access != 0 {
			out = append(out, e)
		}
	}
	return out
}

// lines returns exceptions as the kernel reads them.
func lines(exceptions []exception) []string {
	out := make([]string, len(exceptions))
	for i, e := range exceptions {
		out[i] = e.String()
	}
	return out
}

// writeDevices writes lines to devices.allow or devices.deny, one with each
// write(2).
func (m *Manager) writeDevices(dir string, allow bool, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	l := limit{"devices", "devices", "devices.deny", lines[0]}
	if allow {
		l.file = "devices.allow"
	}
	fd, err := openFile(dir, l.file, unix.O_WRONLY)
	if err != nil {
		return m.explain(l, err)
	}
	defer unix.Close(fd)
	for _, line := range lines {
		if err := writeAll(fd, line); err != nil {
			l.value = line
			e := m.explain(l, err)
			if err == unix.EPERM && allow {
				e.Hint = "the cgroup above does not allow it"
			}
			return e
		}
	}
	return nil
}

// parseNumber reads a device number of devices.list; "*" is nil.
func parseNumber(s string) (*int64, error) {
	if s == "*" {
		return nil, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return &n, err
}

// inUserNamespace reports whether this process is in a user namespace other
// than the first, by the rule of user_namespaces(7) that the first maps all
// ids to themselves.
func inUserNamespace() bool {
	text, err := readFile("/proc/self", "uid_map")
	if err != nil {
		return false
	}
	return !slices.Equal(strings.Fields(text), []string{"0", "0", "4294967295"})
}
