package capname

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name   string
		number int
		ok     bool
	}{
		{"CAP_CHOWN", unix.CAP_CHOWN, true},
		{"CAP_KILL", unix.CAP_KILL, true},
		{"CAP_NET_RAW", unix.CAP_NET_RAW, true},
		{"CAP_SYS_ADMIN", unix.CAP_SYS_ADMIN, true},
		{"CAP_SYSLOG", unix.CAP_SYSLOG, true},
		{"CAP_AUDIT_READ", unix.CAP_AUDIT_READ, true},
		{"CAP_PERFMON", unix.CAP_PERFMON, true},
		{"CAP_BPF", unix.CAP_BPF, true},
		{"CAP_CHECKPOINT_RESTORE", unix.CAP_CHECKPOINT_RESTORE, true},
		{"", 0, false},
		{"CAP_", 0, false},
		{"CHOWN", 0, false},
		{"cap_chown", 0, false},
		{"CAP_CHOWN ", 0, false},
		{"CAP_CHOWM", 0, false},
	} {
		number, ok := Parse(tc.name)
		if number != tc.number || ok != tc.ok {
			t.Errorf("Parse(%q) = %d, %v; want %d, %v", tc.name, number, ok, tc.number, tc.ok)
		}
	}
}

func TestNames(t *testing.T) {
	got := Names()
	if len(got) != unix.CAP_LAST_CAP+1 {
		t.Errorf("%d names, want %d", len(got), unix.CAP_LAST_CAP+1)
	}
	for i, name := range got {
		if number, ok := Parse(name); !ok || number != i {
			t.Errorf("Parse(Names()[%d]) = %d, %v", i, number, ok)
		}
	}
	got[0] = "CAP_BROKEN"
	if slices.Contains(Names(), "CAP_BROKEN") {
		t.Error("Names hands out the table itself")
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		Parse("CAP_AUDIT_WRITE")
	}
}
