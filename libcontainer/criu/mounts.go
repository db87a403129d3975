package criu

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/mountopt"
)

// View is the root filesystem of a container with all that is mounted in it.
type View struct {
	// Root is a path to its root, and Prefix the path that the kernel has for
	// that: "" for the root of a process.
	Root, Prefix string
	// Mountinfo is the proc_pid_mountinfo(5) of a process that sees it.
	Mountinfo string
}

// ViewOf returns the view of process pid.
func ViewOf(pid int) View {
	proc := "/proc/" + strconv.Itoa(pid)
	return View{Root: proc + "/root", Mountinfo: proc + "/mountinfo"}
}

// Mount is a mount that came from outside of the container.
type Mount struct {
	// Point is where it is in the container: an absolute path, links followed.
	Point string
	// Index is the entry of the configuration's mounts that it is of.
	Index int
	// Below is what has to be added to the source of that: "" but for mounts
	// that lie below the source of a recursive bind mount ("/sub").
	Below string
}

// points returns all that is mounted in the container, by the absolute path of
// the mount point.
func (v View) points() (map[string]*mountinfo.Info, error) {
	f, err := os.Open(v.Mountinfo)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	mounts, err := mountinfo.GetMountsFromReader(f, nil)
	if err != nil {
		return nil, errdefs.Doing(err, "read "+v.Mountinfo)
	}
	points := make(map[string]*mountinfo.Info, len(mounts))
	for _, m := range mounts {
		if point, ok := strings.CutPrefix(m.Mountpoint, v.Prefix); ok && strings.HasPrefix(point, "/") {
			points[point] = m
		}
	}
	return points, nil
}

// Streams returns CRIU's names for those of the standard streams of process pid
// that are connected with the outside, "" for the others. pipes are those that
// it had when it was made (see Pipes): of another pipe nobody knows whose its
// other end is. Of a file or device one can tell: it is in none of the mounts
// that the container sees.
func (v View) Streams(pid int, pipes []string) ([]string, error) {
	points, err := v.points()
	if err != nil {
		return nil, err
	}
	inside := make(map[int]bool, len(points))
	for _, m := range points {
		inside[m.ID] = true
	}
	names := make([]string, 3)
	for fd := range names {
		path := "/proc/" + strconv.Itoa(pid) + "/fd/" + strconv.Itoa(fd)
		link, err := os.Readlink(path)
		if err != nil {
			continue // it has closed it
		}
		if slices.Contains(pipes, link) {
			names[fd] = link
			continue
		}
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			continue
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG, unix.S_IFCHR, unix.S_IFIFO:
		default:
			continue
		}
		if id, err := mountOf(pid, fd); err == nil && id > 0 && !inside[id] && strings.HasPrefix(link, "/") {
			names[fd] = fmt.Sprintf("file[%x:%x]", id, st.Ino)
		}
	}
	return names, nil
}

// mountOf returns the id of the mount that a descriptor is on, which is in
// proc_pid_fdinfo(5) as "mnt_id:	21".
func mountOf(pid, fd int) (int, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "mnt_id:")
	line, _, _ := strings.Cut(rest, "\n")
	return strconv.Atoi(strings.TrimSpace(line))
}

// Binds returns the bind mounts of the configuration s, with those that
// recursive ones brought along.
func (v View) Binds(s *specs.Spec) ([]Mount, error) {
	points, err := v.points()
	if err != nil {
		return nil, err
	}
	return v.bindsAmong(points, s)
}

func (v View) bindsAmong(points map[string]*mountinfo.Info, s *specs.Spec) ([]Mount, error) {
	root, err := unix.Open(v.Root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: v.Root, Err: err}
	}
	defer unix.Close(root)
	at := make(map[string]entry, len(s.Mounts))
	for i := range s.Mounts {
		e, err := read(s, i)
		if err != nil {
			return nil, err
		}
		if point := v.locate(root, s.Mounts[i].Destination); point != "" {
			at[point] = e
		}
	}
	var binds []Mount
	for point := range points {
		for up := point; up != "/"; up = path.Dir(up) {
			e, ok := at[up]
			if !ok {
				continue
			}
			if e.bind && (up == point || e.recursive) {
				binds = append(binds, Mount{point, e.index, point[len(up):]})
			}
			break
		}
	}
	return binds, nil
}

// entry is what matters of an entry of the configuration's mounts.
type entry struct {
	index           int
	bind, recursive bool
}

func read(s *specs.Spec, i int) (entry, error) {
	m := &s.Mounts[i]
	opt, err := mountopt.Parse(m.Options)
	if err != nil {
		return entry{}, err
	}
	if opt.IDMap || len(m.UIDMappings) > 0 {
		return entry{}, errdefs.Field("mounts["+strconv.Itoa(i)+"]", "is an id-mapped mount, which CRIU would restore without its mapping")
	}
	return entry{i, opt.Bind, opt.Recursive}, nil
}

// locate returns where in the container a destination leads to, or "" where it
// leads to nothing (now).
func (v View) locate(root int, dest string) string {
	fd, err := unix.Openat2(root, path.Clean("/"+dest), &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return ""
	}
	point, ok := strings.CutPrefix(link, v.Prefix)
	if !ok || !strings.HasPrefix(point, "/") {
		return ""
	}
	return point
}

// null is the name in the images of the null device that masks a file.
const null = "/dev/null"

// devices are the devices that every container has (config-linux.md, "Default
// Devices"), which may be bind mounts of the host's.
var devices = [...]string{null, "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}

// Saved returns DumpOptions.External for a container of the configuration s:
// the mounts that came from outside. ownCgroups tells that it has a cgroup
// namespace of its own, and others are places where rung mounted something
// that the configuration does not have.
func (v View) Saved(s *specs.Spec, ownCgroups bool, others []string) (map[string]string, error) {
	points, err := v.points()
	if err != nil {
		return nil, err
	}
	binds, err := v.bindsAmong(points, s)
	if err != nil {
		return nil, err
	}
	external := make(map[string]string)
	for _, m := range binds {
		external[m.Point] = m.Point
	}
	add := func(point, name string) {
		if _, ok := points[path.Clean("/"+point)]; ok {
			external[path.Clean("/"+point)] = name
		}
	}
	for _, point := range others {
		add(point, point)
	}
	for _, d := range devices {
		add(d, d)
	}
	for _, d := range s.Linux.Devices {
		add(d.Path, d.Path)
	}
	for _, p := range s.Linux.MaskedPaths {
		// A folder is masked by a filesystem, a file by the null device, which
		// is most often one of the container's own filesystems.
		if m := points[path.Clean("/"+p)]; m != nil && m.Root != "/" && !whole(points, m) {
			add(p, null)
		}
	}
	if !ownCgroups {
		for point, m := range points {
			if m.FSType == "cgroup" || m.FSType == "cgroup2" {
				external[point] = point
			}
		}
	}
	return external, nil
}

// whole tells whether the filesystem of m is mounted as a whole, too: CRIU then
// sees that m is a part of that.
func whole(points map[string]*mountinfo.Info, m *mountinfo.Info) bool {
	for _, other := range points {
		if other.Root == "/" && other.Major == m.Major && other.Minor == m.Minor {
			return true
		}
	}
	return false
}

// Given returns RestoreOptions.External: where on the host the mounts come
// from that Saved has named. binds are the container's bind mounts, source
// returns the host's path of an entry of the configuration, and others are
// the other mounts, by their place in the container.
func Given(s *specs.Spec, binds []Mount, source func(index int) string, others map[string]string) map[string]string {
	external := map[string]string{null: null}
	for _, d := range devices {
		external[d] = d
	}
	for _, d := range s.Linux.Devices {
		external[d.Path] = d.Path
	}
	for point, host := range others {
		external[point] = host
	}
	for _, m := range binds {
		external[m.Point] = source(m.Index) + m.Below
	}
	return external
}
