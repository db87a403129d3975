package seccomp

import (
	"encoding/binary"
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// data is struct seccomp_data, as far as filters look at it.
type data struct {
	nr, arch uint32
	args     [6]uint64
}

// runner runs a program on golang.org/x/net/bpf's machine.
type runner struct{ vm *bpf.VM }

func newRunner(t testing.TB, p *Program) *runner {
	t.Helper()
	raw := make([]bpf.RawInstruction, len(p.Filter))
	for i, f := range p.Filter {
		raw[i] = bpf.RawInstruction{Op: f.Code, Jt: f.Jt, Jf: f.Jf, K: f.K}
	}
	instructions, decoded := bpf.Disassemble(raw)
	if !decoded {
		t.Fatal("the program has instructions that are none")
	}
	vm, err := bpf.NewVM(instructions)
	if err != nil {
		t.Fatal(err)
	}
	return &runner{vm}
}

// run returns what the filter returns for d on a machine of that byte order.
func (r *runner) run(t testing.TB, d *data, big bool) uint32 {
	t.Helper()
	// The machine loads packets, in network order; seccomp's loads are in
	// the order of the host. So each word is put there in network order.
	var packet [64]byte
	binary.BigEndian.PutUint32(packet[0:], d.nr)
	binary.BigEndian.PutUint32(packet[4:], d.arch)
	for i, arg := range d.args {
		first, second := uint32(arg), uint32(arg>>32)
		if big {
			first, second = second, first
		}
		binary.BigEndian.PutUint32(packet[16+8*i:], first)
		binary.BigEndian.PutUint32(packet[20+8*i:], second)
	}
	ret, err := r.vm.Run(packet[:])
	if err != nil {
		t.Fatal(err)
	}
	return uint32(ret)
}

// reference is the meaning of a profile, without a compiler.
type reference struct {
	s      *specs.LinuxSeccomp
	native *arch
	// byNumber holds the names that an architecture has for a number.
	byNumber map[*arch]map[uint32][]string
	largest  map[*arch]uint32
}

func newReference(s *specs.LinuxSeccomp, native *arch) *reference {
	r := &reference{s: s, native: native, byNumber: map[*arch]map[uint32][]string{}, largest: map[*arch]uint32{}}
	for i := range archs {
		a := &archs[i]
		names := map[uint32][]string{}
		for index := range syscallCount {
			if nr, there := a.number(index); there {
				names[nr] = append(names[nr], nameAt(index))
			}
		}
		r.byNumber[a] = names
		for _, call := range s.Syscalls {
			for _, name := range call.Names {
				index := syscallIndex(name)
				if index < 0 {
					continue
				}
				if nr, there := a.number(index); there && nr&0xfffff < 0xf0000 && nr >= r.largest[a] {
					r.largest[a] = nr + 1 // one more, so that 0 means none
				}
			}
		}
	}
	return r
}

func nameAt(index int) string { return syscallNames[nameOffsets[index]:nameOffsets[index+1]] }

func word(action specs.LinuxSeccompAction, errnoRet *uint) uint32 {
	errno := uint32(1)
	if errnoRet != nil {
		errno = uint32(*errnoRet)
	}
	return map[specs.LinuxSeccompAction]uint32{
		specs.ActAllow: 0x7fff0000, specs.ActErrno: 0x50000 + errno, specs.ActKill: 0, specs.ActKillThread: 0,
		specs.ActKillProcess: 0x80000000, specs.ActTrap: 0x30000, specs.ActTrace: 0x7ff00000 + errno,
		specs.ActLog: 0x7ffc0000, specs.ActNotify: 0x7fc00000,
	}[action]
}

// listed tells whether the filter knows the architecture.
func (r *reference) listed(a *arch) bool {
	return a == r.native || slices.Contains(r.s.Architectures, a.name)
}

// verdict returns what the profile says to a call.
func (r *reference) verdict(d *data) uint32 {
	fallback := word(r.s.DefaultAction, r.s.DefaultErrnoRet)
	a := r.archOf(d)
	if a == nil {
		return 0
	}
	if d.nr == 0xffffffff && a.name == specs.ArchX86_64 {
		return fallback
	}
	if r.newerThanProfile(a, d.nr) {
		return 0x50000 + 38
	}
	conditional, found := uint32(0), false
	for i := range r.s.Syscalls {
		call := &r.s.Syscalls[i]
		ret := word(call.Action, call.ErrnoRet)
		if ret == fallback {
			continue
		}
		for _, name := range call.Names {
			via, named := r.means(a, d.nr, name)
			if !named {
				continue
			}
			if len(call.Args) == 0 && via == 0 {
				return ret
			}
			if !found && matches(call.Args, d, a.wide, via) {
				conditional, found = ret, true
			}
		}
	}
	if found {
		return conditional
	}
	return fallback
}

// archOf returns the architecture of a call, or nil if the filter does not
// know it.
func (r *reference) archOf(d *data) *arch {
	for i := range archs {
		a := &archs[i]
		if a.audit != d.arch || !r.listed(a) {
			continue
		}
		if a.audit == 0xc000003e && (d.nr >= x32Bit) != (a.bit != 0) {
			x32Listed := r.listed(findArch(specs.ArchX32))
			if d.nr != 0xffffffff || x32Listed || a.bit != 0 {
				continue
			}
		}
		return a
	}
	return nil
}

func (r *reference) newerThanProfile(a *arch, nr uint32) bool {
	switch r.s.DefaultAction {
	case specs.ActAllow, specs.ActLog, specs.ActTrace:
		return false
	}
	largest := r.largest[a]
	switch {
	case largest == 0:
		return false
	case (a.name == specs.ArchS390 || a.name == specs.ArchS390X) && nr == 0:
		return true
	case a.name == specs.ArchARM && nr >= 0xf0000:
		return false
	}
	return nr >= largest
}

// means tells whether name can mean the call nr; via is what the first
// argument must be then, or 0.
func (r *reference) means(a *arch, nr uint32, name string) (via uint64, named bool) {
	names := r.byNumber[a][nr]
	switch {
	case slices.Contains(names, name):
		return 0, true
	case slices.Contains(names, "socketcall"):
		via = uint64(slices.Index([]string{"", "socket", "bind", "connect", "listen", "accept", "getsockname", "getpeername", "socketpair",
			"send", "recv", "sendto", "recvfrom", "shutdown", "setsockopt", "getsockopt", "sendmsg", "recvmsg", "accept4", "recvmmsg", "sendmmsg"}, name) + 1)
		return via - 1, via > 0 && name != ""
	case slices.Contains(names, "ipc"):
		via = map[string]uint64{"semop": 1, "semget": 2, "semctl": 3, "semtimedop": 4, "msgsnd": 11, "msgrcv": 12,
			"msgget": 13, "msgctl": 14, "shmat": 21, "shmdt": 22, "shmget": 23, "shmctl": 24}[name]
		return via, via > 0
	}
	return 0, false
}

func matches(args []specs.LinuxSeccompArg, d *data, wide bool, via uint64) bool {
	perArg := [6]int{}
	for _, a := range args {
		perArg[a.Index]++
	}
	any := slices.Max(perArg[:]) > 1
	width := ^uint64(0)
	if !wide {
		width = 0xffffffff
	}
	viaHolds := via == 0 || d.args[0]&width == via
	if !viaHolds {
		return false
	}
	if via != 0 && any && perArg[0] > 0 {
		return true // each condition is a rule, and one of them was replaced
	}
	for i := range args {
		if via != 0 && args[i].Index == 0 {
			continue
		}
		holds := compare(&args[i], d.args[args[i].Index]&width, width)
		if any && holds {
			return true
		}
		if !any && !holds {
			return false
		}
	}
	return !any
}

func compare(a *specs.LinuxSeccompArg, have, width uint64) bool {
	want := a.Value & width
	switch a.Op {
	case specs.OpEqualTo:
		return have == want
	case specs.OpNotEqual:
		return have != want
	case specs.OpLessThan:
		return have < want
	case specs.OpLessEqual:
		return have <= want
	case specs.OpGreaterThan:
		return have > want
	case specs.OpGreaterEqual:
		return have >= want
	case specs.OpMaskedEqual:
		return have&want == a.ValueTwo&want
	}
	panic(a.Op)
}

// errnoOf is for messages.
func errnoOf(ret uint32) string {
	if ret&unix.SECCOMP_RET_ACTION_FULL == 0x50000 {
		return unix.ErrnoName(unix.Errno(ret & 0xffff))
	}
	return ""
}
