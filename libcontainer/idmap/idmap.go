// Package idmap writes the id mappings of user namespaces, and makes user
// namespaces that stand for mappings, as id-mapped mounts want them.
package idmap

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/spawn"
)

// Mappings are the user and group ids of a namespace.
type Mappings struct {
	UIDs, GIDs []specs.LinuxIDMapping
	// Field is the object of config.json that has uidMappings and gidMappings:
	// "linux" or "mounts[3]".
	Field string
}

// ToHost returns the id outside that a mapping gives to the id inside, and
// whether it gives it one.
func ToHost(list []specs.LinuxIDMapping, id uint32) (uint32, bool) {
	for _, m := range list {
		if id >= m.ContainerID && id-m.ContainerID < m.Size {
			return m.HostID + (id - m.ContainerID), true
		}
	}
	return 0, false
}

// kind is one of the two files, with the program that may write it for a user
// who may not.
type kind struct{ file, program, field, name string }

var (
	users  = kind{"uid_map", "newuidmap", ".uidMappings", "uid"}
	groups = kind{"gid_map", "newgidmap", ".gidMappings", "gid"}
)

// Write gives the new user namespace of process pid its mappings. The caller
// is in the namespace's parent.
//
// Whoever has CAP_SETUID and CAP_SETGID may write any mapping, a user without
// privileges only one of the own id alone, and for groups only in a namespace
// in which setgroups(2) is denied (user_namespaces(7); CVE-2014-8989).
// Everything else newuidmap(1) and newgidmap(1) can do, where /etc/subuid and
// /etc/subgid allow it.
func (m Mappings) Write(pid int) error {
	if err := users.write(pid, m.UIDs, m.Field, nil); err != nil {
		return err
	}
	return groups.write(pid, m.GIDs, m.Field, func() error {
		if len(m.GIDs) != 1 || m.GIDs[0].Size != 1 || m.GIDs[0].HostID != uint32(os.Getegid()) {
			return nil
		}
		return writeOnce(procFile(pid, "setgroups"), "deny")
	})
}

// write writes one file: itself, or, where the kernel does not permit that,
// after unprivileged, or else with the program.
func (k kind) write(pid int, list []specs.LinuxIDMapping, field string, unprivileged func() error) error {
	field += k.field
	file := procFile(pid, k.file)
	err := writeOnce(file, Format(list))
	if errors.Is(err, unix.EPERM) && unprivileged != nil && os.Geteuid() != 0 {
		if err = unprivileged(); err == nil {
			err = writeOnce(file, Format(list))
		}
	}
	if errors.Is(err, unix.EPERM) && os.Geteuid() != 0 {
		err = k.help(pid, list)
	}
	if err == nil {
		return nil
	}
	e := &errdefs.Error{Doing: "write the " + k.name + " mappings of the user namespace", Field: field, Err: err}
	switch {
	case errors.Is(err, unix.EINVAL):
		e.Hint = "the kernel takes ranges that overlap no other and, outside, are mapped where rung runs"
	case errors.Is(err, unix.EPERM):
		e.Hint = "it takes CAP_SETUID and CAP_SETGID, and for the id 0 of the host CAP_SETFCAP"
	case errors.Is(err, errNoProgram):
		e.Hint = "install the package uidmap, or map your own id alone"
	}
	return e
}

// Format returns mappings as /proc/PID/uid_map takes and shows them.
func Format(list []specs.LinuxIDMapping) string {
	var b strings.Builder
	for _, m := range list {
		fmt.Fprintf(&b, "%d %d %d\n", m.ContainerID, m.HostID, m.Size)
	}
	return b.String()
}

// Parse reads what /proc/PID/uid_map shows.
func Parse(text string) ([]specs.LinuxIDMapping, error) {
	var list []specs.LinuxIDMapping
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return nil, errors.New("not three numbers: " + strconv.Quote(line))
		}
		var n [3]uint32
		for i, field := range fields {
			v, err := strconv.ParseUint(field, 10, 32)
			if err != nil {
				return nil, err
			}
			n[i] = uint32(v)
		}
		list = append(list, specs.LinuxIDMapping{ContainerID: n[0], HostID: n[1], Size: n[2]})
	}
	return list, nil
}

// Read returns the mappings of the user namespace of process pid, as the
// caller's namespace sees them.
func Read(pid int) (Mappings, error) {
	m := Mappings{Field: "linux"}
	for _, side := range [...]struct {
		file string
		list *[]specs.LinuxIDMapping
	}{{users.file, &m.UIDs}, {groups.file, &m.GIDs}} {
		text, err := os.ReadFile(procFile(pid, side.file))
		if err != nil {
			return Mappings{}, err
		}
		if *side.list, err = Parse(string(text)); err != nil {
			return Mappings{}, errdefs.Doing(err, "read "+procFile(pid, side.file))
		}
	}
	return m, nil
}

// Namespace makes a user namespace with the mappings and no process in it. It
// lives as long as the file.
func (m Mappings) Namespace() (*os.File, error) { return spawn.UserNamespace(m.Write) }

func procFile(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }

// writeOnce writes text with a single write(2), as these files want it.
func writeOnce(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return bare(err)
}

// bare takes the path off an error: the reader knows what a mapping is, and
// the pid is of no use when the process is gone.
func bare(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
