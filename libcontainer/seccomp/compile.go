// Package seccomp turns linux.seccomp of config.json into a program for the
// kernel's system call filter (seccomp(2)), and loads it.
//
// Compile does what libseccomp does, in Go and in a fraction of its
// time, and what runc does on top of that: calls newer than the profile fail
// with ENOSYS. See newProfile for what rules mean, and program.go for what
// becomes of them.
package seccomp

import (
	"runtime"
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// Program is a compiled profile.
type Program struct {
	// Filter is the program, at least one instruction.
	Filter []unix.SockFilter
	// Flags are the SECCOMP_FILTER_FLAG_* of seccomp(2) that the profile asks
	// for, and SECCOMP_FILTER_FLAG_NEW_LISTENER if it has SCMP_ACT_NOTIFY.
	Flags uint32
}

// Notify tells whether loading the program makes a listener.
func (p *Program) Notify() bool { return p.Flags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER != 0 }

// Compile compiles a profile for this machine. It returns nil if s is nil, or
// has neither a default action nor rules, which runc takes for no profile
// too. Errors name the field of config.json; a profile that bundle.Validate
// accepts can fail only for its size.
func Compile(s *specs.LinuxSeccomp) (*Program, error) {
	if s == nil || s.DefaultAction == "" && len(s.Syscalls) == 0 {
		return nil, nil
	}
	native := nativeArch(runtime.GOARCH)
	if native == nil {
		return nil, errdefs.Field("linux.seccomp", "filters are not known for "+runtime.GOARCH)
	}
	return compile(s, native)
}

func compile(s *specs.LinuxSeccomp, native *arch) (*Program, error) {
	p, err := newProfile(s, native)
	if err != nil {
		return nil, err
	}
	flags, err := filterFlags(s)
	if err != nil {
		return nil, err
	}
	if p.notify {
		flags |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	}
	c := &compiler{profile: p}
	filter, err := c.compile()
	if err != nil {
		return nil, err
	}
	return &Program{Filter: filter, Flags: flags}, nil
}

// compiler is one run of Compile.
type compiler struct {
	*profile
	asm    assembler
	leaves []leaf
	// manyRules is set where one call has more rules than a program has
	// instructions.
	manyRules bool
}

// tooLarge tells whether the program is larger than what Linux takes.
func (c *compiler) tooLarge() bool { return c.manyRules || len(c.asm.code) > unix.BPF_MAXINSNS }

// leaf is what becomes of a call once its number is known: the verdict ret,
// or, where rules is not empty, the decision by arguments.
type leaf struct {
	ret   uint32
	rules []ruleRef
	arch  *arch // whose arguments; nil if ret is all
	label label // where it is in the program, or 0
}

// ruleRef is a rule as it stands in a leaf.
type ruleRef struct {
	rule int
	// via is, for a call that is made through socketcall(2) or ipc(2), the
	// first argument that means it, else 0.
	via byte
}

// interval is a range of system call numbers that goes to the next interval.
type interval struct {
	start uint32
	leaf  int
}

func (c *compiler) compile() ([]unix.SockFilter, error) {
	c.leaves = make([]leaf, 0, 16)
	c.asm.code = make([]unix.SockFilter, 0, 1024)
	// What has an architecture that the profile does not list is killed, as
	// by libseccomp.
	next := c.constant(retKillThread)
	target := c.place(next)
	// The last one first, as the program grows from its end; the native
	// architecture comes to stand at the beginning.
	for i := len(c.archs) - 1; i >= 0; i-- {
		a := c.archs[i]
		if sharesAudit(c.archs[:i], a) {
			continue
		}
		tree := c.tree(c.intervals(a.audit))
		if c.asm.distance(tree) > 0 {
			c.asm.emit(unix.BPF_JMP|unix.BPF_JA, uint32(c.asm.distance(tree)))
		}
		section := c.asm.emit(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, offsetNr)
		target = c.asm.jump(unix.BPF_JEQ, a.audit, section, target)
	}
	c.asm.emit(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, offsetArch)
	if c.tooLarge() {
		return nil, errdefs.Field("linux.seccomp.syscalls", "these rules need a filter of more than "+
			strconv.Itoa(unix.BPF_MAXINSNS)+" instructions, the most that Linux takes").WithHint("fewer conditions on arguments make a smaller one")
	}
	slices.Reverse(c.asm.code)
	return c.asm.code, nil
}

// sharesAudit is true if one of list has the audit number of a, and so the
// same section of the program.
func sharesAudit(list []*arch, a *arch) bool {
	for _, other := range list {
		if other.audit == a.audit {
			return true
		}
	}
	return false
}

// intervals returns what happens to each number of the architectures with
// this audit number, in ascending order and beginning with 0.
func (c *compiler) intervals(audit uint32) []interval {
	list := make([]interval, 0, 256)
	fallback := c.constant(c.fallback)
	var plain, x32 *arch
	for _, a := range c.archs {
		switch {
		case a.audit != audit:
		case a.bit == 0:
			plain = a
		default:
			x32 = a
		}
	}
	if plain != nil {
		list = c.numbers(list, plain)
	} else {
		list = append(list, interval{0, c.constant(retKillThread)})
	}
	switch {
	case x32 != nil:
		list = c.numbers(list, x32)
	case audit == nativeArch("amd64").audit:
		// Without x32 its numbers are those of a foreign architecture; -1
		// is what a debugger skips a call with.
		list = append(list, interval{x32Bit, c.constant(retKillThread)}, interval{^uint32(0), fallback})
	}
	return merge(list)
}

// numbers appends the intervals of one architecture.
func (c *compiler) numbers(list []interval, a *arch) []interval {
	fallback := c.constant(c.fallback)
	calls := c.calls(a)
	slices.SortStableFunc(calls, func(x, y call) int { return int(int64(x.nr) - int64(y.nr)) })
	next := a.bit // the first number that has no interval
	for i := 0; i < len(calls); {
		j := i + 1
		for j < len(calls) && calls[j].nr == calls[i].nr {
			j++
		}
		nr := calls[i].nr
		if nr > next {
			list = append(list, interval{next, fallback})
		}
		list = append(list, interval{nr, c.decide(calls[i:j], a)})
		next, i = nr+1, j
	}
	return c.newerCalls(append(list, interval{next, fallback}), a)
}

// newerCalls has all numbers above the largest one that the profile names
// return ENOSYS, so that a program takes a call that is newer than the profile
// for one that the kernel does not have, and tries an older one: C libraries
// do that (clone3, faccessat2), and give up at EPERM. runc has the same rule,
// without a filter of its own for ARM: there the numbers of ARM alone, which
// begin at 0xf0001, count as the largest.
func (c *compiler) newerCalls(list []interval, a *arch) []interval {
	if !c.newer {
		return list
	}
	var largest uint32
	found := false
	for i := range c.uses {
		if nr, there := a.number(c.uses[i].index); there && nr < a.bit|armPrivate {
			largest, found = max(largest, nr), true
		}
	}
	if !found {
		return list
	}
	enosys := c.constant(retErrno | uint32(unix.ENOSYS))
	if a.numbers == &numbersARM {
		// The calls of ARM alone, and what lies above, stay as they are.
		at, _ := slices.BinarySearchFunc(list, uint32(armPrivate), func(v interval, nr uint32) int { return int(int64(v.start) - int64(nr)) })
		tail := list[at:]
		if at == len(list) || list[at].start > armPrivate {
			tail = append([]interval{{armPrivate, c.constant(c.fallback)}}, tail...)
		}
		head := cut(list[:at:at], largest+1)
		return append(append(head, interval{largest + 1, enosys}), tail...)
	}
	list = append(cut(list, largest+1), interval{largest + 1, enosys})
	if a.family == s390Family {
		// A call whose number does not fit into the instruction comes as
		// number 0; so does one that the kernel does not know. There has
		// been no real call 0 for long.
		list = slices.Insert(list, 0, interval{0, enosys})
		if list[1].start = 1; len(list) > 2 && list[2].start <= 1 {
			list = slices.Delete(list, 1, 2)
		}
	}
	return list
}

// cut removes the intervals that begin at nr or above.
func cut(list []interval, nr uint32) []interval {
	for len(list) > 0 && list[len(list)-1].start >= nr {
		list = list[:len(list)-1]
	}
	return list
}

// merge joins neighbours that end in the same leaf.
func merge(list []interval) []interval {
	merged := list[:1]
	for _, v := range list[1:] {
		if v.leaf != merged[len(merged)-1].leaf {
			merged = append(merged, v)
		}
	}
	return merged
}

// call is a number with the rules of one object of "syscalls".
type call struct {
	nr       uint32
	via      byte
	from, to int
}

// calls returns what the profile says of an architecture's calls, in the
// order in which it does.
func (c *compiler) calls(a *arch) []call {
	list := make([]call, 0, len(c.uses)+32)
	_, multiplexed := a.number(syscallIndex("socketcall"))
	for i := range c.uses {
		u := &c.uses[i]
		if u.from == u.to {
			continue
		}
		if nr, there := a.number(u.index); there {
			list = append(list, call{nr: nr, from: u.from, to: u.to})
		}
		if multiplexed {
			if nr, via := a.through(u.index); via != 0 {
				list = append(list, call{nr, via, u.from, u.to})
			}
		}
	}
	return list
}

// decide returns the leaf of a number from what the profile says of it.
func (c *compiler) decide(calls []call, a *arch) int {
	var refs []ruleRef
	for i := range calls {
		for r := calls[i].from; r < calls[i].to; r++ {
			if len(c.rules[r].conds) == 0 && calls[i].via == 0 {
				return c.constant(c.rules[r].ret)
			}
			refs = append(refs, ruleRef{r, calls[i].via})
		}
	}
	for i := range c.leaves {
		l := &c.leaves[i]
		if l.arch != nil && l.arch.wide == a.wide && l.arch.big == a.big && slices.Equal(l.rules, refs) {
			return i
		}
	}
	c.leaves = append(c.leaves, leaf{rules: refs, arch: a})
	return len(c.leaves) - 1
}

// constant returns the leaf that is the verdict ret.
func (c *compiler) constant(ret uint32) int {
	for i := range c.leaves {
		if c.leaves[i].arch == nil && c.leaves[i].ret == ret {
			return i
		}
	}
	c.leaves = append(c.leaves, leaf{ret: ret})
	return len(c.leaves) - 1
}
