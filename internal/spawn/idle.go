package spawn

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Idle makes a process that does nothing until it is abandoned, for who needs
// the pid of one that may be moved about. It is a copy of this one that never
// runs a program: it waits for the end of a pipe, which comes at the latest
// with the end of this process.
func Idle() (*Process, error) {
	b := newBuilder(&Request{CgroupFD: -1})
	defer b.close()
	waitEnd, goEnd, err := pipe()
	if err != nil {
		return nil, err
	}
	defer waitEnd.Close()
	b.ownMemory = true
	b.add(opFirst, "clone a process", "", unix.SYS_CLONE3, uintptr(unsafe.Pointer(&b.first)), cloneArgsSize)
	b.add(opCall, "close the parent's end of the pipe", "", unix.SYS_CLOSE, goEnd.Fd())
	// What else this process has open must not stay open for its sake.
	b.add(opCall, "keep the pipe alone", "", unix.SYS_DUP3, waitEnd.Fd(), 0, 0)
	b.add(opCall, "close the descriptors of the host", "", unix.SYS_CLOSE_RANGE, 1, uintptr(^uint32(0)), 0)
	b.add(opTry, "wait for the parent", "", unix.SYS_READ, 0, uintptr(unsafe.Pointer(&b.byte)), 1)
	b.exit(^uintptr(0)) // nobody listens
	pid, pidFD, err := b.clone(b.ops)
	if err != nil {
		goEnd.Close()
		return nil, err
	}
	return &Process{Pid: pid, PidFD: os.NewFile(uintptr(pidFD), "pidfd"), report: goEnd}, nil
}

// Abandon ends a process of Idle and waits for its end.
func (p *Process) Abandon() { p.abandon() }
