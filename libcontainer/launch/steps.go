package launch

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/nofile"
	"github.com/rungoci/rung/internal/spawn"
	"github.com/rungoci/rung/libcontainer/bundle"
	"github.com/rungoci/rung/libcontainer/cgroup"
	"github.com/rungoci/rung/libcontainer/gate"
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/rdt"
	"github.com/rungoci/rung/libcontainer/rootfs"
	"github.com/rungoci/rung/libcontainer/state"
)

// journal resolves what is about to be made and writes it down.
func (c *creation) journal() (err error) {
	c.cgroup, err = cgroup.New(cgroup.Options{
		ID: c.Dir.ID, Spec: c.spec, Systemd: c.Systemd, ScopePrefix: c.ScopePrefix, Subgroup: c.systemdSubgroup(),
		None: c.NoCgroup, Rootless: c.Rootless,
	})
	if err != nil {
		return err
	}
	if c.rdt, err = rdt.Plan(c.Dir.ID, c.spec.Linux.IntelRdt); err != nil {
		return err
	}
	self, err := state.Identify(os.Getpid())
	if err != nil {
		return errdefs.Doing(err, "read /proc/self/stat")
	}
	c.state = &state.State{
		ID:          c.Dir.ID,
		OCIVersion:  c.spec.Version,
		Bundle:      c.Bundle.Dir,
		Config:      c.Bundle.ConfigPath,
		Root:        c.Bundle.Root,
		CreatedAt:   time.Now().UTC().Format(time.RFC3339Nano),
		OwnerUID:    os.Geteuid(),
		Annotations: c.spec.Annotations,
		Creator:     self,
		PrivatePID:  c.hasNew(specs.PIDNamespace),
		Cgroup:      c.cgroup.Record(),
		Rdt:         c.rdt.Record(),
	}
	if err := c.openHookOutput(); err != nil {
		return err
	}
	if h := c.spec.Hooks; h != nil {
		c.state.Hooks = specs.Hooks{Poststart: h.Poststart, Poststop: h.Poststop}
	}
	if !c.has(specs.MountNamespace) {
		n, err := rootfs.CountMounts(c.Bundle.Root)
		if err != nil {
			return err
		}
		c.state.HostMounts = &state.HostMounts{Before: n}
	}
	return c.Dir.WriteJournal(c.state)
}

// poststop runs the last hooks after everything else was undone: runtime.md has
// a container whose creation fails go on at step 12 of its life.
func (c *creation) poststop() {
	if c.process == nil {
		return // no hook has run before either
	}
	st := c.state.ForHooks(specs.StateStopped)
	for _, err := range c.hooks.RunLenient(context.WithoutCancel(c.ctx), c.state.Hooks.Poststop, "hooks.poststop", st) {
		c.Warn(err.Error())
	}
}

// has tells whether the container gets or joins a namespace of type t.
func (c *creation) has(t specs.LinuxNamespaceType) bool {
	return bundle.HasNamespace(c.spec, t)
}

// hasNew tells whether the container gets a new namespace of type t.
func (c *creation) hasNew(t specs.LinuxNamespaceType) bool {
	return bundle.NewNamespace(c.spec, t)
}

func (c *creation) makeCgroup() error {
	err := c.cgroup.Create()
	// Without privileges some may be left out.
	c.state.Cgroup = c.cgroup.Record()
	return err
}

func (c *creation) removeCgroup() {
	if err := c.cgroup.Destroy(); err != nil {
		c.Warn("undo of a failed create: " + err.Error())
	}
}

func (c *creation) makeGate() (err error) {
	if c.Immediate {
		return nil
	}
	c.gate, err = gate.Listen(c.Dir.GatePath())
	return err
}

// clone makes the process.
func (c *creation) clone() (err error) {
	req := &spawn.Request{
		CgroupFD:    -1,
		TimeOffsets: timeOffsets(c.spec),
		Stdio:       c.Stdio,
		Preserve:    c.Preserve,
	}
	if c.ahead != nil {
		err = c.ahead.program(req, c.proc)
	} else {
		err = c.rungInit(req)
	}
	if err != nil {
		return err
	}
	closeAll, err := c.surroundings(req)
	defer closeAll()
	if err != nil {
		return err
	}
	start := func() (*spawn.Process, error) { return c.spawn(req) }
	switch {
	case c.alongside():
		c.process, err = c.ahead.worker.spawn(c.ctx, start)
	case c.joiner != nil:
		c.process, err = c.joiner.spawn(c.ctx, start)
	default:
		c.lockThread()
		c.process, err = start()
	}
	if err != nil {
		return c.gone(err)
	}
	if c.Cloned != nil {
		c.Cloned()
	}
	c.disarm = context.AfterFunc(c.ctx, c.callOff)
	// The end of the inside must be held by the inside alone, so that its
	// death is an end of file.
	if c.ahead != nil {
		c.ahead.handedOver()
	} else {
		c.peer.Close()
		c.peer = nil
	}
	if c.place != nil {
		if err := c.place(c.process.Pid); err != nil {
			return err
		}
	}
	if err := c.identify(); err != nil {
		return err
	}
	return c.checkMappings()
}

// rungInit has the process run rung, with its end of a conversation.
func (c *creation) rungInit(req *spawn.Request) (err error) {
	if c.conn, c.peer, err = handshake.Pair(); err != nil {
		return err
	}
	soft, _, ok := nofile.Original()
	if !ok {
		soft = math.MaxUint64 // as high as the hard limit
	}
	req.Exe, req.Args, req.Env = c.exe, handshake.Args(3+c.Preserve, soft), handshake.Env()
	req.Files = []*os.File{c.peer}
	if c.gate != nil {
		req.Files = append(req.Files, c.gate)
	}
	return nil
}

// kill ends the process of a creation that failed. It is a child of this
// process, so its number cannot have been used anew before the wait.
func (c *creation) kill() {
	if c.process == nil {
		return
	}
	_ = unix.PidfdSendSignal(int(c.process.PidFD.Fd()), unix.SIGKILL, nil, 0)
	c.process.Wait()
	c.process.Close()
	if m := c.state.HostMounts; m != nil && c.Into == nil {
		if err := rootfs.RemoveMounts(c.state.Root, m.Before); err != nil {
			c.Warn("undo of a failed create: " + err.Error())
		}
	}
}

// message tells the inside all that it needs.
func (c *creation) message() error {
	if c.alongside() {
		c.makeRoot()
	}
	if c.ahead != nil {
		return nil // it knows, or will
	}
	if err := c.conn.SendBytes(handshake.KindConfig, c.Bundle.Config); err != nil {
		return c.lost(err)
	}
	if err := c.conn.Send(handshake.KindMessage, c.words()); err != nil {
		return c.lost(err)
	}
	if err := c.sendProc(); err != nil {
		return err
	}
	if err := c.sendNetwork(); err != nil {
		return err
	}
	return c.sendHookOutput()
}

// words is the message.
func (c *creation) words() *handshake.Message {
	noHugePages, thpErr := unix.PrctlRetInt(unix.PR_GET_THP_DISABLE, 0, 0, 0, 0)
	return &handshake.Message{
		NoHugePages:   thpErr == nil && noHugePages == 1,
		State:         c.state.ForHooks(specs.StateCreated),
		Root:          c.Bundle.Root,
		Mounts:        c.Mounts,
		Env:           c.Env,
		Preserve:      c.Preserve,
		NoPivot:       c.NoPivot,
		Keyring:       c.Keyring,
		Foreground:    c.Foreground,
		Immediate:     c.Immediate,
		Userns:        c.userns,
		Join:          c.Into != nil,
		Filter:        c.hasFilter(),
		HookStdout:    c.hooks.Stdout != nil,
		HookStderr:    c.hooks.Stderr != nil,
		KeepGroups:    c.keepsGroups(),
		LabelOption:   c.Annotated.MountContextType,
		CgroupV1:      c.forcedCgroupV1(),
		Proc:          c.proc != nil,
		PauseForHooks: c.hasRuntimeHooks(),
		Cgroup:        cgroupView(c.cgroup.View()),
	}
}

func cgroupView(v cgroup.View) handshake.CgroupView {
	out := handshake.CgroupView{Unified: v.Unified, Path: v.Path}
	for _, m := range v.Mounts {
		out.Mounts = append(out.Mounts, handshake.CgroupMount{
			Dir: m.Dir, Mountpoint: m.Mountpoint, Type: m.Type, Data: m.Data, Path: m.Path, Links: m.Links,
		})
	}
	return out
}

// earlyLimits applies, while the inside mounts, the limits that do not get in
// its way.
func (c *creation) earlyLimits() error {
	if err := c.delegate(); err != nil {
		return err
	}
	return c.cgroup.SetEarly(resources(c.spec))
}

// deviceRules applies the rules for devices once the inside has made its own.
func (c *creation) deviceRules() error {
	if c.rulesSet {
		return nil
	}
	c.rulesSet = true
	return c.cgroup.SetDevices(resources(c.spec))
}

// lateLimits applies what the init could not have started under: it has all
// its memory and threads by now, and gives most of it back when it executes
// the user's program.
func (c *creation) lateLimits() error {
	err := c.cgroup.SetLate(resources(c.spec))
	if without := c.cgroup.Without(); err == nil && len(without) > 0 {
		why := "without privileges, and without a cgroup that was delegated"
		if c.NoCgroup {
			why = "without a cgroup"
		}
		c.Warn("linux.resources: " + why + ", these are not in force: " + strings.Join(without, ", "))
	}
	return err
}

func (c *creation) hasRuntimeHooks() bool {
	h := c.spec.Hooks
	//lint:ignore SA1019 prestart is deprecated, and Docker uses it
	return h != nil && len(h.Prestart)+len(h.CreateRuntime) > 0
}

// runtimeHooks runs the hooks that belong between the mounts and pivot_root.
func (c *creation) runtimeHooks() error {
	if !c.hasRuntimeHooks() {
		return nil
	}
	if err := c.await(handshake.KindMounted, nil); err != nil {
		return err
	}
	// Before the hooks, as some of them (GPUs) add rules of their own.
	if err := c.deviceRules(); err != nil {
		return err
	}
	if err := c.runRuntimeHooks(); err != nil {
		return err
	}
	return c.lost(c.conn.Send(handshake.KindHooksDone, nil))
}

// runRuntimeHooks runs the hooks that hasRuntimeHooks has found.
func (c *creation) runRuntimeHooks() error {
	st := c.state.ForHooks(specs.StateCreating)
	//lint:ignore SA1019 prestart is deprecated, and Docker uses it
	if err := c.hooks.Run(c.ctx, c.spec.Hooks.Prestart, "hooks.prestart", st); err != nil {
		return err
	}
	return c.hooks.Run(c.ctx, c.spec.Hooks.CreateRuntime, "hooks.createRuntime", st)
}

// ready waits until the inside has done all of its table but the gate.
func (c *creation) ready() error {
	if c.ahead != nil {
		return c.readyAhead()
	}
	var report handshake.Report
	if err := c.await(handshake.KindReady, &report); err != nil {
		return err
	}
	c.tell("inside", &report)
	return c.rlimits()
}

// tell passes on what the inside has to say; where names who did its steps.
func (c *creation) tell(where string, report *handshake.Report) {
	for _, t := range report.Timings {
		c.Trace(where+": "+t.Step, time.Duration(t.Micros)*time.Microsecond)
	}
	for _, w := range report.Warnings {
		c.Warn(w)
	}
}

// await reads frames until one of the wanted kind, and serves what comes in
// between.
func (c *creation) await(kind handshake.Kind, body any) error {
	for {
		fr, err := c.conn.Receive()
		if err != nil {
			return c.lost(err)
		}
		switch fr.Kind {
		case kind:
			if body == nil {
				return nil
			}
			return fr.Decode(body)
		case handshake.KindTerminal:
			if err := c.handTerminal(fr.File); err != nil {
				return err
			}
		case handshake.KindNetwork:
			if err := c.moveDevices(); err != nil {
				return err
			}
		case handshake.KindSource:
			if err := c.sendSource(fr); err != nil {
				return err
			}
		case handshake.KindListener:
			if err := c.handListener(fr); err != nil {
				return err
			}
		case handshake.KindFailed:
			return fr.Err()
		default:
			return errors.New("handshake: unexpected frame from the init process")
		}
	}
}

func (c *creation) handTerminal(master *os.File) error {
	if master == nil {
		return errors.New("handshake: a terminal without its descriptor")
	}
	defer master.Close()
	return c.Terminal(c.ctx, master)
}

// lost replaces the error of a conversation with an init that is gone by the
// reason of its end.
func (c *creation) lost(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		// Its last words may be waiting still.
		for {
			fr, rerr := c.conn.Receive()
			if rerr != nil {
				return c.died()
			}
			if fr.Kind == handshake.KindFailed {
				return fr.Err()
			}
		}
	}
	return err
}

func (c *creation) record() error {
	c.state.Exec = c.inherited()
	c.state.Pipes = c.pipes()
	return c.Dir.WriteState(c.state)
}

func (c *creation) unrecord() {
	if err := c.Dir.RemoveState(); err != nil {
		c.Warn("undo of a failed create: " + err.Error())
	}
}

// commit is the point of no return: from here on the container outlives ctx.
// Where the program runs at once, release comes to that point.
func (c *creation) commit() error {
	if c.Commit != nil {
		c.Commit()
	}
	if c.Immediate {
		return nil
	}
	c.settle()
	// Too late: the init may have been killed.
	return context.Cause(c.ctx)
}

// release lets the init go to its gate, or, where there is none, run the
// user's program. Until that runs, the startContainer hooks may take long.
func (c *creation) release() error {
	switch {
	case !c.Immediate:
		return c.lost(c.conn.Send(handshake.KindRelease, nil))
	case c.ahead != nil:
		if err := c.releaseAhead(); err != nil {
			return err
		}
	default:
		if err := gate.Release(c.conn); err != nil {
			return err
		}
		if c.neverRan() {
			return c.died()
		}
	}
	c.settle()
	return nil
}
