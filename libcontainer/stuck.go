package libcontainer

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/procstat"
	"github.com/rungoci/rung/libcontainer/cgroup"
)

// whyStillThere returns err, which says that the killed init process has not ended in
// time, with the reason for that, if it is one that can be seen.
func (c *Container) whyStillThere(err error) error {
	const doing = "wait for the end of the killed init process"
	if cg, cerr := cgroup.Load(c.state.Cgroup); cerr == nil {
		if dir, frozen := cg.FrozenAbove(); frozen {
			e := &errdefs.Error{Doing: doing, Err: fmt.Errorf("%w after %v: a cgroup above the container's is frozen, in which nothing can die", errStillThere, killTimeout)}
			if dir != "" {
				e.Hint = "echo THAWED >" + dir + "/freezer.state"
			}
			return e
		}
	}
	if z := unreaped(c.state.Init.Pid); z != nil {
		return &errdefs.Error{Doing: doing, Hint: "have that wait for its children, or end it",
			Err: fmt.Errorf("%w after %v: it waits for process %d of the container, which has ended, to be reaped by its parent outside, %s",
				errStillThere, killTimeout, z.pid, z.parentName())}
	}
	return err
}

// zombie is a process that has ended, and that its parent does not wait for.
type zombie struct{ pid, parent int }

// unreaped returns a zombie of the pid namespace of its init whose parent is outside of
// it, such as a process of exec, or nil. The kernel has an init that dies reap what is
// inside and wait for all else: pid_namespaces(7), zap_pid_ns_processes of the kernel.
func unreaped(init int) *zombie {
	ns := pidNamespace(init)
	if ns == "" {
		return nil
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == init || pidNamespace(pid) != ns {
			continue
		}
		if now, err := procstat.Read(pid); err != nil || !now.Over() {
			continue
		}
		if parent, err := parentOf(pid); err == nil && pidNamespace(parent) != ns {
			return &zombie{pid, parent}
		}
	}
	return nil
}

// pidNamespace names the pid namespace of a process, dead or alive, or returns "".
func pidNamespace(pid int) string {
	ns, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/pid")
	if err != nil {
		return ""
	}
	return ns
}

// parentOf returns the pid of a process's parent, 0 for one outside of this pid namespace.
func parentOf(pid int) (int, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "PPid:"); ok {
			return strconv.Atoi(strings.TrimSpace(text))
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no PPid", pid)
}

// parentName says which process the parent is.
func (z *zombie) parentName() string {
	if z.parent == 0 {
		return "a process of another pid namespace"
	}
	name, err := os.ReadFile("/proc/" + strconv.Itoa(z.parent) + "/comm")
	if err != nil {
		return "process " + strconv.Itoa(z.parent)
	}
	return fmt.Sprintf("process %d (%s)", z.parent, strings.TrimSuffix(string(name), "\n"))
}
