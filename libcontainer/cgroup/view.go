package cgroup

import "strings"

// View tells what a mount of type cgroup shows inside the container.
type View struct {
	// Unified is true on a host with cgroup v2 only.
	Unified bool
	// Path is the container's cgroup on such a host.
	Path string
	// Mounts are the hierarchies of any other host.
	Mounts []Mount
}

// Mount is one hierarchy of a cgroup v1 or hybrid host.
type Mount struct {
	// Dir is its folder below /sys/fs/cgroup: "memory", "cpu,cpuacct".
	Dir string
	// Mountpoint is the hierarchy's root on the host, Path the container's
	// folder in it.
	Mountpoint, Path string
	// Type is "cgroup" or "cgroup2"; Data the options that mount it, such
	// as "memory" or "none,name=systemd".
	Type, Data string
	// Links are symbolic links to Dir: "cpu" and "cpuacct".
	Links []string
}

// View returns what a mount of type cgroup shows inside the container.
func (m *Manager) View() View {
	if m.rec.Version == V2 {
		return View{Unified: true, Path: m.unified()}
	}
	v := View{Mounts: make([]Mount, 0, len(m.dirs)+len(m.others))}
	for i, f := range m.rec.Folders {
		v.Mounts = append(v.Mounts, viewOf(f.Controllers, f.Mount, m.dirs[i]))
	}
	for _, h := range m.others {
		v.Mounts = append(v.Mounts, viewOf(h.controllers, h.mount, strings.TrimSuffix(h.mount+h.own, "/")))
	}
	return v
}

// viewOf describes one hierarchy.
func viewOf(controllers, mountpoint, path string) Mount {
	mt := Mount{Dir: mountpoint[strings.LastIndexByte(mountpoint, '/')+1:], Mountpoint: mountpoint, Path: path}
	switch {
	case controllers == "":
		mt.Type = "cgroup2"
		return mt
	case strings.HasPrefix(controllers, "name="):
		mt.Data = "none," + controllers
	default:
		mt.Data = controllers
		if strings.Contains(controllers, ",") {
			mt.Links = strings.Split(controllers, ",")
		}
	}
	mt.Type = "cgroup"
	return mt
}
