package specgen

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"
)

func seccompFeatures(supported func(specs.LinuxSeccompFlag) bool) *features.Seccomp {
	profile := func(change func(*specs.LinuxSeccomp)) bool {
		return *accepts(func(s *specs.Spec) {
			// Whatever it is asked about, with a listener it is complete.
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, ListenerPath: "/socket",
				Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir"}, Action: specs.ActNotify}}}
			change(s.Linux.Seccomp)
		})
	}
	enabled := profile(func(*specs.LinuxSeccomp) {})
	f := &features.Seccomp{Enabled: &enabled}
	for _, action := range [...]specs.LinuxSeccompAction{
		specs.ActAllow, specs.ActErrno, specs.ActKill, specs.ActKillProcess, specs.ActKillThread, specs.ActLog,
		specs.ActNotify, specs.ActTrace, specs.ActTrap,
	} {
		if profile(func(s *specs.LinuxSeccomp) { s.Syscalls[0].Action = action }) {
			f.Actions = append(f.Actions, string(action))
		}
	}
	for _, op := range [...]specs.LinuxSeccompOperator{
		specs.OpEqualTo, specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpLessEqual, specs.OpLessThan,
		specs.OpMaskedEqual, specs.OpNotEqual,
	} {
		if profile(func(s *specs.LinuxSeccomp) { s.Syscalls[0].Args = []specs.LinuxSeccompArg{{Op: op}} }) {
			f.Operators = append(f.Operators, string(op))
		}
	}
	for _, arch := range [...]specs.Arch{
		specs.ArchAARCH64, specs.ArchARM, specs.ArchLOONGARCH64, specs.ArchM68K, specs.ArchMIPS, specs.ArchMIPS64,
		specs.ArchMIPS64N32, specs.ArchMIPSEL, specs.ArchMIPSEL64, specs.ArchMIPSEL64N32, specs.ArchPARISC,
		specs.ArchPARISC64, specs.ArchPPC, specs.ArchPPC64, specs.ArchPPC64LE, specs.ArchRISCV64, specs.ArchS390,
		specs.ArchS390X, specs.ArchSH, specs.ArchSHEB, specs.ArchX32, specs.ArchX86, specs.ArchX86_64,
	} {
		if profile(func(s *specs.LinuxSeccomp) { s.Architectures = []specs.Arch{arch} }) {
			f.Archs = append(f.Archs, string(arch))
		}
	}
	for _, flag := range [...]specs.LinuxSeccompFlag{
		"SECCOMP_FILTER_FLAG_TSYNC", // known to runc, and not to the spec
		specs.LinuxSeccompFlagSpecAllow, specs.LinuxSeccompFlagLog, specs.LinuxSeccompFlagWaitKillableRecv,
	} {
		if !profile(func(s *specs.LinuxSeccomp) { s.Flags = []specs.LinuxSeccompFlag{flag} }) {
			continue
		}
		f.KnownFlags = append(f.KnownFlags, string(flag))
		if supported(flag) {
			f.SupportedFlags = append(f.SupportedFlags, string(flag))
		}
	}
	return f
}
