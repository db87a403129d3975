// Package specgen writes what the commands spec and features print: an example
// to start from, and what this version of rung can do.
package specgen

import (
	"os"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Example returns the configuration that `rung spec` writes: a shell on a
// terminal, in the root filesystem "rootfs" beside it. Its content is that of
// runc 1.5, because scripts patch it with jq and count on what is there; the
// its own name for a hostname. On a host with cgroup v2 alone it has a cgroup namespace.
func Example() *specs.Spec {
	spec := &specs.Spec{
		Version:  specs.Version,
		Process:  exampleProcess(),
		Root:     &specs.Root{Path: "rootfs", Readonly: true},
		Hostname: "rung",
		Mounts:   exampleMounts(),
		Linux: &specs.Linux{
			// No device but those that every container gets.
			Resources:     &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}}},
			Namespaces:    namespaces("pid", "network", "ipc", "uts", "mount"),
			MaskedPaths:   maskedPaths(),
			ReadonlyPaths: readonlyPaths(),
		},
	}
	if onCgroup2() {
		spec.Linux.Namespaces = append(spec.Linux.Namespaces, namespaces("cgroup")...)
	}
	return spec
}

func exampleProcess() *specs.Process {
	capabilities := func() []string {
		return []string{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
	}
	return &specs.Process{
		Terminal: true,
		Args:     []string{"sh"},
		Env:      []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"},
		Cwd:      "/",
		Capabilities: &specs.LinuxCapabilities{
			Bounding:  capabilities(),
			Effective: capabilities(),
			Permitted: capabilities(),
		},
		Rlimits:         []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: 1024, Soft: 1024}},
		NoNewPrivileges: true,
	}
}

func exampleMounts() []specs.Mount {
	mount := func(destination, fstype, source string, options ...string) specs.Mount {
		return specs.Mount{Destination: destination, Type: fstype, Source: source, Options: options}
	}
	return []specs.Mount{
		mount("/proc", "proc", "proc"),
		mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
		mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
		mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
		mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
		mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
		mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "ro"),
	}
}

// maskedPaths are files that tell of, or act on, the host's kernel.
func maskedPaths() []string {
	return []string{
		"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
	}
}

func readonlyPaths() []string {
	return []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
}

func namespaces(kinds ...specs.LinuxNamespaceType) []specs.LinuxNamespace {
	list := make([]specs.LinuxNamespace, len(kinds))
	for i, kind := range kinds {
		list[i].Type = kind
	}
	return list
}

// onCgroup2 says whether cgroup v2 is mounted where v1 has a tmpfs with a
// folder for each controller.
func onCgroup2() bool {
	var stat unix.Statfs_t
	err := unix.Statfs("/sys/fs/cgroup", &stat)
	return err == nil && int64(stat.Type) == unix.CGROUP2_SUPER_MAGIC
}

// Rootless changes spec so that a user without privileges can run it: in a
// user namespace that maps root to the caller and nobody else. What only root
// may do on the host goes: a network namespace (nobody could connect it),
// sysfs (it shows the network namespace that it is mounted from, and needs to
// own it), limits, and mount options with ids that are not mapped.
func Rootless(spec *specs.Spec) {
	kept := namespaces()
	for _, ns := range spec.Linux.Namespaces {
		if ns.Type != specs.NetworkNamespace && ns.Type != specs.UserNamespace {
			kept = append(kept, ns)
		}
	}
	spec.Linux.Namespaces = append(kept, namespaces("user")...)
	spec.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: uint32(os.Geteuid()), Size: 1}}
	spec.Linux.GIDMappings = []specs.LinuxIDMapping{{HostID: uint32(os.Getegid()), Size: 1}}
	spec.Linux.Resources = nil

	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		if m.Destination == "/sys" {
			*m = specs.Mount{
				Destination: "/sys",
				Type:        "none",
				Source:      "/sys",
				Options:     []string{"rbind", "nosuid", "noexec", "nodev", "ro"},
			}
			continue
		}
		var options []string
		for _, option := range m.Options {
			if !strings.HasPrefix(option, "uid=") && !strings.HasPrefix(option, "gid=") {
				options = append(options, option)
			}
		}
		m.Options = options
	}
}
