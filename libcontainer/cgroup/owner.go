package cgroup

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// delegateFile lists the files of a cgroup that its owner should own, for who it
// is delegated to (Linux 4.15; cgroups(7), "Cgroups v2 delegation").
const delegateFile = "/sys/kernel/cgroup/delegate"

// Delegate gives the container's cgroup v2 to the user uid, who may then divide
// it further, and change no limit of it. config-linux.md, "Cgroup ownership",
// says for which containers.
func (m *Manager) Delegate(uid int) error {
	dir := m.unified()
	if !m.v2() || dir == "" {
		return nil
	}
	return delegateFolder(dir, delegateFiles(), uid)
}

// delegateFiles returns the files that whoever a cgroup is given to should own.
func delegateFiles() []string {
	text, err := readFile(path.Dir(delegateFile), path.Base(delegateFile))
	if err != nil {
		text = ""
	}
	return delegated(text)
}

// delegateFolder changes the owner of a cgroup's folder and of files in it.
func delegateFolder(dir string, files []string, uid int) error {
	for _, name := range append(files, ".") {
		err := unix.Fchownat(unix.AT_FDCWD, dir+"/"+name, uid, -1, unix.AT_SYMLINK_NOFOLLOW)
		if err != nil && err != unix.ENOENT { // the file of a controller that is not enabled
			return &errdefs.Error{Doing: "give the cgroup file " + dir + "/" + name + " to the container's user", Field: fieldPath, Err: err}
		}
	}
	return nil
}

// delegated returns the names of the files in the text of delegateFile, or,
// where that is empty, those that config-linux.md names for a kernel without it.
func delegated(text string) []string {
	var files []string
	for name := range strings.FieldsSeq(text) {
		if !strings.Contains(name, "/") {
			files = append(files, name)
		}
	}
	if len(files) == 0 {
		return []string{"cgroup.procs", "cgroup.subtree_control", "cgroup.threads"}
	}
	return files
}
