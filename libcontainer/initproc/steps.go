package initproc

import (
	"context"
	"errors"
	"os"
	"slices"
	"syscall"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/sys"
	"github.com/rungoci/rung/libcontainer/bundle"
	"github.com/rungoci/rung/libcontainer/gate"
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/network"
	"github.com/rungoci/rung/libcontainer/process"
	"github.com/rungoci/rung/libcontainer/rootfs"
)

// newNamespace tells whether the container has a namespace of its own of this
// type, made for it and not joined.
func (in *inside) newNamespace(t specs.LinuxNamespaceType) bool {
	return bundle.NewNamespace(in.spec, t)
}

// session gives the container a session (setsid) and a session keyring of its
// own: without them it would share the terminal and the keys of the caller.
func (in *inside) session() error {
	// EPERM: it leads a session already.
	if errno := in.by.Try(unix.SYS_SETSID); errno != 0 && errno != unix.EPERM {
		return errdefs.Doing(errno, "make a session")
	}
	if !in.msg.Keyring {
		return nil
	}
	if err := in.setKeyLabel(); err != nil {
		return err
	}
	name := "_ses." + in.msg.State.ID
	if !in.msg.Join {
		if err := process.NewSessionKeyring(name, in.msg.Userns); err != nil || !in.alongside() {
			return err
		}
		// That was this thread's, for the other one to join.
	}
	return process.JoinSessionKeyring(in.by, name)
}

// setKeyLabel labels the keyring that is made next.
func (in *inside) setKeyLabel() error {
	if in.program != nil && !in.alongside() {
		in.writeAttrs(process.KeyLabelAttrs(in.spec.Process))
		return nil
	}
	return process.SetKeyLabel(in.proc, in.spec.Process)
}

// network enters the new network namespace, which the outside has made while
// this process started up.
func (in *inside) network() error {
	if !in.newNamespace(specs.NetworkNamespace) || in.alongside() {
		return nil
	}
	if in.msg.Userns {
		// It had to be made with the user namespace that it belongs to.
		return errdefs.Doing(network.LoopbackUp(), "bring up the loopback interface")
	}
	fr, err := in.conn.Receive()
	if err != nil {
		return errdefs.Doing(err, "wait for the outside")
	}
	if fr.Kind != handshake.KindNetwork || fr.File == nil {
		return errors.New("handshake: the outside does not send the network namespace")
	}
	defer fr.File.Close()
	return errdefs.Doing(unix.Setns(int(fr.File.Fd()), unix.CLONE_NEWNET), "enter the network namespace")
}

// networkDevices waits until the outside has moved devices to this process's
// network namespace.
func (in *inside) networkDevices() error {
	if len(in.spec.Linux.NetDevices) == 0 {
		return nil
	}
	if err := in.conn.Send(handshake.KindNetwork, nil); err != nil {
		return err
	}
	return in.expect(handshake.KindNetwork)
}

// hookOutput takes the files that hooks write to.
func (in *inside) hookOutput() error {
	for _, f := range [...]struct {
		comes bool
		to    **os.File
	}{{in.msg.HookStdout, &in.hooks.Stdout}, {in.msg.HookStderr, &in.hooks.Stderr}} {
		if !f.comes {
			continue
		}
		fr, err := in.conn.Receive()
		if err != nil {
			return errdefs.Doing(err, "wait for the outside")
		}
		if fr.Kind != handshake.KindHookOutput || fr.File == nil {
			return errors.New("handshake: the outside does not send the files for the output of hooks")
		}
		*f.to = fr.File
	}
	return nil
}

// procfs opens the host's /proc while nobody in the container can replace it.
// The process of an exec is too late for that: if it needs one, the outside
// sends it.
func (in *inside) procfs() (err error) {
	if !in.msg.Join {
		in.proc, err = process.OpenProc()
		return err
	}
	if !in.msg.Proc {
		return nil
	}
	fr, err := in.conn.Receive()
	if err != nil {
		return errdefs.Doing(err, "wait for the outside")
	}
	if fr.Kind != handshake.KindProc || fr.File == nil {
		return errors.New("handshake: the outside does not send its /proc")
	}
	in.proc, err = process.ProcFromFile(fr.File)
	return err
}

func (in *inside) openRoot() (err error) {
	// What the sources of mounts are relative to (config.md, "Mounts").
	err = unix.Chdir(in.msg.State.Bundle)
	outsideBundle := err == unix.EACCES && in.msg.Userns
	if err != nil && !outsideBundle {
		return errdefs.Doing(err, "enter the bundle "+in.msg.State.Bundle)
	}
	source := in.source
	if in.alongside() {
		source = func(int) (int, error) { return -1, ErrNotAhead }
	}
	in.root, err = rootfs.New(rootfs.Options{
		Spec:            in.spec,
		Root:            in.msg.Root,
		NoPivot:         in.msg.NoPivot,
		CgroupNamespace: in.newNamespace(specs.CgroupNamespace),
		Cgroup:          cgroupView(in.msg.Cgroup),
		Source:          source,
		Procfs:          in.newProcfs,
		OutsideBundle:   outsideBundle,
		LabelOption:     in.msg.LabelOption,
		CgroupV1:        in.msg.CgroupV1,
	})
	if err != nil {
		return err
	}
	return in.root.Open()
}

// source has the outside open the source of a mount.
func (in *inside) source(mount int) (int, error) {
	if err := in.conn.Send(handshake.KindSource, handshake.SourceRequest{Mount: mount}); err != nil {
		return -1, errdefs.Doing(err, "ask the outside")
	}
	fr, err := in.conn.Receive()
	switch {
	case err != nil:
		return -1, errdefs.Doing(err, "wait for the outside")
	case fr.Kind == handshake.KindFailed:
		return -1, fr.Err()
	case fr.Kind != handshake.KindSource || fr.File == nil:
		return -1, errors.New("handshake: the outside does not send the source of a mount")
	}
	defer fr.File.Close()
	return unix.FcntlInt(fr.File.Fd(), unix.F_DUPFD_CLOEXEC, 0)
}

func cgroupView(v handshake.CgroupView) rootfs.CgroupView {
	out := rootfs.CgroupView{Unified: v.Unified, Path: v.Path}
	for _, m := range v.Mounts {
		out.Mountpoints = append(out.Mountpoints, rootfs.CgroupMount(m))
	}
	return out
}

func (in *inside) mounts() error  { return in.root.Mounts() }
func (in *inside) devices() error { return in.root.Devices() }

// enter makes the root filesystem the root, and while it can still be written
// to, the working folder.
func (in *inside) enter() error {
	if err := in.root.Enter(); err != nil {
		return err
	}
	return process.MakeCwd(in.spec.Process.Cwd)
}

// paths makes read-only and hides what the config says, has the standard streams
// show nothing of the host, and gives the root descriptors back.
func (in *inside) paths() error {
	if err := in.root.Finish(); err != nil {
		return err
	}
	if err := in.root.NullStdio(in.streams, in.replaceStream); err != nil {
		return err
	}
	return in.root.Close()
}

// replaceStream makes null one of the standard streams.
func (in *inside) replaceStream(null, stream int) error {
	if !in.alongside() {
		return unix.Dup3(null, stream, 0)
	}
	if in.null == nil {
		fd, err := unix.FcntlInt(uintptr(null), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return err
		}
		in.null = os.NewFile(uintptr(fd), os.DevNull)
	}
	in.nullStreams = append(in.nullStreams, stream)
	return nil
}

// terminal makes the container's terminal and hands its master out.
func (in *inside) terminal() error {
	if !in.spec.Process.Terminal {
		return nil
	}
	terminal := rootfs.JoinTerminal
	if !in.msg.Join {
		terminal = in.root.Terminal
	}
	master, slave, err := terminal(in.spec.Process.ConsoleSize)
	if err != nil {
		return errdefs.AtField(err, "process.terminal")
	}
	defer slave.Close()
	defer master.Close()
	if err := in.conn.SendFile(handshake.KindTerminal, master); err != nil {
		return err
	}
	return process.ControllingTerminal(slave)
}

// runtimeHooks waits until the outside has run the prestart and createRuntime
// hooks, which see the container's mounts but run in the host's namespaces.
func (in *inside) runtimeHooks() error {
	if !in.msg.PauseForHooks {
		return nil
	}
	if err := in.conn.Send(handshake.KindMounted, nil); err != nil {
		return err
	}
	return in.expect(handshake.KindHooksDone)
}

// expect waits for a frame of the outside. Anything else, an end of file most
// of all, means that there is nobody left to make a container for.
func (in *inside) expect(kind handshake.Kind) error {
	fr, err := in.conn.Receive()
	if err != nil {
		return errdefs.Doing(err, "wait for the outside")
	}
	if fr.Kind != kind {
		return errors.New("handshake: unexpected answer from the outside")
	}
	return nil
}

func (in *inside) createContainerHooks() error {
	if in.spec.Hooks == nil {
		return nil
	}
	st := in.msg.State
	st.Status = specs.StateCreating
	return in.hooks.Run(context.Background(), in.spec.Hooks.CreateContainer, "hooks.createContainer", st)
}

func (in *inside) sysctl() error {
	return process.SetSysctls(in.proc, in.spec.Linux.Sysctl)
}

func (in *inside) hostname() error {
	if h := in.spec.Hostname; h != "" {
		if err := process.SetHostname(h); err != nil {
			return err
		}
	}
	if d := in.spec.Domainname; d != "" {
		return process.SetDomainname(d)
	}
	return nil
}

// affinity lets the process run where execCPUAffinity.final says, which is for
// exec, or, where nothing is said of any CPUs, on all that the container has.
func (in *inside) affinity() error {
	a := in.spec.Process.ExecCPUAffinity
	if in.msg.Join && a != nil && (a.Initial != "" || a.Final != "") {
		return process.SetAffinity(in.by, a.Final)
	}
	if err := process.ResetAffinity(in.by); err != nil {
		in.report.Warnings = append(in.report.Warnings, err.Error())
	}
	return nil
}

// badness sets oom_score_adj, which needs the host's /proc; a process that
// joins has it from its birth.
func (in *inside) badness() error {
	if in.msg.Userns || in.alongside() {
		return nil // The outside has set it, who has the right to, or clones with it.
	}
	return process.SetOOMScoreAdj(in.proc, in.spec.Process.OOMScoreAdj)
}

// labels has the program begin with its AppArmor profile and SELinux label; the
// startContainer hooks too, which are the container's programs, but nothing that
// ran before. The host's /proc is not needed after that, and must not be there
// when the working folder is entered (CVE-2024-21626).
func (in *inside) labels() error {
	if in.program != nil {
		in.writeAttrs(process.LabelAttrs(in.spec.Process))
		in.program.Try(unix.SYS_CLOSE, uintptr(in.fd(ProcFD)))
		return in.proc.Close()
	}
	if err := process.SetLabels(in.proc, in.spec.Process); err != nil {
		return err
	}
	return in.proc.Close()
}

// attributes sets what needs privileges, but changes nothing for the steps that
// follow.
func (in *inside) attributes() error {
	p := in.spec.Process
	if err := process.SetScheduler(in.by, p.Scheduler); err != nil {
		return err
	}
	if err := process.SetIOPriority(in.by, p.IOPriority); err != nil {
		return err
	}
	if err := process.SetMemoryPolicy(in.by, in.spec.Linux.MemoryPolicy); err != nil {
		return err
	}
	return process.SetPersonality(in.by, in.spec.Linux.Personality)
}

// stdio gives the standard streams to the container's user, so that it may
// open /dev/stdout again; web servers log that way. Left alone are streams that
// cannot be given, files that are only read (the caller may have put any file
// there), and a foreground caller's terminal, which it needs afterwards.
func (in *inside) stdio() error {
	uid := int(in.spec.Process.User.UID)
	for _, fd := range in.streams {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil || int(st.Uid) == uid {
			continue // closed by the caller, or nothing to do
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFCHR:
			borrowed := in.msg.Foreground && !in.spec.Process.Terminal
			if borrowed || st.Rdev == unix.Mkdev(1, 3) {
				continue
			}
		case unix.S_IFREG:
			flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
			if err != nil || flags&unix.O_ACCMODE == unix.O_RDONLY {
				continue
			}
		}
		switch err := unix.Fchown(fd, uid, -1); err {
		case nil, unix.EINVAL, unix.EPERM, unix.EROFS, unix.ENOSYS:
		default:
			return errdefs.AtField(errdefs.Doing(err, "give the standard streams to the user"), "process.user.uid")
		}
	}
	return nil
}

// user drops the privileges. The working folder is entered before where root
// may, and afterwards where only the user may (a network filesystem).
func (in *inside) user() error {
	p := in.spec.Process
	var warnings []string
	in.caps, warnings = process.ParseCaps(p.Capabilities)
	in.report.Warnings = append(in.report.Warnings, warnings...)
	if err := in.caps.DropBounding(in.by); err != nil {
		return err
	}
	before := process.Chdir(in.by, p.Cwd)
	if before != nil && !errors.Is(before, unix.EACCES) {
		return before
	}
	if !in.msg.Userns { // or the outside does it
		if err := process.SetRlimits(in.by, p.Rlimits); err != nil {
			return err
		}
	}
	process.SetUmask(in.by, p.User)
	if p.NoNewPrivileges {
		if err := process.SetNoNewPrivileges(in.by); err != nil {
			return err
		}
	}
	if err := process.SetUser(in.by, p.User, in.msg.KeepGroups); err != nil {
		return err
	}
	if before != nil {
		if err := process.Chdir(in.by, p.Cwd); err != nil {
			return err
		}
	}
	caps, err := in.capsForFilter()
	if err != nil {
		return err
	}
	return caps.Apply(in.by)
}

// executable finds the program with the rights of the user, so that a missing
// one is an error of create and not of start.
func (in *inside) executable() error {
	p := in.spec.Process
	in.env = process.Env(p.Env, p.User.UID, in.rootFD)
	if in.program != nil {
		return nil // which looks for it itself
	}
	exe, err := process.LookupExecutable(p.Args[0], in.env)
	if err != nil {
		return err
	}
	in.exe = exe
	return process.CheckExecutable(exe)
}

// ready tells the outside that only the gate is left, and waits for it to
// have written that down. From here on the init may outlive it.
func (in *inside) ready() error {
	if errno := sys.Prctl(in.by, unix.PR_SET_PDEATHSIG, 0, 0); errno != 0 {
		return errdefs.Doing(errno, "outlive create")
	}
	if in.program != nil {
		if in.msg.Join {
			in.program.Await(in.fd(GoFD))
		}
		return nil
	}
	if err := in.conn.Send(handshake.KindReady, &in.report); err != nil {
		return err
	}
	return in.expect(handshake.KindRelease)
}

// passGate waits for start, which takes the place of create at the other end
// of the conversation.
func (in *inside) passGate() error {
	if in.gate == nil {
		return nil
	}
	if err := in.conn.Close(); err != nil {
		return err
	}
	conn, err := gate.Wait(in.gate)
	if err != nil {
		return err
	}
	in.conn = conn
	return nil
}

// exec runs the startContainer hooks, and then the user's program. It returns
// only if that fails.
func (in *inside) exec() error {
	if in.program != nil {
		return in.writeExec()
	}
	if !in.msg.NoHugePages {
		// What spawn switched off for this process only. EINVAL: the kernel
		// has none.
		_ = unix.Prctl(unix.PR_SET_THP_DISABLE, 0, 0, 0, 0)
	}
	closeOnExecFrom(3 + in.msg.Preserve)
	if in.spec.Hooks != nil && len(in.spec.Hooks.StartContainer) > 0 {
		// They are the container's programs, and must not do what it may not.
		if err := in.loadFilter(); err != nil {
			return err
		}
		if err := in.hooks.Run(context.Background(), in.startContainerHooks(), "hooks.startContainer", in.msg.State); err != nil {
			return err
		}
	}
	if in.gate != nil {
		// execve closes it too, but perhaps after the connection: start
		// would return from a container that is not said to run yet.
		if err := in.gate.Close(); err != nil {
			return err
		}
	}
	if err := in.conn.Send(handshake.KindReady, nil); err != nil {
		return err
	}
	return in.execve()
}

// startContainerHooks returns these hooks; those without an environment have
// the program's. The specification does not say, and runc's users count on it.
func (in *inside) startContainerHooks() []specs.Hook {
	hooks := slices.Clone(in.spec.Hooks.StartContainer)
	for i := range hooks {
		if hooks[i].Env == nil {
			hooks[i].Env = in.env
		}
	}
	return hooks
}

// execve returns why it could not execute the user's program.
func (in *inside) execve() error {
	args, err := syscall.SlicePtrFromStrings(in.spec.Process.Args)
	if err != nil {
		return errdefs.AtField(err, "process.args")
	}
	env, err := syscall.SlicePtrFromStrings(in.env)
	if err != nil {
		return errdefs.AtField(err, "process.env")
	}
	exe, err := unix.BytePtrFromString(in.exe)
	if err != nil {
		return errdefs.AtField(err, "process.args[0]")
	}
	// Whoever writes a profile need not allow more than this, where it can be
	// helped.
	if err := in.loadFilter(); err != nil {
		return err
	}
	_, _, errno := unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(exe)), uintptr(unsafe.Pointer(&args[0])), uintptr(unsafe.Pointer(&env[0])))
	return in.filter.diagnose(process.DiagnoseExec(in.exe, errno))
}

// closeOnExecFrom marks every descriptor from first on. rung opens all of its
// own that way; this is for those that it does not know of (CVE-2024-21626).
func closeOnExecFrom(first int) {
	// EINVAL before kernel 5.11: what rung opened is marked already.
	_ = unix.CloseRange(uint(first), uint(^uint32(0)), unix.CLOSE_RANGE_CLOEXEC)
}
