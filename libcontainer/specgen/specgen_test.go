package specgen

import (
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"

	"github.com/rungoci/rung/libcontainer/bundle"
	"github.com/rungoci/rung/libcontainer/capname"
)

var update = flag.Bool("update", false, "write testdata anew")

// golden compares the JSON of v with the file in testdata.
func golden(t *testing.T, file string, v any) {
	t.Helper()
	got, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile("testdata/"+file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s:\n got %s\nwant %s", file, got, want)
	}
}

// withoutCgroup takes out the namespace that depends on the host.
func withoutCgroup(t *testing.T, spec *specs.Spec) *specs.Spec {
	before := len(spec.Linux.Namespaces)
	spec.Linux.Namespaces = slices.DeleteFunc(spec.Linux.Namespaces, func(ns specs.LinuxNamespace) bool {
		return ns.Type == specs.CgroupNamespace
	})
	if removed := len(spec.Linux.Namespaces) < before; removed != onCgroup2() {
		t.Errorf("has a cgroup namespace: %v, on cgroup v2: %v", removed, onCgroup2())
	}
	return spec
}

func TestExample(t *testing.T) {
	if warnings, err := bundle.Validate(Example()); err != nil || len(warnings) > 0 {
		t.Errorf("the example is not valid: %v, warnings %q", err, warnings)
	}
	golden(t, "example.json", withoutCgroup(t, Example()))
}

func TestRootless(t *testing.T) {
	spec := withoutCgroup(t, Example())
	Rootless(spec)
	if len(spec.Linux.UIDMappings) != 1 || spec.Linux.UIDMappings[0] != (specs.LinuxIDMapping{HostID: uint32(os.Geteuid()), Size: 1}) {
		t.Errorf("uid mappings: %+v", spec.Linux.UIDMappings)
	}
	if len(spec.Linux.GIDMappings) != 1 || spec.Linux.GIDMappings[0] != (specs.LinuxIDMapping{HostID: uint32(os.Getegid()), Size: 1}) {
		t.Errorf("gid mappings: %+v", spec.Linux.GIDMappings)
	}
	spec.Linux.UIDMappings[0].HostID, spec.Linux.GIDMappings[0].HostID = 1000, 1000
	golden(t, "rootless.json", spec)

	again := withoutCgroup(t, Example())
	Rootless(again)
	Rootless(again)
	again.Linux.UIDMappings[0].HostID, again.Linux.GIDMappings[0].HostID = 1000, 1000
	if !reflect.DeepEqual(again, spec) {
		t.Errorf("twice is not the same as once: %+v", again)
	}
}

func TestInit(t *testing.T) {
	spec := Example()
	Init(spec)
	if warnings, err := bundle.Validate(spec); err != nil || len(warnings) > 0 {
		t.Errorf("the example is not valid: %v, warnings %q", err, warnings)
	}
	// In the order that is that of a host with cgroup v2, on any host.
	golden(t, "init.json", spec)
}

func TestExamplesShareNothing(t *testing.T) {
	a, b := Example(), Example()
	a.Process.Capabilities.Bounding[0] = "changed"
	a.Linux.MaskedPaths[0] = "changed"
	a.Mounts[1].Options[0] = "changed"
	if a.Process.Capabilities.Effective[0] == "changed" || !reflect.DeepEqual(b, Example()) {
		t.Error("a change to one example shows in another")
	}
}

// TestFeaturesAreTrue asks the validation about every feature that config.json
// can ask for, with configurations of its own.
func TestFeaturesAreTrue(t *testing.T) {
	options := []string{"bind", "idmap", "ridmap", "ro"}
	f := Features(options, allFlags)
	l := f.Linux
	valid := func(spec *specs.Spec) bool {
		_, err := bundle.Validate(spec)
		return err == nil
	}
	for _, version := range []string{f.OCIVersionMin, f.OCIVersionMax} {
		spec := Example()
		spec.Version = version
		if warnings, err := bundle.Validate(spec); err != nil || len(warnings) > 0 {
			t.Errorf("ociVersion %s: %v, warnings %q", version, err, warnings)
		}
	}
	for _, kind := range []string{"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts", "net", ""} {
		spec := Example()
		spec.Hostname, spec.Linux.MaskedPaths, spec.Linux.ReadonlyPaths = "", nil, nil
		spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.LinuxNamespaceType(kind)}}
		if kind == "user" {
			Rootless(spec)
			spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.UserNamespace}}
		}
		if claimed := slices.Contains(l.Namespaces, kind); claimed != valid(spec) {
			t.Errorf("namespace %q: claimed %v, valid %v", kind, claimed, valid(spec))
		}
	}
	for _, option := range options {
		spec := Example()
		spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/x", Source: "/x", Options: []string{"bind", option}})
		if option == "idmap" || option == "ridmap" {
			Rootless(spec) // whose mappings they take
		}
		if claimed := slices.Contains(f.MountOptions, option); claimed != valid(spec) {
			t.Errorf("mount option %s: claimed %v, valid %v", option, claimed, valid(spec))
		}
	}
	for name, feature := range map[string]struct {
		claimed bool
		ask     func(*specs.Spec)
	}{
		"seccomp": {*l.Seccomp.Enabled, func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: []string{"read"}, Action: specs.ActAllow}}}
		}},
		"AppArmor":       {*l.Apparmor.Enabled, func(s *specs.Spec) { s.Process.ApparmorProfile = "p" }},
		"SELinux":        {*l.Selinux.Enabled, func(s *specs.Spec) { s.Process.SelinuxLabel = "l" }},
		"SELinux mounts": {*l.Selinux.Enabled, func(s *specs.Spec) { s.Linux.MountLabel = "l" }},
		"RDT":            {*l.IntelRdt.Enabled, func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{L3CacheSchema: "L3:0=f"} }},
		"RDT schemata":   {*l.IntelRdt.Schemata, func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{Schemata: []string{"L2:0=f"}} }},
		"RDT monitoring": {*l.IntelRdt.Monitoring, func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{EnableMonitoring: true} }},
		"netDevices":     {*l.NetDevices.Enabled, func(s *specs.Spec) { s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"e": {}} }},
		"memoryPolicy":   {l.MemoryPolicy != nil, func(s *specs.Spec) { s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolLocal} }},
		"idmap": {*l.MountExtensions.IDMap.Enabled, func(s *specs.Spec) {
			s.Mounts[0] = specs.Mount{Destination: "/x", Source: "/x", Options: []string{"bind"},
				UIDMappings: []specs.LinuxIDMapping{{Size: 1}}, GIDMappings: []specs.LinuxIDMapping{{Size: 1}}}
		}},
	} {
		spec := Example()
		feature.ask(spec)
		if feature.claimed != valid(spec) {
			t.Errorf("%s: claimed %v, valid %v", name, feature.claimed, valid(spec))
		}
	}
	seccompIsTrue(t, l.Seccomp)
}

// allFlags is a kernel that knows all flags of seccomp(2).
func allFlags(specs.LinuxSeccompFlag) bool { return true }

// seccompIsTrue checks that lists are there only if the feature is: nil means
// unknown, so a runtime without seccomp has to leave them out.
func seccompIsTrue(t *testing.T, s *features.Seccomp) {
	lists := len(s.Actions) + len(s.Operators) + len(s.Archs) + len(s.KnownFlags) + len(s.SupportedFlags)
	if *s.Enabled != (lists > 0) {
		t.Errorf("seccomp is enabled: %v, with %d names", *s.Enabled, lists)
	}
}

func TestFeaturesNames(t *testing.T) {
	f := Features([]string{"ro"}, allFlags)
	if want := []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}; !slices.Equal(f.Hooks, want) {
		t.Errorf("hooks: %q", f.Hooks)
	}
	if len(f.Linux.Capabilities) != capname.Last+1 {
		t.Errorf("%d capabilities", len(f.Linux.Capabilities))
	}
	for _, name := range f.Linux.Capabilities {
		if _, known := capname.Parse(name); !known {
			t.Errorf("capability %s is claimed and not known", name)
		}
	}
	if !slices.IsSorted(f.Linux.Namespaces) {
		t.Errorf("namespaces: %q", f.Linux.Namespaces)
	}
	golden(t, "features.json", f)
}
