package cgroup

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// hierarchy is a mounted cgroup hierarchy.
type hierarchy struct {
	// controllers is as in Folder.
	controllers string
	// dir is the folder's name below /sys/fs/cgroup, and mount its
	// absolute path.
	dir, mount string
	// own is the cgroup of this process, below mount; it begins with "/".
	// It is filled in only where asked for.
	own string
}

// managed reports whether a container gets a folder of its own in h: where h
// has one of the kernel's controllers, is systemd's, or is cgroup v2. Other
// named hierarchies belong to whoever made them (OpenRC, elogind), and a
// container stays in them where its engine is.
func (h hierarchy) managed() bool {
	return h.controllers == "" || h.controllers == "name=systemd" || !strings.HasPrefix(h.controllers, "name=")
}

// hierarchies returns the mounted hierarchies of a host, in the order in which
// a process is to enter them. With own, it finds out where this process is in
// each.
//
// They are looked for where every distribution mounts them. mountinfo, which
// has a line for every mount of every container, is read only where that
// fails.
func hierarchies(v Version, own bool) ([]hierarchy, error) {
	if v == V2 && !own {
		return []hierarchy{{mount: cgroupRoot}}, nil
	}
	self, err := readFile("/proc/self", "cgroup")
	if err != nil {
		return nil, errdefs.Doing(err, "read /proc/self/cgroup")
	}
	find := finder{own: own}
	hs := make([]hierarchy, 0, 16)
	for line := range strings.Lines(self) {
		h, ok := parseSelfLine(line)
		unified := h.controllers == ""
		switch {
		case !ok, unified && v == V1, !unified && v == V2:
			continue
		case v == V2:
			h.mount = cgroupRoot
		case unified:
			h.dir, h.mount = "unified", unifiedRoot
		default:
			if ok, err = find.locate(&h); err != nil {
				return nil, err
			} else if !ok {
				continue
			}
		}
		hs = append(hs, h)
	}
	if len(hs) == 0 && v == V2 {
		return nil, errdefs.Doing(errors.New("no cgroup v2 line"), "read /proc/self/cgroup")
	}
	return hs, nil
}

// parseSelfLine reads a line of /proc/self/cgroup: "4:cpu,cpuacct:/path".
func parseSelfLine(line string) (hierarchy, bool) {
	_, rest, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
	if !ok {
		return hierarchy{}, false
	}
	controllers, own, ok := strings.Cut(rest, ":")
	if !ok || !strings.HasPrefix(own, "/") {
		return hierarchy{}, false
	}
	return hierarchy{controllers: controllers, own: own}, true
}

// finder finds where v1 hierarchies are mounted.
type finder struct {
	own    bool
	loaded bool
	mounts []mount
}

// locate fills in where h is mounted and, if asked for, makes h.own a path
// below that. It returns false for a hierarchy that is not mounted.
func (f *finder) locate(h *hierarchy) (bool, error) {
	if dir := conventionalDir(h.controllers); dir != "" {
		h.dir, h.mount = dir, cgroupRoot+"/"+dir
		if !f.own || h.own == "/" || isRootFolder(h.mount) {
			return true, nil
		}
	}
	if !f.loaded {
		mounts, err := cgroupMounts()
		if err != nil {
			return false, err
		}
		f.loaded, f.mounts = true, mounts
	}
	first, _, _ := strings.Cut(h.controllers, ",")
	for _, m := range f.mounts {
		if !hasController(m.options, first) {
			continue
		}
		h.mount = m.point
		h.dir = m.point[strings.LastIndexByte(m.point, '/')+1:]
		// Inside a container without a cgroup namespace the mount shows a
		// part of the hierarchy, while /proc/self/cgroup counts from its
		// root.
		if rest, ok := strings.CutPrefix(h.own, strings.TrimSuffix(m.root, "/")); ok && strings.HasPrefix(rest+"/", "/") {
			h.own = "/" + strings.TrimPrefix(rest, "/")
		} else {
			h.own = "/"
		}
		return true, nil
	}
	return false, nil
}

// conventionalDir returns the folder below /sys/fs/cgroup at which the v1
// hierarchy with the controllers is mounted by convention, or "".
func conventionalDir(controllers string) string {
	dir := strings.TrimPrefix(controllers, "name=")
	if strings.Contains(dir, "/") {
		return ""
	}
	if fsType(cgroupRoot+"/"+dir) == unix.CGROUP_SUPER_MAGIC {
		return dir
	}
	// Controllers that are mounted together have a link each to a folder
	// whose name may list them in another order than the kernel does.
	first, _, several := strings.Cut(dir, ",")
	if !several {
		return ""
	}
	var buf [256]byte
	n, err := unix.Readlink(cgroupRoot+"/"+first, buf[:])
	if err != nil || n == 0 {
		return ""
	}
	dir = string(buf[:n])
	if strings.Contains(dir, "/") || fsType(cgroupRoot+"/"+dir) != unix.CGROUP_SUPER_MAGIC {
		return ""
	}
	return dir
}

// isRootFolder reports whether path is the root of its hierarchy, whose inode
// number in kernfs is 1, rather than a part that was bind-mounted.
func isRootFolder(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && st.Ino == 1
}

// mount is a cgroup v1 mount of /proc/self/mountinfo.
type mount struct{ root, point, options string }

// cgroupMounts reads the cgroup v1 mounts from /proc/self/mountinfo.
func cgroupMounts() ([]mount, error) {
	text, err := readFile("/proc/self", "mountinfo")
	if err != nil {
		return nil, errdefs.Doing(err, "read /proc/self/mountinfo")
	}
	return parseMounts(text), nil
}

// parseMounts picks the cgroup v1 mounts out of the text of mountinfo, whose
// lines are, after proc_pid_mountinfo(5):
//
//	36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices
func parseMounts(text string) []mount {
	var mounts []mount
	for line := range strings.Lines(text) {
		before, after, ok := strings.Cut(line, " - cgroup ")
		if !ok {
			continue
		}
		front, back := strings.Fields(before), strings.Fields(after)
		if len(front) < 6 || len(back) < 2 {
			continue
		}
		mounts = append(mounts, mount{root: unescape(front[3]), point: unescape(front[4]), options: back[1]})
	}
	return mounts
}

// unescape undoes the escapes of mountinfo: a backslash and three octal digits.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && isOctal(s[i+1]) && isOctal(s[i+2]) && isOctal(s[i+3]) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }
