package launch

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/spawn"
	"github.com/rungoci/rung/internal/sys"
)

// namespaceKinds lists the namespaces in the order in which they are joined:
// the mount namespace late, as joining it changes the root and the working
// folder. For the user namespace see userFirst.
var namespaceKinds = []struct {
	kind specs.LinuxNamespaceType
	flag int
	file string
}{
	{specs.UTSNamespace, unix.CLONE_NEWUTS, "uts"},
	{specs.IPCNamespace, unix.CLONE_NEWIPC, "ipc"},
	{specs.NetworkNamespace, unix.CLONE_NEWNET, "net"},
	{specs.PIDNamespace, unix.CLONE_NEWPID, "pid"},
	{specs.CgroupNamespace, unix.CLONE_NEWCGROUP, "cgroup"},
	{specs.TimeNamespace, unix.CLONE_NEWTIME, "time"},
	{specs.MountNamespace, unix.CLONE_NEWNS, "mnt"},
	{specs.UserNamespace, unix.CLONE_NEWUSER, "user"},
}

// namespaces fills in what req has to make and to join. The returned function
// closes the files that were opened.
func namespaces(list []specs.LinuxNamespace, req *spawn.Request) (closeAll func(), err error) {
	var files []*os.File
	closeAll = func() {
		for _, f := range files {
			f.Close()
		}
	}
	for _, k := range namespaceKinds {
		for i, ns := range list {
			if ns.Type != k.kind {
				continue
			}
			if ns.Path == "" {
				req.New |= uint64(k.flag)
				continue
			}
			field := "linux.namespaces[" + strconv.Itoa(i) + "].path"
			f, err := openNamespace(ns.Path, k.flag)
			if err != nil {
				return closeAll, &errdefs.Error{Doing: fmt.Sprintf("join the %s namespace %s", ns.Type, ns.Path), Field: field, Err: err}
			}
			files = append(files, f)
			join := spawn.Join{FD: int(f.Fd()), Flag: k.flag, Field: field}
			if k.flag == unix.CLONE_NEWUSER && userFirst() {
				req.Join = slices.Insert(req.Join, 0, join)
			} else {
				req.Join = append(req.Join, join)
			}
		}
	}
	return closeAll, nil
}

// userFirst tells whether a user namespace is joined before all others. To
// join a namespace takes CAP_SYS_ADMIN over it and where one is: whoever is
// privileged has it for all of them from outside, and gives it up for the
// host's by entering the user namespace; whoever is not has it only inside.
func userFirst() bool { return !sys.Capable(unix.CAP_SYS_ADMIN) }

// openNamespace opens a namespace file and checks that it is one of the right
// kind. A fifo or a device in its place must not make it wait.
func openNamespace(path string, flag int) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	// ioctl_ns(2): NS_GET_NSTYPE, ENOTTY on anything that is no namespace.
	kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
	switch {
	case errors.Is(err, unix.ENOTTY):
		f.Close()
		return nil, errors.New("this is not a namespace file")
	case err != nil:
		f.Close()
		return nil, err
	case kind != flag:
		f.Close()
		return nil, fmt.Errorf("this is a namespace of another type (%s)", flagName(kind))
	}
	return f, nil
}

func flagName(flag int) string {
	for _, k := range namespaceKinds {
		if k.flag == flag {
			return string(k.kind)
		}
	}
	return "0x" + strconv.FormatInt(int64(flag), 16)
}

// timeOffsets formats linux.timeOffsets as time_namespaces(7) wants it
// written, or returns "".
func timeOffsets(s *specs.Spec) string {
	offsets := s.Linux.TimeOffsets
	clocks := make([]string, 0, len(offsets))
	for clock := range offsets {
		clocks = append(clocks, clock)
	}
	sort.Strings(clocks)
	var text string
	for _, clock := range clocks {
		o := offsets[clock]
		text += fmt.Sprintf("%s %d %d\n", clock, o.Secs, o.Nanosecs)
	}
	return text
}
