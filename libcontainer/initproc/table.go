package initproc

import (
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/stub"
	"github.com/rungoci/rung/internal/sys"
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/hook"
	"github.com/rungoci/rung/libcontainer/process"
	"github.com/rungoci/rung/libcontainer/rootfs"
	"github.com/rungoci/rung/libcontainer/seccomp"
)

// inside is what the steps share.
type inside struct {
	conn   *handshake.Conn
	gate   *os.File // nil for a container that does not wait for start
	msg    handshake.Message
	spec   *specs.Spec
	proc   *process.Proc
	root   *rootfs.Rootfs
	caps   process.Caps
	filter filter
	exe    string
	env    []string
	// hooks is where hooks write to.
	hooks  hook.Output
	report handshake.Report

	// by makes the calls of the steps that both executions have (see write.go).
	by sys.Caller
	// streams are the descriptors of the program's standard streams.
	streams [3]int
	// rootFD is the root folder of the container that is joined from outside.
	rootFD int
	// program is what the calls are written to, or nil.
	program *stub.Program
	// null is the container's null device, for its init to take as nullStreams.
	null        *os.File
	nullStreams []int
	// comingFilter and newProcfs are those of Ahead.
	comingFilter func() (*seccomp.Program, error)
	newProcfs    func(rootfs.Procfs) (int, error)
}

// scope says what a row is for.
type scope uint8

const (
	always scope = iota
	// forInit is for the first process of a container, in new namespaces.
	forInit
	// forExec is for a further process, in those of a container that stands.
	forExec
)

// step is one row of the table.
type step struct {
	name string
	of   scope
	do   func(*inside) error
}

// table is everything that happens inside, in order. What needs the host's
// folders comes before "enter", what needs root before "user". The process of an
// exec sees nothing of the host from the start: files of the container are under
// the container's control.
var table = []step{
	{"procfs", always, (*inside).procfs},
	{"session", always, (*inside).session},
	{"network", forInit, (*inside).network},
	{"hook-output", forInit, (*inside).hookOutput},
	{"filter", always, (*inside).receiveFilter},
	{"network-devices", forInit, (*inside).networkDevices},
	{"affinity", always, (*inside).affinity},
	{"root", forInit, (*inside).openRoot},
	{"mounts", forInit, (*inside).mounts},
	{"devices", forInit, (*inside).devices},
	{"terminal", always, (*inside).terminal},
	{"runtime-hooks", forInit, (*inside).runtimeHooks},
	{"createContainer", forInit, (*inside).createContainerHooks},
	{"sysctl", forInit, (*inside).sysctl},
	{"hostname", forInit, (*inside).hostname},
	{"badness", forInit, (*inside).badness},
	{"environment", always, (*inside).environment},
	{"labels", always, (*inside).labels},
	{"attributes", always, (*inside).attributes},
	{"enter", forInit, (*inside).enter},
	{"paths", forInit, (*inside).paths},
	{"stdio", always, (*inside).stdio},
	{"user", always, (*inside).user},
	{"executable", always, (*inside).executable},
	{"listener", always, (*inside).listener},
	{"ready", always, (*inside).ready},
	{"gate", forInit, (*inside).passGate},
	{"exec", always, (*inside).exec},
}

// walk runs the steps that are for this process until one fails.
func (in *inside) walk(steps []step) error {
	other := forExec
	if in.msg.Join {
		other = forInit
	}
	for _, s := range steps {
		if s.of == other {
			continue
		}
		start := time.Now()
		if err := s.do(in); err != nil {
			return errdefs.AtStep(err, s.name)
		}
		in.report.Timings = append(in.report.Timings, handshake.Timing{Step: s.name, Micros: time.Since(start).Microseconds()})
	}
	return nil
}
