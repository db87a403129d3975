package systemd

import (
	"errors"
	"path"
	"strconv"
	"strings"
)

const (
	// scopeSuffix and sliceSuffix end the names of units of these types.
	scopeSuffix = ".scope"
	sliceSuffix = ".slice"
	// maxUnitName is the longest name that systemd takes, UNIT_NAME_MAX - 1.
	maxUnitName = 255
)

// Unit is the scope of a container.
type Unit struct {
	// Name is the unit's own: "rung-c1.scope".
	Name string
	// Slice is the slice that it is in: "machine-web.slice".
	Slice string
	// Container is its last part, for people.
	Container string
}

// ParseUnit reads linux.cgroupsPath as runc does with --systemd-cgroup:
// "slice:prefix:name" is the scope "prefix-name.scope" in the slice. An empty
// slice stands for system.slice or, with user, for user.slice; an empty path for
// ":PREFIX:ID".
func ParseUnit(cgroupsPath, prefix, id string, user bool) (Unit, error) {
	slice, name := "", id
	if cgroupsPath != "" {
		parts := strings.Split(cgroupsPath, ":")
		if len(parts) != 3 {
			return Unit{}, errors.New("must be of the form slice:prefix:name with the systemd cgroup driver (--systemd-cgroup), got " + strconv.Quote(cgroupsPath))
		}
		slice, prefix, name = parts[0], parts[1], parts[2]
	}
	if slice == "" {
		slice = "system.slice"
		if user {
			slice = "user.slice"
		}
	}
	if name == "" || strings.HasSuffix(name, sliceSuffix) {
		return Unit{}, errors.New("must end in the name of a scope, got " + strconv.Quote(name) + ": a slice holds no processes")
	}
	u := Unit{Name: prefix + "-" + name + scopeSuffix, Slice: slice, Container: name}
	if problem := checkUnitName(u.Name); problem != "" {
		return Unit{}, errors.New("cannot name a scope: " + strconv.Quote(u.Name) + " " + problem)
	}
	_, err := expandSlice(slice)
	return u, err
}

// Path returns the unit's cgroup, below that of the manager.
func (u Unit) Path() string {
	slice, _ := expandSlice(u.Slice) // ParseUnit has looked
	return path.Join(slice, escape(u.Name))
}

// expandSlice returns the cgroup of a slice. The dashes in its name say what it
// is in (systemd.slice(5)): "a-b.slice" is /a.slice/a-b.slice, and "-.slice" the
// root.
func expandSlice(slice string) (string, error) {
	invalid := func(problem string) error {
		return errors.New("cannot name a slice: " + strconv.Quote(slice) + " " + problem)
	}
	name, ok := strings.CutSuffix(slice, sliceSuffix)
	if !ok || name == "" {
		return "", invalid("does not end in .slice")
	}
	if name == "-" {
		return "/", nil
	}
	if problem := checkUnitName(slice); problem != "" {
		return "", invalid(problem)
	}
	var dir strings.Builder
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '-' {
			continue
		}
		if i == 0 || name[i-1] == '-' {
			return "", invalid("has an empty part between its dashes")
		}
		dir.WriteString("/" + escape(name[:i]+sliceSuffix))
	}
	return dir.String(), nil
}

// checkUnitName returns what keeps name from being a unit's, or "" (systemd.unit(5)).
func checkUnitName(name string) string {
	if len(name) > maxUnitName {
		return "is longer than 255 bytes"
	}
	for i := range len(name) {
		c := name[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && !strings.ContainsRune(`:-_.\`, rune(c)) {
			return "has the character " + strconv.Quote(name[i:i+1]) + `, and may have only letters, digits and :-_.\`
		}
	}
	return ""
}

// controllers are the names that systemd knows, cgroup_controller_to_string.
var controllers = [...]string{
	"cpu", "cpuacct", "cpuset", "io", "blkio", "memory", "devices", "pids",
	"bpf-firewall", "bpf-devices", "bpf-foreign", "bpf-socket-bind", "bpf-restrict-network-interfaces",
}

// escape returns the name of a unit's cgroup. systemd puts an underscore before
// a name that could be taken for a file of the kernel's (cg_escape).
func escape(name string) string {
	first, _, _ := strings.Cut(name, ".")
	if name[0] == '_' || first == "" || first == "cgroup" {
		return "_" + name
	}
	for _, c := range controllers {
		if first == c {
			return "_" + name
		}
	}
	return name
}
