package spawn

import (
	"syscall"
	"unsafe"
)

// What may not happen between clone and exec.
//
// The child is a copy of one thread of a Go process: the scheduler, the
// collector and every lock of the runtime are frozen in the state in which
// the clone caught them, or, where it shares the parent's memory, in use by
// others. It must therefore make raw system calls and nothing else: no
// allocation, no stack growth (hence nosplit), no channel, no defer, no
// function of the runtime. Everything it needs (descriptor numbers, flags,
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
	// opFirst is the clone that makes the child, which goes on in the list.
	opFirst
	// opWait is a read of one byte; the end of the file instead means that
	// the parent is gone, and is an error: EPIPE.
	opWait
	// opClone is a clone3 after which the list goes on in the new process;
	// the old one reports the new pid and exits.
	opClone
	// opReport writes the report; opExit ends the process. They are the last
	// two of every list.
	opReport
	opExit
)

// op is one system call of the child.
type op struct {
	kind opKind
	nr   uintptr
	arg  [5]uintptr
}

// report is what the child writes to the report pipe: the pid of the process
// that goes on in its place, or mapRequest, or the operation that failed.
type report struct {
	pid   int32
	op    int32
	errno int32
}

const reportSize = unsafe.Sizeof(report{})

// cloneAndRun clones this thread by the first of ops and walks the others in
// the child. In the parent it returns the child's pid. scratch is memory for
// the child's report.
//
// The child may share the parent's memory and stack (CLONE_VM with
// CLONE_VFORK: the parent stands still until the child executes its program or
// ends; to copy its page tables, and afterwards each page that it writes to,
// would take 0.5 ms). Then both return from one system call at different
// times, to a stack that the child has used in between. That goes well because
// this loop has a single call of RawSyscall6: the frames below it are always
// the same, no register but the result is expected to survive a call in Go's
// calling convention, and so the parent finds itself where the child's last
// call would have returned. alive tells it: it is 1 until the kernel clears it
// (CLONE_CHILD_CLEARTID) when the child has given the memory up. The kernel
// spares it where the child dumps core, so the child has to switch that off
// (PR_SET_DUMPABLE) before anything else. A child with memory of its own never
// sees alive change.
//
//go:noinline
//go:norace
//go:nosplit
func cloneAndRun(ops []op, scratch *report, alive *int32) (pid uintptr, errno syscall.Errno) {
	var prev uintptr
	i := 0
	for {
		o := &ops[i]
		first := o.arg[0]
		if o.kind == opCallPrev {
			first = prev
		}
		r, _, e := syscall.RawSyscall6(o.nr, first, o.arg[1], o.arg[2], o.arg[3], o.arg[4], 0)
		if *alive == 0 {
			return r, 0
		}
		prev = r
		switch {
		case o.kind == opFirst && (e != 0 || r != 0):
			return r, e
		case o.kind == opExit:
			// It cannot return.
		case o.kind == opClone && e == 0 && r != 0:
			scratch.pid, scratch.op, scratch.errno = int32(r), 0, 0
			i = len(ops) - 2
		case o.kind == opWait && e == 0 && r == 0:
			scratch.pid, scratch.op, scratch.errno = 0, int32(i), int32(syscall.EPIPE)
			i = len(ops) - 2
		case e != 0 && o.kind != opTry && o.kind != opReport:
			scratch.pid, scratch.op, scratch.errno = 0, int32(i), int32(e)
			i = len(ops) - 2
		default:
			i++
		}
	}
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
