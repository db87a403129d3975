package seccomp

import (
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestFromBytes(t *testing.T) {
	program := &Program{Filter: []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: retAllow}}}
	raw := program.Bytes()[4:]
	p, err := FromBytes(raw, nil)
	if err != nil || len(p.Filter) != 1 || p.Filter[0] != program.Filter[0] || p.Notify() || p.Flags != unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW {
		t.Errorf("%+v, %v", p, err)
	}
	p, err = FromBytes(raw, &specs.LinuxSeccomp{ListenerPath: "/s", Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagLog}})
	if err != nil || !p.Notify() || p.Flags&unix.SECCOMP_FILTER_FLAG_LOG == 0 {
		t.Errorf("with a listener: %+v, %v", p, err)
	}
	for _, bad := range [][]byte{nil, raw[:7], make([]byte, insn*(unix.BPF_MAXINSNS+1))} {
		if _, err := FromBytes(bad, nil); err == nil {
			t.Errorf("%d bytes are taken", len(bad))
		}
	}
	if _, err := FromBytes(raw, &specs.LinuxSeccomp{Flags: []specs.LinuxSeccompFlag{"x"}}); err == nil {
		t.Error("an unknown flag is taken")
	}
}

func TestCheckNames(t *testing.T) {
	s := &specs.LinuxSeccomp{Syscalls: []specs.LinuxSyscall{{Names: []string{"read"}}, {Names: []string{"mkdir", "frobnicate"}}}}
	if err := CheckNames(s); err == nil || !strings.Contains(err.Error(), "linux.seccomp.syscalls[1].names[1]") {
		t.Errorf("got %v", err)
	}
	s.Syscalls[1].Names = nil
	if err := CheckNames(s); err != nil || CheckNames(nil) != nil {
		t.Errorf("got %v", err)
	}
}
