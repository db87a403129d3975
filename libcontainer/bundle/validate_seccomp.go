package bundle

import (
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// WantsFilter tells whether s asks for anything. A section with neither a
// default action nor rules does not, as with runc.
func WantsFilter(s *specs.LinuxSeccomp) bool {
	return s != nil && (s.DefaultAction != "" || len(s.Syscalls) > 0)
}

// seccomp checks linux.seccomp. Names of system calls are not checked: "if a
// name is unknown it is ignored" is what lets one profile serve all kernels.
func (v *validator) seccomp() error {
	s := v.linux.Seccomp
	if !WantsFilter(s) {
		return nil
	}
	if err := seccompAction("linux.seccomp.defaultAction", s.DefaultAction, "linux.seccomp.defaultErrnoRet", s.DefaultErrnoRet); err != nil {
		return err
	}
	if s.DefaultAction == specs.ActNotify {
		return bad("linux.seccomp.defaultAction", "SCMP_ACT_NOTIFY cannot be used as the default action: the program could not be started")
	}
	for i, arch := range s.Architectures {
		if !isSeccompArch(arch) {
			return bad(jsonfield.Index("linux.seccomp.architectures", i), "unknown architecture "+jsonfield.Quote(string(arch)))
		}
	}
	notify := false
	for i := range s.Syscalls {
		if err := seccompRule(jsonfield.Index("linux.seccomp.syscalls", i), &s.Syscalls[i]); err != nil {
			return err
		}
		notify = notify || s.Syscalls[i].Action == specs.ActNotify
	}
	return seccompListener(s, notify)
}

// seccompListener checks what only makes sense with SCMP_ACT_NOTIFY, and what
// that needs.
func seccompListener(s *specs.LinuxSeccomp, notify bool) error {
	for i, flag := range s.Flags {
		field := jsonfield.Index("linux.seccomp.flags", i)
		switch flag {
		case specs.LinuxSeccompFlagLog, specs.LinuxSeccompFlagSpecAllow, "SECCOMP_FILTER_FLAG_TSYNC":
		case specs.LinuxSeccompFlagWaitKillableRecv:
			if !notify {
				return bad(field, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs a rule with SCMP_ACT_NOTIFY")
			}
		default:
			return bad(field, "unknown flag "+jsonfield.Quote(string(flag)))
		}
	}
	switch {
	case notify && s.ListenerPath == "":
		return bad("linux.seccomp.listenerPath", "is missing; SCMP_ACT_NOTIFY needs it")
	case s.ListenerMetadata != "" && s.ListenerPath == "":
		return bad("linux.seccomp.listenerMetadata", "needs linux.seccomp.listenerPath")
	}
	return noNUL("linux.seccomp.listenerPath", s.ListenerPath)
}

func seccompRule(field string, rule *specs.LinuxSyscall) error {
	if len(rule.Names) == 0 {
		return bad(field+".names", "is missing")
	}
	if err := seccompAction(field+".action", rule.Action, field+".errnoRet", rule.ErrnoRet); err != nil {
		return err
	}
	for i, name := range rule.Names {
		switch {
		case name == "":
			return bad(jsonfield.Index(field+".names", i), "must not be empty")
		case name == "write" && rule.Action == specs.ActNotify:
			// With it the init tells which descriptor is the listener; so
			// does runc's, whose users know this.
			return bad(jsonfield.Index(field+".names", i), "SCMP_ACT_NOTIFY cannot be used for the write syscall")
		}
	}
	for i := range rule.Args {
		arg, field := &rule.Args[i], jsonfield.Index(field+".args", i)
		if arg.Index > 5 {
			return bad(field+".index", "must be from 0 to 5, got "+strconv.FormatUint(uint64(arg.Index), 10))
		}
		switch arg.Op {
		case specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpEqualTo, specs.OpGreaterEqual,
			specs.OpGreaterThan, specs.OpMaskedEqual:
		case "":
			return bad(field+".op", "is missing")
		default:
			return bad(field+".op", "unknown operator "+jsonfield.Quote(string(arg.Op)))
		}
	}
	return nil
}

// maxErrno is MAX_ERRNO of linux/err.h, to which the kernel lowers the errno of
// a filter; maxTrace is SECCOMP_RET_DATA.
const (
	maxErrno = 4095
	maxTrace = 0xffff
)

// seccompAction checks an action and its errno. "When the action doesn't
// support an errno, the runtime MUST print and error and fail" (config-linux.md,
// "Seccomp").
func seccompAction(field string, action specs.LinuxSeccompAction, errnoField string, errno *uint) error {
	limit := uint(0)
	switch action {
	case specs.ActErrno:
		limit = maxErrno
	case specs.ActTrace:
		limit = maxTrace
	case specs.ActAllow, specs.ActKill, specs.ActKillThread, specs.ActKillProcess, specs.ActTrap, specs.ActLog, specs.ActNotify:
	case "":
		return bad(field, "is missing")
	default:
		return bad(field, "unknown action "+jsonfield.Quote(string(action)))
	}
	switch {
	case errno == nil || *errno <= limit && limit > 0:
		return nil
	case limit == 0:
		return bad(errnoField, "is not for "+string(action))
	}
	return bad(errnoField, "must be at most "+strconv.FormatUint(uint64(limit), 10)+" with "+string(action)+
		", got "+strconv.FormatUint(uint64(*errno), 10))
}

func isSeccompArch(arch specs.Arch) bool {
	switch arch {
	case specs.ArchX86, specs.ArchX86_64, specs.ArchX32, specs.ArchARM, specs.ArchAARCH64,
		specs.ArchMIPS, specs.ArchMIPS64, specs.ArchMIPS64N32, specs.ArchMIPSEL, specs.ArchMIPSEL64, specs.ArchMIPSEL64N32,
		specs.ArchPPC, specs.ArchPPC64, specs.ArchPPC64LE, specs.ArchS390, specs.ArchS390X, specs.ArchPARISC, specs.ArchPARISC64,
		specs.ArchRISCV64, specs.ArchLOONGARCH64, specs.ArchM68K, specs.ArchSH, specs.ArchSHEB:
		return true
	}
	return false
}
