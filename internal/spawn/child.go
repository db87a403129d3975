package spawn

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What may not happen between clone and exec.
//
// The child is a copy of one thread of a Go process: the scheduler, the
// collector and every lock of the runtime are frozen in the state in which
// the clone caught them. It must therefore make raw system calls and nothing
// else: no allocation, no stack growth (hence nosplit), no channel, no defer,
// no function of the runtime. Everything it needs (descriptor numbers, flags,
// strings that end in NUL) was put into a flat list of operations before the
// clone; the child walks the list once.

// opKind tells the child how to treat an operation's result.
type opKind uint8

const (
	// opCall is a system call that must succeed.
	opCall opKind = iota
	// opTry is a system call that may fail.
	opTry
	// opCallPrev is as opCall, with the result of the operation before it
	// as first argument.
	opCallPrev
	// opClone is a clone3 after which the list goes on in the new process;
	// the old one reports the new pid and exits.
	opClone
)

// op is one system call of the child.
type op struct {
	kind opKind
	nr   uintptr
	arg  [5]uintptr
}

// report is what the child writes to the report pipe: either the pid of the
// process that goes on in its place, or the operation that failed.
type report struct {
	pid   int32
	op    int32
	errno int32
}

const reportSize = unsafe.Sizeof(report{})

// cloneAndRun clones this thread and walks ops in the child; the last of them
// is the exec. In the parent it returns the child's pid. reportFD is the write
// end of the report pipe; scratch is memory for the child's report.
//
//go:noinline
//go:norace
//go:nosplit
func cloneAndRun(args *cloneArgs, ops []op, reportFD uintptr, scratch *report) (pid uintptr, errno syscall.Errno) {
	pid, _, errno = syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), cloneArgsSize, 0)
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	var prev uintptr
	for i := range ops {
		o := &ops[i]
		a0 := o.arg[0]
		if o.kind == opCallPrev {
			a0 = prev
		}
		r, _, e := syscall.RawSyscall6(o.nr, a0, o.arg[1], o.arg[2], o.arg[3], o.arg[4], 0)
		if e != 0 && o.kind != opTry {
			scratch.pid, scratch.op, scratch.errno = 0, int32(i), int32(e)
			syscall.RawSyscall(unix.SYS_WRITE, reportFD, uintptr(unsafe.Pointer(scratch)), reportSize)
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, 127, 0, 0)
		}
		if o.kind == opClone && r != 0 {
			scratch.pid, scratch.op, scratch.errno = int32(r), 0, 0
			syscall.RawSyscall(unix.SYS_WRITE, reportFD, uintptr(unsafe.Pointer(scratch)), reportSize)
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
		prev = r
	}
	syscall.RawSyscall(unix.SYS_EXIT_GROUP, 127, 0, 0)
	return 0, 0
}

// cloneArgs is struct clone_args of linux/sched.h, as of kernel 5.7 (the
// first with cgroup).
type cloneArgs struct {
	flags      uint64
	pidFD      uint64
	childTID   uint64
	parentTID  uint64
	exitSignal uint64
	stack      uint64
	stackSize  uint64
	tls        uint64
	setTID     uint64
	setTIDSize uint64
	cgroup     uint64
}

const cloneArgsSize = unsafe.Sizeof(cloneArgs{})
