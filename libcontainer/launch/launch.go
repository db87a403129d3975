// Package launch is the outside: what the command that the user called does,
// in the host's namespaces, to make a container.
//
// It is a table of named steps, each with its undo beside it (see table.go).
// The journal is written before anything that outlives this process; when a
// step fails the undos run in reverse, and when this process is killed the
// journal is what delete works from.
package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/procstat"
	"github.com/rungoci/rung/internal/spawn"
	"github.com/rungoci/rung/libcontainer/annotation"
	"github.com/rungoci/rung/libcontainer/bundle"
	"github.com/rungoci/rung/libcontainer/cgroup"
	"github.com/rungoci/rung/libcontainer/criu"
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/hook"
	"github.com/rungoci/rung/libcontainer/netdev"
	"github.com/rungoci/rung/libcontainer/network"
	"github.com/rungoci/rung/libcontainer/rdt"
	"github.com/rungoci/rung/libcontainer/state"
)

// Request is what a container, or a further process of one, is made from.
type Request struct {
	// Dir is the container's state folder, locked for a new container.
	Dir *state.Dir
	// Bundle is the validated bundle. Of a process that joins a container it
	// is a config.json in which there is nothing else.
	Bundle *bundle.Bundle
	// Annotated is what the annotations of a new container ask for.
	Annotated annotation.Settings
	// Into is the container to join; nil makes a new one.
	Into *Target
	// Systemd asks for the systemd cgroup driver, NoCgroup for none.
	Systemd, NoCgroup bool
	// ScopePrefix begins the name of the scope of the systemd driver where the
	// configuration names none, and Subgroup is the cgroup below it where no
	// annotation says which ("" for none).
	ScopePrefix, Subgroup string
	// Rootless says that cgroups may be out of reach.
	Rootless bool
	// Stdio are the program's standard streams where it has no terminal.
	Stdio [3]*os.File
	// Mounts and Env are added to those of config.json.
	Mounts []specs.Mount
	Env    []string
	// Immediate runs the program at once, without a gate; exec always does.
	Immediate bool
	// Preserve is the number of descriptors from 3 on that the program
	// inherits.
	Preserve int
	// NoPivot switches pivot_root off.
	NoPivot bool
	// Keyring is the name of the container's session keyring, or "" to leave the
	// program that of the caller.
	Keyring string
	// Foreground says that the standard streams stay the caller's.
	Foreground bool
	// Terminal is called with the master of the program's terminal, which it
	// must not keep.
	Terminal func(ctx context.Context, master *os.File) error
	// Images are what a container is restored from, for Restore.
	Images *Images
	// PidFile is where to write the pid of the process, or "".
	PidFile string
	// PidfdSocket is a socket to send a pidfd of the process to, or "".
	PidfdSocket string
	// Cloned is called when there is a process, Commit before the container
	// is said to be there, or the program to run. Both may be nil.
	Cloned, Commit func()
	// Warn is called with what is worth saying but no error.
	Warn func(text string)
	// Trace is called after each step with its name and duration.
	Trace func(step string, d time.Duration)
	// Debug is called with what explains what the program gets and how; not with Into.
	Debug func(text string)
}

// creation is what the steps share: the making of a process, most often with
// a container around it.
type creation struct {
	*Request
	ctx    context.Context
	spec   *specs.Spec
	state  *state.State
	cgroup *cgroup.Manager
	rdt    *rdt.Class
	conn   *handshake.Conn
	peer   *os.File
	gate   *os.File
	exe    *os.File
	// proc is the host's /proc, for a process that joins or that its command has
	// prepared, if it needs one.
	proc    *os.File
	sealed  chan error
	network *network.Pending
	// devices has moved linux.netDevices, or is nil.
	devices *netdev.Mover
	process *spawn.Process
	// restoring is the container that CRIU restores, external where on the
	// host its mounts come from.
	restoring *criu.Restored
	external  map[string]string
	// userns tells that the container has another user namespace than rung.
	userns bool
	// joins are the CLONE_NEW* flags of the namespaces to join, with Into.
	joins int
	// joiner is the thread that clones a process in the container's pid namespace,
	// or nil.
	joiner *worker
	// hooks is where hooks write to.
	hooks hook.Output
	// rulesSet is true once the device rules are in force.
	rulesSet bool
	// place brings the process into its cgroup, if it is not born there.
	place func(pid int) error
	// disarm unregisters callOff.
	disarm func() bool
	// ahead is the process where it is a list of system calls; see ahead.go.
	ahead *ahead
	// settled is true once the end of ctx no longer matters: the container
	// stands, or is undone anyway. Only this goroutine sets it.
	settled bool
	mu      sync.Mutex // of settled
	// locked is true while the goroutine is bound to its thread.
	locked bool
}

// Result is a container that waits behind its gate, or a process that runs.
type Result struct {
	State *state.State
	// Process is the init, or the process that joined; a child of the caller.
	Process *spawn.Process
}

// scope says what a row is for.
type scope uint8

const (
	always scope = iota
	// forInit is for the first process of a container, which is made with
	// it: create and run.
	forInit
	// forExec is for a further process of a container that stands.
	forExec
)

// row is one line of the table: a step, and what takes it back. The undo runs
// also for the step that failed, and must cope with one half done.
type row struct {
	name string
	of   scope
	do   func(*creation) error
	undo func(*creation)
}

// rows returns the part of the table that is for this creation.
func (c *creation) rows() []row {
	other := forExec
	if c.Into != nil {
		other = forInit
	}
	rows := make([]row, 0, len(table))
	for _, r := range table {
		if r.of != other {
			rows = append(rows, r)
		}
	}
	return rows
}

// Create makes the container and leaves its init waiting at the gate, or, with
// Immediate, running the user's program. With Into it makes a further process
// of that container, which runs the program. On failure, or when ctx ends,
// nothing of it is left but the state folder, which is the caller's.
func Create(ctx context.Context, r *Request) (*Result, error) {
	if goesAhead(r) {
		c := &creation{Request: r, ctx: ctx, spec: r.Bundle.Spec, ahead: newAhead()}
		res, err := create(c)
		if !errors.Is(err, errAgain) || ctx.Err() != nil {
			return res, err
		}
		if r.Debug != nil {
			r.Debug("making it once more, with rung in the process: " + err.Error())
		}
		again := *r
		if c.process != nil {
			again.Cloned = nil // has been called
		}
		r = &again
	}
	return create(&creation{Request: r, ctx: ctx, spec: r.Bundle.Spec})
}

// create walks the table.
func create(c *creation) (*Result, error) {
	c.userns = c.has(specs.UserNamespace) || c.Into != nil && c.Into.State.Exec.Userns
	return c.walk(c.rows())
}

// walk does the steps of rows, or, if one fails, undoes them again.
func (c *creation) walk(rows []row) (*Result, error) {
	defer c.closeFiles()
	defer c.unlockThread()
	for i, s := range rows {
		start := time.Now()
		err := s.do(c)
		if c.ctx.Err() != nil && !c.settled {
			err = context.Cause(c.ctx)
		}
		if err != nil {
			c.settle()
			for ; i >= 0; i-- {
				if rows[i].undo != nil {
					rows[i].undo(c)
				}
			}
			return nil, errdefs.AtStep(err, s.name)
		}
		c.Trace(s.name, time.Since(start))
	}
	return &Result{State: c.state, Process: c.process}, nil
}

// callOff is called at the end of ctx. It kills the init, so that whatever the
// outside waits for by then, it hears of an end of file. An init that has hung
// up is beyond that: it runs the user's program, or died.
func (c *creation) callOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.settled && !c.hungUp() {
		_ = unix.PidfdSendSignal(int(c.process.PidFD.Fd()), unix.SIGKILL, nil, 0)
	}
}

// settle is the point from which on the end of ctx does not matter.
func (c *creation) settle() {
	c.mu.Lock()
	c.settled = true
	c.mu.Unlock()
	if c.disarm != nil {
		c.disarm()
	}
}

// lockThread binds this goroutine to its thread, whose end would be the
// init's (PR_SET_PDEATHSIG), for as long as the init depends on it. Not
// earlier: while a goroutine that is bound starts others, the runtime makes
// their threads by way of one thread more.
func (c *creation) lockThread() {
	runtime.LockOSThread()
	c.locked = true
}

func (c *creation) unlockThread() {
	if c.locked {
		runtime.UnlockOSThread()
	}
	if c.joiner != nil {
		c.joiner.end()
	}
}

func (c *creation) closeFiles() {
	c.closeNetwork()
	if c.devices != nil {
		c.devices.Close()
	}
	c.hooks.Close()
	if c.ahead != nil {
		c.ahead.close()
	}
	for _, f := range []*os.File{c.peer, c.gate, c.exe, c.proc} {
		if f != nil {
			f.Close()
		}
	}
	if c.conn != nil {
		c.conn.Close()
	}
}

// errDied is what neverRan is about.
var errDied = errors.New("the process died before it ran the program")

// neverRan tells of a process that has ended its conversation, as it does when it
// executes the user's program, whether it died instead: the filter of system calls
// (SIGSYS) or a lack of memory may end it in that very call. It is exiting then, which
// comes before its files are closed, and has the name that it had.
func (c *creation) neverRan() bool {
	now, err := procstat.Read(c.process.Pid)
	return err == nil && now.Exiting() && now.Name == handshake.Arg0
}

// died explains the end of an init that said nothing.
func (c *creation) died() error {
	if err := c.process.SetupError(); err != nil {
		return err
	}
	status := c.process.Wait()
	e := &errdefs.Error{Doing: "set up the container", Err: fmt.Errorf("%s died with exit status %d", c.who(), status.ExitStatus())}
	if c.Into != nil {
		e.Doing = "join the container"
	}
	if status.Signaled() {
		e.Err = fmt.Errorf("%s was killed by signal %d (%s)", c.who(), int(status.Signal()), unix.SignalName(status.Signal()))
		if status.Signal() == unix.SIGKILL && c.Into != nil {
			e.Hint = "the container may have ended, or be too short of memory for one more process"
		}
		if res := resources(c.spec); status.Signal() == unix.SIGKILL && res != nil && res.Memory != nil && res.Memory.Limit != nil {
			e.Field = "linux.resources.memory.limit"
			e.Hint = fmt.Sprintf("a limit of %d bytes may be too small to start in", *res.Memory.Limit)
		}
		// Go's exit(2) and that of package stub trap where they return.
		if slices.Contains([]unix.Signal{unix.SIGSYS, unix.SIGTRAP, unix.SIGILL}, status.Signal()) && c.hasFilter() {
			e.Field, e.Hint = "linux.seccomp", "the filter may let it neither execute the program nor say so"
		}
	}
	return c.gone(e)
}

func resources(s *specs.Spec) *specs.LinuxResources {
	if s.Linux == nil {
		return nil
	}
	return s.Linux.Resources
}
