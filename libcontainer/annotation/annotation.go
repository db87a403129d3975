// Package annotation reads the annotations of config.json with which crun lets
// a caller have what the OCI runtime specification has no field for: those that
// begin with "run.oci." (section "Extensions to OCI" of crun(1)).
//
// Some of them make the runtime write to files or connect to sockets of the
// host. Who does not want whoever writes annotations to be able to do that does
// not call Read; an engine that passes annotations of its users on learns from
// the command features that they may be unsafe.
package annotation

import (
	"encoding/base64"
	"errors"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/internal/errdefs"
)

// Prefix is what all annotations begin with that this package knows.
const Prefix = "run.oci."

// Settings are what the annotations of a container ask for. The zero value is
// what a container without any asks for.
type Settings struct {
	// KeepGroups leaves the program the supplementary groups of the runtime
	// (run.oci.keep_original_groups).
	KeepGroups bool
	// HookStdout and HookStderr are files that the hooks' output is appended
	// to, or "" (run.oci.hooks.stdout, .stderr).
	HookStdout, HookStderr string
	// PidfdReceiver is a unix socket that is sent a pidfd of the container's
	// init process, or "" (run.oci.pidfd_receiver).
	PidfdReceiver string
	// SeccompReceiver is the unix socket that is sent the listener of the
	// seccomp filter, where linux.seccomp.listenerPath names none, or ""
	// (run.oci.seccomp.receiver).
	SeccompReceiver string
	// SeccompProgram is a classic BPF program, as an array of struct
	// sock_filter of this machine, to be loaded in place of linux.seccomp, or
	// nil (run.oci.seccomp_bpf_data).
	SeccompProgram []byte
	// FailUnknownSyscall makes an error of a name in linux.seccomp that no
	// architecture knows (run.oci.seccomp_fail_unknown_syscall).
	FailUnknownSyscall bool
	// MountContextType is the mount option that gives mounts
	// linux.mountLabel: "context", "fscontext", "defcontext" or "rootcontext";
	// "" is "context" (run.oci.mount_context_type).
	MountContextType string
	// ForceCgroupV1 is the destination of a mount that, on a host with cgroup
	// v2 alone, is to show the v1 hierarchy name=systemd in its place, or ""
	// (run.oci.systemd.force_cgroup_v1).
	ForceCgroupV1 string
	// DelegateCgroup is the cgroup below the container's that its init
	// process is moved to, on cgroup v2, or "" (run.oci.delegate-cgroup).
	DelegateCgroup string
	// SystemdSubgroup is the cgroup below the scope that systemd makes, in
	// which the container is: "" for none, nil where nothing is said
	// (run.oci.systemd.subgroup).
	SystemdSubgroup *string
}

// receiverVariable is a variable of the runtime's environment that stands for
// run.oci.seccomp.receiver.
const receiverVariable = "RUN_OCI_SECCOMP_RECEIVER"

// known are the annotations without their prefix.
var known = [...]struct {
	name string
	read func(s *Settings, value string) error
}{
	{"keep_original_groups", func(s *Settings, v string) error { s.KeepGroups = v != "0"; return nil }},
	{"hooks.stdout", func(s *Settings, v string) error { s.HookStdout = v; return absolute(v) }},
	{"hooks.stderr", func(s *Settings, v string) error { s.HookStderr = v; return absolute(v) }},
	{"pidfd_receiver", func(s *Settings, v string) error { s.PidfdReceiver = v; return absolute(v) }},
	{"seccomp.receiver", func(s *Settings, v string) error { s.SeccompReceiver = v; return absolute(v) }},
	{"seccomp.plugins", func(*Settings, string) error {
		return errors.New("seccomp plugins are not supported: a program without C cannot load a shared library")
	}},
	{"seccomp_fail_unknown_syscall", func(s *Settings, v string) error { s.FailUnknownSyscall = v != "0"; return nil }},
	{"seccomp_bpf_data", func(s *Settings, v string) (err error) {
		if s.SeccompProgram, err = base64.StdEncoding.DecodeString(v); err == nil && len(s.SeccompProgram) == 0 {
			err = errors.New("is empty")
		}
		return err
	}},
	{"mount_context_type", func(s *Settings, v string) error {
		s.MountContextType = v
		if !slices.Contains([]string{"context", "fscontext", "defcontext", "rootcontext"}, v) {
			return errors.New("must be context, fscontext, defcontext or rootcontext, not " + strconv.Quote(v))
		}
		return nil
	}},
	{"systemd.force_cgroup_v1", func(s *Settings, v string) error { s.ForceCgroupV1 = path.Clean(v); return absolute(v) }},
	{"systemd.subgroup", func(s *Settings, v string) error { s.SystemdSubgroup = &v; return below(v) }},
	{"delegate-cgroup", func(s *Settings, v string) error { s.DelegateCgroup = v; return below(v) }},
	{"handler", func(_ *Settings, v string) error {
		return errors.New("the handler " + strconv.Quote(v) + " is not supported: rung runs programs of this machine's Linux alone")
	}},
}

// Names returns the annotations that Read knows, with their prefix.
func Names() []string {
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = Prefix + k.name
	}
	return names
}

// absolute refuses a path that depends on the runtime's working folder.
func absolute(v string) error {
	switch {
	case !path.IsAbs(v):
		return errors.New("must be an absolute path, not " + strconv.Quote(v))
	case strings.IndexByte(v, 0) >= 0:
		return errors.New("has a NUL byte")
	}
	return nil
}

// below refuses what is not the path of a cgroup below another.
func below(v string) error {
	if v == "" {
		return nil
	}
	for part := range strings.SplitSeq(v, "/") {
		if part == "" || part == "." || part == ".." || len(part) > 255 || strings.ContainsAny(part, "\n\x00") {
			return errors.New("must be the path of a cgroup below the container's, such as \"payload\", not " + strconv.Quote(v))
		}
	}
	return nil
}

// Read returns what annotations ask for. getenv is os.Getenv: crun takes the
// receiver of the seccomp listener from the environment, too. Errors name the
// annotation. Those that are not known are passed over.
func Read(annotations map[string]string, getenv func(string) string) (*Settings, error) {
	s := new(Settings)
	for _, name := range slices.Sorted(maps.Keys(annotations)) {
		short, ok := strings.CutPrefix(name, Prefix)
		if !ok || short == "handler" && annotations["io.kubernetes.cri.container-type"] == "sandbox" {
			continue // crun runs the sandbox of a pod as it is, too
		}
		for i := range known {
			if known[i].name != short {
				continue
			}
			if err := known[i].read(s, annotations[name]); err != nil {
				return nil, &errdefs.Error{Field: "annotations[" + strconv.Quote(name) + "]", Err: err}
			}
		}
	}
	if s.SeccompReceiver == "" {
		if s.SeccompReceiver = getenv(receiverVariable); s.SeccompReceiver != "" {
			if err := absolute(s.SeccompReceiver); err != nil {
				return nil, errdefs.Doing(err, "read "+receiverVariable)
			}
		}
	}
	return s, nil
}

// Change puts into a configuration what there are fields for.
func (s *Settings) Change(spec *specs.Spec) {
	if s.SeccompProgram != nil {
		if spec.Linux == nil {
			spec.Linux = new(specs.Linux)
		}
		// The profile is not looked at; the rest is about loading.
		old, rest := spec.Linux.Seccomp, new(specs.LinuxSeccomp)
		if old != nil {
			rest.Flags, rest.ListenerPath, rest.ListenerMetadata = old.Flags, old.ListenerPath, old.ListenerMetadata
		}
		spec.Linux.Seccomp = rest
	}
	if s.SeccompReceiver != "" && spec.Linux != nil && spec.Linux.Seccomp != nil && spec.Linux.Seccomp.ListenerPath == "" {
		spec.Linux.Seccomp.ListenerPath = s.SeccompReceiver
	}
}
