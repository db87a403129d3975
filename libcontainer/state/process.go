package state

import (
	"bytes"
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// ErrHeadless is why nothing can be found out of an init, or joined, that is Headless.
var ErrHeadless = errors.New("the main thread of its init has ended, and with it the way into its namespaces, while other threads run on")

// Identify returns what makes a live process recognisable.
func Identify(pid int) (Process, error) {
	now, err := readStat(pid)
	return now.Process, err
}

// Alive tells whether the process is still the one that was identified, and has
// a thread that lives.
func (p Process) Alive() bool {
	now, err := p.look()
	return err == nil && !now.over()
}

// Headless tells whether the process is alive without its main thread, which a
// program may end as any other (pthread_exit(3)). The process then can be
// signalled, frozen and waited for as before; but what the kernel tells of it in
// /proc/PID is told of the main thread, which has no namespaces, root folder or
// descriptors any more.
func (p Process) Headless() bool {
	now, err := p.look()
	return err == nil && now.ended() && !now.over()
}

// look returns what the kernel says of the process, or ESRCH where its number
// belongs to another one by now.
func (p Process) look() (stat, error) {
	if p.Pid <= 0 {
		return stat{}, unix.ESRCH
	}
	now, err := readStat(p.Pid)
	if err == nil && now.Process != p {
		err = unix.ESRCH
	}
	return now, err
}

// Open returns a pidfd of the process. It returns ESRCH where the process is
// gone or its number belongs to another one by now.
func (p Process) Open() (*os.File, error) {
	if p.Pid <= 0 {
		return nil, unix.ESRCH
	}
	fd, err := unix.PidfdOpen(p.Pid, 0)
	if err != nil {
		return nil, err
	}
	// Checked after the pidfd was made: it holds on to this one process.
	if _, err := p.look(); err != nil {
		unix.Close(fd)
		return nil, unix.ESRCH
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}

// stat is what is read from /proc/PID/stat.
type stat struct {
	Process
	letter  byte // the state of the main thread
	threads int  // those that are not gone: with a main thread that is a zombie, that one and the live ones
}

// ended tells whether the main thread has ended.
func (s *stat) ended() bool { return s.letter == 'Z' || s.letter == 'X' }

// over tells whether the process has ended: a pidfd of it is readable.
func (s *stat) over() bool { return s.ended() && s.threads <= 1 }

// readStat reads /proc/PID/stat.
func readStat(pid int) (stat, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return stat{}, err
	}
	defer unix.Close(fd)
	var buf [1024]byte
	n, err := unix.Read(fd, buf[:])
	if err != nil {
		return stat{}, err
	}
	return parseStat(pid, buf[:n])
}

// parseStat reads the state letter, the number of threads and the start time
// (proc_pid_stat(5), fields 3, 20 and 22). The name in field 2 may hold anything,
// a ")" too, so fields are counted from the last one.
func parseStat(pid int, line []byte) (stat, error) {
	i := bytes.LastIndexByte(line, ')')
	if i < 0 || i+2 >= len(line) {
		return stat{}, errors.New("malformed /proc/PID/stat")
	}
	fields := bytes.Fields(line[i+1:])
	const first, threads, start = 3, 20, 22
	if len(fields) <= start-first {
		return stat{}, errors.New("malformed /proc/PID/stat")
	}
	s := stat{Process: Process{Pid: pid}, letter: fields[0][0]}
	var err error
	if s.threads, err = strconv.Atoi(string(fields[threads-first])); err != nil {
		return stat{}, err
	}
	if s.StartTime, err = strconv.ParseUint(string(fields[start-first]), 10, 64); err != nil {
		return stat{}, err
	}
	return s, nil
}
