package cgroup

import (
	"errors"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// readyV2 does to the v2 cgroup f what has to be done before the first process
// enters it: the controllers of the host are passed down to it.
func (m *Manager) readyV2(f Folder, dir string) error {
	if err := m.enableControllers(f, dir); err != nil {
		return err
	}
	return checkThawedV2(dir)
}

// enableControllers passes the controllers of the hierarchy's root down to the
// cgroup f, by way of cgroup.subtree_control in every cgroup above it. A
// controller that cannot be passed down is an error only if a limit needs it;
// its cause is kept for that.
func (m *Manager) enableControllers(f Folder, dir string) error {
	all, err := readFile(f.Mount, "cgroup.controllers")
	if err != nil {
		return &errdefs.Error{Doing: "read " + f.Mount + "/cgroup.controllers", Field: fieldPath, Err: err}
	}
	missing := missingWords(all, dir)
	if len(missing) == 0 {
		return nil
	}
	for i := 0; i < len(f.Path); i++ {
		if f.Path[i] == '/' {
			m.passDown(f.Mount+f.Path[:i], missing)
		}
	}
	return m.checkType(dir)
}

// missingWords returns which of the controllers the cgroup dir does not have.
func missingWords(all, dir string) []string {
	have, err := readFile(dir, "cgroup.controllers")
	if err != nil || have == all {
		return nil
	}
	var missing []string
	for c := range strings.FieldsSeq(all) {
		if !hasField(have, c) {
			missing = append(missing, c)
		}
	}
	return missing
}

// passDown enables controllers for the children of the cgroup dir: all at once,
// or as many as it takes.
//
// Where processes are in dir, the kernel takes those controllers that can
// tell threads apart, but makes dir the root of a threaded subtree by that. That
// is done only where it serves all limits of the container.
func (m *Manager) passDown(dir string, controllers []string) {
	const file = "cgroup.subtree_control"
	err := writeFile(dir, file, "+"+strings.Join(controllers, " +"))
	if err == nil {
		return
	}
	if err == unix.EBUSY {
		needed := neededControllers(m.res)
		for _, c := range controllers {
			if !threadsOnly(needed) || !slices.Contains(needed, c) {
				m.keepCause(c, passDownError(dir, c, err))
			}
		}
		if !threadsOnly(needed) {
			return
		}
		controllers = needed
	}
	for _, c := range controllers {
		if err := writeFile(dir, file, "+"+c); err != nil {
			m.keepCause(c, passDownError(dir, c, err))
		}
	}
}

// keepCause keeps the first cause why controller c is not passed down.
func (m *Manager) keepCause(c string, err error) {
	if m.notEnabled == nil {
		m.notEnabled = make(map[string]error)
	}
	if m.notEnabled[c] == nil {
		m.notEnabled[c] = err
	}
}

// threadsOnly reports whether there are controllers and all can tell threads
// apart (cgroups(7), "Thread mode").
func threadsOnly(controllers []string) bool {
	for _, c := range controllers {
		switch c {
		case "cpu", "cpuset", "pids", "perf_event":
		default:
			return false
		}
	}
	return len(controllers) > 0
}

// neededControllers returns the v2 controllers that the limits are of.
func neededControllers(r *specs.LinuxResources) []string {
	if r == nil {
		return nil
	}
	var out []string
	need := func(c string, needed bool) {
		if needed && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	if c := r.CPU; c != nil {
		need("cpuset", c.Cpus != "" || c.Mems != "")
		need("cpu", nonZero(c.Shares) || nonZero(c.Quota) || nonZero(c.Period) || nonZero(c.Burst) || nonZero(c.Idle))
	}
	if m := r.Memory; m != nil {
		need("memory", nonZero(m.Limit) || nonZero(m.Swap) || nonZero(m.Reservation))
	}
	need("pids", r.Pids != nil && r.Pids.Limit != nil)
	if b := r.BlockIO; b != nil {
		need("io", nonZero(b.Weight) || len(b.WeightDevice)+len(b.ThrottleReadBpsDevice)+len(b.ThrottleWriteBpsDevice)+
			len(b.ThrottleReadIOPSDevice)+len(b.ThrottleWriteIOPSDevice) > 0)
	}
	need("hugetlb", len(r.HugepageLimits) > 0)
	need("rdma", len(r.Rdma) > 0)
	for file := range r.Unified {
		c, _, _ := strings.Cut(file, ".")
		need(c, c != "cgroup")
	}
	return out
}

// nonZero reports whether p points to something other than zero.
func nonZero[T comparable](p *T) bool {
	var zero T
	return p != nil && *p != zero
}

// passDownError says why controller c is not passed down by the cgroup dir.
func passDownError(dir, c string, err error) error {
	cause := err.Error()
	switch err {
	case unix.EBUSY:
		cause = "processes are in that cgroup itself (cgroups(7), \"no internal processes\")"
	case unix.EOPNOTSUPP:
		cause = "it is threaded, or the root of a threaded subtree (cgroup.type)"
	case unix.ENOENT:
		cause = "it does not have it either"
	}
	return errors.New("the cgroup " + dir + " does not pass " + c + " on: " + cause)
}

// checkType looks for the case that the cgroup dir is below a threaded one. It
// is then in no valid state until it is made threaded itself, and has none of
// the controllers that only whole processes can have (cgroups(7)).
func (m *Manager) checkType(dir string) error {
	kind, err := readFile(dir, "cgroup.type")
	if err != nil || strings.TrimSpace(kind) != "domain invalid" {
		return nil
	}
	if err := writeFile(dir, "cgroup.type", "threaded"); err != nil {
		return &errdefs.Error{Doing: "make the cgroup " + dir + " threaded, as the one above it is", Field: fieldPath, Err: err}
	}
	return nil
}
