// Package cgroup places a container in its cgroups, limits it there and
// removes them: on hosts with cgroup v1, v2, or both (hybrid), by writing to
// the cgroup file systems directly. Where it is asked to, systemd makes and
// removes the cgroup (see unit.go and package systemd).
//
// # Life of a Manager
//
//	m, err := cgroup.New(options)   // resolves paths, makes nothing
//	record := m.Record()            // into the journal, before anything exists
//	err = m.Create()                // makes the folders
//	join, err := m.Join()           // descriptors with which a child enters
//	err = m.SetEarly(resources)     // while the container's init sets up
//	err = m.SetDevices(resources)   // while it touches no device
//	err = m.SetLate(resources)      // while it waits: all its threads exist
//	…
//	m, err = cgroup.Load(record)    // any later command, without config.json
//	err = m.Destroy()
//
// # Why not opencontainers/cgroups
//
// That library is the reference for what each limit means, and the tests of
// this package compare themselves with it. It is not linked in: it imports
// net, crypto and D-Bus, which cost every start of rung 0.3 ms and 2 MB
// (GODEBUG=inittrace=1), it reads mountinfo, which grows with the number of
// containers alive, it waits in sleep loops, and its errors do not say which
// field of config.json they are about.
package cgroup

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/internal/errdefs"
)

// fieldPath is the field of config.json that places the container.
const fieldPath = "linux.cgroupsPath"

// Options say which container a Manager is for.
type Options struct {
	// ID is the container's id. It names the cgroup where the
	// configuration does not.
	ID string
	// Spec is the container's configuration. Of it, linux.cgroupsPath,
	// linux.resources and the paths in linux.devices are read.
	Spec *specs.Spec
	// Systemd asks for the systemd driver.
	Systemd bool
	// ScopePrefix begins the name of the systemd driver's scope where the
	// configuration names none; "" is "rung".
	ScopePrefix string
	// Subgroup is the cgroup below the scope of the systemd driver that is the
	// container's, or "" for the scope itself. It is a clean relative path.
	Subgroup string
	// None asks for no cgroup: the container stays in that of the caller, and
	// goes without all limits.
	None bool
	// Rootless allows a container without cgroups, where the configuration
	// asks for none and the permission to make them is missing.
	Rootless bool
}

// Folder is a container's folder in one hierarchy.
type Folder struct {
	// Controllers are those of the hierarchy, as in /proc/self/cgroup:
	// "memory", "cpu,cpuacct", "name=systemd"; "" for cgroup v2.
	Controllers string `json:"controllers"`
	// Mount is where the hierarchy is mounted.
	Mount string `json:"mount"`
	// Path is the folder below Mount; it begins with "/".
	Path string `json:"path"`
	// Inode is its inode number, or 0 before Create.
	Inode uint64 `json:"inode,omitempty"`
	// Mark is what was left at a folder that Create found there (markName), or "".
	Mark string `json:"mark,omitempty"`
}

// Dir returns the folder's absolute path.
func (f Folder) Dir() string { return f.Mount + f.Path }

const (
	// DriverCgroupfs is the driver that writes to the cgroup file systems itself.
	DriverCgroupfs = "cgroupfs"
	// DriverNone makes no cgroups.
	DriverNone = "none"
)

// Record is what later commands need to know of a container's cgroups.
type Record struct {
	// Driver is DriverCgroupfs, DriverSystemd or DriverNone.
	Driver string `json:"driver"`
	// Version is what kind of host the folders are on.
	Version Version `json:"version"`
	// Folders are those that Create makes and Destroy removes.
	Folders []Folder `json:"folders,omitempty"`
	// Rootless is Options.Rootless, or true with DriverNone.
	Rootless bool `json:"rootless,omitempty"`
	// Unit is the scope of the systemd driver.
	Unit string `json:"unit,omitempty"`
	// Sub is Options.Subgroup, with the systemd driver.
	Sub string `json:"sub,omitempty"`
	// ScopeInode is the inode number of the scope's cgroup, or 0 before Create.
	ScopeInode uint64 `json:"scopeInode,omitempty"`
	// Bus is where the systemd of that scope is spoken with; "" stands for
	// the host's.
	Bus string `json:"bus,omitempty"`
}

// Manager is a container's cgroups. Its methods must not be called
// concurrently, except that the Set methods may run while another goroutine
// waits for the container.
type Manager struct {
	rec Record
	// dirs are the absolute paths of rec.Folders.
	dirs []string
	// made tells which of the folders Create of this very Manager made.
	made []bool
	// creating is true between New and the end of the command: no process
	// but the container's init and its hooks has been in the cgroup.
	creating bool
	// devicesSet is true once this Manager has set device rules.
	devicesSet bool
	// locked is what lock has locked, or nil.
	locked *os.File
	// foreign is true once Create refused folders that others use.
	foreign bool
	// optional is true where the configuration names no cgroup, so that a
	// rootless container may go without.
	optional bool
	res      *specs.LinuxResources
	devices  []specs.LinuxDevice
	// notEnabled tells, on v2, why a controller could not be enabled.
	notEnabled map[string]error
	// journal is what Set has written, while it may have to be taken back.
	journal *journal
	// without are the limits, as fields below linux.resources, that a rootless
	// container goes without.
	without []string
	// unit is set with the systemd driver.
	unit *unit
	// others are hierarchies that the container is not moved in, for View.
	others []hierarchy
}

// New finds out where the container's cgroups are to be. It makes nothing, but
// refuses a cgroup that is in use.
//
// An absolute linux.cgroupsPath is taken below the mount point of each
// hierarchy. A relative one, or the container's id where there is none, is
// taken below the cgroup of the calling process on v1; on v2 below the parent
// of that, since a v2 cgroup with processes cannot pass controllers on to its
// children (the "no internal processes" rule of cgroups(7)).
//
// With the systemd driver linux.cgroupsPath is "slice:prefix:name"; see
// systemd.ParseUnit.
//
// Errors name linux.cgroupsPath.
func New(o Options) (*Manager, error) {
	m := &Manager{creating: true}
	path := ""
	if o.Spec != nil && o.Spec.Linux != nil {
		path = o.Spec.Linux.CgroupsPath
		m.res, m.devices = o.Spec.Linux.Resources, o.Spec.Linux.Devices
	}
	m.optional = path == ""
	switch {
	case o.None:
		return m.none()
	case o.Systemd:
		return newUnit(m, o, path)
	}
	place, err := parsePath(path, o.ID)
	if err != nil {
		return nil, err
	}
	m.rec = Record{Driver: DriverCgroupfs, Version: Mode(), Rootless: o.Rootless}
	hs, err := hierarchies(m.rec.Version, place.relative)
	if err != nil {
		return nil, err
	}
	if err := m.place(hs, place); err != nil {
		return nil, err
	}
	return m, m.checkUnused()
}

// none makes m the Manager of a container without cgroups.
func (m *Manager) none() (*Manager, error) {
	m.optional = true
	m.rec = Record{Driver: DriverNone, Version: Mode(), Rootless: true}
	var err error
	if m.others, err = hierarchies(m.rec.Version, true); err != nil {
		return nil, err
	}
	m.index()
	return m, nil
}

// place fills in the folders of m.
func (m *Manager) place(hs []hierarchy, p place) error {
	m.rec.Folders = make([]Folder, 0, len(hs))
	for _, h := range hs {
		if !h.managed() {
			m.others = append(m.others, h)
			continue
		}
		m.rec.Folders = append(m.rec.Folders, Folder{Controllers: h.controllers, Mount: h.mount, Path: p.in(h, m.rec.Version)})
	}
	// Those that can be locked come first, so that who does not get the lock has
	// touched no other.
	slices.SortStableFunc(m.rec.Folders, func(a, b Folder) int { return m.rank(a) - m.rank(b) })
	m.index()
	if m.rec.Version == V2 || m.rec.Rootless {
		return nil
	}
	// Without the devices controller nothing keeps a privileged process of
	// the container from the host's disks.
	if _, ok := m.dir("devices"); !ok {
		return errdefs.Field(fieldPath, "the devices cgroup controller is not mounted").
			WithHint("mount the cgroup file systems below " + cgroupRoot)
	}
	return nil
}

// rank is the place of f in the order of lockFiles. Without privileges the cgroup of
// v2 may be all that can be made of those that have one.
func (m *Manager) rank(f Folder) int {
	switch {
	case hasController(f.Controllers, "devices"):
		return 0
	case f.Controllers == "" && m.rec.Rootless:
		return 1
	}
	return 2
}

// index computes what is derived from the record.
func (m *Manager) index() {
	m.dirs = make([]string, len(m.rec.Folders))
	for i, f := range m.rec.Folders {
		m.dirs[i] = f.Dir()
	}
	m.made = make([]bool, len(m.dirs))
}

// Load returns the Manager of a container that New and Create have been called
// for, perhaps without coming to an end. The record comes from a state file;
// one that could have Destroy end foreign processes is an error.
func Load(r Record) (*Manager, error) {
	switch {
	case r.Driver == DriverCgroupfs:
	case r.Driver == DriverNone && len(r.Folders) == 0:
	case r.Driver == DriverSystemd && r.Unit != "" && len(r.Folders) == 1 && r.Version == V2:
	case r.Driver == DriverSystemd || r.Driver == DriverNone:
		return nil, errdefs.Doing(errors.New("its parts do not belong to a container of the cgroup driver "+r.Driver), "load the cgroup record")
	default:
		return nil, errdefs.Doing(errors.New("unknown cgroup driver "+r.Driver), "load the cgroup record")
	}
	switch r.Version {
	case V1, Hybrid, V2:
	default:
		return nil, errdefs.Doing(errors.New("unknown cgroup version "+string(r.Version)), "load the cgroup record")
	}
	for _, f := range r.Folders {
		if !validFolder(f) {
			return nil, errdefs.Doing(errors.New("unacceptable folder "+f.Dir()), "load the cgroup record")
		}
	}
	m := &Manager{rec: r}
	if r.Driver == DriverSystemd {
		m.unit = &unit{}
	}
	m.index()
	return m, nil
}

// validFolder reports whether f is below its mount point, not the mount point
// itself, and free of "..".
func validFolder(f Folder) bool {
	if !strings.HasPrefix(f.Mount, "/") || len(f.Path) < 2 || f.Path[0] != '/' {
		return false
	}
	for name := range strings.SplitSeq(f.Path[1:], "/") {
		if checkName(name) != "" {
			return false
		}
	}
	return true
}

// Record returns what Load needs. It is complete before Create, so that a
// journal can be written before anything is made.
func (m *Manager) Record() Record { return m.rec }

// Without returns the limits that were asked for of a rootless container and are
// not in force, for want of a cgroup: fields below linux.resources.
func (m *Manager) Without() []string { return m.without }

// goesWithout reports whether the container does without the limit l: its
// configuration names no cgroup, and the user may not make one that has the
// controller.
func (m *Manager) goesWithout(l limit, dir string) bool {
	if !m.rec.Rootless || !m.optional || !m.creating {
		return false
	}
	return dir == "" || m.v2() && !m.enabled(dir, l.controller)
}

// dir returns the container's folder in the hierarchy of a controller; "" is
// that of cgroup v2.
func (m *Manager) dir(controller string) (string, bool) {
	for i, f := range m.rec.Folders {
		if hasController(f.Controllers, controller) {
			return m.dirs[i], true
		}
	}
	return "", false
}

// unified returns the container's folder in the v2 hierarchy, or "".
func (m *Manager) unified() string {
	dir, _ := m.dir("")
	return dir
}

// primary returns the folder whose list of processes stands for all: the v2
// one on a v2 host, else the first v1 one of a controller that every host has.
// It returns "" for a container without cgroups.
func (m *Manager) primary() string {
	if m.rec.Version == V2 {
		return m.unified()
	}
	for _, c := range [...]string{"devices", "pids", "memory", "freezer", "name=systemd"} {
		if dir, ok := m.dir(c); ok {
			return dir
		}
	}
	if len(m.dirs) > 0 {
		return m.dirs[0]
	}
	return ""
}

// hasController reports whether the comma-separated list has the controller.
func hasController(list, controller string) bool {
	if controller == "" || list == "" {
		return list == controller
	}
	for c := range strings.SplitSeq(list, ",") {
		if c == controller {
			return true
		}
	}
	return false
}
