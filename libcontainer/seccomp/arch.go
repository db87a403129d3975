package seccomp

import specs "github.com/opencontainers/runtime-spec/specs-go"

// arch is an architecture as a filter sees it.
type arch struct {
	name specs.Arch
	// goarch is the GOARCH whose programs are of this architecture; "" where
	// Go has none.
	goarch string
	// family is the same for all architectures whose programs one kernel can
	// run. A filter need not care about the others.
	family family
	// audit is seccomp_data.arch (AUDIT_ARCH_* in linux/audit.h).
	audit uint32
	// bit is set in the numbers of all system calls (x32 only).
	bit uint32
	// numbers is indexed by syscallIndex. See (*arch).number.
	numbers *[syscallCount]uint16
	// wide is true where arguments are compared in all their 64 bits. x32 and
	// n32 have registers of 64 bits, and libseccomp compares the low half
	// alone.
	wide bool
	// big is true for big-endian machines.
	big bool
}

// family is a group of architectures that one kernel can run.
type family byte

const (
	x86Family family = iota
	armFamily
	mipsFamily
	mipselFamily
	ppcFamily
	ppcleFamily
	s390Family
	pariscFamily
	riscvFamily
	loongFamily
	m68kFamily
	shFamily
	shebFamily
)

// archs are all architectures that the runtime spec names.
var archs = [...]arch{
	{specs.ArchX86_64, "amd64", x86Family, 0xc000003e, 0, &numbersX8664, true, false},
	{specs.ArchX86, "386", x86Family, 0x40000003, 0, &numbersX86, false, false},
	{specs.ArchX32, "", x86Family, 0xc000003e, x32Bit, &numbersX32, false, false},
	{specs.ArchAARCH64, "arm64", armFamily, 0xc00000b7, 0, &numbersAArch64, true, false},
	{specs.ArchARM, "arm", armFamily, 0x40000028, 0, &numbersARM, false, false},
	{specs.ArchMIPS, "mips", mipsFamily, 0x00000008, 0, &numbersMIPS, false, true},
	{specs.ArchMIPS64, "mips64", mipsFamily, 0x80000008, 0, &numbersMIPS64, true, true},
	{specs.ArchMIPS64N32, "", mipsFamily, 0xa0000008, 0, &numbersMIPS64N32, false, true},
	{specs.ArchMIPSEL, "mipsle", mipselFamily, 0x40000008, 0, &numbersMIPS, false, false},
	{specs.ArchMIPSEL64, "mips64le", mipselFamily, 0xc0000008, 0, &numbersMIPS64, true, false},
	{specs.ArchMIPSEL64N32, "", mipselFamily, 0xe0000008, 0, &numbersMIPS64N32, false, false},
	{specs.ArchPPC, "ppc", ppcFamily, 0x00000014, 0, &numbersPPC, false, true},
	{specs.ArchPPC64, "ppc64", ppcFamily, 0x80000015, 0, &numbersPPC64, true, true},
	{specs.ArchPPC64LE, "ppc64le", ppcleFamily, 0xc0000015, 0, &numbersPPC64, true, false},
	{specs.ArchS390, "", s390Family, 0x00000016, 0, &numbersS390, false, true},
	{specs.ArchS390X, "s390x", s390Family, 0x80000016, 0, &numbersS390X, true, true},
	{specs.ArchPARISC, "", pariscFamily, 0x0000000f, 0, &numbersPARISC, false, true},
	{specs.ArchPARISC64, "", pariscFamily, 0x8000000f, 0, &numbersPARISC64, true, true},
	{specs.ArchRISCV64, "riscv64", riscvFamily, 0xc00000f3, 0, &numbersRISCV64, true, false},
	{specs.ArchLOONGARCH64, "loong64", loongFamily, 0xc0000102, 0, &numbersLoongArch64, true, false},
	{specs.ArchM68K, "", m68kFamily, 0x00000004, 0, &numbersM68K, false, true},
	{specs.ArchSH, "", shFamily, 0x4000002a, 0, &numbersSH, false, false},
	{specs.ArchSHEB, "", shebFamily, 0x0000002a, 0, &numbersSH, false, true},
}

// x32Bit is __X32_SYSCALL_BIT of asm/unistd.h: x32 has the audit number of
// x86-64, and this bit in the number of each system call.
const x32Bit = 0x40000000

// findArch returns the architecture of that name, or nil.
func findArch(name specs.Arch) *arch {
	for i := range archs {
		if archs[i].name == name {
			return &archs[i]
		}
	}
	return nil
}

// nativeArch returns the architecture of programs with the given GOARCH, or
// nil.
func nativeArch(goarch string) *arch {
	for i := range archs {
		if archs[i].goarch == goarch {
			return &archs[i]
		}
	}
	return nil
}
