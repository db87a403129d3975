// Package spawn starts a process in other namespaces and cgroups without C.
//
// A Go program has threads before its first line runs, and the kernel lets
// only a single-threaded process join a user or mount namespace. So the
// thread that calls Start clones itself with clone3; the copy has one thread,
// enters the cgroups and namespaces by raw system calls (see child.go), and
// executes the sealed copy of this program (see Seal) or one that the caller has
// made. Package spawn knows nothing of OCI.
package spawn

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/sys"
	"github.com/rungoci/rung/internal/sysmon"
)

// Join is a namespace to enter, or several of one process.
type Join struct {
	// FD is an open namespace file, such as /proc/42/ns/net, or a pidfd of a
	// process whose namespaces are entered (Linux 5.8; the time namespace
	// 5.9).
	FD int
	// Flag is the CLONE_NEW* type of the file, or those of the process's
	// namespaces; the kernel refuses a file of another type.
	Flag int
	// Field is the field of config.json that asked for it, for errors.
	Field string
}

// Request describes a process to start.
type Request struct {
	// New holds the CLONE_NEW* flags of the namespaces to make. They belong to
	// the user namespace that the process ends up in.
	New uint64
	// Join holds the namespaces to enter, in that order. A new user namespace
	// is entered after them.
	Join []Join
	// Prepare is called with the pid of the process when it is in its new user
	// namespace, and waits there. It writes the id mappings, which only a
	// process in the parent namespace can do in general (user_namespaces(7)),
	// and anything else that the process will have lost the right to.
	Prepare func(pid int) error
	// TimeOffsets is what to write to timens_offsets(7) of the new time
	// namespace; "" leaves the clocks alone. With a new user namespace that is
	// left to Prepare, which finds the new time namespace in place.
	TimeOffsets string
	// Spent says that the calling thread serves nothing else afterwards, and is
	// in all namespaces already that a thread can join and that processes in the
	// pid namespace of Join must not see others of. The process is born in that
	// pid namespace then. Else one more process is made first, which joins what
	// there is to join.
	//
	// It is not for a pid namespace whose processes may have CAP_SYS_PTRACE over
	// the caller's user namespace. They could trace one that is born there, and
	// get at its root folder, its descriptors and its memory in /proc, however
	// well it hides (CVE-2016-9962), while those are not yet as they will be for
	// the program.
	Spent bool
	// Root becomes the root folder, once the namespaces are entered; nil
	// leaves it alone.
	Root *os.File
	// OOMScoreAdj is what to write to /proc/self/oom_score_adj before anything
	// is entered; "" leaves it alone.
	OOMScoreAdj string
	// Proc is the /proc in which that is found; nil for /proc, which may be
	// another one where the calling thread is.
	Proc *os.File
	// CgroupFD is the folder of a cgroup v2 to be cloned into, or, where that is
	// refused, to be entered; -1 for none.
	CgroupFD int
	// Tasks are open cgroup v1 "tasks" files. The child writes itself into
	// them: a single thread that moves itself needs no
	// cgroup_threadgroup_rwsem, whose RCU grace period costs a writer of
	// somebody else's pid into cgroup.procs 5 to 12 ms on an idle machine.
	Tasks []int
	// Stdio become the descriptors 0, 1 and 2.
	Stdio [3]*os.File
	// Preserve is the number of descriptors from 3 on that the process
	// inherits unchanged.
	Preserve int
	// Files become the descriptors from 3+Preserve on; where one is nil, there
	// is none. All others are closed.
	Files []*os.File
	// Exe is the program, opened with O_PATH or for reading.
	Exe *os.File
	// Plain says that it is no Go program, and so needs no help to start fast.
	Plain bool
	// Args and Env are its arguments and environment.
	Args, Env []string
}

// Process is a process made by Start. It is a child of the caller.
type Process struct {
	Pid int
	// PidFD refers to the process; it is readable when the process ended.
	PidFD  *os.File
	report *os.File
	what   []step
	// heard tells that SetupError was called, and has found setupErr.
	heard    bool
	setupErr error
}

// mapRequest is the op of a report that asks for Request.Prepare.
const mapRequest = -1

// step says, for a person, what an operation of the child is for.
type step struct{ doing, field string }

// Start makes the process. It may return before the process has run its
// program; SetupError tells what became of that. A process that has not got so far
// when ctx ends is killed as long as Start takes. The calling
// goroutine must be locked to its thread for as long as the process is to
// live: the process is killed when that thread ends (PR_SET_PDEATHSIG), until
// the program that is run lifts that.
func Start(ctx context.Context, r *Request) (*Process, error) {
	readEnd, writeEnd, err := pipe()
	if err != nil {
		return nil, err
	}
	defer writeEnd.Close()
	b := newBuilder(r)
	defer b.close()
	if err := b.choose(); err != nil {
		readEnd.Close()
		return nil, err
	}
	ops, err := b.build(writeEnd)
	if err != nil {
		readEnd.Close()
		return nil, err
	}
	stop := b.killAtEnd(ctx)
	pid, pidFD, err := b.clone(ops)
	stop()
	if err != nil {
		readEnd.Close()
		return b.startOutside(ctx, err)
	}
	p := &Process{Pid: pid, PidFD: os.NewFile(uintptr(pidFD), "pidfd"), report: readEnd, what: b.what}
	if b.newUser || b.twoStage {
		writeEnd.Close() // or its end would never be read
	}
	if b.newUser {
		if err := p.prepare(b); err != nil {
			p.abandon()
			return nil, err
		}
	}
	if b.twoStage {
		return p.adopt()
	}
	return p, nil
}

// Adopt returns the process pid, a child of this one that somebody else made: a
// sibling of its (CLONE_PARENT), such as CRIU.
func Adopt(pid int) (*Process, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return &Process{Pid: pid, PidFD: os.NewFile(uintptr(fd), "pidfd")}, nil
}

// prepare calls Request.Prepare when the process is in its user namespace, and
// lets it go on.
func (p *Process) prepare(b *builder) error {
	if b.twoStage {
		// Only the process knows when it is there.
		rep, err := p.readReport()
		switch {
		case err != nil:
			return fmt.Errorf("the process that makes the user namespace died early: %w", err)
		case rep.op != mapRequest:
			return p.failed(rep)
		}
	}
	if err := b.req.Prepare(p.Pid); err != nil {
		// If it failed itself, it says why, and the rest comes of that.
		if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(p.report.Fd()), Events: unix.POLLIN}}, 0); n > 0 {
			if rep, rerr := p.readReport(); rerr == nil && rep.op >= 0 {
				return p.failed(rep)
			}
		}
		return err
	}
	_, err := b.goEnd.Write([]byte{1})
	return errdefs.Doing(err, "let the process in the new user namespace go on")
}

// abandon ends a process that did not become what was asked for.
func (p *Process) abandon() {
	_ = unix.PidfdSendSignal(int(p.PidFD.Fd()), unix.SIGKILL, nil, 0)
	p.Wait()
	p.Close()
}

// adopt replaces the first stage, which reports the pid of the second and
// exits, by that second stage.
func (p *Process) adopt() (*Process, error) {
	rep, err := p.readReport()
	first := p.PidFD
	defer first.Close()
	status := p.Wait()
	switch {
	case errors.Is(err, io.EOF):
		p.report.Close()
		return nil, fmt.Errorf("the process that joins the namespaces died early: %s", sys.Ending(status))
	case err != nil:
		p.report.Close()
		return nil, err
	case rep.errno != 0:
		p.reapSecond()
		p.report.Close()
		return nil, p.failed(rep)
	}
	p.Pid = int(rep.pid)
	fd, err := unix.PidfdOpen(p.Pid, 0)
	if err != nil {
		p.report.Close()
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	p.PidFD = os.NewFile(uintptr(fd), "pidfd")
	return p, nil
}

// reapSecond reaps the second stage after a report of a failure. It is the second's
// where that has failed before the first, which has ended, told its pid, and the
// first's where there is no second.
func (p *Process) reapSecond() {
	if rep, err := p.readReport(); err == nil && rep.pid > 0 {
		p.Pid = int(rep.pid)
		p.Wait()
	}
}

// SetupError waits until the process runs its program, or has failed to, and
// returns what failed, or nil.
func (p *Process) SetupError() error {
	if !p.heard {
		p.heard = true
		p.setupErr = p.hear()
	}
	return p.setupErr
}

// hear reads the last report, of which an end of file is the best.
func (p *Process) hear() error {
	defer p.report.Close()
	rep, err := p.readReport()
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return p.failed(rep)
}

// Wait reaps the process when it has ended, and returns how it did. It is for
// callers that wait for no child but this one.
func (p *Process) Wait() unix.WaitStatus {
	var status unix.WaitStatus
	for {
		if _, err := unix.Wait4(p.Pid, &status, 0, nil); err != unix.EINTR {
			return status
		}
	}
}

// Close releases the descriptors of p; the process goes on.
func (p *Process) Close() {
	if p.report != nil {
		p.report.Close()
	}
	p.PidFD.Close()
}

func (p *Process) failed(rep report) error {
	s := p.what[rep.op]
	e := &errdefs.Error{Doing: s.doing, Field: s.field, Err: unix.Errno(rep.errno)}
	if s.doing == enterCgroup {
		e.Hint = cgroupHint(e.Err)
	}
	return e
}

func (p *Process) readReport() (report, error) {
	var buf [reportSize]byte
	if _, err := io.ReadFull(p.report, buf[:]); err != nil {
		return report{}, err
	}
	return report{
		pid:   int32(binary.NativeEndian.Uint32(buf[0:])),
		op:    int32(binary.NativeEndian.Uint32(buf[4:])),
		errno: int32(binary.NativeEndian.Uint32(buf[8:])),
	}, nil
}

// pipe is os.Pipe without the runtime's poller, which Start has no use for.
func pipe() (r, w *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	return os.NewFile(uintptr(fds[0]), "report"), os.NewFile(uintptr(fds[1]), "report"), nil
}

// clone blocks all signals around the clone, so that no handler of the Go
// runtime runs in the child, and undoes it in the parent.
func (b *builder) clone(ops []op) (pid, pidFD int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.alive = 1
	b.first = cloneArgs{
		flags:      unix.CLONE_PIDFD | unix.CLONE_CLEAR_SIGHAND,
		exitSignal: uint64(unix.SIGCHLD),
		pidFD:      uint64(uintptr(unsafe.Pointer(&b.pidFD))),
	}
	if !b.twoStage {
		b.first.flags |= b.req.New &^ b.late()
	}
	if b.shares() {
		b.first.flags |= unix.CLONE_VM | unix.CLONE_VFORK | unix.CLONE_CHILD_CLEARTID
		b.first.childTID = uint64(uintptr(unsafe.Pointer(&b.alive)))
		defer keepMemoryAttributes()()
	}
	if b.req.CgroupFD >= 0 {
		b.first.flags |= unix.CLONE_INTO_CGROUP
		b.first.cgroup = uint64(b.req.CgroupFD)
	}
	var all, old unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &old); err != nil {
		return 0, 0, os.NewSyscallError("rt_sigprocmask", err)
	}
	sysmon.Original()
	shown, err := b.birthplace()
	var n uintptr
	var errno unix.Errno
	if err == nil {
		n, errno = cloneAndRun(ops, &b.scratch, &b.alive)
		shown()
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil); err != nil {
		return 0, 0, os.NewSyscallError("rt_sigprocmask", err)
	}
	runtime.KeepAlive(b)
	if err != nil {
		return 0, 0, err
	}
	if errno != 0 {
		return 0, 0, b.cloneError(errno)
	}
	return int(n), int(b.pidFD), nil
}

// keepMemoryAttributes returns a function that gives the memory back the
// attributes that it has now, after a child that shared it has changed them.
func keepMemoryAttributes() func() {
	shown := keepDumpable()
	noHugePages, thpErr := unix.PrctlRetInt(unix.PR_GET_THP_DISABLE, 0, 0, 0, 0)
	return func() {
		shown()
		if thpErr == nil && noHugePages == 0 {
			_ = unix.Prctl(unix.PR_SET_THP_DISABLE, 0, 0, 0, 0)
		}
	}
}

// keepDumpable returns a function that makes this process dumpable again if it is
// now.
func keepDumpable() func() {
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	return func() {
		// 2 (suid_dumpable) cannot be set, and is close to 0.
		if err == nil && dumpable == 1 {
			_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
		}
	}
}

// cloneError is the error of a clone3 that failed.
func (b *builder) cloneError(errno error) error {
	if hint := cgroupHint(errno); hint != "" && b.req.CgroupFD >= 0 {
		return &errdefs.Error{Doing: enterCgroup, Field: "linux.cgroupsPath", Err: errno, Hint: hint}
	}
	return &errdefs.Error{Doing: "clone the process", Err: errno, Hint: cloneHint(errno)}
}

// cloneHint says what an error of clone3 comes from, but for a cgroup.
func cloneHint(errno error) string {
	switch {
	case errors.Is(errno, unix.EPERM):
		return "making namespaces needs root (CAP_SYS_ADMIN), or a user namespace that the host lets everybody make"
	case errors.Is(errno, unix.EACCES):
		return "a user may move processes between cgroups only with write access to cgroup.procs of the cgroup above both"
	case errors.Is(errno, unix.ENOSPC):
		return "a limit in /proc/sys/user/max_*_namespaces is reached"
	case errors.Is(errno, unix.EAGAIN):
		return "the limit of processes (ulimit -u, pids.max) is reached"
	case errors.Is(errno, unix.ENOSYS):
		return "the kernel is older than 5.10, or a seccomp filter around rung refuses clone3(2), as that of Docker before 20.10.10 does"
	case errors.Is(errno, unix.EINVAL):
		return "the kernel lacks one of the namespaces, or is older than 5.10"
	}
	return ""
}
