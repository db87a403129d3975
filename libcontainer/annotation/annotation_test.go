package annotation

import (
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func noEnv(string) string { return "" }

func TestRead(t *testing.T) {
	none, group := "", "sub"
	for _, tt := range []struct {
		annotations map[string]string
		want        Settings
	}{
		{nil, Settings{}},
		{map[string]string{"other": "x", "run.oci.unknown": "x", "run.oci": "x"}, Settings{}},
		{map[string]string{"run.oci.keep_original_groups": "1"}, Settings{KeepGroups: true}},
		{map[string]string{"run.oci.keep_original_groups": ""}, Settings{KeepGroups: true}}, // as crun: anything but "0"
		{map[string]string{"run.oci.keep_original_groups": "0"}, Settings{}},
		{map[string]string{"run.oci.hooks.stdout": "/a", "run.oci.hooks.stderr": "/b"}, Settings{HookStdout: "/a", HookStderr: "/b"}},
		{map[string]string{"run.oci.pidfd_receiver": "/s"}, Settings{PidfdReceiver: "/s"}},
		{map[string]string{"run.oci.seccomp.receiver": "/s"}, Settings{SeccompReceiver: "/s"}},
		{map[string]string{"run.oci.seccomp_bpf_data": "AAEC"}, Settings{SeccompProgram: []byte{0, 1, 2}}},
		{map[string]string{"run.oci.seccomp_fail_unknown_syscall": "1"}, Settings{FailUnknownSyscall: true}},
		{map[string]string{"run.oci.mount_context_type": "fscontext"}, Settings{MountContextType: "fscontext"}},
		{map[string]string{"run.oci.systemd.force_cgroup_v1": "/sys/fs/cgroup/"}, Settings{ForceCgroupV1: "/sys/fs/cgroup"}},
		{map[string]string{"run.oci.systemd.subgroup": ""}, Settings{SystemdSubgroup: &none}},
		{map[string]string{"run.oci.systemd.subgroup": "sub"}, Settings{SystemdSubgroup: &group}},
		{map[string]string{"run.oci.delegate-cgroup": "a/b"}, Settings{DelegateCgroup: "a/b"}},
		{map[string]string{"run.oci.handler": "krun", "io.kubernetes.cri.container-type": "sandbox"}, Settings{}},
	} {
		got, err := Read(tt.annotations, noEnv)
		if err != nil || !reflect.DeepEqual(*got, tt.want) {
			t.Errorf("%v: %+v, %v, want %+v", tt.annotations, got, err, tt.want)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, value := range map[string]string{
		"run.oci.hooks.stdout": "relative", "run.oci.hooks.stderr": "", "run.oci.pidfd_receiver": "a/b", "run.oci.seccomp.receiver": "/a\x00b",
		"run.oci.seccomp.plugins": "/plugin.so", "run.oci.seccomp_bpf_data": "%", "run.oci.mount_context_type": "", "run.oci.handler": "wasm",
		"run.oci.systemd.force_cgroup_v1": "sys", "run.oci.systemd.subgroup": "..", "run.oci.delegate-cgroup": "/a",
	} {
		_, err := Read(map[string]string{name: value}, noEnv)
		if err == nil || !strings.Contains(err.Error(), `annotations["`+name+`"]`) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s=%q: %v", name, value, err)
		}
	}
	if _, err := Read(map[string]string{"run.oci.seccomp_bpf_data": ""}, noEnv); err == nil {
		t.Error("an empty program is taken")
	}
}

func TestReceiverOfTheEnvironment(t *testing.T) {
	env := func(value string) func(string) string {
		return func(name string) string { return map[string]string{receiverVariable: value}[name] }
	}
	if s, err := Read(nil, env("/s")); err != nil || s.SeccompReceiver != "/s" {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := Read(map[string]string{"run.oci.seccomp.receiver": "/a"}, env("/s")); err != nil || s.SeccompReceiver != "/a" {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Read(nil, env("s")); err == nil || !strings.Contains(err.Error(), receiverVariable) {
		t.Errorf("a relative path: %v", err)
	}
}

func TestChange(t *testing.T) {
	profile := func(listener string) *specs.LinuxSeccomp {
		return &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Flags: []specs.LinuxSeccompFlag{"f"}, ListenerPath: listener, Syscalls: []specs.LinuxSyscall{{}}}
	}
	spec := &specs.Spec{Linux: &specs.Linux{Seccomp: profile("")}}
	(&Settings{SeccompReceiver: "/s"}).Change(spec)
	if got := spec.Linux.Seccomp; got.ListenerPath != "/s" || got.DefaultAction == "" {
		t.Errorf("receiver: %+v", got)
	}
	spec = &specs.Spec{Linux: &specs.Linux{Seccomp: profile("/own")}}
	(&Settings{SeccompReceiver: "/s"}).Change(spec)
	if got := spec.Linux.Seccomp.ListenerPath; got != "/own" {
		t.Errorf("the configuration's own receiver became %s", got)
	}
	old := profile("/own")
	spec = &specs.Spec{Linux: &specs.Linux{Seccomp: old}}
	(&Settings{SeccompProgram: []byte{1}}).Change(spec)
	if got := spec.Linux.Seccomp; got.DefaultAction != "" || len(got.Syscalls) > 0 || len(got.Flags) != 1 || got.ListenerPath != "/own" {
		t.Errorf("program: %+v", got)
	}
	if old.DefaultAction == "" {
		t.Error("the profile was changed in place")
	}
	spec = &specs.Spec{}
	(&Settings{SeccompReceiver: "/s"}).Change(spec)
	if spec.Linux != nil {
		t.Error("a receiver alone made a linux section")
	}
}
