package seccomp

import "golang.org/x/sys/unix"

// A filter is a program for the classic BPF machine: an accumulator, loads
// from struct seccomp_data, comparisons that jump forward by up to 255
// instructions, and returns. The one made here is
//
//	load the architecture; for each known one: load the number, and go
//	through a balanced tree of comparisons to the interval of numbers that it
//	is in; that ends in a return, or in the comparison of arguments.
//
// Up to the arguments it has no instructions but those that the kernel can
// follow when a filter is loaded (seccomp_is_const_allow, Linux 5.11): for
// calls that are always allowed it then does not run the filter at all.
//
// The program is put together from its end, so that the places that a jump
// goes to are known.

// Offsets in struct seccomp_data (linux/seccomp.h). The arguments have 64 bits
// each.
const (
	offsetNr   = 0
	offsetArch = 4
	offsetArgs = 16
)

// label is a place in the program: the number of instructions from there to
// the end. 0 is none.
type label int

// assembler holds the instructions from the last to the first.
type assembler struct{ code []unix.SockFilter }

func (a *assembler) emit(code uint16, k uint32) label {
	a.code = append(a.code, unix.SockFilter{Code: code, K: k})
	return label(len(a.code))
}

// distance is the number of instructions that a jump before all others skips
// to get to l.
func (a *assembler) distance(l label) int { return len(a.code) - int(l) }

// near returns a place within the reach of a conditional jump that does what
// l does: l itself, a copy of the return there, or a jump to it.
func (a *assembler) near(l label) label {
	// The other target of the same jump may need an instruction too.
	if a.distance(l) < 255 {
		return l
	}
	at := a.code[l-1]
	if at.Code == unix.BPF_RET|unix.BPF_K {
		return a.emit(at.Code, at.K)
	}
	return a.emit(unix.BPF_JMP|unix.BPF_JA, uint32(a.distance(l)))
}

// jump compares the accumulator with k and goes to one of two places.
func (a *assembler) jump(condition uint16, k uint32, yes, no label) label {
	yes, no = a.near(yes), a.near(no)
	a.code = append(a.code, unix.SockFilter{
		Code: unix.BPF_JMP | unix.BPF_K | condition,
		Jt:   uint8(a.distance(yes)),
		Jf:   uint8(a.distance(no)),
		K:    k,
	})
	return label(len(a.code))
}

// place returns where the leaf is in the program, and puts it there if it is
// not, or if it is a return too far away.
func (c *compiler) place(i int) label {
	l := c.leaves[i] // a copy: decision adds leaves
	switch {
	case l.arch == nil && (l.label == 0 || c.asm.distance(l.label) > 200):
		l.label = c.asm.emit(unix.BPF_RET|unix.BPF_K, l.ret)
	case l.label == 0 && (len(l.rules) > unix.BPF_MAXINSNS || c.tooLarge()):
		// It is too large already, and rules are compared with each other.
		c.manyRules = true
		return c.place(c.constant(c.fallback))
	case l.label == 0:
		l.label = c.decision(&l)
	}
	c.leaves[i].label = l.label
	return l.label
}

// tree emits the search for the interval that a number is in.
func (c *compiler) tree(list []interval) label {
	switch {
	case len(list) == 1:
		return c.place(list[0].leaf)
	case len(list) == 3 && list[0].leaf == list[2].leaf && list[2].start == list[1].start+1:
		yes, no := c.place(list[1].leaf), c.place(list[0].leaf)
		return c.asm.jump(unix.BPF_JEQ, list[1].start, yes, no)
	}
	mid := len(list) / 2
	above := c.tree(list[mid:])
	below := c.tree(list[:mid])
	return c.asm.jump(unix.BPF_JGE, list[mid].start, above, below)
}
