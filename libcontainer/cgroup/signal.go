package cgroup

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// Signal sends a signal to all processes in the container's cgroup and below
// it. SIGKILL thaws a frozen container, so that its processes can die. Any other
// signal reaches a frozen process when it is thawed, except that on v2 one that
// it does not handle ends it at once. It succeeds where there are no processes,
// or no cgroup.
//
// A process that is made meanwhile gets the signal too: the kernel sees to that
// where it has cgroup.kill (Linux 5.14), else the container is frozen for the
// time, as far as it can be.
func (m *Manager) Signal(sig unix.Signal) error {
	dir := m.primary()
	if dir == "" || !exists(dir) {
		return nil
	}
	kill := sig == unix.SIGKILL
	killed := kill && m.cgroupKill()
	if killed && m.v2() {
		return nil
	}
	frozen, err := m.Frozen()
	if err != nil {
		return err
	}
	if !frozen && !killed {
		// Without a freezer the rounds of signalBelow have to do.
		_ = m.freeze(holdTimeout)
	}
	err = signalBelow(dir, sig)
	if kill || !frozen {
		if thawErr := m.Thaw(); err == nil {
			err = thawErr
		}
	}
	return errdefs.Doing(err, "signal the processes of the cgroup "+dir)
}

// cgroupKill kills all processes in the v2 hierarchy at a stroke, and reports
// whether it could.
func (m *Manager) cgroupKill() bool {
	dir := m.unified()
	return dir != "" && writeFile(dir, "cgroup.kill", "1") == nil
}

// batch is how many processes are held by a pidfd at a time.
const batch = 256

// signalBelow signals the processes in the cgroup dir and below it, in rounds
// until one finds none that is new.
func signalBelow(dir string, sig unix.Signal) error {
	done := make(map[int]bool)
	for {
		pids, err := pidsBelow(dir)
		if isGone(err) {
			return nil
		} else if err != nil {
			return err
		}
		fresh := pids[:0]
		for _, pid := range pids {
			if !done[pid] {
				done[pid] = true
				fresh = append(fresh, pid)
			}
		}
		if len(fresh) == 0 {
			return nil
		}
		err = eachProcess(dir, fresh, func(_, pidfd int) error {
			err := unix.PidfdSendSignal(pidfd, sig, nil, 0)
			if err == unix.ESRCH {
				return nil
			}
			return os.NewSyscallError("pidfd_send_signal", err)
		})
		if err != nil {
			return err
		}
	}
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
