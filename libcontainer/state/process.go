package state

import (
	"bytes"
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Identify returns what makes a live process recognisable.
func Identify(pid int) (Process, error) {
	p, _, err := readStat(pid)
	return p, err
}

// Alive tells whether the process is still the one that was identified, and
// not a zombie.
func (p Process) Alive() bool {
	if p.Pid <= 0 {
		return false
	}
	now, letter, err := readStat(p.Pid)
	return err == nil && now == p && letter != 'Z' && letter != 'X'
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
	if now, _, err := readStat(p.Pid); err != nil || now != p {
		unix.Close(fd)
		return nil, unix.ESRCH
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}

// readStat reads the start time and the state letter from /proc/PID/stat
// (proc_pid_stat(5), fields 22 and 3). The name in field 2 may hold anything,
// a ")" too, so fields are counted from the last one.
func readStat(pid int) (Process, byte, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Process{}, 0, err
	}
	defer unix.Close(fd)
	var buf [1024]byte
	n, err := unix.Read(fd, buf[:])
	if err != nil {
		return Process{}, 0, err
	}
	return parseStat(pid, buf[:n])
}

func parseStat(pid int, line []byte) (Process, byte, error) {
	i := bytes.LastIndexByte(line, ')')
	if i < 0 || i+2 >= len(line) {
		return Process{}, 0, errors.New("malformed /proc/PID/stat")
	}
	fields := bytes.Fields(line[i+1:])
	const first, wanted = 3, 22
	if len(fields) <= wanted-first {
		return Process{}, 0, errors.New("malformed /proc/PID/stat")
	}
	start, err := strconv.ParseUint(string(fields[wanted-first]), 10, 64)
	if err != nil {
		return Process{}, 0, err
	}
	return Process{Pid: pid, StartTime: start}, fields[0][0], nil
}
