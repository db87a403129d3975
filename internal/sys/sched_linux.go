package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// IoprioSet is ioprio_set(2) for the calling thread; what it forks inherits
// the priority. ioprio is class<<13 | level.
func IoprioSet(ioprio int) unix.Errno {
	const whoProcess = 1 // IOPRIO_WHO_PROCESS of linux/ioprio.h
	_, _, errno := unix.RawSyscall(unix.SYS_IOPRIO_SET, whoProcess, 0, uintptr(ioprio))
	return errno
}

// SchedSetaffinity is sched_setaffinity(2) for the calling thread. mask is the
// kernel's array of unsigned long, as bytes; bits beyond the CPUs that the
// kernel was built for are ignored.
func SchedSetaffinity(mask []byte) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_SETAFFINITY, 0, uintptr(len(mask)), uintptr(unsafe.Pointer(unsafe.SliceData(mask))))
	return errno
}

// Personality is personality(2): it sets the execution domain of the calling
// thread.
func Personality(persona uintptr) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_PERSONALITY, persona, 0, 0)
	return errno
}
