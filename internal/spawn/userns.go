package spawn

import (
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A process enters a new user namespace with all capabilities in it and with
// ids that it does not map yet. It waits until the parent has written the
// mappings, and becomes the namespace's root, so that all that it makes from
// then on belongs to that. Up to then it can be dumped: the files of a process
// in /proc that cannot are the host's root's, and a caller without privileges
// (and newuidmap(1)) has to write them.

// awayPipe moves the pipe that a process in a new user namespace waits on out
// of the range that the process fills anew. The end for writing must be open
// there once: whoever holds it keeps the pipe from ending, and the process has
// to close it, or it would wait for itself.
func (b *builder) awayPipe(free int) (waitFD int, err error) {
	if !b.newUser {
		return -1, nil
	}
	if int(b.goEnd.Fd()) < free {
		fd, err := unix.FcntlInt(b.goEnd.Fd(), unix.F_DUPFD_CLOEXEC, free)
		if err != nil {
			return -1, os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
		}
		b.goEnd.Close()
		b.goEnd = os.NewFile(uintptr(fd), "go")
	}
	return b.away(int(b.waitEnd.Fd()), free)
}

// enterUser makes the user namespace, unless clone3 did, and waits for
// Request.Prepare.
func (b *builder) enterUser(waitFD int) {
	if b.twoStage {
		flags := uintptr(unix.CLONE_NEWUSER)
		if b.req.TimeOffsets != "" {
			flags |= unix.CLONE_NEWTIME
		}
		b.add(opCall, "make the user namespace", "linux.namespaces", unix.SYS_UNSHARE, flags)
		b.mapReport.op = mapRequest
		b.add(opCall, "ask for the id mappings", "", unix.SYS_WRITE, b.reportFD, uintptr(unsafe.Pointer(&b.mapReport)), reportSize)
	}
	b.add(opCall, "close the parent's end of the pipe", "", unix.SYS_CLOSE, b.goEnd.Fd())
	b.add(opWait, "wait for the id mappings", "linux.uidMappings", unix.SYS_READ, uintptr(waitFD), uintptr(unsafe.Pointer(&b.byte)), 1)
}

// becomeRoot makes the process the root of its user namespace. The
// supplementary groups of the caller go where the kernel allows it: not in a
// namespace where setgroups is denied.
func (b *builder) becomeRoot() {
	b.add(opTry, "drop the caller's groups", "", unix.SYS_SETGROUPS, 0, 0)
	b.add(opCall, "become root in the user namespace (map gid 0)", "linux.gidMappings", unix.SYS_SETRESGID, 0, 0, 0)
	b.add(opCall, "become root in the user namespace (map uid 0)", "linux.uidMappings", unix.SYS_SETRESUID, 0, 0, 0)
	// A change of ids undoes both.
	b.hide()
	b.dieWithParent()
}

// capHeader and capabilities are the arguments of capset(2), version 3, for
// the calling process.
var capHeader = unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}

type capabilities [2]unix.CapUserData

// permitted is the set of a process in a new user namespace: all of them
// permitted, and, for the moment of execveat, none in effect.
//
// execve(2) makes a process that can read its program dumpable, and gives it
// to the user namespace: from then until it hides itself again, another
// process there could take it over by ptrace(2). One that cannot read it is
// spared both (would_dump of the kernel). The program can be executed by all
// and read by none, but for CAP_DAC_OVERRIDE, which is why that is not in
// effect. execve gives root everything that is permitted back.
var permitted = capabilities{{Permitted: ^uint32(0)}, {Permitted: ^uint32(0)}}

// UserNamespace makes a user namespace that no process stays in, and returns
// its file. prepare gets the pid of a process in it, and writes the mappings.
func UserNamespace(prepare func(pid int) error) (*os.File, error) {
	b := newBuilder(&Request{New: unix.CLONE_NEWUSER, CgroupFD: -1})
	defer b.close()
	if err := b.choose(); err != nil {
		return nil, err
	}
	b.add(opFirst, "clone a process", "", unix.SYS_CLONE3, uintptr(unsafe.Pointer(&b.first)), cloneArgsSize)
	b.dieWithParent()
	b.add(opCall, "close the parent's end of the pipe", "", unix.SYS_CLOSE, b.goEnd.Fd())
	b.add(opTry, "wait for the parent", "", unix.SYS_READ, b.waitEnd.Fd(), uintptr(unsafe.Pointer(&b.byte)), 1)
	b.exit(^uintptr(0)) // nobody listens
	pid, pidFD, err := b.clone(b.ops)
	if err != nil {
		return nil, err
	}
	p := &Process{Pid: pid, PidFD: os.NewFile(uintptr(pidFD), "pidfd"), report: b.waitEnd}
	defer p.abandon()
	if err := prepare(pid); err != nil {
		return nil, err
	}
	return os.Open("/proc/" + strconv.Itoa(pid) + "/ns/user")
}
