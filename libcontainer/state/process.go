package state

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
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
// a thread that lives. An error is that this cannot be told, as where no descriptor
// is left (EMFILE): whoever would let go of a process that is gone must not then.
func (p Process) Alive() (bool, error) {
	now, err := p.look()
	if errors.Is(err, unix.ESRCH) {
		return false, nil
	}
	return err == nil && !now.Over(), err
}

// Headless tells whether the process is alive without its main thread, which a
// program may end as any other (pthread_exit(3)). The process then can be
// signalled, frozen and waited for as before; but what the kernel tells of it in
// /proc/PID is told of the main thread, which has no namespaces, root folder or
// descriptors any more. Where that cannot be told it is not said to be: it is a
// reason that is given for other errors.
func (p Process) Headless() bool {
	now, err := p.look()
	return err == nil && now.Ended() && !now.Over()
}

// look returns what the kernel says of the process. ESRCH alone says that it is gone,
// or its number belongs to another one by now.
func (p Process) look() (procstat.Stat, error) {
	if p.Pid <= 0 {
		return procstat.Stat{}, unix.ESRCH
	}
	now, err := procstat.Read(p.Pid)
	switch {
	case err == nil && now.StartTime != p.StartTime, errors.Is(err, unix.ENOENT), errors.Is(err, unix.ESRCH):
		return procstat.Stat{}, unix.ESRCH
	}
	return now, errdefs.Doing(err, "look at process "+strconv.Itoa(p.Pid))
}

// Open returns a pidfd of the process. ESRCH alone says that the process is gone or
// its number belongs to another one by now.
func (p Process) Open() (*os.File, error) {
	if p.Pid <= 0 {
		return nil, unix.ESRCH
	}
	fd, err := unix.PidfdOpen(p.Pid, 0)
	switch err {
	case nil:
	case unix.ESRCH, unix.EINVAL, unix.ENOENT:
		// The last two are of a number that a thread of another process has by now,
		// EINVAL before Linux 6.15.
		return nil, unix.ESRCH
	default:
		return nil, errdefs.Doing(err, "open process "+strconv.Itoa(p.Pid))
	}
	// Checked after the pidfd was made: it holds on to this one process.
	if _, err := p.look(); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}
