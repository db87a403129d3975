package libcontainer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	// The init process enters the program through this package.

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/spawn"
	"github.com/rungoci/rung/libcontainer/annotation"
	"github.com/rungoci/rung/libcontainer/bundle"
	_ "github.com/rungoci/rung/libcontainer/initproc"
	"github.com/rungoci/rung/libcontainer/launch"
	"github.com/rungoci/rung/libcontainer/notify"
	"github.com/rungoci/rung/libcontainer/process"
	"github.com/rungoci/rung/libcontainer/state"
)

// Options say how to create a container.
type Options struct {
	// Root is the folder that holds the state folders of all containers.
	Root string
	// ID is the container's name, unique below Root.
	ID string
	// Bundle is the folder with config.json.
	Bundle string
	// Config is the configuration; "" means config.json in Bundle.
	Config string
	// SystemdCgroup asks for the systemd cgroup driver, NoCgroup for no
	// cgroup at all: the container is in the caller's.
	SystemdCgroup, NoCgroup bool
	// ScopePrefix begins the name of the systemd driver's scope where the
	// configuration has no linux.cgroupsPath; "" is "rung". ScopeSubgroup is the
	// cgroup below the scope that is the container's where no annotation
	// run.oci.systemd.subgroup says so; "" is none.
	ScopePrefix, ScopeSubgroup string
	// CrunAnnotations has the annotations of crun mean what they do there (see
	// package annotation). Some of them write to the host's files.
	CrunAnnotations bool
	// Rootless says that cgroups may be out of reach.
	Rootless bool
	// Stdin, Stdout and Stderr are the program's, where it has no terminal.
	Stdin, Stdout, Stderr *os.File
	// PreserveFDs is the number of descriptors from 3 on that it inherits.
	PreserveFDs int
	// ListenFDs is the number of sockets, before those, that systemd passed
	// (sd_listen_fds(3)); the program is told with LISTEN_FDS.
	ListenFDs int
	// NotifySocket is the socket that the program's readiness is passed on
	// to (sd_notify(3)), or "".
	NotifySocket string
	// NoPivot uses MS_MOVE and chroot instead of pivot_root.
	NoPivot bool
	// NoNewKeyring leaves the program in the caller's session keyring.
	NoNewKeyring bool
	// ConsoleSocket is the socket that gets the terminal's master, or "".
	ConsoleSocket string
	// PidFile and PidfdSocket get the pid and a pidfd of the init, or "".
	PidFile, PidfdSocket string
	// Detach says that nobody will stay to serve a terminal.
	Detach bool
	// Foreground says that the standard streams stay the caller's.
	Foreground bool
	// Warn is called with what is worth saying but no error. May be nil.
	Warn func(text string)
	// Trace is called after each step with its name and time. May be nil.
	Trace func(step string, d time.Duration)
	// Debug is called with what explains what the program gets. May be nil.
	Debug func(text string)

	terminal func(context.Context, *os.File) error
	// immediate is for run, which does not stop between create and start.
	immediate bool
	relay     *relay
}

// fill sets what the caller left out.
func (o *Options) fill() {
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	if o.Trace == nil {
		o.Trace = func(string, time.Duration) {}
	}
	if o.Debug == nil {
		o.Debug = func(string) {}
	}
}

// Create makes the container of o.Bundle and leaves its program waiting for
// Start. Its init process is a child of the caller.
//
// On failure, or when ctx ends before it returned, nothing is left: no process,
// cgroup, mount or state folder.
func Create(ctx context.Context, o Options) (*Container, error) {
	o.fill()
	c, p, err := create(ctx, o)
	if err != nil {
		return nil, err
	}
	p.Close()
	return c, nil
}

func create(ctx context.Context, o Options) (*Container, *spawn.Process, error) {
	req, err := o.begin()
	if err != nil {
		return nil, nil, err
	}
	return o.launch(ctx, req)
}

// begin reads the bundle and makes the state folder, which is locked. It returns
// what is to be made.
func (o *Options) begin() (*launch.Request, error) {
	start := time.Now()
	if err := bundle.ValidateID(o.ID); err != nil {
		return nil, err
	}
	annotated := new(annotation.Settings)
	b, err := bundle.LoadConfig(o.Bundle, o.Config, func(s *specs.Spec) (err error) {
		if o.CrunAnnotations {
			if annotated, err = annotation.Read(s.Annotations, os.Getenv); err == nil {
				annotated.Change(s)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if b.Spec.Linux == nil {
		b.Spec.Linux = &specs.Linux{}
	}
	for _, w := range b.Warnings {
		o.Warn(w)
	}
	if err := o.checkTerminal(b.Spec.Process.Terminal); err != nil {
		return nil, err
	}
	o.Trace("bundle", time.Since(start))
	keyring := ""
	if !o.NoNewKeyring {
		if keyring, err = process.KeyringName(o.ID); err != nil {
			return nil, err
		}
	}
	root, err := filepath.Abs(o.Root)
	if err != nil {
		return nil, err
	}
	dir, err := state.Make(root, o.ID)
	if err != nil {
		return nil, err
	}
	req := &launch.Request{
		Dir: dir, Bundle: b, Annotated: *annotated, Systemd: o.SystemdCgroup, NoCgroup: o.NoCgroup, Rootless: o.Rootless,
		ScopePrefix: o.ScopePrefix, Subgroup: o.ScopeSubgroup,
		Stdio:    [3]*os.File{o.Stdin, o.Stdout, o.Stderr},
		Preserve: o.PreserveFDs + o.ListenFDs, NoPivot: o.NoPivot, Keyring: keyring,
		Foreground: o.Foreground, Immediate: o.immediate, Terminal: o.terminal, PidFile: o.PidFile, PidfdSocket: o.PidfdSocket,
		Warn: o.Warn, Trace: o.Trace, Debug: o.Debug,
	}
	if o.relay != nil {
		req.Cloned, req.Commit = o.relay.cloned, o.relay.armed
	}
	return req, nil
}

// launch runs the outside table in the new state folder.
func (o *Options) launch(ctx context.Context, req *launch.Request) (*Container, *spawn.Process, error) {
	if o.NotifySocket != "" {
		mount, variable, err := notify.Prepare(req.Dir.Path())
		if err != nil {
			return nil, nil, o.undo(req, err)
		}
		req.Mounts, req.Env = append(req.Mounts, mount), append(req.Env, variable)
	}
	if o.ListenFDs > 0 {
		// As sd_listen_fds(3) says.
		req.Env = append(req.Env, "LISTEN_FDS="+strconv.Itoa(o.ListenFDs), "LISTEN_PID=1")
	}
	return o.made(ctx, req, launch.Create)
}

// made has the container made, by launch.Create or launch.Restore. If that fails,
// the state folder is removed.
func (o *Options) made(ctx context.Context, req *launch.Request, make func(context.Context, *launch.Request) (*launch.Result, error)) (*Container, *spawn.Process, error) {
	res, err := make(ctx, req)
	if err != nil {
		return nil, nil, o.undo(req, err)
	}
	req.Dir.Unlock()
	return &Container{dir: req.Dir, state: res.State}, res.Process, nil
}

// undo removes the state folder of a container that could not be made because
// of err, which it returns.
func (o *Options) undo(req *launch.Request, err error) error {
	if rerr := req.Dir.Remove(); rerr != nil {
		o.Warn("undo of a failed create: " + rerr.Error())
	}
	req.Dir.Close()
	return err
}

// checkTerminal refuses the combinations that cannot work, as runc does.
func (o *Options) checkTerminal(terminal bool) error {
	switch {
	case o.ConsoleSocket != "" && !(terminal && o.Detach):
		return &errdefs.Error{Field: "process.terminal",
			Err:  errors.New("cannot use console socket if rung will not detach or allocate tty"),
			Hint: "leave --console-socket away, or set process.terminal and detach"}
	case terminal && o.Detach && o.ConsoleSocket == "":
		return &errdefs.Error{Field: "process.terminal",
			Err:  errors.New("cannot allocate tty if rung will detach without setting console socket"),
			Hint: "give --console-socket, or set process.terminal to false"}
	}
	if o.ConsoleSocket != "" {
		o.terminal = func(ctx context.Context, master *os.File) error {
			return errdefs.Doing(launch.SendFile(ctx, o.ConsoleSocket, master), "send the terminal (--console-socket)")
		}
	}
	return nil
}
