package state

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// LockWithin waits for the lock as Lock does, but no longer than timeout: the error then
// is an ErrLocked that says who has it.
func (d *Dir) LockWithin(timeout time.Duration) error {
	// The kernel has no flock that ends by itself, and one that waits in a thread
	// of its own could get the lock when nobody wants it any more.
	deadline := time.Now().Add(timeout)
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		err := d.TryLock()
		if !errors.Is(err, ErrLocked) {
			return err
		}
		if !time.Now().Before(deadline) {
			return d.stillLocked(timeout)
		}
		time.Sleep(pause)
	}
}

func (d *Dir) stillLocked(timeout time.Duration) error {
	e := &errdefs.Error{Doing: "lock " + d.Path(), Err: fmt.Errorf("%w, and was for %v", ErrLocked, timeout)}
	if pid := d.holder(); pid > 0 {
		e.Hint = "it is process " + strconv.Itoa(pid) + processName(pid) + "; repeat this when that has ended, or end it"
	}
	return e
}

// holder returns the process that has taken the lock, or 0 if the kernel does not tell:
// the process is of another pid namespace, or the folder on a filesystem whose files
// have another device number than the filesystem itself (Btrfs). It may have ended,
// and left the lock to what it has started.
func (d *Dir) holder() int {
	var st unix.Stat_t
	if unix.Fstat(int(d.f.Fd()), &st) != nil {
		return 0
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return 0
	}
	return lockHolder(string(locks), fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino))
}

// lockHolder returns who has the flock(2) of a file by /proc/locks (proc_locks(5)), or 0.
// Lines with an arrow are of those that wait:
//
//	1: FLOCK  ADVISORY  WRITE 1234 00:1b:5678 0 EOF
//	1: -> FLOCK  ADVISORY  WRITE 1240 00:1b:5678 0 EOF
func lockHolder(locks, file string) int {
	for line := range strings.Lines(locks) {
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != "FLOCK" || f[5] != file {
			continue
		}
		if pid, err := strconv.Atoi(f[4]); err == nil && pid > 0 {
			return pid
		}
	}
	return 0
}

// processName returns " (NAME)", or "" where the process has ended.
func processName(pid int) string {
	name, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil {
		return ""
	}
	return " (" + strings.TrimSuffix(string(name), "\n") + ")"
}
