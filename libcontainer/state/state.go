// Package state keeps what rung knows of a container between two commands: a
// folder for each container below --root, with a journal that is written
// before anything else is made, and a state file that is written when the
// container stands.
//
//	ROOT/ID/journal.json   what is about to be made; written anew by a second attempt only
//	ROOT/ID/state.json     the container as it was created
//	ROOT/ID/seccomp        the compiled linux.seccomp, if there is one
//	ROOT/ID/gate           socket on which the init waits for "start"
//	ROOT/ID/notify         folder of the socket for sd_notify(3), if it is passed on
//	ROOT/ID/criu-root      where CRIU finds the root filesystem, while it restores
//
// The folder itself is the lock (flock). Readers need no lock: files appear by
// rename. Whether a container is created, running or stopped is not recorded
// but asked of the kernel, so that no crash can make the record lie.
package state

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
	"github.com/rungoci/rung/libcontainer/cgroup"
	"github.com/rungoci/rung/libcontainer/rdt"
)

// Version is the version of the format of the files. New fields do not change it:
// a rung that does not know them passes over them, and to one that does, those that
// are not there say what was true before. See State.Known for another version.
const Version = 1

// Process identifies a process beyond the reuse of its number.
type Process struct {
	Pid int `json:"pid"`
	// StartTime is field 22 of /proc/PID/stat, in clock ticks since boot.
	StartTime uint64 `json:"startTime"`
}

// State is the content of journal.json and state.json.
type State struct {
	Version int `json:"rungStateVersion"`
	// Created tells state.json (true) from the journal.
	Created    bool   `json:"created"`
	ID         string `json:"id"`
	OCIVersion string `json:"ociVersion"`
	Bundle     string `json:"bundle"`
	// Config is the path of the configuration, where that is not the bundle's
	// config.json.
	Config      string            `json:"config,omitempty"`
	Root        string            `json:"root"`
	CreatedAt   string            `json:"createdAt"` // RFC 3339, UTC
	OwnerUID    int               `json:"ownerUid"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// Creator is the command that makes the container.
	Creator Process `json:"creator"`
	// Init is the container's first process; zero in the journal.
	Init Process `json:"init"`
	// PrivatePID is true where the container has a pid namespace of its
	// own, whose processes the kernel ends together with Init.
	PrivatePID bool `json:"privatePid"`
	// HostMounts is set where the container shares the host's mount
	// namespace, and its mounts have to be taken away.
	HostMounts *HostMounts `json:"hostMounts,omitempty"`
	// Cgroup is what was, or was about to be, made of cgroups.
	Cgroup cgroup.Record `json:"cgroup"`
	// Rdt is the class of service (Intel RDT) that was, or was about to be,
	// made or joined; nil if config.json asks for none.
	Rdt *rdt.Record `json:"rdt,omitempty"`
	// Pipes are the names of those of the standard streams that are pipes to
	// the outside, for checkpoints: "pipe:[1234]", "" for one that is none.
	Pipes []string `json:"pipes,omitempty"`
	// Hooks are those that run after create: poststart and poststop.
	Hooks specs.Hooks `json:"hooks"`
	// HookStdout and HookStderr are files that the hooks write to, or "".
	HookStdout string `json:"hookStdout,omitempty"`
	HookStderr string `json:"hookStderr,omitempty"`
	// Exec is what a further process of the container inherits. The journal
	// has none.
	Exec *Exec `json:"exec,omitempty"`
}

// Exec is what exec has to know of config.json: its cost depends neither on the
// size of that nor on the bundle's being there still.
type Exec struct {
	// Process is the process object. Commands other than exec pass over it.
	Process jsonfield.Raw `json:"process"`
	// Personality is linux.personality.
	Personality *specs.LinuxPersonality `json:"personality,omitempty"`
	// MemoryPolicy is linux.memoryPolicy.
	MemoryPolicy *specs.LinuxMemoryPolicy `json:"memoryPolicy,omitempty"`
	// Chroot says that the root filesystem is not the root of a mount
	// namespace, but the init's by chroot(2).
	Chroot bool `json:"chroot,omitempty"`
	// Userns says that the container has another user namespace than rung.
	Userns bool `json:"userns,omitempty"`
	// MayTrace tells whether processes of the container's pid namespace may have
	// CAP_SYS_PTRACE (process.MayTrace), as far as one can know: of one that it
	// joined, nobody says who is in it. A record of an older rung does not say; nil.
	MayTrace *bool `json:"mayTrace,omitempty"`
	// NoKeyring says that the container has no session keyring of its own.
	NoKeyring bool `json:"noKeyring,omitempty"`
	// Keyring is the name of that keyring. A record of an older rung does not
	// say.
	Keyring string `json:"keyring,omitempty"`
	// KeepGroups leaves processes the supplementary groups of the runtime.
	KeepGroups bool `json:"keepGroups,omitempty"`
	// Seccomp is set if the container has a filter, which is in a file of its
	// own (Dir.ReadFilter).
	Seccomp *Seccomp `json:"seccomp,omitempty"`
}

// Seccomp is what exec has to know of linux.seccomp beside the filter.
type Seccomp struct {
	ListenerPath     string `json:"listenerPath,omitempty"`
	ListenerMetadata string `json:"listenerMetadata,omitempty"`
}

// HostMounts tells the container's mounts on Root from those of others.
type HostMounts struct {
	// Before is the number of mounts on the root filesystem's folder before
	// the container was made.
	Before int `json:"before"`
}

// Known returns an error where s is of another version of the format than this rung
// writes. In all of them ID, Bundle, Root, Creator, Init, Cgroup, Rdt, HostMounts, Hooks and
// what state tells have one meaning: after a change of rung for a newer or an older one, the
// containers that are there can be looked at, sent signals, paused and deleted. What
// else there is to do with a container needs a record that is Known.
func (s *State) Known() error {
	if s.Version == Version {
		return nil
	}
	return &errdefs.Error{Err: fmt.Errorf("its record has format version %d, this rung knows version %d", s.Version, Version),
		Hint: "use the rung that made it; this one can tell its state, kill and delete it"}
}

// ForHooks returns what hooks get on standard input (runtime.md, "State"), in
// the runtime's view of the pid.
func (s *State) ForHooks(status specs.ContainerState) specs.State {
	out := specs.State{Version: specs.Version, ID: s.ID, Status: status, Pid: s.Init.Pid, Bundle: s.Bundle, Annotations: s.Annotations}
	if status == specs.StateStopped {
		out.Pid = 0
	}
	return out
}
