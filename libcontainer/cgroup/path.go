package cgroup

import (
	"path"
	"strings"

	"github.com/rungoci/rung/internal/errdefs"
)

// place is where linux.cgroupsPath puts a container.
type place struct {
	// path is clean, begins with "/" and is not "/".
	path string
	// relative is true where it counts from the cgroup of the runtime.
	relative bool
}

// in returns the folder in hierarchy h, below its mount point.
func (p place) in(h hierarchy, v Version) string {
	if !p.relative {
		return p.path
	}
	own := h.own
	if v == V2 {
		own = path.Dir(own)
	}
	return strings.TrimSuffix(own, "/") + p.path
}

// parsePath turns linux.cgroupsPath into a place. Where it is empty, the
// container's id takes its place. ".." never leads out of the place that the
// path counts from. A path that comes to that place itself is refused: the
// container's limits would hit, and its removal kill, everybody else there.
func parsePath(cgroupsPath, id string) (place, error) {
	p := cgroupsPath
	if p == "" {
		p = id
		if problem := checkName(id); problem != "" || strings.Contains(id, "/") {
			return place{}, errdefs.Field(fieldPath, "is not given, and the container's id cannot name a cgroup: "+orSlash(problem))
		}
	}
	clean := path.Clean("/" + p)
	if clean == "/" {
		return place{}, errdefs.Field(fieldPath, "names no cgroup of the container's own, but one that others are in")
	}
	for name := range strings.SplitSeq(clean[1:], "/") {
		if problem := checkName(name); problem != "" {
			return place{}, errdefs.Field(fieldPath, "cannot name a cgroup: "+problem)
		}
	}
	if len(clean) > maxPath {
		return place{}, errdefs.Field(fieldPath, "is too long")
	}
	return place{path: clean, relative: p[0] != '/'}, nil
}

// maxPath leaves room in PATH_MAX for the mount point and a file's name.
const maxPath = 4096 - 256

// checkName returns what keeps name from being a cgroup, or "". The kernel
// refuses a newline, since it would garble /proc/PID/cgroup (cgroup_mkdir).
func checkName(name string) string {
	switch {
	case name == "" || name == "." || name == "..":
		return "it has an empty, \".\" or \"..\" component"
	case len(name) > 255:
		return "a component is longer than 255 bytes"
	case strings.ContainsAny(name, "\n\x00"):
		return "it has a newline or a NUL byte"
	}
	return ""
}

func orSlash(problem string) string {
	if problem == "" {
		return "it has a slash"
	}
	return problem
}
