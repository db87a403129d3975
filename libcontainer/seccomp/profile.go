package seccomp

import (
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// What a filter may return (linux/seccomp.h). The low 16 bits are data.
const (
	retKillProcess = 0x80000000
	retKillThread  = 0x00000000
	retTrap        = 0x00030000
	retErrno       = 0x00050000
	retNotify      = 0x7fc00000
	retTrace       = 0x7ff00000
	retLog         = 0x7ffc0000
	retAllow       = 0x7fff0000
)

// profile is linux.seccomp, looked up and with the defaults filled in.
type profile struct {
	fallback uint32 // what calls without a rule return
	// newer says that calls newer than the profile return ENOSYS.
	newer  bool
	notify bool
	rules  []rule
	// uses has an entry for each name in each object of "syscalls".
	uses []use
	// archs are the architectures that the filter must know, the native one
	// first.
	archs []*arch
}

// rule is a verdict for calls whose arguments fulfil all conditions.
type rule struct {
	ret   uint32
	conds []cond
}

// cond is a condition on one argument of 64 bits.
type cond struct {
	arg   byte
	op    op
	value uint64
	mask  uint64 // for opEqual
}

// op is how an argument is compared: as an unsigned number.
type op byte

const (
	opEqual op = iota // (argument & mask) == value
	opNotEqual
	opGreaterEqual
	opGreater
	opLess
	opLessEqual
)

// use is a system call with the rules of one object of "syscalls".
type use struct {
	index    int // see syscallIndex
	from, to int // of profile.rules; none if the object says what is the default anyway
}

// newProfile reads s for the native architecture.
//
// What it means where a system call is named more than once is what libseccomp
// makes of it, which runc and crun hand the objects of "syscalls" to, one after
// the other (db_col_rule_add there; seccomp_rule_add(3) says that the order
// does not matter):
//
//   - A rule whose action is the default action, data included, is left out.
//   - A rule without conditions beats all that have some. Of several the first
//     counts.
//   - Conditions in one "args" must all be fulfilled; but if two of them are
//     about the same argument, each is a rule of its own, so one that is
//     fulfilled suffices (runc's matchCall, crun's
//     libcrun_generate_seccomp).
//   - Of several rules with conditions that are fulfilled the first counts.
//     libseccomp's order is its own there, or it refuses the profile.
//   - A name that an architecture does not have is ignored for it, and so is
//     one that is unknown altogether: a profile lists what kernels may have.
func newProfile(s *specs.LinuxSeccomp, native *arch) (*profile, error) {
	p := &profile{uses: make([]use, 0, 512), rules: make([]rule, 0, len(s.Syscalls)+8)}
	var err error
	if p.fallback, err = verdict(s.DefaultAction, s.DefaultErrnoRet); err != nil {
		return nil, errdefs.AtField(err, "linux.seccomp.defaultAction")
	}
	if p.fallback&unix.SECCOMP_RET_ACTION_FULL == retNotify {
		return nil, errdefs.Field("linux.seccomp.defaultAction", notifyEverything)
	}
	// Emulators and tracers know by themselves what to do with a call that
	// they do not know.
	switch s.DefaultAction {
	case specs.ActAllow, specs.ActLog, specs.ActTrace:
	default:
		p.newer = true
	}
	if p.archs, err = selectArchs(s.Architectures, native); err != nil {
		return nil, err
	}
	for i := range s.Syscalls {
		if err := p.add(&s.Syscalls[i], i); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// The runtime needs a few system calls between the filter and the program. In
// runc that is write(2), so its users avoid that already.
const notifyEverything = "SCMP_ACT_NOTIFY cannot be used as the default action: the program could not be started"

// add adds an object of "syscalls".
func (p *profile) add(s *specs.LinuxSyscall, index int) error {
	ret, err := verdict(s.Action, s.ErrnoRet)
	if err != nil {
		return errdefs.AtField(err, jsonfield.Index("linux.seccomp.syscalls", index)+".action")
	}
	u := use{from: len(p.rules)}
	if ret != p.fallback {
		if ret == retNotify {
			p.notify = true
		}
		if err := p.addRules(s, ret, index); err != nil {
			return err
		}
	}
	u.to = len(p.rules)
	for _, name := range s.Names {
		if u.index = syscallIndex(name); u.index >= 0 {
			p.uses = append(p.uses, u)
		}
	}
	return nil
}

func (p *profile) addRules(s *specs.LinuxSyscall, ret uint32, index int) error {
	conds := make([]cond, len(s.Args))
	var seen, repeated byte
	for i := range s.Args {
		var err error
		if conds[i], err = condition(&s.Args[i]); err != nil {
			field := jsonfield.Index(jsonfield.Index("linux.seccomp.syscalls", index)+".args", i)
			return errdefs.AtField(err, field)
		}
		repeated |= seen & (1 << conds[i].arg)
		seen |= 1 << conds[i].arg
	}
	if repeated == 0 {
		p.rules = append(p.rules, rule{ret, conds})
		return nil
	}
	for i := range conds {
		p.rules = append(p.rules, rule{ret, conds[i : i+1]})
	}
	return nil
}

func condition(a *specs.LinuxSeccompArg) (cond, error) {
	if a.Index > 5 {
		return cond{}, errdefs.Field("", "index must be from 0 to 5, got "+strconv.FormatUint(uint64(a.Index), 10))
	}
	c := cond{arg: byte(a.Index), value: a.Value, mask: ^uint64(0)}
	switch a.Op {
	case specs.OpEqualTo:
	case specs.OpMaskedEqual:
		// libseccomp ignores the bits of valueTwo that are not in the mask.
		c.mask, c.value = a.Value, a.ValueTwo&a.Value
	case specs.OpNotEqual:
		c.op = opNotEqual
	case specs.OpGreaterEqual:
		c.op = opGreaterEqual
	case specs.OpGreaterThan:
		c.op = opGreater
	case specs.OpLessThan:
		c.op = opLess
	case specs.OpLessEqual:
		c.op = opLessEqual
	default:
		return cond{}, errdefs.Field("", "unknown op "+jsonfield.Quote(string(a.Op)))
	}
	return c, nil
}

// verdict returns what a filter returns for an action. EPERM is what the spec
// says where errnoRet is absent; the tracer of SCMP_ACT_TRACE gets it too.
func verdict(action specs.LinuxSeccompAction, errnoRet *uint) (uint32, error) {
	data := uint32(unix.EPERM)
	if errnoRet != nil {
		data = uint32(*errnoRet) & unix.SECCOMP_RET_DATA
	}
	switch action {
	case specs.ActAllow:
		return retAllow, nil
	case specs.ActErrno:
		return retErrno | data, nil
	case specs.ActKill, specs.ActKillThread:
		return retKillThread, nil
	case specs.ActKillProcess:
		return retKillProcess, nil
	case specs.ActTrap:
		return retTrap, nil
	case specs.ActTrace:
		return retTrace | data, nil
	case specs.ActLog:
		return retLog, nil
	case specs.ActNotify:
		return retNotify, nil
	}
	return 0, errdefs.Field("", "unknown action "+jsonfield.Quote(string(action)))
}

// selectArchs returns the architectures of the list that programs on this
// machine can have, and the native one, which libseccomp adds unasked, first.
func selectArchs(list []specs.Arch, native *arch) ([]*arch, error) {
	selected := append(make([]*arch, 0, 4), native)
	for i, name := range list {
		a := findArch(name)
		if a == nil {
			return nil, errdefs.Field(jsonfield.Index("linux.seccomp.architectures", i), "unknown architecture "+jsonfield.Quote(string(name)))
		}
		if a.family == native.family && !slices.Contains(selected, a) {
			selected = append(selected, a)
		}
	}
	return selected, nil
}
