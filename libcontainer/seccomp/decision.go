package seccomp

import "golang.org/x/sys/unix"

// test is a part of a condition. An equality of 64 bits is two tests of 32;
// so rules that differ in the lower half only share the test of the upper
// one.
type test struct {
	arg   byte
	op    op
	high  bool   // of opEqual: which half
	mask  uint32 // of opEqual
	value uint64
}

// decision emits the rules of a leaf, one after the other. A test that fails
// goes on with the next rule that can still match, and there with the first
// test that is not known to hold: what the path to it has shown is not tested
// again. So a list such as "personality is 0, or 8, or 0x20000" costs two loads
// and one comparison for each value.
func (c *compiler) decision(l *leaf) label {
	d := &decider{compiler: c, arch: l.arch, wide: l.arch.wide, otherwise: c.place(c.constant(c.fallback))}
	d.blocks = make([]block, len(l.rules))
	for i, ref := range l.rules {
		d.blocks[i].tests = d.tests(ref)
		d.blocks[i].steps = make([]step, len(d.blocks[i].tests))
	}
	d.plan()
	for i := len(d.blocks) - 1; i >= 0; i-- {
		d.blocks[i].match = c.place(c.constant(c.rules[l.rules[i].rule].ret))
		d.block(i)
	}
	return d.label(target{})
}

// decider emits one leaf.
type decider struct {
	*compiler
	arch      *arch
	wide      bool
	blocks    []block
	otherwise label
}

// block is a rule in the program.
type block struct {
	tests []test
	steps []step
	match label
}

// step is what is known of a test's place in the program.
type step struct {
	// entered is true if the test is ever come to, continued if that is
	// with its word in the accumulator.
	entered, continued bool
	begin, loaded      label
	no                 target
}

// target is where a test goes: to another one, or, where there are no more
// rules or no more tests, to a verdict.
type target struct {
	rule, test int
	loaded     bool
}

// plan finds out which tests are ever come to. All ways lead forward.
func (d *decider) plan() {
	d.enter(target{})
	for i := range d.blocks {
		b := &d.blocks[i]
		for t := range b.steps {
			if s := &b.steps[t]; s.entered || s.continued {
				s.no = d.afterFailure(i, t)
				d.enter(s.no)
				d.enter(target{rule: i, test: t + 1})
			}
		}
	}
}

func (d *decider) enter(t target) {
	if t.rule == len(d.blocks) || t.test == len(d.blocks[t.rule].steps) {
		return
	}
	if s := &d.blocks[t.rule].steps[t.test]; t.loaded {
		s.continued = true
	} else {
		s.entered = true
	}
}

// label is where t is in the program.
func (d *decider) label(t target) label {
	if t.rule == len(d.blocks) {
		return d.otherwise
	}
	b := &d.blocks[t.rule]
	switch {
	case t.test == len(b.steps):
		return b.match
	case t.loaded:
		return b.steps[t.test].loaded
	}
	return b.steps[t.test].begin
}

// block emits rule i; those after it are there.
func (d *decider) block(i int) {
	b := &d.blocks[i]
	for t := len(b.steps) - 1; t >= 0; t-- {
		s := &b.steps[t]
		if s.entered || s.continued {
			d.emitTest(&b.tests[t], s, d.label(target{rule: i, test: t + 1}), d.label(s.no))
		}
	}
}

// tests returns what a rule tests.
func (d *decider) tests(ref ruleRef) []test {
	conds := d.rules[ref.rule].conds
	list := make([]test, 0, 2*len(conds)+1)
	if ref.via != 0 {
		// As libseccomp has it, this takes the place of a condition on the
		// first argument; the others look at the arguments of the
		// multiplexer, which are not those that are meant. Nothing better
		// can be done: those are in memory.
		list = d.equal(list, 0, ^uint64(0), uint64(ref.via))
	}
	for i := range conds {
		switch k := &conds[i]; {
		case ref.via != 0 && k.arg == 0:
		case k.op == opEqual:
			list = d.equal(list, k.arg, k.mask, k.value)
		default:
			list = append(list, test{arg: k.arg, op: k.op, value: k.value})
		}
	}
	return list
}

func (d *decider) equal(list []test, arg byte, mask, value uint64) []test {
	if high := uint32(mask >> 32); d.wide && high != 0 {
		list = append(list, test{arg: arg, high: true, mask: high, value: value >> 32})
	}
	if low := uint32(mask); low != 0 {
		list = append(list, test{arg: arg, mask: low, value: value & 0xffffffff})
	}
	return list
}

// afterFailure is where to go on when test t of rule i has failed, and those
// before it have not.
func (d *decider) afterFailure(i, t int) target {
	failed, held := d.blocks[i].tests[t], d.blocks[i].tests[:t]
next:
	for j := i + 1; j < len(d.blocks); j++ {
		tests := d.blocks[j].tests
		for k := range tests {
			if tests[k] == failed || contradicts(&tests[k], held) {
				continue next
			}
		}
		first := 0
		for first < len(tests) && contains(held, &tests[first]) {
			first++
		}
		return target{j, first, first < len(tests) && sameWord(&failed, &tests[first])}
	}
	return target{rule: len(d.blocks)}
}

func contains(list []test, t *test) bool {
	for i := range list {
		if list[i] == *t {
			return true
		}
	}
	return false
}

// contradicts is true if t cannot hold where all of list do.
func contradicts(t *test, list []test) bool {
	for i := range list {
		if h := &list[i]; h.op == opEqual && t.op == opEqual && h.arg == t.arg && h.high == t.high &&
			(h.value^t.value)&uint64(h.mask&t.mask) != 0 {
			return true
		}
	}
	return false
}

// sameWord is true if the accumulator holds the word that next needs when
// failed has failed.
func sameWord(failed, next *test) bool {
	return failed.op == opEqual && next.op == opEqual && failed.mask == ^uint32(0) &&
		failed.arg == next.arg && failed.high == next.high
}

// load emits the load of one half of an argument.
func (d *decider) load(arg byte, high bool) label {
	offset := offsetArgs + 8*uint32(arg)
	if high != d.arch.big {
		offset += 4
	}
	return d.asm.emit(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, offset)
}

// emitTest emits a test and notes where it is.
func (d *decider) emitTest(t *test, s *step, yes, no label) {
	value, low := t.value, uint32(t.value)
	switch t.op {
	case opEqual:
		s.loaded = d.asm.jump(unix.BPF_JEQ, low, yes, no)
		if t.mask != ^uint32(0) {
			s.loaded = d.asm.emit(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, t.mask)
		}
		if s.entered {
			s.begin = d.load(t.arg, t.high)
		}
	case opNotEqual:
		d.asm.jump(unix.BPF_JEQ, low, no, yes)
		s.begin = d.load(t.arg, false)
		if d.wide {
			d.asm.jump(unix.BPF_JEQ, uint32(value>>32), s.begin, yes)
			s.begin = d.load(t.arg, true)
		}
	case opLess:
		s.begin = d.compare(t, unix.BPF_JGE, no, yes)
	case opLessEqual:
		s.begin = d.compare(t, unix.BPF_JGT, no, yes)
	case opGreater:
		s.begin = d.compare(t, unix.BPF_JGT, yes, no)
	case opGreaterEqual:
		s.begin = d.compare(t, unix.BPF_JGE, yes, no)
	}
}

// compare emits "argument >= value" or "argument > value": the upper half
// decides, and where it is equal, the lower one.
func (d *decider) compare(t *test, condition uint16, yes, no label) label {
	d.asm.jump(condition, uint32(t.value), yes, no)
	begin := d.load(t.arg, false)
	if d.wide {
		high := uint32(t.value >> 32)
		equal := begin
		if high != 0 {
			equal = d.asm.jump(unix.BPF_JEQ, high, begin, no)
		}
		d.asm.jump(unix.BPF_JGT, high, yes, equal)
		begin = d.load(t.arg, true)
	}
	return begin
}
