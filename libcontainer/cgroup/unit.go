package cgroup

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/spawn"
	"github.com/rungoci/rung/libcontainer/cgroup/systemd"
)

// With the systemd driver the container's cgroup is that of a scope, which
// systemd makes and removes. All else is as with the other driver: limits are
// written to the cgroup's files, and then told to systemd, which would put its
// own in their place otherwise (see systemd.Properties); device rules are a
// program of rung's that systemd knows nothing of.
//
// systemd starts no scope without a process in it, and the init should be born
// in its cgroup (CLONE_INTO_CGROUP), where its cgroup namespace begins. So a
// process that does nothing is the first one in the scope (spawn.Idle), and
// leaves when the init is there. Its fork takes 0.5 ms, while systemd takes
// several; it cannot be rung itself, which would end with the container.

// DriverSystemd is the driver that has systemd make the cgroups.
const DriverSystemd = "systemd"

// defaultScopePrefix is Options.ScopePrefix where it says nothing.
const defaultScopePrefix = "rung"

// unit is what a Manager with the systemd driver has beyond others.
type unit struct {
	systemd.Unit
	// props are those that annotations ask for.
	props []systemd.Property
	// idle holds the place of the container's init, or is nil.
	idle *spawn.Process
	// told is what Set wrote and systemd has not been told of yet.
	told []systemd.Limit
}

// newUnit is New for the systemd driver.
func newUnit(m *Manager, o Options, cgroupsPath string) (*Manager, error) {
	switch {
	case !systemd.Running():
		return nil, &errdefs.Error{Doing: "use the systemd cgroup driver (--systemd-cgroup)",
			Err: errors.New("this host was not booted with systemd"), Hint: "leave out --systemd-cgroup"}
	case Mode() != V2:
		return nil, &errdefs.Error{Doing: "use the systemd cgroup driver (--systemd-cgroup)",
			Err:  errors.New("it is for cgroup v2 alone, and this host has v1 hierarchies"),
			Hint: "boot with systemd.unified_cgroup_hierarchy=1, or leave out --systemd-cgroup"}
	}
	m.rec = Record{Driver: DriverSystemd, Version: V2, Rootless: o.Rootless}
	if o.Rootless {
		m.rec.Bus = systemd.UserAddress(os.Getenv, os.Geteuid())
	}
	u, err := systemd.ParseUnit(cgroupsPath, cmp.Or(o.ScopePrefix, defaultScopePrefix), o.ID, m.rec.Bus != "")
	if err != nil {
		return nil, errdefs.AtField(err, fieldPath)
	}
	m.rec.Unit = u.Name
	m.unit = &unit{Unit: u}
	if o.Spec != nil {
		if m.unit.props, err = systemd.FromAnnotations(o.Spec.Annotations); err != nil {
			return nil, err
		}
	}
	above, err := m.managerCgroup()
	if err != nil {
		return nil, err
	}
	dir := above + u.Path()
	if m.rec.Sub = o.Subgroup; m.rec.Sub != "" {
		dir += "/" + m.rec.Sub
	}
	m.rec.Folders = []Folder{{Mount: cgroupRoot, Path: dir}}
	m.index()
	return m, m.checkUnused()
}

// managerCgroup returns the cgroup in which the manager has its units: "" for
// that of the host.
func (m *Manager) managerCgroup() (string, error) {
	if m.rec.Bus == "" {
		return "", nil
	}
	bus, err := m.dial()
	if err != nil {
		return "", err
	}
	defer bus.Close()
	return bus.ControlGroup()
}

// dial connects with the systemd of the container.
func (m *Manager) dial() (*systemd.Bus, error) {
	address := m.rec.Bus
	if address == "" {
		address = systemd.SystemAddress(os.Getenv)
	}
	bus, err := systemd.Dial(address)
	if err == nil || m.rec.Bus == "" {
		return bus, err
	}
	e := &errdefs.Error{Err: err, Hint: "rootless, it is the systemd of the user, found by DBUS_SESSION_BUS_ADDRESS or XDG_RUNTIME_DIR; " +
		"loginctl enable-linger has it run without a login"}
	return nil, e
}

// startScope is Create for the systemd driver.
func (m *Manager) startScope() (err error) {
	bus, err := m.dial()
	if err != nil {
		return err
	}
	defer bus.Close()
	props, err := m.unit.properties(bus, m.res)
	if err != nil {
		return err
	}
	if m.unit.idle, err = spawn.Idle(); err != nil {
		return errdefs.Doing(err, "start a process to hold the place of the container's init")
	}
	if err := bus.StartScope(m.unit.Unit, m.unit.idle.Pid, props); err != nil {
		// Whoever has a unit of that name keeps it. One of ours, whose job
		// systemd has not come to, is Destroy's to stop: it would fail later,
		// for want of a process, and be left.
		m.foreign = systemd.Refused(err)
		m.unit.leave()
		return errdefs.AtField(err, fieldPath)
	}
	m.rec.ScopeInode = inode(m.scopeDir())
	if err = m.makeSubgroup(); err != nil {
		// It says what.
	} else if !exists(m.dirs[0]) {
		err = &errdefs.Error{Doing: "start the systemd unit " + m.rec.Unit, Field: fieldPath,
			Err: errors.New("systemd has not made its cgroup at " + m.dirs[0])}
	} else {
		err = m.ready(m.rec.Folders[0], m.dirs[0])
	}
	if err != nil {
		m.unit.leave()
		_ = bus.StopUnit(m.rec.Unit)
	}
	return err
}

// makeSubgroup makes the container's cgroup below the scope, if it is to have one
// there, and moves the process that holds the init's place into it: a scope with
// a process of its own could pass no controllers on.
func (m *Manager) makeSubgroup() error {
	if m.rec.Sub == "" {
		return nil
	}
	dir := m.scopeDir()
	for name := range strings.SplitSeq(m.rec.Sub, "/") {
		dir += "/" + name
		if err := mkdir(dir); err != nil && err != unix.EEXIST {
			return mkdirError(dir, err)
		}
	}
	return addProcess(dir, m.unit.idle.Pid)
}

// scopeDir is the cgroup of the scope.
func (m *Manager) scopeDir() string {
	if m.rec.Sub == "" {
		return m.dirs[0]
	}
	return strings.TrimSuffix(m.dirs[0], "/"+m.rec.Sub)
}

// properties returns those that the unit is to start with, of what it cannot be
// told later: whether an OOM kill is for all of its processes (systemd 253).
func (u *unit) properties(bus *systemd.Bus, r *specs.LinuxResources) ([]systemd.Property, error) {
	if r == nil || r.Unified["memory.oom.group"] == "" {
		return u.props, nil
	}
	version, err := bus.Version()
	if err != nil || version < 253 {
		return u.props, err
	}
	policy := "continue"
	if r.Unified["memory.oom.group"] == "1" {
		policy = "kill"
	}
	return append([]systemd.Property{{Name: "OOMPolicy", Value: policy}}, u.props...), nil
}

// leave ends the process that holds the place of the init, if there is one.
func (u *unit) leave() {
	if u.idle != nil {
		u.idle.Abandon()
		u.idle = nil
	}
}

// tell tells systemd of the limits that were set since the last time.
func (m *Manager) tell() error {
	if m.rec.Driver != DriverSystemd || len(m.unit.told) == 0 {
		return nil
	}
	m.tellWeight()
	props := systemd.Properties(m.unit.told)
	m.unit.told = nil
	if len(props) == 0 {
		return nil
	}
	bus, err := m.dial()
	if err != nil {
		return err
	}
	defer bus.Close()
	kept := m.overwritten()
	if err := bus.SetProperties(m.rec.Unit, props); err != nil {
		return errdefs.AtField(err, "linux.resources")
	}
	return m.keep(bus, kept)
}

// tellWeight adds the weight of a cgroup that is idle no more: systemd has one
// property for both.
func (m *Manager) tellWeight() {
	ended := slices.ContainsFunc(m.unit.told, func(l systemd.Limit) bool { return l.File == "cpu.idle" && l.Value == "0" })
	if weight, err := m.read("cpu", "cpu.weight"); ended && err == nil {
		m.unit.told = append(m.unit.told, systemd.Limit{File: "cpu.weight", Value: weight})
	}
}

// overwritten returns what systemd, whenever it applies a property of the same
// controller, puts a value of its own in the place of:
//
//   - a period of the CPU without a quota, for which it has the kernel's; a quota
//     that follows would be taken for that one,
//   - that an OOM kill is for all processes, which scopes have had a property for
//     since systemd 253 only,
//   - the weights of single devices under BFQ, which for the kernel end with a new
//     weight for all.
func (m *Manager) overwritten() []limit {
	var kept []limit
	if now, err := m.read("cpu", "cpu.max"); err == nil && strings.HasPrefix(now, "max ") && now != systemd.NoBandwidth {
		kept = append(kept, limit{"cpu.period", "cpu", "cpu.max", now})
	}
	if now, err := m.read("memory", "memory.oom.group"); err == nil && now == "1" {
		kept = append(kept, limit{"unified.memory.oom.group", "memory", "memory.oom.group", now})
	}
	if now, err := m.read("io", "io.bfq.weight"); err == nil {
		for line := range strings.Lines(now) {
			if !strings.HasPrefix(line, "default ") {
				kept = append(kept, limit{"blockIO.weightDevice", "io", "io.bfq.weight", strings.TrimSpace(line)})
			}
		}
	}
	return kept
}

// keep writes what systemd has overwritten again.
func (m *Manager) keep(bus *systemd.Bus, kept []limit) error {
	if len(kept) == 0 {
		return nil
	}
	// It answers before it applies, and what is asked next after that
	// (manager_loop of systemd).
	if _, err := bus.ControlGroup(); err != nil {
		return err
	}
	for _, l := range kept {
		dir, _ := m.home(l.controller)
		if err := writeFile(dir, l.file, l.value); err != nil {
			return m.explain(l, err)
		}
	}
	return nil
}

// stopUnit has systemd stop and forget the unit, of which no process is left. One
// that is over has stopped; whether it failed is what there is to forget. But where
// rung removed the cgroup and was ended before it came here, the scope runs on for
// systemd, which hears of an empty cgroup only as long as that is there.
func (m *Manager) stopUnit(over bool) error {
	bus, err := m.dial()
	if errors.Is(err, systemd.ErrNoManager) || errors.Is(err, unix.EACCES) {
		// It was the systemd of a user who has logged out, or rung is not
		// where it can be spoken with; it notices that the scope is empty.
		return nil
	}
	if err != nil {
		return err
	}
	defer bus.Close()
	if over {
		dir, err := bus.ScopeControlGroup(m.rec.Unit)
		if err != nil {
			return err
		}
		// Of that name there may be another container's scope, in another slice.
		if cgroupRoot+dir != m.scopeDir() {
			return bus.ResetFailed(m.rec.Unit)
		}
	}
	return bus.StopUnit(m.rec.Unit)
}

// reachable reports whether this process may bring others into the v2 cgroup
// dir: whether it can write to cgroup.procs of the cgroup above that and its own
// (cgroups(7), "Cgroups delegation containment").
func reachable(mount, dir string) bool {
	self, err := readFile("/proc/self", "cgroup")
	if err != nil {
		return false
	}
	for line := range strings.Lines(self) {
		if h, ok := parseSelfLine(line); ok && h.controllers == "" {
			above := commonAncestor(strings.TrimPrefix(dir, mount), h.own)
			return unix.Faccessat(unix.AT_FDCWD, mount+above+"/cgroup.procs", unix.W_OK, unix.AT_EACCESS) == nil
		}
	}
	return false
}

// commonAncestor returns the deepest folder that a and b are both in or are; it
// has no slash at its end, so that "" is the root.
func commonAncestor(a, b string) string {
	a, b = strings.TrimSuffix(a, "/")+"/", strings.TrimSuffix(b, "/")+"/"
	end := 0
	for i := 0; i < len(a) && i < len(b) && a[i] == b[i]; i++ {
		if a[i] == '/' {
			end = i
		}
	}
	return a[:end]
}

// attach has systemd move a process into dir, which is the unit's cgroup or below
// it.
func (m *Manager) attach(dir string, pid int) error {
	bus, err := m.dial()
	if err != nil {
		return err
	}
	defer bus.Close()
	sub := strings.TrimPrefix(dir, m.scopeDir())
	return errdefs.AtField(bus.Attach(m.rec.Unit, "/"+strings.TrimPrefix(sub, "/"), pid), fieldPath)
}
