package seccomp

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// manyRules returns a profile in which each system call has a rule of its own
// with that many conditions, so that nothing can be shared.
func manyRules(conditions int) *specs.LinuxSeccomp {
	s := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
	for i := range syscallCount {
		call := specs.LinuxSyscall{Names: []string{nameAt(i)}, Action: specs.ActAllow}
		for arg := range conditions {
			call.Args = append(call.Args, specs.LinuxSeccompArg{Index: uint(arg), Op: specs.OpEqualTo, Value: uint64(i)<<32 | uint64(arg)})
		}
		s.Syscalls = append(s.Syscalls, call)
	}
	return s
}

// TestLongJumps compiles what is longer than a conditional jump reaches many
// times over.
func TestLongJumps(t *testing.T) {
	for _, goarch := range []string{"amd64", "arm", "s390x"} {
		native := nativeArch(goarch)
		p, err := compile(manyRules(1), native)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Filter) < 1000 {
			t.Fatalf("%d instructions make no long jumps", len(p.Filter))
		}
		check(t, manyRules(1), native, 1, 1)
	}
}

func TestTooLarge(t *testing.T) {
	_, err := compile(manyRules(6), nativeArch("amd64"))
	const want = "linux.seccomp.syscalls: these rules need a filter of more than 4096 instructions, the most that Linux takes " +
		"(hint: fewer conditions on arguments make a smaller one)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	// More rules for one call than could ever be compiled.
	one := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
	for i := range 20000 {
		one.Syscalls = append(one.Syscalls, specs.LinuxSyscall{Names: []string{"read"}, Action: specs.ActAllow,
			Args: []specs.LinuxSeccompArg{{Op: specs.OpGreaterThan, Value: uint64(i)}}})
	}
	if _, err := compile(one, nativeArch("amd64")); err == nil || err.Error() != want {
		t.Errorf("one call: got %v\nwant %s", err, want)
	}
	// The same conditions over and over are in the program once.
	s := manyRules(6)
	all := specs.LinuxSyscall{Action: specs.ActAllow, Args: s.Syscalls[0].Args}
	for _, call := range s.Syscalls {
		all.Names = append(all.Names, call.Names...)
	}
	p, err := compile(&specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{all}}, nativeArch("amd64"))
	if err != nil || len(p.Filter) > 100 {
		t.Errorf("%d instructions, %v", len(p.Filter), err)
	}
}

// TestSize keeps the filters of engines small: the kernel follows them for
// each system call when they are loaded.
func TestSize(t *testing.T) {
	for name, s := range engineProfiles(t) {
		p, err := compile(s, nativeArch("amd64"))
		if err != nil || len(p.Filter) > 400 {
			t.Errorf("%s: %d instructions, %v", name, len(p.Filter), err)
		}
	}
}

// TestConstantAllow holds the way to a call that is always allowed to the
// instructions that the kernel follows in advance (seccomp_is_const_allow in
// kernel/seccomp.c).
func TestConstantAllow(t *testing.T) {
	for name, s := range engineProfiles(t) {
		p, err := compile(s, nativeArch("amd64"))
		if err != nil {
			t.Fatal(err)
		}
		// Linux and its 32-bit side, with the numbers of getpid.
		for _, call := range []data{{arch: 0xc000003e, nr: 39}, {arch: 0x40000003, nr: 20}} {
			if steps, allowed := follow(p.Filter, &call); !allowed || steps > 20 {
				t.Errorf("%s: getpid on %#x takes %d steps, constant %v", name, call.arch, steps, allowed)
			}
		}
	}
}

// follow does what the kernel does.
func follow(filter []unix.SockFilter, d *data) (steps int, allowed bool) {
	var a uint32
	for pc := 0; ; pc++ {
		steps++
		f := &filter[pc]
		holds := false
		switch f.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			switch f.K {
			case 0:
				a = d.nr
			case 4:
				a = d.arch
			default:
				return steps, false
			}
			continue
		case unix.BPF_RET | unix.BPF_K:
			return steps, f.K == retAllow
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(f.K)
			continue
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			holds = a == f.K
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			holds = a >= f.K
		default:
			return steps, false
		}
		if holds {
			pc += int(f.Jt)
		} else {
			pc += int(f.Jf)
		}
	}
}

// TestShared is the program for a list of values: two loads, and one
// comparison for each.
func TestShared(t *testing.T) {
	s := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
	for _, value := range []uint64{0, 8, 0x20000, 0x20008, 0xffffffff} {
		s.Syscalls = append(s.Syscalls, specs.LinuxSyscall{Names: []string{"personality"}, Action: specs.ActAllow,
			Args: []specs.LinuxSeccompArg{{Op: specs.OpEqualTo, Value: value}}})
	}
	p, err := compile(s, nativeArch("arm64"))
	if err != nil {
		t.Fatal(err)
	}
	loads := slices.DeleteFunc(slices.Clone(p.Filter), func(f unix.SockFilter) bool {
		return f.Code != unix.BPF_LD|unix.BPF_W|unix.BPF_ABS || f.K < offsetArgs
	})
	if len(loads) != 2 {
		t.Errorf("%d loads of arguments", len(loads))
	}
}

// TestNumbers compares the tables with the constants of the machine that the
// test runs on.
func TestNumbers(t *testing.T) {
	a := nativeArch(runtime.GOARCH)
	for name, want := range map[string]uint32{
		"execve": unix.SYS_EXECVE, "openat2": unix.SYS_OPENAT2, "seccomp": unix.SYS_SECCOMP, "read": unix.SYS_READ,
		"clone3": unix.SYS_CLONE3, "mseal": unix.SYS_MSEAL, "io_setup": unix.SYS_IO_SETUP,
	} {
		if nr, there := a.number(syscallIndex(name)); !there || nr != want {
			t.Errorf("%s is %d (%v), not %d", name, nr, there, want)
		}
	}
	for _, name := range []string{"", "a", "zzz", "rea", "readx", "READ"} {
		if index := syscallIndex(name); index >= 0 {
			t.Errorf("%q is taken for %s", name, nameAt(index))
		}
	}
	// Numbers that are not those of x/sys.
	for _, tt := range []struct {
		arch specs.Arch
		name string
		want uint32
	}{
		{specs.ArchX32, "ioctl", x32Bit | 514}, {specs.ArchX32, "read", x32Bit}, {specs.ArchX32, "mseal", x32Bit | 462},
		{specs.ArchARM, "set_tls", 0xf0005}, {specs.ArchMIPS64N32, "fcntl64", 6212}, {specs.ArchS390, "chown32", 212},
		{specs.ArchPARISC, "socket", 17}, {specs.ArchM68K, "getpagesize", 166}, {specs.ArchSH, "cacheflush", 123},
	} {
		if nr, there := findArch(tt.arch).number(syscallIndex(tt.name)); !there || nr != tt.want {
			t.Errorf("%s: %s is %d (%v), not %d", tt.arch, tt.name, nr, there, tt.want)
		}
	}
}

// TestErrors is about profiles that bundle.Validate would refuse.
func TestErrors(t *testing.T) {
	rule := func(call specs.LinuxSyscall) *specs.LinuxSeccomp {
		call.Names = []string{"read"}
		return &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"write"}, Action: specs.ActLog}, call}}
	}
	for want, s := range map[string]*specs.LinuxSeccomp{
		`linux.seccomp.defaultAction: unknown action "X"`:                      {DefaultAction: "X"},
		`linux.seccomp.defaultAction: ` + notifyEverything:                     {DefaultAction: specs.ActNotify},
		`linux.seccomp.architectures[1]: unknown architecture "SCMP_ARCH_Z80"`: {DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.ArchARM, "SCMP_ARCH_Z80"}},
		`linux.seccomp.flags[0]: unknown flag "SECCOMP_FILTER_FLAG_X"`:         {DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_X"}},
		`linux.seccomp.syscalls[1].action: unknown action ""`:                  rule(specs.LinuxSyscall{}),
		`linux.seccomp.syscalls[1].args[0]: unknown op "SCMP_CMP_X"`:           rule(specs.LinuxSyscall{Action: specs.ActKill, Args: []specs.LinuxSeccompArg{{Op: "SCMP_CMP_X"}}}),
		`linux.seccomp.syscalls[1].args[0]: index must be from 0 to 5, got 6`:  rule(specs.LinuxSyscall{Action: specs.ActKill, Args: []specs.LinuxSeccompArg{{Index: 6, Op: specs.OpEqualTo}}}),
	} {
		if _, err := Compile(s); err == nil || strings.TrimSpace(err.Error()) != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	for _, s := range []*specs.LinuxSeccomp{nil, {}} {
		if p, err := Compile(s); p != nil || err != nil {
			t.Errorf("%+v: %v, %v", s, p, err)
		}
	}
}
