package cgroup

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/procstat"
)

// Signal sends a signal to all processes in the container's cgroup and below
// it. SIGKILL thaws a frozen container, so that its processes can die. Any other
// signal freezes and thaws nothing: it reaches a frozen process when it is thawed,
// except that on v2 one that it does not handle ends it at once. Signal succeeds
// where there are no processes, or no cgroup.
//
// A process that is made meanwhile gets the signal too. For SIGKILL the kernel sees
// to that where it has cgroup.kill (Linux 5.14), else the container is frozen for
// the time, as far as it can be. For any other signal the cgroup is looked at again
// until there is no new process, or for a tenth of a second, and what is made after
// that is made by processes that had the signal: to freeze a container that is to go
// on would leave it so for good if the caller died in that moment, and undo what
// pause does at the same time.
func (m *Manager) Signal(sig unix.Signal) error {
	m.disown()
	dir := m.primary()
	if dir == "" || !exists(dir) {
		return nil
	}
	var err error
	if sig == unix.SIGKILL {
		err = m.kill(dir)
	} else {
		err = signalBelow(dir, sig, false)
	}
	return errdefs.Doing(err, "signal the processes of the cgroup "+dir)
}

// kill is Signal with SIGKILL; dir is the primary folder.
func (m *Manager) kill(dir string) error {
	killed := m.cgroupKill()
	if killed && m.v2() {
		return nil
	}
	frozen, err := m.Frozen()
	if err != nil {
		return err
	}
	// Without a freezer the rounds of signalBelow have to do.
	still := killed || frozen || m.freeze(holdTimeout) == nil
	err = signalBelow(dir, unix.SIGKILL, still)
	if thawErr := m.ThawKilled(); err == nil {
		err = thawErr
	}
	return err
}

// cgroupKill kills all processes in the v2 hierarchy at a stroke, and reports
// whether it could.
func (m *Manager) cgroupKill() bool {
	dir := m.unified()
	return dir != "" && writeFile(dir, "cgroup.kill", "1") == nil
}

// batch is how many processes are held by a pidfd at a time.
const batch = 256

// What bounds the rounds of signalBelow after the first one, which signals all
// that were there. Who makes processes faster than they are signalled would keep it
// going for ever.
const (
	// killTimeout is for SIGKILL, which nothing may survive.
	killTimeout = 10 * time.Second
	// signalTimeout is for any other signal. A round takes less than a millisecond,
	// or about as long as the first one.
	signalTimeout = 100 * time.Millisecond
)

// signalBelow signals the processes in the cgroup dir and below it, in rounds
// until one finds none that is new. That there is no end of them is an error with
// SIGKILL alone: what ignores another signal may go on. still tells that they are
// frozen or killed, so that none of them makes others.
func signalBelow(dir string, sig unix.Signal, still bool) error {
	sent := 0
	r := rounds{
		list: func() ([]int, error) { return pidsBelow(dir) },
		send: func(pids []int) error {
			return eachProcess(dir, pids, func(_, pidfd int) error {
				err := unix.PidfdSendSignal(pidfd, sig, nil, 0)
				if err == unix.ESRCH {
					return nil
				}
				sent++
				return os.NewSyscallError("pidfd_send_signal", err)
			})
		},
		born: func(int) uint64 { return 0 },
	}
	if !still {
		r.born = startTime
	}
	timeout := signalTimeout
	if sig == unix.SIGKILL {
		timeout = killTimeout
	}
	switch err := r.run(timeout); {
	case isGone(err), err == errEndless && sig != unix.SIGKILL:
		return nil
	case err == errEndless:
		return &errdefs.Error{Err: fmt.Errorf("%d processes were killed in %v, and there are new ones still", sent, timeout),
			Hint: "the container makes them faster than they can be killed; a limit of its processes (linux.resources.pids.limit) ends that"}
	default:
		return err
	}
}

// errEndless is that there were new processes as long as there was time.
var errEndless = errors.New("there is no end of new processes")

// rounds has something be done once with each of a changing set of processes.
type rounds struct {
	// list returns the pids that are in the set now.
	list func() ([]int, error)
	// send does it with some of them. It is called with no process twice.
	send func(pids []int) error
	// born tells a process from another one that had its number before. It
	// returns the same for all where that cannot be.
	born func(pid int) uint64
}

// run ends with a list that has no process that is new, or the first error, or,
// when timeout has passed since the first round, with errEndless.
func (r *rounds) run(timeout time.Duration) error {
	done := make(map[int]uint64)
	var deadline time.Time
	for {
		pids, err := r.list()
		if err != nil {
			return err
		}
		fresh := pids[:0]
		for _, pid := range pids {
			born := r.born(pid)
			if before, ok := done[pid]; !ok || before != born {
				done[pid] = born
				fresh = append(fresh, pid)
			}
		}
		switch {
		case len(fresh) == 0:
			return nil
		case !deadline.IsZero() && time.Now().After(deadline):
			return errEndless
		}
		if err := r.send(fresh); err != nil {
			return err
		}
		if deadline.IsZero() {
			deadline = time.Now().Add(timeout)
		}
	}
}

// startTime is rounds.born: 0 is for a process that is gone.
func startTime(pid int) uint64 {
	now, err := procstat.Read(pid)
	if err != nil {
		return 0
	}
	return now.StartTime
}

// eachProcess calls do with a pidfd of each of pids that is still in the cgroup
// dir or below it. A pid may come to mean another process between being read
// and being used; a pidfd cannot. So all are opened first, then the cgroup is
// looked at again.
func eachProcess(dir string, pids []int, do func(pid, pidfd int) error) error {
	for len(pids) > 0 {
		n := min(len(pids), batch)
		if err := eachOfBatch(dir, pids[:n], do); err != nil {
			return err
		}
		pids = pids[n:]
	}
	return nil
}

func eachOfBatch(dir string, pids []int, do func(pid, pidfd int) error) error {
	held := make(map[int]int, len(pids))
	defer func() {
		for _, fd := range held {
			_ = unix.Close(fd)
		}
	}()
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		switch err {
		case nil:
			held[pid] = fd
		case unix.ESRCH, unix.EINVAL, unix.ENOENT: // ended, or not the leader of its threads
		default:
			return os.NewSyscallError("pidfd_open", err)
		}
	}
	now, err := pidsBelow(dir)
	if isGone(err) {
		return nil
	} else if err != nil {
		return err
	}
	for _, pid := range now {
		if fd, ok := held[pid]; ok {
			if err := do(pid, fd); err != nil {
				return err
			}
		}
	}
	return nil
}

// waitEnd waits until the processes in dirs, which were killed, have ended. One
// that is in some of the container's hierarchies only, which Signal does not
// look at, is killed here.
//
// It waits on pidfds: cgroup.events would tell of the end of all at once, but up
// to 10 ms late (see waitFrozen).
func waitEnd(dirs []string, deadline time.Time) error {
	for _, dir := range dirs {
		pids, err := pidsBelow(dir)
		if isGone(err) {
			continue
		} else if err != nil {
			return err
		}
		err = eachProcess(dir, pids, func(pid, pidfd int) error {
			_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
			if waitFor(pidfd, unix.POLLIN, deadline) {
				return nil
			}
			return &errdefs.Error{Doing: "wait for the end of process " + strconv.Itoa(pid), Err: unix.ETIMEDOUT,
				Hint: "it was killed, but the kernel does not let go of it; see /proc/" + strconv.Itoa(pid) + "/stack"}
		})
		if err != nil {
			return err
		}
	}
	return nil
}
