package process

import (
	"math/bits"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/sys"
	"github.com/rungoci/rung/libcontainer/capname"
)

// MayTrace tells whether a process with these capabilities (process.capabilities)
// has CAP_SYS_PTRACE, or can gain it.
func MayTrace(c *specs.LinuxCapabilities) bool {
	if c == nil {
		return false
	}
	for _, set := range [][]string{c.Bounding, c.Permitted, c.Effective, c.Inheritable, c.Ambient} {
		if parseCapSet(set)&(1<<unix.CAP_SYS_PTRACE) != 0 {
			return true
		}
	}
	return false
}

// capSet has bit n set for the capability with number n in
// linux/capability.h.
type capSet uint64

// Caps is the five capability sets of capabilities(7) that a process is to
// have. The zero value is none at all.
type Caps struct {
	bounding    capSet
	effective   capSet
	permitted   capSet
	inheritable capSet
	ambient     capSet
}

// ParseCaps reads the field process.capabilities. It must run on the thread
// that later calls Apply, or is cloned for it, before that drops anything: what
// the thread does not have it cannot give, and leaves out. The spec wants a warning of that, not a
// failure (config.md, "Linux Process"). Names that are unknown are left out
// without one: bundle's validation has warned already.
//
// Without the field the process gets no capability, as with runc and crun.
func ParseCaps(c *specs.LinuxCapabilities) (Caps, []string) {
	if c == nil {
		return Caps{}, nil
	}
	caps := Caps{
		bounding:    parseCapSet(c.Bounding),
		effective:   parseCapSet(c.Effective),
		permitted:   parseCapSet(c.Permitted),
		inheritable: parseCapSet(c.Inheritable),
		ambient:     parseCapSet(c.Ambient),
	}
	permitted, inheritable, err := currentCaps()
	if err != nil {
		// Apply will say it.
		return caps, nil
	}
	return caps, caps.limit(permitted, inheritable)
}

func parseCapSet(names []string) capSet {
	var set capSet
	for _, name := range names {
		if number, ok := capname.Parse(name); ok {
			set |= 1 << number
		}
	}
	return set
}

// limit leaves out what capset(2) and prctl(2) would refuse to a thread that
// has these permitted and inheritable sets, and says so, once for each
// capability.
func (c *Caps) limit(permitted, inheritable capSet) (warnings []string) {
	var said capSet
	leaveOut := func(set *capSet, allowed capSet, name, why string) {
		out := *set &^ allowed
		*set &= allowed
		if out &^= said; out != 0 {
			said |= out
			warnings = append(warnings, "process.capabilities."+name+": leaving out "+out.String()+": "+why)
		}
	}
	leaveOut(&c.permitted, permitted, "permitted", "not available to rung here")
	leaveOut(&c.effective, c.permitted, "effective", "not in the permitted set")
	// A thread without CAP_SETPCAP, as it is after a change of user, adds to
	// its inheritable set only what it is permitted; and none may add what
	// its bounding set has not.
	leaveOut(&c.inheritable, inheritable|permitted&c.bounding, "inheritable", "not in the bounding set, or not available to rung here")
	// runc warns of these too, one by one, when raising them fails.
	for out := c.ambient &^ (c.permitted & c.inheritable) &^ said; out != 0; out &= out - 1 {
		warnings = append(warnings, "process.capabilities.ambient: can't raise ambient capability "+(out&-out).String()+
			": it is not in both the permitted and the inheritable set")
	}
	c.ambient &= c.permitted & c.inheritable
	return warnings
}

// String returns the names of the capabilities in s, in the order of their
// numbers.
func (s capSet) String() string {
	known := capname.Names()
	var names []string
	for ; s != 0; s &= s - 1 {
		number := bits.TrailingZeros64(uint64(s))
		if number < len(known) {
			names = append(names, known[number])
		} else {
			names = append(names, "capability "+strconv.Itoa(number))
		}
	}
	return strings.Join(names, " ")
}

// currentCaps returns the permitted and the inheritable set of the calling
// thread.
func currentCaps() (permitted, inheritable capSet, err error) {
	sets, err := sys.Capget()
	return capSet(sets[0].Permitted) | capSet(sets[1].Permitted)<<32,
		capSet(sets[0].Inheritable) | capSet(sets[1].Inheritable)<<32, err
}

// DropBounding removes from the bounding set of the thread all that the config
// does not list, the capabilities that this version of rung has no name for
// among them. The thread has that of the calling one. It needs CAP_SETPCAP, so it comes before SetUser.
func (c Caps) DropBounding(by sys.Caller) error {
	for number := range uintptr(64) {
		in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, number, 0, 0, 0)
		if err != nil { // beyond the last one the kernel knows
			return nil
		}
		if in == 0 || c.bounding&(1<<number) != 0 {
			continue
		}
		if errno := sys.Prctl(by, unix.PR_CAPBSET_DROP, number, 0); errno != 0 {
			return &errdefs.Error{
				Doing: "drop " + capSet(1<<number).String() + " from the bounding set",
				Field: "process.capabilities.bounding",
				Err:   errno,
				Hint:  "it needs CAP_SETPCAP, which rung does not have here",
			}
		}
	}
	return nil
}

// adminSet is CAP_SYS_ADMIN.
const adminSet capSet = 1 << unix.CAP_SYS_ADMIN

// WithAdmin returns c with CAP_SYS_ADMIN in its permitted and effective sets. A
// thread without no_new_privs needs it to load a system call filter, which
// comes last of all. The program does not get it: what a process has permitted
// plays no part in what execve(2) gives the next one, which are the inheritable,
// bounding and ambient sets alone (capabilities(7)). It must run before Apply,
// and fails if the thread does not have it.
func (c Caps) WithAdmin() (Caps, error) {
	permitted, _, err := currentCaps()
	if err != nil {
		return c, errdefs.Doing(err, "read the capabilities")
	}
	if permitted&adminSet == 0 {
		return c, errdefs.Field("linux.seccomp", "loading a filter needs CAP_SYS_ADMIN, which rung does not have here").
			WithHint("or process.noNewPrivileges")
	}
	c.permitted |= adminSet
	c.effective |= adminSet
	return c, nil
}

// Apply sets the effective, permitted, inheritable and ambient sets of the
// thread. It comes after SetUser, which clears the effective ones, and
// needs no privilege: it only gives up.
func (c Caps) Apply(by sys.Caller) error {
	const field = "process.capabilities"
	if err := c.set(by); err != nil {
		return err
	}
	// The kernel has taken away what is no longer permitted and inheritable;
	// the rest may be the caller's own ambient set.
	if errno := sys.Prctl(by, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0); errno != 0 {
		return &errdefs.Error{Doing: "clear the ambient capabilities", Field: field + ".ambient", Err: errno}
	}
	for set := c.ambient; set != 0; set &= set - 1 {
		number := bits.TrailingZeros64(uint64(set))
		if errno := sys.Prctl(by, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(number)); errno != 0 {
			return &errdefs.Error{
				Doing: "raise the ambient capability " + capSet(1<<number).String(),
				Field: field + ".ambient",
				Err:   errno,
				Hint:  "the securebit SECBIT_NO_CAP_AMBIENT_RAISE of rung's caller may forbid it",
			}
		}
	}
	return nil
}

// set sets the three sets that capset(2) knows.
func (c Caps) set(by sys.Caller) error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Effective: uint32(c.effective), Permitted: uint32(c.permitted), Inheritable: uint32(c.inheritable)},
		{Effective: uint32(c.effective >> 32), Permitted: uint32(c.permitted >> 32), Inheritable: uint32(c.inheritable >> 32)},
	}
	if errno := by.Call(unix.SYS_CAPSET, by.Mem(sys.Bytes(&hdr)), by.Mem(sys.Bytes(&data))); errno != 0 {
		return &errdefs.Error{Doing: "set the capabilities", Field: "process.capabilities", Err: errno}
	}
	return nil
}
