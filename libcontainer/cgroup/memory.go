package cgroup

import (
	"errors"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// unlimited is how the runtime-spec writes "no limit".
const unlimited = -1

// setMemory applies linux.resources.memory. 0 is unset, -1 no limit.
func (m *Manager) setMemory(mem *specs.LinuxMemory) error {
	// mem.Kernel and mem.KernelTCP are obsolete; bundle's validation warns.
	var err error
	if m.v2() {
		err = m.setMemoryV2(mem)
	} else {
		err = m.setMemoryV1(mem)
	}
	if err != nil {
		return err
	}
	if reservation := value(mem.Reservation); reservation != 0 {
		l := limit{"memory.reservation", "memory", "memory.soft_limit_in_bytes", itoa(reservation)}
		if m.v2() {
			l.file, l.value = "memory.low", maxOr(reservation)
		}
		if err := m.apply(l); err != nil {
			return err
		}
	}
	return m.setMemoryKnobs(mem)
}

// value returns *p, or 0.
func value(p *int64) int64 {
	if p == nil {
		return 0
	}
	return *p
}

// maxOr formats a limit for v2.
func maxOr(n int64) string {
	if n == unlimited {
		return "max"
	}
	return itoa(n)
}

// setMemoryV1 sets the limit of memory and that of memory and swap together.
// The kernel wants the first to be no higher than the second at any time, so
// the order depends on what is set already: whichever comes second is retried
// first.
func (m *Manager) setMemoryV1(mem *specs.LinuxMemory) error {
	memory, swap := value(mem.Limit), value(mem.Swap)
	if memory > 0 && swap > 0 && swap < memory {
		return swapTooSmall()
	}
	limits := limit{"memory.limit", "memory", "memory.limit_in_bytes", itoa(memory)}
	memsw := limit{"memory.swap", "memory", "memory.memsw.limit_in_bytes", itoa(swap)}
	implied := memory == unlimited && swap == 0
	if implied {
		// No limit for memory alone makes no sense with one for both.
		swap, memsw.value = unlimited, itoa(unlimited)
	}
	swapSet := swap == 0
	if memory != 0 {
		err := m.try(limits)
		if err == unix.EINVAL && swap != 0 {
			if err := m.setSwapV1(memsw, implied); err != nil {
				return err
			}
			swapSet = true
			err = m.try(limits)
		}
		if err != nil {
			return m.memoryError(limits, err)
		}
	}
	if swapSet {
		return nil
	}
	return m.setSwapV1(memsw, implied)
}

// setSwapV1 sets the limit of memory and swap together. Where the kernel does
// not account for swap, none is what there is.
func (m *Manager) setSwapV1(l limit, implied bool) error {
	err := m.try(l)
	if _, ok := m.dir("memory"); err == unix.ENOENT && ok && (implied || l.value == "-1") {
		return nil
	}
	return m.memoryError(l, err)
}

// memoryError explains err of a v1 memory limit.
func (m *Manager) memoryError(l limit, err error) error {
	if err == nil {
		return nil
	}
	e := m.explain(l, err)
	switch err {
	case unix.EBUSY:
		usage, _ := m.read("memory", "memory.usage_in_bytes")
		e.Hint = "the processes of the container use " + usage + " bytes already"
	case unix.EINVAL:
		memory, _ := m.read("memory", "memory.limit_in_bytes")
		memsw, _ := m.read("memory", "memory.memsw.limit_in_bytes")
		e.Hint = "memory.swap is memory and swap together, and must not be below memory.limit; they are " + memsw + " and " + memory + " now"
	case unix.ENOENT:
		if l.field == "memory.swap" && e.Hint == "" {
			e.Hint = "boot with swapaccount=1, or leave memory.swap out"
		}
	}
	return e
}

// setMemoryV2 sets the limits of memory and of swap.
func (m *Manager) setMemoryV2(mem *specs.LinuxMemory) error {
	memory, swap := value(mem.Limit), value(mem.Swap)
	if err := m.checkUsage(mem, memory, swap); err != nil {
		return err
	}
	base := memory
	if base == 0 && swap > 0 && !m.creating {
		base, _ = m.current("memory.max")
	} else if swap == 0 && memory > 0 && !m.creating {
		swap = m.keptSwap()
	}
	only, set, err := swapOnly(base, swap)
	if err != nil {
		return err
	}
	if set {
		l := limit{"memory.swap", "memory", "memory.swap.max", maxOr(only)}
		err := m.try(l)
		// Without swap, none and no limit are what there is.
		if err == unix.ENOENT && only <= 0 {
			if dir, ok := m.home("memory"); ok && m.enabled(dir, "memory") {
				err = nil
			}
		}
		if err != nil {
			return m.explain(l, err)
		}
	}
	if memory == 0 {
		return nil
	}
	return m.apply(limit{"memory.limit", "memory", "memory.max", maxOr(memory)})
}

// current returns a limit or usage of v2's memory controller, and whether it is
// a number; "max" is -1.
func (m *Manager) current(file string) (int64, bool) {
	text, err := m.read("memory", file)
	if err != nil {
		return 0, false
	}
	if text == "max" {
		return unlimited, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// keptSwap returns the sum of the limits of memory and of swap, or 0 if there
// is none. It is what stays when only the limit of memory is updated, as on v1,
// where the kernel keeps that sum.
func (m *Manager) keptSwap() int64 {
	memory, ok := m.current("memory.max")
	if !ok {
		return 0
	}
	swap, ok := m.current("memory.swap.max")
	if !ok {
		return 0
	}
	return memory + swap
}

// swapOnly converts memory.swap, which means memory and swap together, to v2's
// limit of swap alone. The second result is false where nothing is to be set.
func swapOnly(memory, swap int64) (int64, bool, error) {
	bad := func(cause string) (int64, bool, error) {
		return 0, false, errdefs.Field("linux.resources.memory.swap", cause)
	}
	switch {
	case memory == unlimited && swap == 0:
		return unlimited, true, nil
	case swap == 0:
		return 0, false, nil
	case swap == unlimited, memory == unlimited && swap > 0:
		return swap, true, nil
	case swap < 0 || memory < 0:
		return bad("must not be negative, except for -1, which is no limit")
	case memory == 0:
		return bad("is memory and swap together, and cannot be set without memory.limit")
	case swap < memory:
		return 0, false, swapTooSmall()
	}
	return swap - memory, true, nil
}

// swapTooSmall is the error for a limit of memory and swap below that of memory.
func swapTooSmall() error {
	return errdefs.Field("linux.resources.memory.swap", "is memory and swap together, and must not be below memory.limit")
}

// checkUsage refuses a limit below what is in use. v1's kernel does so itself;
// v2's kills. During creation that would hit the container's init, later it is
// what the update asked for unless it sets checkBeforeUpdate.
func (m *Manager) checkUsage(mem *specs.LinuxMemory, memory, swap int64) error {
	if !m.creating && (mem.CheckBeforeUpdate == nil || !*mem.CheckBeforeUpdate) {
		return nil
	}
	for _, l := range [...]struct {
		field, name string
		bytes       int64
	}{{"memory.swap", "memory+swap", swap}, {"memory.limit", "memory", memory}} {
		if l.bytes <= 0 {
			continue
		}
		usage, ok := m.current("memory.current")
		if ok && l.bytes <= usage && m.creating {
			m.reclaim(l.bytes)
			usage, ok = m.current("memory.current")
		}
		if ok && l.bytes <= usage {
			return &errdefs.Error{
				Doing: "rejecting " + l.name + " limit of " + itoa(l.bytes) + " bytes",
				Field: "linux.resources." + l.field,
				Err:   unix.EBUSY,
				Hint:  "the processes of the container use " + itoa(usage) + " bytes already",
			}
		}
	}
	return nil
}

// reclaim has the kernel take back what it can of the container's memory above
// a number of bytes: pages of files, and what it has charged in advance, up to
// 256 KiB on each CPU. A write to memory.high does that, and kills nothing. An
// update must not: killed meanwhile it would leave the container throttled.
func (m *Manager) reclaim(bytes int64) {
	now, err := m.read("memory", "memory.high")
	if err != nil {
		return
	}
	if m.try(limit{"", "memory", "memory.high", itoa(bytes)}) == nil {
		_ = m.try(limit{"", "memory", "memory.high", now})
	}
}

// setMemoryKnobs applies what is not a limit: swappiness, disableOOMKiller and
// useHierarchy.
func (m *Manager) setMemoryKnobs(mem *specs.LinuxMemory) error {
	// Docker of old sent -1 for "unset".
	if s := mem.Swappiness; s != nil && int64(*s) != -1 {
		switch {
		case *s > 100:
			return errdefs.Field("linux.resources.memory.swappiness", utoa(*s)+" is not between 0 and 100")
		case m.v2():
			return unsupported("memory.swappiness", "cgroup v2 has no swappiness of its own for a cgroup")
		}
		if err := m.apply(limit{"memory.swappiness", "memory", "memory.swappiness", utoa(*s)}); err != nil {
			return err
		}
	}
	if d := mem.DisableOOMKiller; d != nil && (*d || !m.creating && !m.v2()) {
		if m.v2() {
			return unsupported("memory.disableOOMKiller", "cgroup v2 cannot disable the OOM killer")
		}
		l := limit{"memory.disableOOMKiller", "memory", "memory.oom_control", "0"}
		if *d {
			l.value = "1"
		}
		if err := m.apply(l); err != nil {
			return err
		}
	}
	if mem.UseHierarchy == nil {
		return nil
	}
	return m.setUseHierarchy(*mem.UseHierarchy)
}

// setUseHierarchy sets whether the limits hold for cgroups below too. They
// always do on v2, and on v1 since Linux 5.11.
func (m *Manager) setUseHierarchy(on bool) error {
	l := limit{"memory.useHierarchy", "memory", "memory.use_hierarchy", "0"}
	if on {
		l.value = "1"
	}
	now := "1"
	if !m.v2() {
		var err error
		if now, err = m.read("memory", l.file); err == unix.ENOENT && m.hasHome("memory") {
			now = "1"
		} else if err != nil {
			return m.explain(l, err)
		}
	}
	if now == l.value {
		return nil
	}
	if m.v2() {
		return unsupported(l.field, "cgroup v2 always accounts hierarchically")
	}
	err := m.try(l)
	if err == nil {
		return nil
	}
	e := m.explain(l, err)
	if !on && err == unix.EINVAL {
		e.Err = errors.New("this kernel always accounts hierarchically")
		e.Hint = "leave the field out"
	}
	return e
}

// hasHome reports whether the container has a cgroup of the controller.
func (m *Manager) hasHome(controller string) bool {
	_, ok := m.home(controller)
	return ok
}
