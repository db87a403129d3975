package cgroup

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// setDevicesV2 attaches a program to the container's cgroup that the kernel
// asks whenever a device is opened or made (BPF_PROG_TYPE_CGROUP_DEVICE). It
// takes the place of an earlier one at a stroke.
func (m *Manager) setDevicesV2(l deviceRules) error {
	dir := m.unified()
	if dir == "" {
		return nil // rootless, without a cgroup
	}
	untouched := m.untouched(dir)
	if untouched && l.allowed && len(l.rules) == 0 {
		return nil // nothing to forbid
	}
	fail := func(doing string, err error) error {
		// Without the permission to load a program, a rootless container
		// is left with what its user may open.
		if isPermission(err) && (m.rec.Rootless || l.allowed && len(l.rules) == 0) {
			return nil
		}
		return &errdefs.Error{Doing: doing + " for the cgroup " + dir, Field: fieldDevices, Err: err}
	}
	dirfd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fail("open the folder", err)
	}
	defer unix.Close(dirfd)
	prog, err := loadDeviceProgram(compileProgram(l))
	if err != nil {
		return fail("load the device filter (BPF_PROG_LOAD)", err)
	}
	defer unix.Close(prog)
	var old []int
	if !untouched {
		if old, err = attachedPrograms(dirfd); err != nil {
			return fail("look for an earlier device filter (BPF_PROG_QUERY)", err)
		}
		defer closeAll(old)
	}
	if len(old) == 1 {
		err = attachProgram(dirfd, prog, old[0])
		return doneOr(fail, "replace the device filter (BPF_PROG_ATTACH)", err)
	}
	if err := attachProgram(dirfd, prog, -1); err != nil {
		return fail("attach the device filter (BPF_PROG_ATTACH)", err)
	}
	// Until these are gone, what they forbid stays forbidden.
	for _, fd := range old {
		if err := detachProgram(dirfd, fd); err != nil {
			return fail("detach an earlier device filter (BPF_PROG_DETACH)", err)
		}
	}
	return nil
}

func doneOr(fail func(string, error) error, doing string, err error) error {
	if err == nil {
		return nil
	}
	return fail(doing, err)
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// insn is struct bpf_insn of linux/bpf.h.
type insn struct {
	code byte
	regs byte
	off  int16
	imm  int32
}

// The opcodes in use, from linux/bpf_common.h and linux/bpf.h.
const (
	opLoadWord  = unix.BPF_LDX | unix.BPF_MEM | unix.BPF_W
	opAndImm    = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	opShiftImm  = unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K
	opMovImm    = unix.BPF_ALU | unix.BPF_MOV | unix.BPF_K
	opMovReg    = unix.BPF_ALU | unix.BPF_MOV | unix.BPF_X
	opJumpNeImm = unix.BPF_JMP32 | unix.BPF_JNE | unix.BPF_K
	opJumpBits  = unix.BPF_JMP32 | unix.BPF_JSET | unix.BPF_K
	opJump      = unix.BPF_JMP | unix.BPF_JA
	opExit      = unix.BPF_JMP | unix.BPF_EXIT
)

// regs packs the destination and source registers. They are bit fields, which
// lie the other way round on a big-endian machine.
func regs(dst, src byte) byte {
	one := uint16(1)
	if *(*byte)(unsafe.Pointer(&one)) == 1 {
		return src<<4 | dst
	}
	return dst<<4 | src
}

// compileProgram compiles rules to a program. Its context is struct
// bpf_cgroup_dev_ctx: the type of device and of access, major and minor.
//
// It asks the last rule first. What of the access a rule allows is crossed off,
// and when nothing is left the answer is yes; a rule that denies any of what is
// left makes it no.
func compileProgram(l deviceRules) []insn {
	p := make([]insn, 0, 8+8*len(l.rules))
	p = append(p,
		insn{opLoadWord, regs(2, 1), 0, 0}, // r2 = access<<16 | type
		insn{opMovReg, regs(3, 2), 0, 0},
		insn{opAndImm, regs(2, 0), 0, 0xffff}, // r2 = type
		insn{opShiftImm, regs(3, 0), 0, 16},   // r3 = access
		insn{opLoadWord, regs(4, 1), 4, 0},    // r4 = major
		insn{opLoadWord, regs(5, 1), 8, 0},    // r5 = minor
	)
	for i := len(l.rules) - 1; i >= 0; i-- {
		p = append(p, compileRule(l.rules[i])...)
	}
	return append(p, verdict(l.allowed)...)
}

// verdict returns the end of a program.
func verdict(allow bool) []insn {
	v := int32(0)
	if allow {
		v = 1
	}
	return []insn{{opMovImm, regs(0, 0), 0, v}, {opExit, 0, 0, 0}}
}

// compileRule returns the test for a rule and what follows from it.
func compileRule(r deviceRule) []insn {
	kind := int32(unix.BPF_DEVCG_DEV_CHAR)
	if r.kind == 'b' {
		kind = unix.BPF_DEVCG_DEV_BLOCK
	}
	b := []insn{{opJumpNeImm, regs(2, 0), 0, kind}}
	if r.major != anyNumber {
		b = append(b, insn{opJumpNeImm, regs(4, 0), 0, int32(uint32(r.major))})
	}
	if r.minor != anyNumber {
		b = append(b, insn{opJumpNeImm, regs(5, 0), 0, int32(uint32(r.minor))})
	}
	switch {
	case r.access == accessAll:
	case r.allow:
		b = append(b,
			insn{opAndImm, regs(3, 0), 0, int32(accessAll &^ r.access)},
			insn{opJumpNeImm, regs(3, 0), 0, 0})
	default:
		b = append(b,
			insn{opJumpBits, regs(3, 0), 1, int32(r.access)},
			insn{opJump, 0, 0, 0})
	}
	b = append(b, verdict(r.allow)...)
	// These jumps lead to the next rule.
	for i := range b {
		switch b[i].code {
		case opJumpNeImm, opJump:
			b[i].off = int16(len(b) - i - 1)
		}
	}
	return b
}

// bpf calls bpf(2). attr is a subset of union bpf_attr, whose rest the kernel
// takes for zero.
func bpf(cmd uintptr, attr unsafe.Pointer, size uintptr) (int, error) {
	for tries := 0; ; tries++ {
		r, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(attr), size)
		switch {
		case errno == 0:
			return int(r), nil
		case errno == unix.EINTR:
		case errno == unix.EAGAIN && cmd == unix.BPF_PROG_LOAD && tries < 30:
			// A signal interrupted the verifier.
		default:
			return -1, errno
		}
	}
}

// loadDeviceProgram gives a program to the kernel. A kernel before 5.11 counts
// it as locked memory, so that limit is raised where it is in the way.
func loadDeviceProgram(p []insn) (int, error) {
	license := [...]byte{'A', 'p', 'a', 'c', 'h', 'e', 0}
	attr := struct {
		kind, count       uint32
		insns, license    uint64
		logLevel, logSize uint32
		logBuf            uint64
	}{
		kind:  unix.BPF_PROG_TYPE_CGROUP_DEVICE,
		count: uint32(len(p)),
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&p[0])
	pin.Pin(&license[0])
	attr.insns, attr.license = address(unsafe.Pointer(&p[0])), address(unsafe.Pointer(&license[0]))
	fd, err := bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	var before unix.Rlimit
	if err == unix.EPERM && unix.Getrlimit(unix.RLIMIT_MEMLOCK, &before) == nil {
		infinity := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
		if unix.Setrlimit(unix.RLIMIT_MEMLOCK, &infinity) == nil {
			fd, err = bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
			// Or the container would inherit it.
			_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &before)
		}
	}
	return fd, err
}

// address returns a pointer as union bpf_attr holds it. What it points to has
// to be pinned.
func address(p unsafe.Pointer) uint64 { return uint64(uintptr(p)) }

// attachProgram attaches a program to the cgroup dirfd, in the place of another
// one if that is not -1. Programs of the cgroups above go on being asked too.
func attachProgram(dirfd, prog, replaced int) error {
	attr := struct {
		target, prog, kind, flags, replaced uint32
	}{uint32(dirfd), uint32(prog), unix.BPF_CGROUP_DEVICE, unix.BPF_F_ALLOW_MULTI, 0}
	if replaced >= 0 {
		attr.flags |= unix.BPF_F_REPLACE // Linux 5.6
		attr.replaced = uint32(replaced)
	}
	_, err := bpf(unix.BPF_PROG_ATTACH, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	return err
}

// detachProgram detaches a program from the cgroup dirfd.
func detachProgram(dirfd, prog int) error {
	attr := struct{ target, prog, kind uint32 }{uint32(dirfd), uint32(prog), unix.BPF_CGROUP_DEVICE}
	_, err := bpf(unix.BPF_PROG_DETACH, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	return err
}

// maxPrograms is how many programs a cgroup can have (BPF_CGROUP_MAX_PROGS).
const maxPrograms = 64

// attachedPrograms returns descriptors of the device programs that are attached
// to the cgroup dirfd itself. One that a security module keeps from this
// process is left out: it can only forbid more.
func attachedPrograms(dirfd int) ([]int, error) {
	ids := make([]uint32, maxPrograms)
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&ids[0])
	// The fields after count are there since Linux 6.17 writes the last one
	// without looking at the size that it is given.
	attr := struct {
		target, kind, query, flags uint32
		ids                        uint64
		count, _                   uint32
		_, _, _                    uint64
		_                          uint64
	}{target: uint32(dirfd), kind: unix.BPF_CGROUP_DEVICE, ids: address(unsafe.Pointer(&ids[0])), count: maxPrograms}
	if _, err := bpf(unix.BPF_PROG_QUERY, unsafe.Pointer(&attr), unsafe.Sizeof(attr)); err != nil {
		return nil, err
	}
	var fds []int
	for _, id := range ids[:min(attr.count, maxPrograms)] {
		by := struct{ id uint32 }{id}
		fd, err := bpf(unix.BPF_PROG_GET_FD_BY_ID, unsafe.Pointer(&by), unsafe.Sizeof(by))
		switch {
		case err == nil:
			fds = append(fds, fd)
		case err == unix.ENOENT || isPermission(err):
		default:
			closeAll(fds)
			return nil, err
		}
	}
	return fds, nil
}
