package bundle

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// This file is the one place that says what the spec knows and rung does not
// do yet. What config.json asks for and rung would leave out must be refused:
// a container without the AppArmor profile that was asked for is not the
// container that was asked for. Who implements something deletes its row.

// unsupported has a row for each such thing outside of the process object.
// asks returns the field that asks for it, or "". A value that asks for
// nothing, such as "" or {}, is not a reason to refuse.
var unsupported = [...]struct {
	what string
	asks func(*specs.Spec, *specs.Linux) string
}{
	{"SELinux labels", func(_ *specs.Spec, l *specs.Linux) string {
		return when(l.MountLabel != "", "linux.mountLabel")
	}},
	{"Intel RDT settings", func(_ *specs.Spec, l *specs.Linux) string {
		r := l.IntelRdt
		return when(r != nil && (r.ClosID != "" || len(r.Schemata) > 0 || r.L3CacheSchema != "" ||
			r.MemBwSchema != "" || r.EnableMonitoring), "linux.intelRdt")
	}},
	{"network devices", func(_ *specs.Spec, l *specs.Linux) string {
		return when(len(l.NetDevices) > 0, "linux.netDevices")
	}},
	{"memory policies", func(_ *specs.Spec, l *specs.Linux) string {
		p := l.MemoryPolicy
		return when(p != nil && (p.Mode != "" || p.Nodes != "" || len(p.Flags) > 0), "linux.memoryPolicy")
	}},
}

// unsupportedProcess is the same for the process object, which exec is given
// alone; the fields are without "process." before them.
var unsupportedProcess = [...]struct {
	what string
	asks func(*specs.Process) string
}{
	{"AppArmor profiles", func(p *specs.Process) string {
		return when(p.ApparmorProfile != "", "apparmorProfile")
	}},
	{"SELinux labels", func(p *specs.Process) string {
		return when(p.SelinuxLabel != "", "selinuxLabel")
	}},
}

// supported refuses what is in the tables above.
func (v *validator) supported() error {
	for i := range unsupported {
		if field := unsupported[i].asks(v.spec, v.linux); field != "" {
			return notSupported(field, unsupported[i].what)
		}
	}
	if v.spec.Process != nil {
		if field, what := unsupportedInProcess(v.spec.Process); field != "" {
			return notSupported("process."+field, what)
		}
	}
	return nil
}

// unsupportedInProcess returns the field of p that asks for something that
// rung does not support, and what that is.
func unsupportedInProcess(p *specs.Process) (field, what string) {
	for i := range unsupportedProcess {
		if field := unsupportedProcess[i].asks(p); field != "" {
			return field, unsupportedProcess[i].what
		}
	}
	return "", ""
}

func notSupported(field, what string) error {
	return bad(field, what+" are not supported by this version of rung")
}

// when returns field if it asks.
func when(asks bool, field string) string {
	if asks {
		return field
	}
	return ""
}
