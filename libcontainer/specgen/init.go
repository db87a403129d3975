package specgen

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/libcontainer/bundle"
)

// StopSignal is the annotation that says which signal ends a container in order
// (annotations.md of the image specification).
const StopSignal = "org.opencontainers.image.stopSignal"

// Init changes an Example so that its program is systemd, the init of a whole
// system that is in the root filesystem. What systemd expects of whoever runs
// it in a container is in its own documentation, "The Container Interface of
// systemd"; docs/systemd-init.md tells what each of these settings is for.
func Init(spec *specs.Spec) {
	spec.Process.Args = []string{"/lib/systemd/systemd"}
	spec.Process.Env = append(spec.Process.Env, "container=oci")
	spec.Process.NoNewPrivileges = false
	spec.Process.Rlimits = nil
	// Three lists, lest a change to one shows in the others.
	c := spec.Process.Capabilities
	c.Bounding, c.Effective, c.Permitted = systemCapabilities(), systemCapabilities(), systemCapabilities()

	spec.Root.Readonly = false
	for i := range spec.Mounts {
		if m := &spec.Mounts[i]; m.Type == "cgroup" {
			m.Options = []string{"nosuid", "noexec", "nodev", "relatime", "rw"}
		}
	}
	for _, m := range [...]struct{ path, mode string }{{"/run", "mode=755"}, {"/run/lock", "mode=1777"}, {"/tmp", "mode=1777"}} {
		options := []string{"nosuid", "nodev", m.mode}
		if m.path != "/tmp" {
			options = append(options, "size=65536k")
		}
		spec.Mounts = append(spec.Mounts, specs.Mount{Destination: m.path, Type: "tmpfs", Source: "tmpfs", Options: options})
	}
	if !bundle.HasNamespace(spec, specs.CgroupNamespace) {
		spec.Linux.Namespaces = append(spec.Linux.Namespaces, namespaces(specs.CgroupNamespace)...)
	}
	if spec.Annotations == nil {
		spec.Annotations = make(map[string]string)
	}
	spec.Annotations[StopSignal] = "SIGRTMIN+3"
}

// systemCapabilities are what engines give to containers: the services of a
// system change their user, own files and bind ports.
func systemCapabilities() []string {
	return []string{
		"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
		"CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
	}
}
