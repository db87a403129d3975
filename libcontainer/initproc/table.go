package initproc

import (
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/process"
	"github.com/rungoci/rung/libcontainer/rootfs"
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
	exe    string
	env    []string
	report handshake.Report
}

// step is one row of the table.
type step struct {
	name string
	do   func(*inside) error
}

// table is everything that happens inside, in order. What needs the host's
// folders comes before "enter", what needs root before "user".
var table = []step{
	{"session", (*inside).session},
	{"network", (*inside).network},
	{"procfs", (*inside).procfs},
	{"root", (*inside).openRoot},
	{"mounts", (*inside).mounts},
	{"devices", (*inside).devices},
	{"terminal", (*inside).terminal},
	{"runtime-hooks", (*inside).runtimeHooks},
	{"createContainer", (*inside).createContainerHooks},
	{"sysctl", (*inside).sysctl},
	{"hostname", (*inside).hostname},
	{"attributes", (*inside).attributes},
	{"enter", (*inside).enter},
	{"paths", (*inside).paths},
	{"stdio", (*inside).stdio},
	{"user", (*inside).user},
	{"executable", (*inside).executable},
	{"ready", (*inside).ready},
	{"gate", (*inside).passGate},
	{"exec", (*inside).exec},
}

// walk runs the steps until one fails.
func (in *inside) walk(steps []step) error {
	for _, s := range steps {
		start := time.Now()
		if err := s.do(in); err != nil {
			return errdefs.AtStep(err, s.name)
		}
		in.report.Timings = append(in.report.Timings, handshake.Timing{Step: s.name, Micros: time.Since(start).Microseconds()})
	}
	return nil
}
