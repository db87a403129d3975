// Package procstat reads /proc/PID/stat: what the kernel tells of a process, whoever
// asks (proc_pid_stat(5)).
package procstat

import (
	"bytes"
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// exiting is PF_EXITING of include/linux/sched.h: the process has begun to exit.
const exiting = 0x4

// Stat is what is read of a process.
type Stat struct {
	// Name is that of the main thread: the first 15 bytes of the program's
	// file name, or what the program has set (PR_SET_NAME).
	Name string
	// Letter is the state of the main thread: R, S, D, Z, T, t, X, I.
	Letter byte
	// Flags are the kernel's PF_ flags of the main thread.
	Flags uint64
	// Threads are those that are not gone: with a main thread that is a
	// zombie, that one and the live ones.
	Threads int
	// StartTime is when the process was started, in clock ticks since boot.
	// With the pid it says which process is meant.
	StartTime uint64
}

// Ended tells whether the main thread has ended.
func (s Stat) Ended() bool { return s.Letter == 'Z' || s.Letter == 'X' }

// Over tells whether the process has ended: a pidfd of it is readable.
func (s Stat) Over() bool { return s.Ended() && s.Threads <= 1 }

// Exiting tells whether the main thread has begun to exit.
func (s Stat) Exiting() bool { return s.Flags&exiting != 0 }

// Read reads /proc/PID/stat. For a process that is gone it returns ENOENT or ESRCH.
func Read(pid int) (Stat, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Stat{}, err
	}
	defer unix.Close(fd)
	// The longest line is below 600 bytes: 52 fields, of which none is longer
	// than 20 digits but for the name.
	var buf [2048]byte
	n, err := unix.Read(fd, buf[:])
	if err != nil {
		return Stat{}, err
	}
	return Parse(buf[:n])
}

// Parse reads the line that a stat file is. The name in field 2 may hold anything,
// a ")" too, so fields are counted from the last one.
func Parse(line []byte) (Stat, error) {
	i := bytes.LastIndexByte(line, ')')
	if i < 0 || i+2 >= len(line) {
		return Stat{}, errMalformed
	}
	fields := bytes.Fields(line[i+1:])
	// The numbers of the fields in proc_pid_stat(5).
	const state, flags, threads, start = 3, 9, 20, 22
	if len(fields) <= start-state {
		return Stat{}, errMalformed
	}
	s := Stat{Name: name(line[:i]), Letter: fields[0][0]}
	var err error
	if s.Flags, err = strconv.ParseUint(string(fields[flags-state]), 10, 64); err != nil {
		return Stat{}, err
	}
	if s.Threads, err = strconv.Atoi(string(fields[threads-state])); err != nil {
		return Stat{}, err
	}
	s.StartTime, err = strconv.ParseUint(string(fields[start-state]), 10, 64)
	return s, err
}

// name returns what is behind the bracket of "PID (name".
func name(head []byte) string {
	_, name, _ := bytes.Cut(head, []byte("("))
	return string(name)
}

var errMalformed = errors.New("malformed /proc/PID/stat")
