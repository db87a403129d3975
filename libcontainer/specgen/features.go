package specgen

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"

	"github.com/rungoci/rung/libcontainer/bundle"
	"github.com/rungoci/rung/libcontainer/capname"
)

// Features returns what `rung features` prints (features.md of the runtime
// spec). mountOptions are the options that are not left to the filesystem.
//
// What bundle.Validate refuses must not be claimed here, and the other way
// round, so it is asked: each optional feature is put into a small
// configuration, and is there if that is valid. The answer depends on this
// build of rung alone, never on the host, as features.md wants.
//
// supported says which of the known seccomp flags the kernel takes: the one answer
// that depends on the host, as features.md has it.
//
// PotentiallyUnsafeConfigAnnotations is for the caller to fill in, who decides
// which annotations mean something.
func Features(mountOptions []string, supported func(specs.LinuxSeccompFlag) bool) *features.Features {
	return &features.Features{
		OCIVersionMin: "1.0.0",
		OCIVersionMax: specs.Version,
		Hooks:         hookNames(),
		MountOptions:  acceptedOptions(mountOptions),
		Linux:         linuxFeatures(supported),
		Annotations: map[string]string{
			// Engines look for runc's name before they offer checkpoints.
			"org.opencontainers.runc.checkpoint.enabled": "true",
		},
	}
}

func linuxFeatures(supported func(specs.LinuxSeccompFlag) bool) *features.Linux {
	return &features.Linux{
		Namespaces:   acceptedNamespaces(),
		Capabilities: capname.Names(),
		Cgroup: &features.Cgroup{
			V1:          yes(),
			V2:          yes(),
			Systemd:     yes(),
			SystemdUser: yes(),
			Rdma:        yes(),
		},
		Seccomp: seccompFeatures(supported),
		Apparmor: &features.Apparmor{Enabled: accepts(func(s *specs.Spec) {
			s.Process.ApparmorProfile = "unconfined"
		})},
		Selinux: &features.Selinux{Enabled: accepts(func(s *specs.Spec) {
			s.Process.SelinuxLabel = "system_u:system_r:container_t:s0"
		})},
		IntelRdt: &features.IntelRdt{
			Enabled: accepts(func(s *specs.Spec) {
				s.Linux.IntelRdt = &specs.LinuxIntelRdt{ClosID: "group"}
			}),
			Schemata: accepts(func(s *specs.Spec) {
				s.Linux.IntelRdt = &specs.LinuxIntelRdt{Schemata: []string{"MB:0=50"}}
			}),
			Monitoring: accepts(func(s *specs.Spec) {
				s.Linux.IntelRdt = &specs.LinuxIntelRdt{EnableMonitoring: true}
			}),
		},
		MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: accepts(func(s *specs.Spec) {
			id := []specs.LinuxIDMapping{{Size: 1}}
			s.Mounts = []specs.Mount{{Destination: "/x", Source: "/x", Options: []string{"bind", "idmap"}, UIDMappings: id, GIDMappings: id}}
		})}},
		MemoryPolicy: &features.MemoryPolicy{Modes: acceptedPolicies(), Flags: acceptedPolicyFlags()},
		NetDevices: &features.NetDevices{Enabled: accepts(func(s *specs.Spec) {
			s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"eth0": {}}
		})},
	}
}

// accepts says whether a configuration with change in it is valid.
func accepts(change func(*specs.Spec)) *bool {
	spec := &specs.Spec{
		Version: specs.Version,
		Root:    &specs.Root{Path: "rootfs"},
		Process: &specs.Process{Args: []string{"sh"}, Cwd: "/"},
		Linux:   &specs.Linux{Namespaces: namespaces("mount", "network")},
	}
	change(spec)
	_, err := bundle.Validate(spec)
	accepted := err == nil
	return &accepted
}

func yes() *bool {
	b := true
	return &b
}

func hookNames() []string {
	var names []string
	for _, list := range bundle.HookLists(&specs.Hooks{}) {
		names = append(names, list.Name)
	}
	return names
}

func acceptedNamespaces() []string {
	var names []string
	for _, kind := range [...]specs.LinuxNamespaceType{
		specs.CgroupNamespace, specs.IPCNamespace, specs.MountNamespace, specs.NetworkNamespace,
		specs.PIDNamespace, specs.TimeNamespace, specs.UserNamespace, specs.UTSNamespace,
	} {
		if *accepts(func(s *specs.Spec) {
			s.Linux.Namespaces = namespaces(kind)
			if kind == specs.UserNamespace {
				s.Linux.UIDMappings = []specs.LinuxIDMapping{{Size: 1}}
				s.Linux.GIDMappings = s.Linux.UIDMappings
			}
		}) {
			names = append(names, string(kind))
		}
	}
	return names
}

func acceptedOptions(options []string) []string {
	var names []string
	for _, option := range options {
		if *accepts(func(s *specs.Spec) {
			m := specs.Mount{Destination: "/x", Type: "none", Source: "/x", Options: []string{option}}
			if option == "idmap" || option == "ridmap" {
				m.Options = append(m.Options, "bind")
				m.UIDMappings = []specs.LinuxIDMapping{{Size: 1}}
				m.GIDMappings = m.UIDMappings
			}
			s.Mounts = []specs.Mount{m}
		}) {
			names = append(names, option)
		}
	}
	return names
}

func acceptedPolicies() []string {
	var names []string
	for _, mode := range [...]specs.MemoryPolicyModeType{
		specs.MpolDefault, specs.MpolBind, specs.MpolInterleave, specs.MpolWeightedInterleave,
		specs.MpolPreferred, specs.MpolPreferredMany, specs.MpolLocal,
	} {
		policy := &specs.LinuxMemoryPolicy{Mode: mode}
		if mode != specs.MpolDefault && mode != specs.MpolLocal {
			policy.Nodes = "0"
		}
		if *accepts(func(s *specs.Spec) { s.Linux.MemoryPolicy = policy }) {
			names = append(names, string(mode))
		}
	}
	return names
}

func acceptedPolicyFlags() []string {
	var names []string
	for _, flag := range [...]specs.MemoryPolicyFlagType{specs.MpolFNumaBalancing, specs.MpolFRelativeNodes, specs.MpolFStaticNodes} {
		if *accepts(func(s *specs.Spec) {
			s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0", Flags: []specs.MemoryPolicyFlagType{flag}}
		}) {
			names = append(names, string(flag))
		}
	}
	return names
}
