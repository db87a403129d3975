package bundle

import (
	"maps"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

func (v *validator) namespaces() error {
	for i, ns := range v.linux.Namespaces {
		field := jsonfield.Index("linux.namespaces", i)
		switch ns.Type {
		case specs.PIDNamespace, specs.NetworkNamespace, specs.MountNamespace, specs.IPCNamespace,
			specs.UTSNamespace, specs.UserNamespace, specs.CgroupNamespace, specs.TimeNamespace:
		case "":
			return bad(field+".type", "is missing")
		default:
			return bad(field+".type", "unknown namespace "+jsonfield.Quote(string(ns.Type)))
		}
		for j := range i {
			if v.linux.Namespaces[j].Type == ns.Type {
				return bad(field+".type", "the "+string(ns.Type)+" namespace is set by "+
					jsonfield.Index("linux.namespaces", j)+" already")
			}
		}
		if ns.Path != "" {
			if err := absolute(field+".path", ns.Path); err != nil {
				return err
			}
		}
	}
	return nil
}

// timeOffsets checks the offsets of a time namespace. The kernel takes them
// only as long as no process is in it (time_namespaces(7)), so never for one
// that is joined.
func (v *validator) timeOffsets() error {
	offsets := v.linux.TimeOffsets
	if len(offsets) == 0 {
		return nil
	}
	switch path, found := Namespace(v.spec, specs.TimeNamespace); {
	case !found:
		return bad("linux.timeOffsets", "needs a new time namespace in linux.namespaces")
	case path != "":
		return bad("linux.timeOffsets", "needs a new time namespace; that of "+jsonfield.Quote(path)+" has its offsets")
	}
	for _, clock := range slices.Sorted(maps.Keys(offsets)) {
		field := jsonfield.Key("linux.timeOffsets", clock)
		if clock != "monotonic" && clock != "boottime" {
			return bad(field, "unknown clock; those with an offset are monotonic and boottime")
		}
		if nanosecs := offsets[clock].Nanosecs; nanosecs >= 1e9 {
			return outOfRange(field+".nanosecs", "from 0 to 999999999", int64(nanosecs))
		}
	}
	return nil
}

// Linux has 12 bits for the major and 20 for the minor number of a device
// (include/linux/kdev_t.h); mknod(2) would cut off the rest without a word.
const (
	maxMajor = 1<<12 - 1
	maxMinor = 1<<20 - 1
)

func (v *validator) devices() error {
	for i := range v.linux.Devices {
		if err := checkDevice(jsonfield.Index("linux.devices", i), &v.linux.Devices[i]); err != nil {
			return err
		}
	}
	return nil
}

func checkDevice(field string, d *specs.LinuxDevice) error {
	if err := absolute(field+".path", d.Path); err != nil {
		return err
	}
	switch d.Type {
	case "c", "u", "b":
		if d.Major < 0 || d.Major > maxMajor {
			return outOfRange(field+".major", "from 0 to 4095", d.Major)
		}
		if d.Minor < 0 || d.Minor > maxMinor {
			return outOfRange(field+".minor", "from 0 to 1048575", d.Minor)
		}
	case "p":
	case "":
		return bad(field+".type", "is missing")
	default:
		return bad(field+".type", "must be c, u, b or p, got "+jsonfield.Quote(d.Type))
	}
	// Engines hand on what stat(2) told them, the file type included.
	if d.FileMode != nil && *d.FileMode&^(unix.S_IFMT|0o7777) != 0 {
		return outOfRange(field+".fileMode", "the permission bits, in decimal", int64(*d.FileMode))
	}
	if d.UID != nil && *d.UID == noID {
		return bad(field+".uid", "must be below 4294967295, which means no user")
	}
	if d.GID != nil && *d.GID == noID {
		return bad(field+".gid", "must be below 4294967295, which means no group")
	}
	return nil
}

// paths checks the fields of the linux section that are paths, and those that
// say how they are mounted.
func (v *validator) paths() error {
	if err := v.hidden("linux.maskedPaths", v.linux.MaskedPaths); err != nil {
		return err
	}
	if err := v.hidden("linux.readonlyPaths", v.linux.ReadonlyPaths); err != nil {
		return err
	}
	switch v.linux.RootfsPropagation {
	case "", "private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable":
	default:
		return bad("linux.rootfsPropagation", "must be shared, slave, private or unbindable, or one of these after an r, got "+
			jsonfield.Quote(v.linux.RootfsPropagation))
	}
	if err := noNUL("linux.mountLabel", v.linux.MountLabel); err != nil {
		return err
	}
	return cgroupsPath(v.linux.CgroupsPath)
}

// hidden checks paths that are to be masked or made read-only. Without a mount
// namespace that would happen to the host's.
func (v *validator) hidden(field string, paths []string) error {
	if len(paths) > 0 && !HasNamespace(v.spec, specs.MountNamespace) {
		return bad(field, "needs a mount namespace in linux.namespaces")
	}
	for i, path := range paths {
		if err := absolute(jsonfield.Index(field, i), path); err != nil {
			return err
		}
	}
	return nil
}

func cgroupsPath(path string) error {
	for part := range strings.SplitSeq(path, "/") {
		if part == ".." {
			return bad("linux.cgroupsPath", "must not lead upwards, got "+jsonfield.Quote(path))
		}
	}
	return noNUL("linux.cgroupsPath", path)
}

func (v *validator) personality() error {
	p := v.linux.Personality
	if p == nil {
		return nil
	}
	switch p.Domain {
	case specs.PerLinux, specs.PerLinux32:
	case "":
		return bad("linux.personality.domain", "is missing")
	default:
		return bad("linux.personality.domain", "must be LINUX or LINUX32, got "+jsonfield.Quote(string(p.Domain)))
	}
	// The spec has the field and no value for it.
	if len(p.Flags) > 0 {
		return bad("linux.personality.flags[0]", "unknown flag "+jsonfield.Quote(string(p.Flags[0])))
	}
	return nil
}
