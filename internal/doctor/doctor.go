// Package doctor looks at a host and says what rung can do on it, and what is
// to be done where it cannot.
//
// What the kernel can do is tried, in namespaces that go away with the thread
// or process that tried it; what has been configured is read. Nothing on the
// host is changed, and no privileges are needed: what cannot be known without
// them is said to be so.
package doctor

import (
	"context"
	"strings"
	"sync"
)

// Level is how good or bad a finding is.
type Level string

// The levels.
const (
	// Green is as it should be.
	Green Level = "green"
	// Yellow is for something that rung, or an engine, has to do without.
	Yellow Level = "yellow"
	// Red is for what keeps containers from being run.
	Red Level = "red"
	// Grey is for what is neither: it is not there, and is not missed, or
	// it cannot be known without privileges.
	Grey Level = "grey"
)

// Check is one finding.
type Check struct {
	// ID is the name of a check, "GROUP.TITLE". It stays what it is.
	ID string `json:"id"`
	// Level is the judgement.
	Level Level `json:"level"`
	// Text is the finding, for people.
	Text string `json:"text"`
	// Hint is what to do. Whatever is red has one.
	Hint string `json:"hint,omitempty"`
	// Version is that of the kernel or program which the check is about.
	Version string `json:"version,omitempty"`
	// Have and Missing are the parts, by names that stay what they are: of
	// a kernel's features or of the controllers. With an engine Have has the
	// names by which rung is registered there.
	Have    []string `json:"have,omitempty"`
	Missing []string `json:"missing,omitempty"`
}

// Report is what Examine found.
type Report struct {
	// Format is the version of this format. It changes when a key is renamed
	// or removed or changes its meaning, and not when one is added.
	Format int `json:"format"`
	// Level is the worst of the checks', where grey counts as green.
	Level Level `json:"level"`
	// Usable is false if any check is red.
	Usable bool    `json:"usable"`
	Rung   Program `json:"rung"`
	Host   Machine `json:"host"`
	Checks []Check `json:"checks"`
}

// Program is the rung that was asked.
type Program struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	// Path is where the running binary is.
	Path string `json:"path"`
}

// Machine is the host, and who asked.
type Machine struct {
	Kernel       string `json:"kernel"`
	Architecture string `json:"architecture"`
	// Distribution is PRETTY_NAME of os-release(5).
	Distribution string `json:"distribution,omitempty"`
	// UID and User are the caller's; User is the number where he has no name.
	UID  int    `json:"uid"`
	User string `json:"user"`
}

// Options say for whom Examine asks.
type Options struct {
	// Version and Commit are those of the program.
	Version, Commit string
	// StateRoot is the folder of --root.
	StateRoot string
}

// checks are all that is looked at, in the order in which it is told. A check
// that does not apply returns nil.
var checks = []struct {
	id   string
	look func(context.Context, *host) *Check
}{
	{"kernel.version", kernelVersion},
	{"kernel.namespaces", namespaces},
	{"kernel.processes", processes},
	{"kernel.mounts", mounts},
	{"kernel.idmapped", idmapped},
	{"kernel.seccomp", seccompFilters},
	{"cgroups.mode", cgroupMode},
	{"cgroups.controllers", controllers},
	{"cgroups.devices", devices},
	{"cgroups.delegated", delegated},
	{"cgroups.systemd", systemd},
	{"users.namespaces", userNamespaces},
	{"users.ids", subordinateIDs},
	{"security.sealing", sealing},
	{"security.program", program},
	{"security.modules", modules},
	{"state.folder", stateFolder},
	{"checkpoint.criu", criu},
	{"engines.containerd", containerd},
	{"engines.docker", docker},
	{"engines.podman", podman},
	{"engines.cri-o", crio},
	{"engines.kubernetes", kubernetes},
}

// Examine looks at this host. Programs that it asks (criu, the engines for
// their versions) end with ctx.
func Examine(ctx context.Context, o Options) *Report {
	h := thisHost(o)
	h.try(ctx)
	return h.examine(ctx)
}

// examine makes all checks, side by side: some of them wait for programs.
func (h *host) examine(ctx context.Context) *Report {
	r := &Report{Format: 1, Level: Green, Usable: true, Rung: h.rung, Host: h.machine()}
	found := make([]*Check, len(checks))
	var wait sync.WaitGroup
	for i, c := range checks {
		wait.Go(func() { found[i] = c.look(ctx, h) })
	}
	wait.Wait()
	for i, c := range found {
		if c == nil {
			continue
		}
		c.ID = checks[i].id
		r.Checks = append(r.Checks, *c)
		switch {
		case c.Level == Red:
			r.Level, r.Usable = Red, false
		case c.Level == Yellow && r.Level == Green:
			r.Level = Yellow
		}
	}
	return r
}

// group and title are the halves of the check's id.
func (c Check) group() string { g, _, _ := strings.Cut(c.ID, "."); return g }
func (c Check) title() string { _, t, _ := strings.Cut(c.ID, "."); return t }
