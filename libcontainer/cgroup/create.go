package cgroup

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// folderMode is the mode of a cgroup's folder: everybody may look.
const folderMode = 0o755

// Create makes the container's folder in every hierarchy, and the folders
// above it where they are missing. A folder that is there already is used if
// no process is in it or below it and it is not frozen, with the limits and the
// owner that it has, and marked as the container's; otherwise, and where another
// container is being created in it, it is an error, and what Create made so far is
// removed again.
//
// What has to be in place before a process can enter is set here: the CPUs and
// memory nodes of a v1 cpuset (linux.resources.cpu.cpus and mems, else those of
// the parent), and realtime scheduling of the v1 cpu controller.
//
// A rootless container whose configuration asks for no cgroup goes without
// those that it has no permission to make.
func (m *Manager) Create() error {
	if m.unit != nil {
		return m.startScope()
	}
	for i := 0; i < len(m.dirs); i++ {
		err := m.createFolder(i)
		if err == nil {
			continue
		}
		if m.rec.Rootless && m.optional && isPermission(err) {
			m.drop(i)
			i--
			continue
		}
		m.undoCreate()
		return err
	}
	if err := m.claim(); err != nil {
		m.undoCreate()
		return err
	}
	return nil
}

// drop leaves hierarchy i out of the container's, which stays in the cgroup of
// this process there.
func (m *Manager) drop(i int) {
	f := m.rec.Folders[i]
	m.others = append(m.others, hierarchy{controllers: f.Controllers, mount: f.Mount, own: path.Dir(f.Path)})
	m.rec.Folders = append(m.rec.Folders[:i:i], m.rec.Folders[i+1:]...)
	m.dirs = append(m.dirs[:i:i], m.dirs[i+1:]...)
	m.made = append(m.made[:i:i], m.made[i+1:]...)
}

// undoCreate removes the folders that this Manager made.
func (m *Manager) undoCreate() {
	for i, dir := range m.dirs {
		if m.made[i] {
			_ = unix.Rmdir(dir)
			m.made[i] = false
		}
	}
	m.unlock()
}

// createFolder makes the folder in hierarchy i and readies it.
func (m *Manager) createFolder(i int) error {
	f, dir := m.rec.Folders[i], m.dirs[i]
	err := m.makeLocked(f, dir)
	switch err {
	case nil:
		m.made[i] = true
	case unix.EEXIST:
		if err := m.checkFolder(dir); err != nil {
			m.foreign = true
			return err
		}
	default:
		return err
	}
	m.rec.Folders[i].Inode = inode(dir)
	return m.ready(f, dir)
}

// makeLocked makes the folder dir, and locks it where that is the first one that can
// be. It returns EEXIST where it was there.
func (m *Manager) makeLocked(f Folder, dir string) error {
	for tries := 1; ; tries++ {
		err := mkdir(dir)
		if err == unix.ENOENT {
			if err = mkdirParents(f); err == nil {
				err = mkdir(dir)
			}
		}
		if err != nil && err != unix.EEXIST {
			return mkdirError(dir, err)
		}
		lockErr := m.lock(dir)
		switch {
		case lockErr == nil:
			return err
		case lockErr == unix.ENOENT && tries < 10:
			// Another one that made it, and failed, has removed it.
		default:
			m.foreign = true
			return lockError(dir, lockErr)
		}
	}
}

// ready does to the new folder dir what has to be done before the first
// process enters it.
func (m *Manager) ready(f Folder, dir string) error {
	if f.Controllers == "" {
		if m.v2() {
			return m.readyV2(f, dir)
		}
		return nil
	}
	if hasController(f.Controllers, "cpuset") {
		if err := m.inheritCpuset(f.Mount, dir); err != nil {
			return err
		}
	}
	// The realtime scheduler refuses a task of its own in a cgroup that has
	// no realtime runtime.
	if hasController(f.Controllers, "cpu") && m.res != nil && m.res.CPU != nil {
		if err := m.setRealtime(m.res.CPU); err != nil {
			return err
		}
	}
	if hasController(f.Controllers, "freezer") {
		return checkThawed(dir)
	}
	return nil
}

// mkdir makes the folder of a cgroup.
func mkdir(dir string) error {
	for {
		if err := unix.Mkdir(dir, folderMode); err != unix.EINTR {
			return err
		}
	}
}

// mkdirParents makes the folders between the mount point of f and f itself.
// They stay when the container goes, since others may have come to use them.
func mkdirParents(f Folder) error {
	for i := 1; i < len(f.Path); i++ {
		if f.Path[i] != '/' {
			continue
		}
		if err := mkdir(f.Mount + f.Path[:i]); err != nil && err != unix.EEXIST {
			return err
		}
	}
	return nil
}

func mkdirError(dir string, err error) error {
	e := &errdefs.Error{Doing: "make the cgroup " + dir, Field: fieldPath, Err: err}
	switch err {
	case unix.EROFS:
		e.Hint = "the cgroup file system is mounted read-only here"
	case unix.ENOTDIR:
		e.Hint = "a part of the path is the name of a cgroup file"
	case unix.ENOSPC:
		e.Hint = "a cpuset above it has no CPUs or memory nodes, or there are too many cgroups"
	case unix.EAGAIN:
		e.Hint = "a cgroup above it limits the number of cgroups (cgroup.max.descendants, cgroup.max.depth)"
	}
	return e
}

// isPermission reports whether err is one that an unprivileged process gets.
func isPermission(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EROFS)
}

// checkUnused refuses folders that are in use, so that the journal never names
// a cgroup whose processes are somebody else's.
func (m *Manager) checkUnused() error {
	for _, dir := range m.dirs {
		if !exists(dir) {
			continue
		}
		if err := m.checkFolder(dir); err != nil {
			return err
		}
	}
	return nil
}

// checkFolder refuses the existing folder dir if processes are in or below it,
// if none can be in it, or if it is frozen: a container in it would hang.
func (m *Manager) checkFolder(dir string) error {
	pids, err := pidsBelow(dir)
	switch {
	case isGone(err):
		return nil
	case err == unix.ENOTDIR:
		return &errdefs.Error{Doing: "use the cgroup " + dir, Field: fieldPath, Err: err,
			Hint: "it is the name of a cgroup file"}
	case err != nil:
		return &errdefs.Error{Doing: "use the existing cgroup " + dir, Field: fieldPath, Err: err}
	case len(pids) > 0:
		return &errdefs.Error{
			Doing: "use the existing cgroup " + dir,
			Field: fieldPath,
			Err:   fmt.Errorf("container's cgroup is not empty: %s", listPids(pids)),
			Hint:  "give each container a cgroup of its own, or end what is left in this one",
		}
	}
	// Only v2 has the file.
	if passed, err := readFile(dir, "cgroup.subtree_control"); err == nil && strings.TrimSpace(passed) != "" {
		return &errdefs.Error{
			Doing: "use the existing cgroup " + dir,
			Field: fieldPath,
			Err:   errors.New("it passes controllers on to cgroups below it, so no process can be in it (cgroups(7), \"no internal processes\")"),
			Hint:  "it looks like the parent of containers: name a cgroup below it",
		}
	}
	return checkThawed(dir)
}

// listPids names the first few of pids.
func listPids(pids []int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d processes (pid", len(pids))
	if len(pids) == 1 {
		b.Reset()
		b.WriteString("1 process (pid")
	}
	for i, pid := range pids {
		if i == 5 {
			b.WriteString(", …")
			break
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %d", pid)
	}
	return b.String() + ")"
}

// checkThawed refuses a folder that is frozen, by itself or with a cgroup above
// it.
func checkThawed(dir string) error {
	if state, err := readFile(dir, "freezer.state"); err == nil {
		return refuseFrozen(dir, !strings.HasPrefix(state, "THAWED"))
	}
	return checkThawedV2(dir)
}

// checkThawedV2 is checkThawed for a folder of v2.
func checkThawedV2(dir string) error {
	events, err := readFile(dir, "cgroup.events")
	return refuseFrozen(dir, err == nil && keyValue(events, "frozen") == "1")
}

// refuseFrozen returns an error for a frozen folder.
func refuseFrozen(dir string, frozen bool) error {
	if !frozen {
		return nil
	}
	return &errdefs.Error{
		Doing: "use the cgroup " + dir,
		Field: fieldPath,
		Err:   errors.New("container's cgroup unexpectedly frozen: what is in it would never start"),
		Hint:  "thaw it or the cgroup above it that is frozen, such as " + path.Dir(dir),
	}
}

// keyValue returns the value of a key in a file of lines "key value", or "".
func keyValue(text, key string) string {
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, " "); ok && k == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
