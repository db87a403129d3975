package spawn

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/nofile"
	"github.com/rungoci/rung/internal/sysmon"
)

// builder turns a Request into the list of operations of the child. It keeps
// everything alive that the list points to.
type builder struct {
	req      *Request
	ops      []op
	what     []step
	twoStage bool
	// newUser and joinUser tell that the process goes to another user
	// namespace: a new one, or one of req.Join.
	newUser, joinUser bool
	// ownMemory tells that the process lives on without a program of its own.
	ownMemory bool
	// pidNS is the one of req.Join with the pid namespace: its processes see
	// the new one. birth is the same where it is to be born there.
	pidNS, birth *Join
	capData      [2]unix.CapUserData
	// waitEnd and goEnd are the pipe on which a process in a new user
	// namespace waits for Request.Prepare.
	waitEnd, goEnd *os.File
	mapReport      report
	byte           [1]byte
	reportFD       uintptr
	scratch        report
	first, second  cloneArgs
	alive          int32 // see cloneAndRun
	pidFD          int32
	argv           []*byte
	envv           []*byte
	strings        [][]byte
	mask           unix.Sigset_t
	action         [4]uint64 // struct sigaction of the kernel: SIG_DFL, no flags
	limit          [2]uint64 // struct rlimit64: soft, hard
	moved          []int
}

// newBuilder returns a builder on the heap. The list holds addresses inside it
// as numbers, which do not follow a stack that grows and moves.
//
//go:noinline
func newBuilder(r *Request) *builder { return &builder{req: r} }

func (b *builder) add(kind opKind, doing, field string, nr uintptr, arg ...uintptr) {
	o := op{kind: kind, nr: nr}
	copy(o.arg[:], arg)
	b.ops = append(b.ops, o)
	b.what = append(b.what, step{doing, field})
}

// str returns the address of s with a NUL behind it.
func (b *builder) str(s string) uintptr {
	buf := append([]byte(s), 0)
	b.strings = append(b.strings, buf)
	return uintptr(unsafe.Pointer(&buf[0]))
}

// shares tells whether the child can use the parent's memory until it executes
// its program. It needs memory of its own to enter a time namespace, and
// should have it where its credentials change, in a user namespace; a first
// stage, of which the second is cloned, too.
func (b *builder) shares() bool {
	flags := b.req.New
	for _, j := range b.req.Join {
		flags |= uint64(j.Flag)
	}
	return !b.ownMemory && !b.twoStage && flags&(unix.CLONE_NEWTIME|unix.CLONE_NEWUSER) == 0
}

// late are the namespaces that clone3 does not make. The root of a cgroup
// namespace is the cgroup in which it is made, so it has to wait until the
// process is in its cgroup. The mqueue filesystem of an ipc namespace belongs
// to who made that, so it waits until the process is root in a user namespace
// that the same clone3 makes.
func (b *builder) late() uint64 {
	if b.newUser && !b.twoStage {
		return unix.CLONE_NEWCGROUP | unix.CLONE_NEWIPC
	}
	return unix.CLONE_NEWCGROUP
}

// choose decides between one process and two, one after the other. Two are
// needed where a time namespace gets offsets, which take effect only for
// children; so does the joining of a pid namespace, but there a thread that is
// spent can be the first of the two (see birthplace); and where the new namespaces
// must belong to a user namespace that is not made by the same clone3.
func (b *builder) choose() (err error) {
	r := b.req
	b.newUser = r.New&unix.CLONE_NEWUSER != 0
	b.twoStage = r.TimeOffsets != "" || b.newUser && len(r.Join) > 0
	for i, j := range r.Join {
		b.joinUser = b.joinUser || j.Flag&unix.CLONE_NEWUSER != 0
		if j.Flag&unix.CLONE_NEWPID != 0 {
			b.pidNS = &r.Join[i]
		}
	}
	b.twoStage = b.twoStage || b.joinUser || b.pidNS != nil && !r.Spent
	if !b.twoStage {
		b.birth = b.pidNS
	}
	if b.newUser {
		b.waitEnd, b.goEnd, err = pipe()
	}
	return err
}

// build returns the operations, in the order that the kernel needs: cgroups
// while the host's folders are visible and the process is unconfined, then
// the namespaces, then the descriptors, then the second process where there is
// one, then exec.
func (b *builder) build(writeEnd *os.File) ([]op, error) {
	r := b.req
	last := 3 + r.Preserve + len(r.Files) // report pipe; the program is last+1
	b.reportFD = uintptr(last)
	b.add(opFirst, "clone the process", "", unix.SYS_CLONE3, uintptr(unsafe.Pointer(&b.first)), cloneArgsSize)
	// It has to be the first, see cloneAndRun, but where credentials change: who
	// cannot be dumped does not own its files in /proc.
	if !b.newUser && !b.joinUser {
		b.hide()
	}
	report, err := b.away(int(writeEnd.Fd()), last+2)
	if err != nil {
		return nil, err
	}
	waitFD, err := b.awayPipe(last + 2)
	if err != nil {
		return nil, err
	}
	b.add(opCall, "hand the report pipe to the init process", "", unix.SYS_DUP3, uintptr(report), b.reportFD, unix.O_CLOEXEC)
	if r.OOMScoreAdj != "" {
		proc, path := unix.AT_FDCWD, "/proc/self/oom_score_adj"
		if r.Proc != nil {
			if proc, err = b.away(int(r.Proc.Fd()), last+2); err != nil {
				return nil, err
			}
			path = "self/oom_score_adj"
		}
		b.add(opCall, "open /proc/self/oom_score_adj", "process.oomScoreAdj", unix.SYS_OPENAT, uintptr(proc), b.str(path), unix.O_WRONLY|unix.O_CLOEXEC)
		b.add(opCallPrev, "set oom_score_adj to "+r.OOMScoreAdj, "process.oomScoreAdj", unix.SYS_WRITE, 0, b.str(r.OOMScoreAdj), uintptr(len(r.OOMScoreAdj)))
	}
	if !b.twoStage || b.newUser {
		b.dieWithParent()
	}
	if b.joinUser {
		b.hide()
	}
	for _, fd := range r.Tasks {
		if fd, err = b.away(fd, last+2); err != nil {
			return nil, err
		}
		b.add(opCall, enterCgroup, "linux.cgroupsPath", unix.SYS_WRITE, uintptr(fd), b.str("0"), 1)
	}
	if err := b.namespaces(last+2, waitFD); err != nil {
		return nil, err
	}
	// Before the process is where others can see it.
	if err := b.descriptors(last); err != nil {
		return nil, err
	}
	b.secondStage()
	b.exec(last + 1)
	b.exit(b.reportFD)
	return b.ops, nil
}

// exit ends the list.
func (b *builder) exit(reportFD uintptr) {
	b.add(opReport, "report", "", unix.SYS_WRITE, reportFD, uintptr(unsafe.Pointer(&b.scratch)), reportSize)
	b.add(opExit, "exit", "", unix.SYS_EXIT_GROUP, 127)
}

// hide keeps other processes off this one's memory and descriptors: those of a
// pid namespace that is joined could get at the host's by way of it
// (CVE-2016-9962).
func (b *builder) hide() {
	b.add(opCall, "hide the init process from other processes", "", unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0)
}

// dieWithParent has the kernel kill the process when the thread that made it
// ends, so that nothing is left of a create that is killed. See prctl(2).
func (b *builder) dieWithParent() {
	b.add(opCall, "bind the init process to its parent", "", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL))
}

func (b *builder) namespaces(free, waitFD int) error {
	r := b.req
	if r.TimeOffsets != "" && !b.newUser {
		b.add(opCall, "make the time namespace", "linux.namespaces", unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
		atCwd := unix.AT_FDCWD
		b.add(opCall, "open /proc/self/timens_offsets", "linux.timeOffsets", unix.SYS_OPENAT, uintptr(atCwd), b.str("/proc/self/timens_offsets"), unix.O_WRONLY|unix.O_CLOEXEC)
		b.add(opCallPrev, "set the clocks of the time namespace", "linux.timeOffsets", unix.SYS_WRITE, 0, b.str(r.TimeOffsets), uintptr(len(r.TimeOffsets)))
	}
	for _, j := range r.Join {
		fd, err := b.away(j.FD, free)
		if err != nil {
			return err
		}
		flag := j.Flag
		if b.birth != nil {
			flag &^= unix.CLONE_NEWPID
		}
		if flag != 0 {
			b.add(opCall, "join the namespace", j.Field, unix.SYS_SETNS, uintptr(fd), uintptr(flag))
		}
	}
	if b.newUser {
		b.enterUser(waitFD)
	}
	if b.newUser || b.joinUser {
		b.becomeRoot()
	}
	if r.Root != nil {
		fd, err := b.away(int(r.Root.Fd()), free)
		if err != nil {
			return err
		}
		b.add(opCall, "enter the root filesystem", "", unix.SYS_FCHDIR, uintptr(fd))
		b.add(opCall, "chroot into the root filesystem", "", unix.SYS_CHROOT, b.str("."))
	}
	return nil
}

// secondStage clones the process that joins the pid namespace, where it takes
// two, and makes what namespaces come last.
func (b *builder) secondStage() {
	r := b.req
	if b.twoStage {
		b.second = cloneArgs{flags: unix.CLONE_PARENT | r.New&^b.late()&^unix.CLONE_NEWUSER}
		if r.TimeOffsets != "" {
			b.second.flags &^= unix.CLONE_NEWTIME
		}
		b.add(opClone, "clone into the joined namespaces", "linux.namespaces", unix.SYS_CLONE3, uintptr(unsafe.Pointer(&b.second)), cloneArgsSize)
		b.dieWithParent()
	}
	if late := r.New & b.late(); late != 0 {
		b.add(opCall, "make the remaining namespaces", "linux.namespaces", unix.SYS_UNSHARE, uintptr(late))
	}
}

// descriptors lays out 0 to last+1 and closes everything behind.
func (b *builder) descriptors(last int) error {
	r := b.req
	free := last + 2
	place := func(f *os.File, to int) error {
		from, err := b.away(int(f.Fd()), free)
		if err != nil {
			return err
		}
		b.add(opCall, "hand a descriptor to the init process", "", unix.SYS_DUP3, uintptr(from), uintptr(to), 0)
		return nil
	}
	for i, f := range r.Stdio {
		if f == nil || int(f.Fd()) == i {
			continue
		}
		if err := place(f, i); err != nil {
			return err
		}
	}
	for i, f := range r.Files {
		if f == nil {
			b.add(opTry, "close a descriptor", "", unix.SYS_CLOSE, uintptr(3+r.Preserve+i))
			continue
		}
		if err := place(f, 3+r.Preserve+i); err != nil {
			return err
		}
	}
	exe, err := b.away(int(r.Exe.Fd()), free)
	if err != nil {
		return err
	}
	b.add(opCall, "hand the program to the init process", "", unix.SYS_DUP3, uintptr(exe), uintptr(last+1), unix.O_CLOEXEC)
	b.add(opCall, "close the descriptors of the host", "", unix.SYS_CLOSE_RANGE, uintptr(free), uintptr(^uint32(0)), 0)
	return nil
}

// easeGo has a Go program start faster, and smaller.
func (b *builder) easeGo() {
	// Before main the Go runtime looks up its cgroup and its mounts to count
	// its processors, and the size of a huge page: 0.1 ms, and more on a host
	// with many mounts. It goes without what it cannot open, and package
	// syscall raises the soft limit to the hard one afterwards.
	if _, hard, ok := nofile.Original(); ok {
		b.limit[1] = hard
		b.add(opCall, "limit the open files", "", unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&b.limit)), 0)
	}
	b.add(opTry, "calm the monitor thread", "", unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, sysmon.Slack)
	// On a host where transparent huge pages are for everybody, the Go heap's
	// first pages would be two of 2 MiB: more than a small container may use.
	b.add(opTry, "do without huge pages", "", unix.SYS_PRCTL, unix.PR_SET_THP_DISABLE, 1)
}

// exec lifts the signal mask and runs the program.
func (b *builder) exec(exeFD int) {
	r := b.req
	if !r.Plain {
		b.easeGo()
	}
	b.argv, b.envv = b.vector(r.Args), b.vector(r.Env)
	for _, sig := range keptIgnored {
		b.add(opCall, "reset an ignored signal", "", unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&b.action)), 0, sigsetSize)
	}
	b.add(opCall, "unblock the signals", "", unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&b.mask)), 0, sigsetSize)
	if b.newUser || b.joinUser {
		b.add(opCall, "lower the capabilities", "", unix.SYS_CAPSET, uintptr(unsafe.Pointer(&capHeader)), uintptr(unsafe.Pointer(&permitted)))
	} else if b.pidNS != nil {
		b.stayHidden()
	}
	b.add(opCall, "run rung init", "", unix.SYS_EXECVEAT, uintptr(exeFD), b.str(""),
		uintptr(unsafe.Pointer(&b.argv[0])), uintptr(unsafe.Pointer(&b.envv[0])), unix.AT_EMPTY_PATH)
}

func (b *builder) vector(list []string) []*byte {
	v := make([]*byte, 0, len(list)+1)
	for _, s := range list {
		buf := append([]byte(s), 0)
		b.strings = append(b.strings, buf)
		v = append(v, &buf[0])
	}
	return append(v, nil)
}

// away returns fd, or a duplicate of it at or above free where fd lies in the
// range that the child fills anew, and would be overwritten before its turn.
func (b *builder) away(fd, free int) (int, error) {
	if fd >= free {
		return fd, nil
	}
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, free)
	if err != nil {
		return -1, os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
	}
	b.moved = append(b.moved, n)
	return n, nil
}

func (b *builder) close() {
	if b.waitEnd != nil {
		b.waitEnd.Close()
		b.goEnd.Close()
	}
	for _, fd := range b.moved {
		unix.Close(fd)
	}
}

// keptIgnored are the signals that a Go program goes on ignoring if its caller
// did (a shell for SIGINT of a job in the background, nohup for SIGHUP), as the
// runtime installs no handler. All others are the runtime's, and so are back to
// their default in the child (CLONE_CLEAR_SIGHAND).
var keptIgnored = [...]unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCONT, 32, 33, 34}

// sigsetSize is the size of the kernel's sigset_t in bytes (_NSIG is 64 on
// all architectures that rung builds for).
const sigsetSize = 8
