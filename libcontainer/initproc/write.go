package initproc

import (
	"errors"
	"strings"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/nofile"
	"github.com/rungoci/rung/internal/stub"
	"github.com/rungoci/rung/internal/sys"
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/process"
	"github.com/rungoci/rung/libcontainer/seccomp"
)

// The table of a process that joins a container can also be walked before there
// is one: most of its steps are system calls whose arguments are known. They are
// then written down, for a program that is nothing else (package stub). What it
// saves is a start of rung, of which an exec is a third.
//
// Such a program cannot explain itself. Where one of its calls fails, the outside
// goes the way with rung in the process, which does and which knows what else to
// try.

// Ahead is what the outside knows of a process that is to join a container.
type Ahead struct {
	// Spec has the process object, and little else.
	Spec *specs.Spec
	// ID is the container's.
	ID string
	// Keyring, Foreground and KeepGroups are as in handshake.Message.
	Keyring, Foreground, KeepGroups bool
	// Streams are the descriptors, here, of the standard streams.
	Streams [3]int
	// Preserve is the number of descriptors from 3 on for the program.
	Preserve int
	// Root is the container's root folder.
	Root int
	// Filter is the filter of system calls, or nil.
	Filter *seccomp.Program
}

// ErrNotAhead is returned by Write for a process that cannot be written down.
var ErrNotAhead = errors.New("it takes a process to find out")

// Write walks the table for a process that joins a container without another
// user namespace, and returns a program that makes its calls. The program reads a
// byte from the descriptor 3+Preserve before it runs the container's program, and
// reports to the one behind that. The one behind that is the host's /proc, where
// the process object asks for labels. None is left open. warnings are for the
// user.
func Write(a Ahead) (p *stub.Program, warnings []string, err error) {
	proc := a.Spec.Process
	if proc.Terminal || a.Filter != nil && a.Filter.Notify() {
		return nil, nil, ErrNotAhead
	}
	p = stub.New()
	in := &inside{
		spec: a.Spec, by: p, program: p, streams: a.Streams, rootFD: a.Root, goFD: 3 + a.Preserve, procFD: 5 + a.Preserve,
		filter: filter{program: a.Filter},
		msg: handshake.Message{
			Join: true, Immediate: true, Keyring: a.Keyring, Foreground: a.Foreground, KeepGroups: a.KeepGroups, Preserve: a.Preserve,
			State: specs.State{ID: a.ID},
		},
	}
	in.begin()
	if err := in.walk(table); err != nil {
		return nil, nil, err
	}
	return p, in.report.Warnings, nil
}

// begin is what a rung in the process does before it walks the table; see run.
func (in *inside) begin() {
	in.program.Try(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0)
	in.program.Call(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL))
	in.program.Try(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, 0)
	if soft, hard, ok := nofile.Original(); ok {
		in.by.Rlimit(unix.RLIMIT_NOFILE, soft, hard)
	}
}

// writeAttrs writes down the writing to files of the process in /proc, which the
// container cannot have replaced; see process.Proc.
func (in *inside) writeAttrs(attrs []process.Attr) {
	for _, a := range attrs {
		p, how := in.program, process.OpenHow(unix.O_WRONLY)
		p.Call(unix.SYS_OPENAT2, uintptr(in.procFD), sys.CString(p, "thread-self/"+a.File), p.Mem(sys.Bytes(&how)), unsafe.Sizeof(how))
		p.Prev(unix.SYS_WRITE, 0, p.Mem([]byte(a.Value)), uintptr(len(a.Value)))
	}
}

// writeExec writes down what exec does.
func (in *inside) writeExec() error {
	p, report := in.program, in.goFD+1
	for _, fd := range [...]int{in.goFD, report} {
		p.Call(unix.SYS_FCNTL, uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
	}
	p.Ready(report)
	if err := in.loadFilter(); err != nil {
		return err
	}
	for _, s := range [...][]string{in.spec.Process.Args, in.env} {
		for _, word := range s {
			if strings.IndexByte(word, 0) >= 0 {
				return ErrNotAhead
			}
		}
	}
	args, env := sys.CStrings(p, in.spec.Process.Args), sys.CStrings(p, in.env)
	files := process.Candidates(in.spec.Process.Args[0], in.env)
	for i, file := range files {
		execve := p.Look
		if i == len(files)-1 {
			execve = p.Call
		}
		execve(unix.SYS_EXECVE, sys.CString(p, file), args, env)
	}
	return nil
}
