package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Caller makes system calls for a thread: at once, for the calling one (Here),
// or later, for one that is not there yet, when they are written down (package
// stub). What a step of a process's set-up does is the same for both.
//
// Whoever writes down has no results: its methods return 0. A failure that a
// step would cope with by other calls then is a failure of the whole, and the
// other way has to be taken.
type Caller interface {
	// Call makes a call that must succeed.
	Call(nr uintptr, args ...uintptr) unix.Errno
	// Try makes a call that may fail.
	Try(nr uintptr, args ...uintptr) unix.Errno
	// Absolute makes a call that writes a path to the memory of its first
	// argument, and returns EXDEV if that is not absolute.
	Absolute(nr uintptr, args ...uintptr) unix.Errno
	// Rlimit sets a limit of the thread's process; see prlimit(2).
	Rlimit(resource int, soft, hard uint64) unix.Errno
	// Mem returns the address at which the thread finds what b holds. It is
	// good as long as the Caller is.
	Mem(b []byte) uintptr
}

// Here returns a Caller for the calling thread.
func Here() Caller { return new(here) }

// here keeps what the calls point to from the collector.
type here struct{ kept [][]byte }

func (h *here) Call(nr uintptr, args ...uintptr) unix.Errno {
	var a [5]uintptr
	copy(a[:], args)
	_, _, errno := unix.RawSyscall6(nr, a[0], a[1], a[2], a[3], a[4], 0)
	return errno
}

func (h *here) Try(nr uintptr, args ...uintptr) unix.Errno { return h.Call(nr, args...) }

func (h *here) Absolute(nr uintptr, args ...uintptr) unix.Errno {
	errno := h.Call(nr, args...)
	if errno != 0 {
		return errno
	}
	for _, b := range h.kept {
		if uintptr(unsafe.Pointer(&b[0])) == args[0] && b[0] != '/' {
			return unix.EXDEV
		}
	}
	return 0
}

// Rlimit is not a raw system call: package syscall must forget the soft limit of
// open files that it would give the programs it starts (hooks) in place of ours.
func (h *here) Rlimit(resource int, soft, hard uint64) unix.Errno {
	errno, _ := unix.Prlimit(0, resource, &unix.Rlimit{Cur: soft, Max: hard}, nil).(unix.Errno)
	return errno
}

func (h *here) Mem(b []byte) uintptr {
	if len(b) == 0 {
		return 0
	}
	h.kept = append(h.kept, b)
	return uintptr(unsafe.Pointer(&b[0]))
}

// CString returns the address of s with a NUL behind it.
func CString(c Caller, s string) uintptr { return c.Mem(append([]byte(s), 0)) }

// CStrings returns the address of an array of the addresses of list, with one
// that is 0 behind them.
func CStrings(c Caller, list []string) uintptr {
	const size = unsafe.Sizeof(uintptr(0))
	array := make([]byte, 0, (uintptr(len(list))+1)*size)
	for _, s := range list {
		at := CString(c, s)
		array = append(array, unsafe.Slice((*byte)(unsafe.Pointer(&at)), size)...)
	}
	return c.Mem(array[:cap(array)])
}

// Bytes returns the memory of v, for Caller.Mem.
func Bytes[T any](v *T) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)) }
