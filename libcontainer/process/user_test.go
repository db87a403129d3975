package process

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/sys"
)

func TestSetUser(t *testing.T) {
	needRoot(t)
	tests := []struct {
		name   string
		user   specs.User
		groups string
		field  string
	}{
		{name: "root", user: specs.User{}},
		{name: "user", user: specs.User{UID: 1000, GID: 1001}},
		{name: "groups", user: specs.User{UID: 65534, GID: 65533, AdditionalGids: []uint32{7, 5, 7}}, groups: "5 7 7"},
		{name: "root with groups", user: specs.User{AdditionalGids: []uint32{0, 27}}, groups: "0 27"},
		{name: "beyond 16 bits", user: specs.User{UID: 1<<31 + 5, GID: math.MaxUint32 - 1, AdditionalGids: []uint32{1 << 31}}, groups: "2147483648"},
		// What the kernel takes for "stay root".
		{name: "no user", user: specs.User{UID: math.MaxUint32}, field: "process.user.uid"},
		{name: "no group", user: specs.User{UID: 1000, GID: math.MaxUint32}, field: "process.user.gid"},
		{name: "no supplementary group", user: specs.User{UID: 1000, AdditionalGids: []uint32{math.MaxUint32}}, field: "process.user.additionalGids"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onThread(t, 0, func() error {
				if errno := sys.Setgroups(sys.Here(), []uint32{12345}); errno != 0 {
					return errno
				}
				if err := check(SetUser(sys.Here(), tt.user, false), 0, tt.field); err != nil || tt.field != "" {
					return err
				}
				four := func(id uint32) string { return strings.TrimSpace(strings.Repeat(fmt.Sprint(id)+"\t", 4)) }
				for key, want := range map[string]string{"Uid": four(tt.user.UID), "Gid": four(tt.user.GID), "Groups": tt.groups} {
					if got := status(key); got != want {
						return fmt.Errorf("%s is %q, want %q", key, got, want)
					}
				}
				return nil
			})
		})
	}
	if os.Geteuid() != 0 || status("Groups") == "12345" {
		t.Error("another thread changed")
	}
}

func TestSetUserNotPermitted(t *testing.T) {
	needRoot(t)
	onThread(t, 0, func() error {
		caps, _ := ParseCaps(&specs.LinuxCapabilities{})
		if err := errors.Join(SetUser(sys.Here(), specs.User{UID: 1000}, false), caps.Apply(sys.Here())); err != nil {
			return err
		}
		return check(SetUser(sys.Here(), specs.User{UID: 0}, false), unix.EPERM, "process.user.additionalGids", "CAP_SETUID")
	})
}

// hexCaps is a set as /proc/self/status shows it.
func hexCaps(s capSet) string { return fmt.Sprintf("%016x", uint64(s)) }

func TestCaps(t *testing.T) {
	needRoot(t)
	const (
		chown, kill, bind = "CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"
		all               = capSet(1<<0 | 1<<5 | 1<<10)
	)
	three := []string{chown, kill, bind}
	tests := []struct {
		name                    string
		in                      specs.LinuxCapabilities
		uid                     uint32
		bnd, eff, prm, inh, amb capSet
		warnings                []string
	}{
		{name: "empty", in: specs.LinuxCapabilities{}},
		{name: "empty, user", in: specs.LinuxCapabilities{}, uid: 1000},
		{
			name: "all five", in: specs.LinuxCapabilities{Bounding: three, Effective: three, Permitted: three, Inheritable: three, Ambient: three},
			bnd: all, eff: all, prm: all, inh: all, amb: all,
		},
		{
			name: "all five, user", uid: 1000,
			in:  specs.LinuxCapabilities{Bounding: three, Effective: three, Permitted: three, Inheritable: three, Ambient: three},
			bnd: all, eff: all, prm: all, inh: all, amb: all,
		},
		{
			name: "as Docker", in: specs.LinuxCapabilities{Bounding: three, Effective: three, Permitted: three},
			bnd: all, eff: all, prm: all,
		},
		{
			name: "ambient alone", in: specs.LinuxCapabilities{Bounding: three, Permitted: three, Ambient: []string{bind}},
			bnd: all, prm: all,
			warnings: []string{"process.capabilities.ambient: can't raise ambient capability CAP_NET_BIND_SERVICE"},
		},
		{
			name: "effective without permitted", in: specs.LinuxCapabilities{Bounding: three, Effective: three, Permitted: []string{kill}},
			bnd: all, eff: 1 << 5, prm: 1 << 5,
			warnings: []string{"process.capabilities.effective: leaving out CAP_CHOWN CAP_NET_BIND_SERVICE"},
		},
		{
			name: "inheritable beyond bounding", in: specs.LinuxCapabilities{Bounding: []string{kill}, Permitted: three, Inheritable: three}, uid: 7,
			bnd: 1 << 5, prm: all, inh: 1 << 5,
			warnings: []string{"process.capabilities.inheritable: leaving out CAP_CHOWN CAP_NET_BIND_SERVICE"},
		},
		{
			name: "unknown and ill-spelt", in: specs.LinuxCapabilities{Bounding: []string{"CAP_NONSENSE", "cap_kill", "KILL", "", kill}},
			bnd: 1 << 5,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onThread(t, 0, func() error {
				caps, warnings := ParseCaps(&tt.in)
				same := func(got, want string) bool { return strings.HasPrefix(got, want) }
				if !slices.EqualFunc(warnings, tt.warnings, same) {
					return fmt.Errorf("warnings %q, want %q", warnings, tt.warnings)
				}
				if err := errors.Join(caps.DropBounding(sys.Here()), SetUser(sys.Here(), specs.User{UID: tt.uid}, false), caps.Apply(sys.Here())); err != nil {
					return err
				}
				for key, want := range map[string]capSet{"CapBnd": tt.bnd, "CapEff": tt.eff, "CapPrm": tt.prm, "CapInh": tt.inh, "CapAmb": tt.amb} {
					if got := status(key); got != hexCaps(want) {
						return fmt.Errorf("%s is %s, want %s", key, got, hexCaps(want))
					}
				}
				// Twice is once: the bounding set has nothing more to lose.
				if tt.eff == 0 {
					return caps.DropBounding(sys.Here())
				}
				return nil
			})
		})
	}
}

func TestCapsNotAvailable(t *testing.T) {
	needRoot(t)
	onThread(t, 0, func() error {
		few, _ := ParseCaps(&specs.LinuxCapabilities{
			Bounding: []string{"CAP_KILL", "CAP_CHOWN"}, Permitted: []string{"CAP_KILL"}, Effective: []string{"CAP_KILL"},
		})
		if err := errors.Join(few.DropBounding(sys.Here()), few.Apply(sys.Here())); err != nil {
			return err
		}
		names := []string{"CAP_KILL", "CAP_SYS_ADMIN"}
		more, warnings := ParseCaps(&specs.LinuxCapabilities{
			Bounding: names, Permitted: names, Effective: names, Inheritable: names, Ambient: names,
		})
		want := []string{"process.capabilities.permitted: leaving out CAP_SYS_ADMIN: not available to rung here"}
		if !slices.Equal(warnings, want) {
			return fmt.Errorf("warnings %q", warnings)
		}
		if err := more.Apply(sys.Here()); err != nil {
			return err
		}
		if got := status("CapAmb"); got != hexCaps(1<<5) {
			return errors.New("CapAmb is " + got)
		}
		return check(more.DropBounding(sys.Here()), unix.EPERM, "process.capabilities.bounding", "drop CAP_CHOWN from", "CAP_SETPCAP")
	})
}

// TestNoCapsIsNone has a config without the field, and wants no capability.
func TestNoCapsIsNone(t *testing.T) {
	onThread(t, 0, func() error {
		caps, warnings := ParseCaps(nil)
		if err := errors.Join(caps.DropBounding(sys.Here()), caps.Apply(sys.Here())); err != nil || warnings != nil {
			return fmt.Errorf("%v, %q", err, warnings)
		}
		for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
			if got := status(set); got != hexCaps(0) {
				return fmt.Errorf("%s is %s", set, got)
			}
		}
		return nil
	})
}

func TestCapSetString(t *testing.T) {
	for set, want := range map[capSet]string{
		0:            "",
		1<<0 | 1<<40: "CAP_CHOWN CAP_CHECKPOINT_RESTORE",
		1 << 63:      "capability 63",
	} {
		if got := set.String(); got != want {
			t.Errorf("%#x is %q, want %q", uint64(set), got, want)
		}
	}
}

// helperSwitch does what an init process does last, and becomes a shell that
// prints what it has inherited.
func helperSwitch() error {
	names := []string{"CAP_NET_BIND_SERVICE"}
	caps, _ := ParseCaps(&specs.LinuxCapabilities{
		Bounding: names, Permitted: names, Effective: names, Inheritable: names, Ambient: names,
	})
	err := errors.Join(
		caps.DropBounding(sys.Here()),
		SetNoNewPrivileges(sys.Here()),
		SetUser(sys.Here(), specs.User{UID: 1000, GID: 1000, AdditionalGids: []uint32{5}}, false),
		caps.Apply(sys.Here()),
		Chdir(sys.Here(), "/"))
	if err != nil {
		return err
	}
	exe, err := LookupExecutable("sh", []string{"PATH=/nonsense:/bin"})
	if err != nil {
		return err
	}
	if err := CheckExecutable(exe); err != nil {
		return err
	}
	const script = "exec grep -E '^(Uid|Gid|Groups|Cap.*|NoNewPrivs):' /proc/self/status"
	return unix.Exec(exe, []string{"sh", "-c", script}, Env([]string{"PATH=/bin"}, 1000, Folder{FD: unix.AT_FDCWD}))
}

func TestSwitchAndExec(t *testing.T) {
	needRoot(t)
	out, err := runHelper(t, "switch", nil)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := strings.ReplaceAll(strings.Join(strings.Fields(out), " "), ": ", ":")
	const bind = "0000000000000400"
	want := "Uid:1000 1000 1000 1000 Gid:1000 1000 1000 1000 Groups:5 CapInh:" + bind + " CapPrm:" + bind +
		" CapEff:" + bind + " CapBnd:" + bind + " CapAmb:" + bind + " NoNewPrivs:1"
	if got != want {
		t.Errorf("inherited %s\nwant      %s", got, want)
	}
}
