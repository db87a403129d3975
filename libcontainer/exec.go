package libcontainer

import (
	"context"
	"errors"
	"os"
	"runtime"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/spawn"
	"github.com/rungoci/rung/libcontainer/bundle"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
	"github.com/rungoci/rung/libcontainer/launch"
	"github.com/rungoci/rung/libcontainer/process"
)

// ExecOptions say how to run a further process in a container.
type ExecOptions struct {
	// Process is what to run, complete; see Container.Process and
	// Container.LoadProcess.
	Process *specs.Process
	// Stdin, Stdout and Stderr are the program's, where it has no terminal.
	Stdin, Stdout, Stderr *os.File
	// PreserveFDs is the number of descriptors from 3 on that it inherits.
	PreserveFDs int
	// Cgroups are cgroups below the container's to run it in, which must be
	// there, by controller: "" on a cgroup v2 host, and for all controllers
	// that are not named on any other. Empty means the container's own.
	Cgroups map[string]string
	// ConsoleSocket is the socket that gets the terminal's master, or "".
	ConsoleSocket string
	// PidFile and PidfdSocket get the pid and a pidfd of the process, or "".
	PidFile, PidfdSocket string
	// Detach returns when the program runs.
	Detach bool
	// IgnorePaused has a process enter a paused container. It stands still
	// there, and Exec with it, until the container is resumed.
	IgnorePaused bool
	// KeepSignals is as in RunOptions.
	KeepSignals bool
	// Warn is called with what is worth saying but no error. May be nil.
	Warn func(text string)
	// Trace is called after each step with its name and time. May be nil.
	Trace func(step string, d time.Duration)
}

// Process returns what the container's program was given: config.json's process
// object, to be changed and used for Exec.
func (c *Container) Process() (*specs.Process, error) {
	p := new(specs.Process)
	if c.state.Exec == nil {
		return nil, c.cannotExec()
	}
	err := jsonfield.Unmarshal(c.state.Exec.Process, p)
	return p, errdefs.Doing(err, "read the process settings of container "+c.state.ID)
}

// LoadProcess reads a process object from the file at path, which may be a
// pipe. What it leaves out of capabilities, rlimits, scheduler, ioPriority,
// execCPUAffinity, oomScoreAdj, umask and selinuxLabel is the container's, as
// with runc; and so is apparmorProfile, of which "unconfined" means none.
func (c *Container) LoadProcess(path string) (*specs.Process, error) {
	p, _, err := bundle.LoadProcess(path)
	if err != nil {
		return nil, err
	}
	own, err := c.Process()
	if err != nil {
		return nil, err
	}
	inherit(p, own)
	return p, nil
}

// inherit fills in what p leaves out.
func inherit(p, own *specs.Process) {
	if p.Capabilities == nil {
		p.Capabilities = own.Capabilities
	}
	if len(p.Rlimits) == 0 {
		p.Rlimits = own.Rlimits
	}
	if p.Scheduler == nil {
		p.Scheduler = own.Scheduler
	}
	if p.IOPriority == nil {
		p.IOPriority = own.IOPriority
	}
	if p.ExecCPUAffinity == nil {
		p.ExecCPUAffinity = own.ExecCPUAffinity
	}
	if p.OOMScoreAdj == nil {
		p.OOMScoreAdj = own.OOMScoreAdj
	}
	if p.ApparmorProfile == "" {
		p.ApparmorProfile = own.ApparmorProfile
	}
	if p.SelinuxLabel == "" {
		p.SelinuxLabel = own.SelinuxLabel
	}
	if p.User.Umask == nil {
		p.User.Umask = own.User.Umask
	}
}

// Exec runs a further program in the container, created or running. With Detach
// it returns then, with status 0, and the process is left to the caller's
// reaper. Otherwise it serves the terminal, forwards signals, waits for the
// program, and returns its exit status, or 128 and the number of the signal that
// ended it.
//
// When ctx ends, or SIGINT, SIGTERM, SIGHUP or SIGQUIT arrives, before the
// program runs, nothing of it is left. Exec writes nothing down; the processes
// of a container are those in its cgroup. When it returns, signals have the effect
// again that they had before, as with Run.
//
// The container may hold up the whole calling program. As a rule the process is born in
// the container's pid namespace and cgroup, and shares the caller's memory until it
// executes its first program, as with vfork(2): the thread that makes it waits in a
// system call that the Go scheduler knows nothing of, and keeps one of the GOMAXPROCS
// shares of that. Whatever stops all goroutines for a moment (a garbage collection, a
// goroutine profile) waits for the thread, and with a single share they stand still at
// once. It is a fraction of a millisecond, unless the container stops the process
// (SIGSTOP), or leaves it no processor time, or its cgroup is frozen. The end of ctx
// kills the process where there is a goroutine that runs; on cgroup v1, a frozen one does
// not die. With IgnorePaused, Exec in a paused container ends when somebody resumes that,
// who should be another process. A caller that must not be held up has a process of its
// own call Exec, such as rung exec.
func (c *Container) Exec(ctx context.Context, o ExecOptions) (int, error) {
	opts := Options{
		ConsoleSocket: o.ConsoleSocket, Detach: o.Detach, Warn: o.Warn, Trace: o.Trace,
		Stdin: o.Stdin, Stdout: o.Stdout, Stderr: o.Stderr, PreserveFDs: o.PreserveFDs,
		PidFile: o.PidFile, PidfdSocket: o.PidfdSocket,
	}
	opts.fill()
	warnings, err := bundle.ValidateProcess(o.Process)
	if err != nil {
		return -1, err
	}
	for _, w := range warnings {
		opts.Warn(w)
	}
	if err := opts.checkTerminal(o.Process.Terminal); err != nil {
		return -1, err
	}
	init, err := c.joinable(o.IgnorePaused)
	if err != nil {
		return -1, err
	}
	defer init.Close()
	f := &foreground{}
	f.relay, ctx = newRelay(ctx, opts.Warn)
	defer f.relay.close(o.KeepSignals)
	defer f.giveBack()
	// It takes longer than the making of the process. But where that may be frozen when it
	// is made, and comes to no end before somebody thaws it, signals still end rung; and so
	// they do where nothing else of rung can run until that process does (see spawn).
	cloned := f.relay.cloned
	if !o.IgnorePaused && runtime.GOMAXPROCS(0) > 1 {
		cloned()
		cloned = nil
	}
	opts.relay = f.relay
	if !o.Detach {
		opts.Foreground = true
		opts.terminal = f.take
	}
	traceable, err := c.traceable()
	if err != nil {
		return -1, err
	}
	p, err := opts.join(ctx, c, &launch.Target{State: c.state, Init: init, Cgroups: o.Cgroups, Traceable: traceable}, o.Process, cloned)
	if err != nil {
		return -1, err
	}
	defer p.Close()
	defer f.relay.detach()
	f.attach(p.Pid, p.PidFD)
	if o.Detach {
		return 0, nil
	}
	return f.serve(p.Pid), nil
}

// HideExec is to be called before Exec by a program that may be executed anew
// from its beginning, as a command may. Where processes there may have
// CAP_SYS_PTRACE over this one's user namespace, nothing that is born in their
// pid namespace can hide from them. So the program then executes itself from a
// file that nobody can write to (CVE-2019-5736); HideExec does not return there,
// and returns at once in the second run.
func (c *Container) HideExec() error {
	traceable, err := c.traceable()
	if err != nil || !traceable {
		return err
	}
	return spawn.ExecSealed(c.dir.Path())
}

// traceable tells whether processes of the container's pid namespace may have
// CAP_SYS_PTRACE over this one's user namespace, or gain it, as far as config.json
// tells.
func (c *Container) traceable() (bool, error) {
	e := c.state.Exec
	switch {
	case e == nil || e.Userns:
		return false, nil
	case e.MayTrace != nil:
		return *e.MayTrace, nil
	}
	p, err := c.Process()
	return err == nil && process.MayTrace(p.Capabilities), err
}

// joinable returns a pidfd of the init of a container that a process may join.
func (c *Container) joinable(paused bool) (*os.File, error) {
	if creating, err := c.creating(); err != nil {
		return nil, err
	} else if creating || !c.state.Created || c.state.Exec == nil {
		return nil, c.cannotExec()
	}
	init, err := c.Init()
	if err == nil && ended(init) {
		init.Close()
		err = ErrNotRunning
	}
	if errors.Is(err, ErrNotRunning) {
		return nil, c.cannotExec()
	}
	if err != nil {
		return nil, errdefs.Doing(err, "exec in container "+c.state.ID)
	}
	if err := c.state.Known(); err != nil {
		init.Close()
		return nil, errdefs.Doing(err, "exec in container "+c.state.ID)
	}
	if paused {
		return init, nil
	}
	frozen, err := c.frozen()
	if err == nil && frozen {
		err = &errdefs.Error{Doing: "exec in container " + c.state.ID, Err: errors.New("cannot exec in a paused container"),
			Hint: "use --ignore-paused to override"}
	}
	if err != nil {
		init.Close()
		return nil, err
	}
	return init, nil
}

// sessionKeyring returns the name of the container's session keyring, or "" if it
// has none of its own.
func (c *Container) sessionKeyring() string {
	switch {
	case c.state.Exec.NoKeyring:
		return ""
	case c.state.Exec.Keyring == "":
		return process.PlainKeyringName(c.state.ID)
	}
	return c.state.Exec.Keyring
}

// cannotExec says why there is nothing to join.
func (c *Container) cannotExec() error {
	e := &errdefs.Error{Doing: "exec in container " + c.state.ID, Err: errors.New("cannot exec in a stopped container")}
	switch status, err := c.Status(); {
	case err != nil:
		return err
	case status == Creating:
		e.Err = errors.New("the container is still being created")
	case status != Stopped:
		e.Err = errors.New("its state file does not say what a process of it is like")
		e.Hint = "an older rung has created it"
	}
	return e
}

// ended tells whether the process of a pidfd has ended.
func ended(pidfd *os.File) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}, 0)
	return n > 0 && err == nil
}

// join runs the outside table for a process that joins a container. When that is
// there it calls cloned, if it is not nil.
func (o *Options) join(ctx context.Context, c *Container, target *launch.Target, p *specs.Process, cloned func()) (*spawn.Process, error) {
	spec := &specs.Spec{
		Version: c.state.OCIVersion,
		Process: p,
		Linux:   &specs.Linux{Personality: c.state.Exec.Personality, MemoryPolicy: c.state.Exec.MemoryPolicy},
	}
	res, err := launch.Create(ctx, &launch.Request{
		Dir:    c.dir,
		Bundle: &bundle.Bundle{Dir: c.state.Bundle, Root: c.state.Root, Spec: spec, Config: jsonfield.Marshal(spec)},
		Into:   target,
		Stdio:  [3]*os.File{o.Stdin, o.Stdout, o.Stderr}, Preserve: o.PreserveFDs, Keyring: c.sessionKeyring(),
		Foreground: o.Foreground, Immediate: true, Terminal: o.terminal, PidFile: o.PidFile, PidfdSocket: o.PidfdSocket,
		Cloned: cloned, Commit: o.relay.armed,
		Warn: o.Warn, Trace: o.Trace,
	})
	if err != nil {
		return nil, err
	}
	return res.Process, nil
}
