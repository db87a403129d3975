package state

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/procstat"
)

// ErrHeadless is why nothing can be found out of an init, or joined, that is Headless.
var ErrHeadless = errors.New("the main thread of its init has ended, and with it the way into its namespaces, while other threads run on")

// Identify returns what makes a live process recognisable.
func Identify(pid int) (Process, error) {
	now, err := procstat.Read(pid)
	return Process{Pid: pid, StartTime: now.StartTime}, err
}

// Alive tells whether the process is still the one that was identified, and has
// a thread that lives.
func (p Process) Alive() bool {
	now, err := p.look()
	return err == nil && !now.Over()
}

// Headless tells whether the process is alive without its main thread, which a
// program may end as any other (pthread_exit(3)). The process then can be
// signalled, frozen and waited for as before; but what the kernel tells of it in
// /proc/PID is told of the main thread, which has no namespaces, root folder or
// descriptors any more.
func (p Process) Headless() bool {
	now, err := p.look()
	return err == nil && now.Ended() && !now.Over()
}

// look returns what the kernel says of the process, or ESRCH where its number
// belongs to another one by now.
func (p Process) look() (procstat.Stat, error) {
	if p.Pid <= 0 {
		return procstat.Stat{}, unix.ESRCH
	}
	now, err := procstat.Read(p.Pid)
	if err == nil && now.StartTime != p.StartTime {
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
