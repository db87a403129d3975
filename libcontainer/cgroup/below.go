package cgroup

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// MoveBelow makes the cgroup sub below the container's, which is of v2, gives it
// to the user uid, and moves process pid there with all of its threads. The
// container's own cgroup then has no process, and passes its controllers on. A
// later process of the container follows the init (JoinRunning), and Destroy
// removes what is below.
func (m *Manager) MoveBelow(pid int, sub string, uid int) error {
	dir := m.unified()
	fail := func(err error) error {
		return errdefs.Doing(err, "move the container to the cgroup "+quote(sub)+" below its own")
	}
	if !m.v2() || dir == "" {
		return fail(errors.New("the container has no cgroup v2"))
	}
	controllers, err := readFile(dir, "cgroup.controllers")
	if err != nil {
		return fail(err)
	}
	var above []string
	for name := range strings.SplitSeq(sub, "/") {
		if problem := checkName(name); problem != "" {
			return fail(errors.New(problem))
		}
		above = append(above, dir)
		dir += "/" + name
		if err := mkdir(dir); err != nil && err != unix.EEXIST {
			return mkdirError(dir, err)
		}
	}
	if err := addProcess(dir, pid); err != nil {
		return err
	}
	// Where a process is, no controller can be passed on; so this comes after.
	for _, above := range above {
		m.passDown(above, strings.Fields(controllers))
	}
	if uid == 0 {
		return nil
	}
	return delegateFolder(dir, delegateFiles(), uid)
}
