package cgroup

import (
	"encoding/binary"
	"errors"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// OOM tells when a container runs out of memory.
type OOM struct {
	fd  int
	dir string
	// v2 is true where fd is an inotify descriptor; kills is then the
	// number of killed processes at the last look.
	v2    bool
	kills uint64
}

// WatchOOM begins to watch for the kernel running out of the container's
// memory. On v1 that is when it looks for something to kill, or, if it is told
// not to, lets processes wait; on v2 it is when a process is killed, in a cgroup
// below the container's too. Close it after use.
func (m *Manager) WatchOOM() (*OOM, error) {
	dir, ok := m.home("memory")
	if !ok || m.v2() && !m.enabled(dir, "memory") {
		return nil, &errdefs.Error{Doing: "watch for a lack of memory", Err: errors.New("the container has no cgroup of the controller memory"),
			Hint: m.absent("memory")}
	}
	o := &OOM{dir: dir, v2: m.v2()}
	watch := o.watchV1
	if o.v2 {
		watch = o.watchV2
	}
	if err := watch(); err != nil {
		return nil, errdefs.Doing(err, "watch for a lack of memory in the cgroup "+dir)
	}
	return o, nil
}

// watchV1 has the kernel add to an eventfd (Documentation/admin-guide/
// cgroup-v1/memory.rst, "OOM Control").
func (o *OOM) watchV1() error {
	control, err := openFile(o.dir, "memory.oom_control", unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(control)
	if o.fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return err
	}
	if err := writeFile(o.dir, "cgroup.event_control", strconv.Itoa(o.fd)+" "+strconv.Itoa(control)); err != nil {
		o.Close()
		return err
	}
	return nil
}

// watchV2 has inotify tell of changes of memory.events.
func (o *OOM) watchV2() error {
	var err error
	if o.fd, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err != nil {
		return err
	}
	if _, err := unix.InotifyAddWatch(o.fd, o.dir+"/memory.events", unix.IN_MODIFY); err != nil {
		o.Close()
		return err
	}
	o.kills, err = o.countKills()
	if err != nil {
		o.Close()
	}
	return err
}

func (o *OOM) countKills() (uint64, error) {
	text, err := readFile(o.dir, "memory.events")
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(keyValue(text, "oom_kill"), 10, 64)
}

// Fd returns a descriptor that is readable when Happened should be called.
func (o *OOM) Fd() int { return o.fd }

// Happened reports whether the container ran out of memory since the last
// call. It does not wait.
func (o *OOM) Happened() bool {
	if !o.v2 {
		var count [8]byte
		n, err := unix.Read(o.fd, count[:])
		if err != nil || n != len(count) {
			return false
		}
		// The end of the cgroup is told in the same way, once.
		times := binary.NativeEndian.Uint64(count[:])
		return times > 1 || times == 1 && exists(o.dir)
	}
	var events [4096]byte
	for {
		if n, err := unix.Read(o.fd, events[:]); n <= 0 || err != nil && err != unix.EINTR {
			break
		}
	}
	kills, err := o.countKills()
	if err != nil {
		return false // gone
	}
	more := kills > o.kills
	o.kills = kills
	return more
}

// Close ends the watch.
func (o *OOM) Close() { _ = unix.Close(o.fd) }
