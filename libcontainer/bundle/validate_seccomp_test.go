package bundle

import "testing"

func TestValidateSeccomp(t *testing.T) {
	filter := func(s string) string { return `{"linux": {"seccomp": ` + s + `}}` }
	rule := func(r string) string {
		return filter(`{"defaultAction": "SCMP_ACT_ERRNO", "listenerPath": "/s", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}, ` + r + `]}`)
	}
	testRefusals(t, []refusal{
		{filter(`{"syscalls": [{}]}`), `linux.seccomp.defaultAction: is missing`},
		{filter(`{"defaultAction": "SCMP_ACT_NONE"}`), `linux.seccomp.defaultAction: unknown action "SCMP_ACT_NONE"`},
		{filter(`{"defaultAction": "SCMP_ACT_NOTIFY"}`), `linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be used as the default action: the program could not be started`},
		{filter(`{"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}`), `linux.seccomp.defaultErrnoRet: is not for SCMP_ACT_ALLOW`},
		{filter(`{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096}`), `linux.seccomp.defaultErrnoRet: must be at most 4095 with SCMP_ACT_ERRNO, got 4096`},
		{filter(`{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86", "x86"]}`), `linux.seccomp.architectures[1]: unknown architecture "x86"`},
		{filter(`{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["LOG"]}`), `linux.seccomp.flags[0]: unknown flag "LOG"`},
		{filter(`{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}`),
			`linux.seccomp.flags[0]: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs a rule with SCMP_ACT_NOTIFY`},
		{filter(`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"], "action": "SCMP_ACT_NOTIFY"}]}`), `linux.seccomp.listenerPath: is missing; SCMP_ACT_NOTIFY needs it`},
		{filter(`{"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"}`), `linux.seccomp.listenerMetadata: needs linux.seccomp.listenerPath`},
		{filter(`{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "a\u0000b"}`), `linux.seccomp.listenerPath: must not contain a NUL byte, got "a\x00b"`},
		{rule(`{"action": "SCMP_ACT_ALLOW"}`), `linux.seccomp.syscalls[1].names: is missing`},
		{rule(`{"names": ["a", ""], "action": "SCMP_ACT_ALLOW"}`), `linux.seccomp.syscalls[1].names[1]: must not be empty`},
		{rule(`{"names": ["a"]}`), `linux.seccomp.syscalls[1].action: is missing`},
		{rule(`{"names": ["a"], "action": "ALLOW"}`), `linux.seccomp.syscalls[1].action: unknown action "ALLOW"`},
		{rule(`{"names": ["a"], "action": "SCMP_ACT_TRAP", "errnoRet": 0}`), `linux.seccomp.syscalls[1].errnoRet: is not for SCMP_ACT_TRAP`},
		{rule(`{"names": ["a"], "action": "SCMP_ACT_TRACE", "errnoRet": 65536}`), `linux.seccomp.syscalls[1].errnoRet: must be at most 65535 with SCMP_ACT_TRACE, got 65536`},
		{rule(`{"names": ["read", "write"], "action": "SCMP_ACT_NOTIFY"}`), `linux.seccomp.syscalls[1].names[1]: SCMP_ACT_NOTIFY cannot be used for the write syscall`},
		{rule(`{"names": ["a"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 6, "op": "SCMP_CMP_EQ"}]}`), `linux.seccomp.syscalls[1].args[0].index: must be from 0 to 5, got 6`},
		{rule(`{"names": ["a"], "action": "SCMP_ACT_ALLOW", "args": [{"op": "SCMP_CMP_EQ"}, {}]}`), `linux.seccomp.syscalls[1].args[1].op: is missing`},
		{rule(`{"names": ["a"], "action": "SCMP_ACT_ALLOW", "args": [{"op": "=="}]}`), `linux.seccomp.syscalls[1].args[0].op: unknown operator "=="`},
	})
	testAccepted(t, []string{
		filter(`{}`), filter(`null`), filter(`{"architectures": ["SCMP_ARCH_X86"]}`),
		filter(`{"defaultAction": "SCMP_ACT_TRACE", "defaultErrnoRet": 65535}`),
		filter(`{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "relative", "listenerMetadata": "x"}`),
		filter(`{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]}`),
		rule(`{"names": ["no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4095, "args": [{"index": 5, "op": "SCMP_CMP_MASKED_EQ"}]}`),
		rule(`{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}`),
	})
}
