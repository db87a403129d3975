package initproc

import (
	"errors"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/sys"
	"github.com/rungoci/rung/libcontainer/bundle"
	"github.com/rungoci/rung/libcontainer/process"
)

// Steps that set what a process has: its session, names, limits, privileges.

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
	name := in.msg.Keyring
	if name == "" {
		return nil
	}
	if err := in.setKeyLabel(); err != nil {
		return err
	}
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
	if before != nil && !errors.Is(before, unix.EACCES) && !errors.Is(before, unix.EPERM) {
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
	// Another user is as dumpable as fs.suid_dumpable says (proc_sys_fs(5)), and with 1 processes of the container
	// could trace this one before the filter is in force.
	if errno := sys.Prctl(in.by, unix.PR_SET_DUMPABLE, 0, 0); errno != 0 {
		return errdefs.Doing(errno, "hide the process from others of the container")
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
