package bundle

import (
	"maps"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// SysctlPath returns the path below /proc/sys of the kernel parameter key, as
// in net/ipv4/ip_forward. As for sysctl(8), the first separator in the key, a
// dot or a slash, decides which of the two separates; the other one stands for
// a dot within a name: net/ipv4/conf/eth0.100/forwarding is the same as
// net.ipv4.conf.eth0/100.forwarding.
//
// It returns false if key is no such path: fewer than two names, or an empty
// one, or one that is . or .., which would lead out of the namespaced part
// (net.//.kernel.core_pattern is net/../kernel/core_pattern).
func SysctlPath(key string) (string, bool) {
	path := key
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '.' {
		path = strings.Map(func(r rune) rune {
			switch r {
			case '.':
				return '/'
			case '/':
				return '.'
			}
			return r
		}, key)
	}
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." || name == ".." {
			return "", false
		}
	}
	return path, strings.Contains(path, "/") && strings.IndexByte(path, 0) < 0
}

// sysctlNamespace returns the type of the namespace that the kernel parameter
// at path below /proc/sys belongs to, or "" if it belongs to the host.
func sysctlNamespace(path string) specs.LinuxNamespaceType {
	switch path {
	case "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem",
		"kernel/shmall", "kernel/shmmax", "kernel/shmmni", "kernel/shm_rmid_forced":
		return specs.IPCNamespace
	case "kernel/hostname", "kernel/domainname":
		return specs.UTSNamespace
	}
	switch {
	case strings.HasPrefix(path, "fs/mqueue/"):
		return specs.IPCNamespace
	case strings.HasPrefix(path, "net/"):
		return specs.NetworkNamespace
	case strings.HasPrefix(path, "user/"):
		return specs.UserNamespace
	}
	return ""
}

// sysctls checks that every kernel parameter that is set belongs to a
// namespace of the container's own.
func (v *validator) sysctls() error {
	for _, key := range slices.Sorted(maps.Keys(v.linux.Sysctl)) {
		field := jsonfield.Key("linux.sysctl", key)
		path, ok := SysctlPath(key)
		if !ok {
			return bad(field, "is not the name of a kernel parameter")
		}
		kind := sysctlNamespace(path)
		switch {
		case kind == "":
			return bad(field, "belongs to no namespace, so it would change the host")
		case path == "kernel/hostname":
			return errdefs.Field(field, "conflicts with the field hostname").WithHint("set hostname instead")
		case !HasNamespace(v.spec, kind):
			return bad(field, "belongs to the "+string(kind)+" namespace, which is not in linux.namespaces, so it would change the host")
		}
		if err := noNUL(field, v.linux.Sysctl[key]); err != nil {
			return err
		}
	}
	return nil
}

// refuseHostSysctls is the part of the check that has to look: whether a
// namespace that the container joins is the one that rung itself is in.
func refuseHostSysctls(spec *specs.Spec) error {
	if spec.Linux == nil || len(spec.Linux.Sysctl) == 0 {
		return nil
	}
	for i, ns := range spec.Linux.Namespaces {
		if ns.Path == "" {
			continue
		}
		key := sysctlOf(spec.Linux.Sysctl, ns.Type)
		if key == "" {
			continue
		}
		host, err := isOwnNamespace(ns)
		if err != nil {
			return &errdefs.Error{
				Doing: "look at the namespace " + ns.Path,
				Field: jsonfield.Index("linux.namespaces", i) + ".path",
				Err:   err,
			}
		}
		if host {
			return bad(jsonfield.Key("linux.sysctl", key), "would change the host, whose "+
				string(ns.Type)+" namespace "+jsonfield.Index("linux.namespaces", i)+" joins")
		}
	}
	return nil
}

// sysctlOf returns the first key in sysctls that belongs to a namespace of
// the given type, or "".
func sysctlOf(sysctls map[string]string, kind specs.LinuxNamespaceType) string {
	for _, key := range slices.Sorted(maps.Keys(sysctls)) {
		if path, ok := SysctlPath(key); ok && sysctlNamespace(path) == kind {
			return key
		}
	}
	return ""
}

// isOwnNamespace says whether ns.Path is the namespace that rung is in. Two
// files are the same namespace if device and inode are (ioctl_ns(2)).
func isOwnNamespace(ns specs.LinuxNamespace) (bool, error) {
	var own, other unix.Stat_t
	if err := unix.Stat(ns.Path, &other); err != nil {
		return false, err
	}
	name := string(ns.Type)
	if ns.Type == specs.NetworkNamespace {
		name = "net"
	}
	if err := unix.Stat("/proc/self/ns/"+name, &own); err != nil {
		return false, err
	}
	return own.Dev == other.Dev && own.Ino == other.Ino, nil
}
