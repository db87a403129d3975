package cgroup

import (
	"golang.org/x/sys/unix"
)

// Version is the kind of cgroups that a host has.
type Version string

// The versions.
const (
	// V1 is a host with v1 hierarchies only.
	V1 Version = "v1"
	// Hybrid is a host with v1 hierarchies and the v2 one at
	// /sys/fs/cgroup/unified.
	Hybrid Version = "hybrid"
	// V2 is a host with the v2 hierarchy at /sys/fs/cgroup.
	V2 Version = "v2"
)

const (
	cgroupRoot  = "/sys/fs/cgroup"
	unifiedRoot = cgroupRoot + "/unified"
)

// Mode returns the version of this host. It asks for the type of the file
// system at one or two places, the convention of systemd and of every
// distribution without it, and never reads mountinfo.
func Mode() Version {
	switch {
	case fsType(cgroupRoot) == unix.CGROUP2_SUPER_MAGIC:
		return V2
	case fsType(unifiedRoot) == unix.CGROUP2_SUPER_MAGIC:
		return Hybrid
	}
	return V1
}

// fsType returns the magic number of the file system at path, or 0.
func fsType(path string) int64 {
	var st unix.Statfs_t
	for {
		switch err := unix.Statfs(path, &st); err {
		case nil:
			return int64(st.Type)
		case unix.EINTR:
		default:
			return 0
		}
	}
}
