// Package nofile remembers the limit of open files with which this process
// was started.
//
// Package syscall raises the soft limit to the hard one before main runs, and
// tells only its own exec functions what it was. That is rung's own affair:
// the container must get the limit of rung's caller. This package imports
// nothing that is initialised, and its path sorts before "syscall", so the
// order that the Go specification lays down (ready packages by import path)
// initialises it first; a test holds that in place.
package nofile

import (
	"runtime"
	"unsafe"
)

// rawSyscall6 is syscall.RawSyscall6, which is open to linkname, without the
// import that would make package syscall be initialised first.
//
//go:linkname rawSyscall6 syscall.RawSyscall6
//go:nosplit
func rawSyscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, errno uintptr)

// rlimit64 is struct rlimit64 of prlimit(2), the same on all architectures.
type rlimit64 struct{ cur, max uint64 }

var (
	original rlimit64
	known    bool
)

func init() {
	const nofile = 7 // RLIMIT_NOFILE of asm-generic/resource.h
	_, _, errno := rawSyscall6(sysPrlimit64(), 0, nofile, 0, uintptr(unsafe.Pointer(&original)), 0, 0)
	known = errno == 0
}

// sysPrlimit64 is SYS_PRLIMIT64, whose package is off limits here; on another
// architecture a number that no system call has, so that the kernel says ENOSYS.
func sysPrlimit64() uintptr {
	switch runtime.GOARCH {
	case "amd64":
		return 302
	case "386":
		return 340
	case "arm":
		return 369
	case "arm64", "riscv64", "loong64":
		return 261
	case "ppc64le", "ppc64":
		return 325
	case "s390x":
		return 334
	}
	return ^uintptr(0)
}

// Original returns the original soft and hard limit. ok is false where they are
// not known.
func Original() (soft, hard uint64, ok bool) {
	return original.cur, original.max, known
}
