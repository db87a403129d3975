package cgroup

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// rule reads a rule such as "allow c 1:3 rwm" or "deny a *:* rwm".
func rule(s string) specs.LinuxDeviceCgroup {
	f := strings.Fields(s)
	major, minor, _ := strings.Cut(f[2], ":")
	r := specs.LinuxDeviceCgroup{Allow: f[0] == "allow", Type: f[1], Access: f[3]}
	r.Major, _ = parseNumber(major)
	r.Minor, _ = parseNumber(minor)
	return r
}

func rules(lines ...string) []specs.LinuxDeviceCgroup {
	var rs []specs.LinuxDeviceCgroup
	for _, l := range lines {
		rs = append(rs, rule(l))
	}
	return rs
}

// show formats a list.
func show(l deviceList) string {
	out := lines(l.exceptions)
	slices.Sort(out)
	if l.allowed {
		return "all but " + strings.Join(out, ", ")
	}
	return strings.Join(out, ", ")
}

func TestApplyRule(t *testing.T) {
	for _, tc := range []struct {
		name  string
		rules []specs.LinuxDeviceCgroup
		want  string
		err   string
	}{
		{"nothing is allowed without rules", nil, "", ""},
		{"deny all", rules("deny a *:* rwm"), "", ""},
		{"type is a by default", []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}, "all but ", ""},
		{"-1 is any", []specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Major: ptr(int64(-1)), Minor: ptr(int64(3)), Access: "r"}}, "c *:3 r", ""},
		{"one", rules("deny a *:* rwm", "allow c 1:3 rwm"), "c 1:3 rwm", ""},
		{"access adds up", rules("allow c 1:3 r", "allow c 1:3 w"), "c 1:3 rw", ""},
		{"access twice", rules("allow c 1:3 rrwr"), "c 1:3 rw", ""},
		{"included already", rules("allow c 1:* rwm", "allow c 1:3 rw"), "c 1:* rwm", ""},
		{"more than included", rules("allow c 1:* r", "allow c 1:3 rw"), "c 1:* r, c 1:3 rw", ""},
		{"denied again", rules("allow c 1:3 rwm", "deny c 1:3 w"), "c 1:3 rm", ""},
		{"all of it", rules("allow c 1:3 rwm", "deny c 1:3 rwm"), "", ""},
		{"a wider denial", rules("allow c 1:3 rwm", "allow c 1:5 rwm", "allow b 1:3 r", "deny c 1:* rwm"), "b 1:3 r", ""},
		{"a denial of what is not allowed", rules("deny c 10:229 rwm", "allow c *:* m"), "c *:* m", ""},
		{"a reset forgets", rules("allow c 1:3 rwm", "deny a *:* rwm", "allow b 8:0 r"), "b 8:0 r", ""},
		{"all but", rules("allow a *:* rwm", "deny c 1:3 w"), "all but c 1:3 w", ""},
		{"allowed again", rules("allow a *:* rwm", "deny c 1:3 rw", "allow c 1:* w"), "all but c 1:3 r", ""},
		{"a with numbers is b and c", rules("allow a 8:* r"), "b 8:* r, c 8:* r", ""},
		{"a with some access is b and c", rules("allow a *:* m"), "b *:* m, c *:* m", ""},

		{"hole", rules("allow c 1:* rwm", "deny c 1:3 w"), "", "earlier rule"},
		{"hole in everything", rules("allow c *:* rw", "deny c 1:3 w"), "", "earlier rule"},
		{"crossing", rules("allow c 1:* rw", "deny c *:3 w"), "", "earlier rule"},
		{"hole in a denial", rules("allow a *:* rwm", "deny b *:* rwm", "allow b 8:0 r"), "", "earlier rule"},
		{"other access is no hole", rules("allow c 1:* r", "deny c 1:3 w"), "c 1:* r", ""},
		{"access that there is not", rules("allow c 1:3 rx"), "c 1:3 r", ""},
		{"only access that there is not", rules("allow c 1:3 xa"), "", "rwm"},
		{"no access", []specs.LinuxDeviceCgroup{{Allow: true, Type: "c"}}, "", "none of the letters"},
		{"type", rules("allow p 1:3 r"), "", "type"},
		{"long type", rules("allow char 1:3 r"), "", "type"},
		{"negative", []specs.LinuxDeviceCgroup{{Type: "c", Major: ptr(int64(-2)), Access: "r"}}, "", "major -2"},
		{"too big", []specs.LinuxDeviceCgroup{{Type: "c", Minor: ptr(int64(1 << 32)), Access: "r"}}, "", "minor 4294967296"},
	} {
		var l deviceList
		var err error
		for i := range tc.rules {
			if err = l.applyRule(&tc.rules[i]); err != nil {
				break
			}
		}
		switch {
		case tc.err != "":
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: %s, %v; want an error about %q", tc.name, show(l), err, tc.err)
			}
		case err != nil || show(l) != tc.want:
			t.Errorf("%s: got %q, %v; want %q", tc.name, show(l), err, tc.want)
		}
	}
}

func TestCompileDevices(t *testing.T) {
	const defaults = "b *:* m, c *:* m, c 10:200 rwm, c 136:* rwm, c 1:3 rwm, c 1:5 rwm, c 1:7 rwm, c 1:8 rwm, c 1:9 rwm, c 5:0 rwm, c 5:2 rwm"
	for _, tc := range []struct {
		name    string
		rules   []specs.LinuxDeviceCgroup
		devices []specs.LinuxDevice
		want    string
		err     string
	}{
		{"default", nil, nil, defaults, ""},
		{"deny all", rules("deny a *:* rwm"), nil, defaults, ""},
		{"docker", bundle(t, "docker").Linux.Resources.Devices, nil,
			"b *:* m, c *:* m, c 10:200 rwm, c 136:* rwm, c 1:3 rwm, c 1:5 rwm, c 1:7 rwm, c 1:8 rwm, c 1:9 rwm, c 5:0 rwm, c 5:1 rwm, c 5:2 rwm", ""},
		{"privileged", rules("allow a *:* rwm"), nil, "all but ", ""},
		{"a device in the place of a default one", rules("deny a *:* rwm"), []specs.LinuxDevice{{Path: "/dev/null", Type: "c", Major: 1, Minor: 99}, {Path: "/dev/fuse"}},
			strings.Replace(defaults, "c 1:3 rwm, ", "", 1), ""},
		{"a denied default device stays allowed", rules("deny c 1:3 rwm"), nil, defaults, ""},
		{"everything but disks", rules("allow a *:* rwm", "deny b 8:* rwm"), nil, "all but b 8:* rw", ""},
		{"the default devices are in a denial", rules("allow a *:* rwm", "deny c 1:* rwm"), nil, "", "denies c 1:3 rwm"},
		{"the field is named", rules("deny a *:* rwm", "allow c 1:3 x"), nil, "", "linux.resources.devices[1]"},
	} {
		l, err := compileDevices(tc.rules, tc.devices)
		switch {
		case tc.err != "":
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: %s, %v; want an error about %q", tc.name, show(l), err, tc.err)
			}
		case err != nil || show(l) != tc.want:
			t.Errorf("%s:\ngot  %q, %v\nwant %q", tc.name, show(l), err, tc.want)
		}
	}
}

func TestParseDevices(t *testing.T) {
	l, err := parseDevices("c *:* m\nb 8:* rwm\nc 1:3 rwm\n")
	if err != nil || show(l) != "b 8:* rwm, c *:* m, c 1:3 rwm" {
		t.Errorf("got %s, %v", show(l), err)
	}
	l, err = parseDevices("a *:* rwm\n")
	if err != nil || !l.allowed {
		t.Errorf("got %s, %v", show(l), err)
	}
	for _, bad := range []string{"c 1:3\n", "c 13 r\n", "c x:3 r\n", "x 1:3 r\n", "c 1:3 q\n", "\n"} {
		if l, err := parseDevices(bad); err == nil {
			t.Errorf("%q became %s", bad, show(l))
		}
	}
}

// request is an access to one device.
type request struct {
	device
	access access
}

// byOrder says what rules mean, by the runtime-spec: they are applied in order,
// so the last that is about an access decides.
func byOrder(rs []deviceRule, q request) bool {
	allowed := access(0)
	for _, r := range rs {
		if r.covers(q.device) {
			if r.allow {
				allowed |= r.access
			} else {
				allowed &^= r.access
			}
		}
	}
	return q.access&^allowed == 0
}

// byList says what a list means, by the kernel's documentation.
func byList(l deviceList, q request) bool {
	for _, e := range l.exceptions {
		if !e.covers(q.device) {
			continue
		}
		if l.allowed && e.access&q.access != 0 {
			return false
		}
		if !l.allowed && q.access&^e.access == 0 {
			return true
		}
	}
	return l.allowed
}

// randomRules makes rules about few devices, so that they meet.
func randomRules(r *rand.Rand) ([]specs.LinuxDeviceCgroup, []deviceRule) {
	var rs []specs.LinuxDeviceCgroup
	var es []deviceRule
	number := func() *int64 {
		if r.IntN(3) == 0 {
			return nil
		}
		return ptr(int64(r.IntN(2)))
	}
	for range r.IntN(6) {
		c := specs.LinuxDeviceCgroup{Allow: r.IntN(2) == 0, Type: []string{"b", "c", "a"}[r.IntN(3)], Major: number(), Minor: number()}
		a := access(1 + r.IntN(7))
		c.Access = exception{access: a}.String()
		c.Access = c.Access[strings.LastIndexByte(c.Access, ' ')+1:]
		rs = append(rs, c)
		for _, kind := range []byte{'b', 'c'} {
			if c.Type == "a" || c.Type[0] == kind {
				e := deviceRule{exception{device{kind, anyNumber, anyNumber}, a}, c.Allow}
				_ = setNumber(&e.major, c.Major, "")
				_ = setNumber(&e.minor, c.Minor, "")
				es = append(es, e)
			}
		}
	}
	return rs, es
}

// everyRequest calls do with all requests that randomRules can be about.
func everyRequest(do func(request)) {
	for _, kind := range []byte{'b', 'c'} {
		for major := range int64(3) {
			for minor := range int64(3) {
				for a := accessMknod; a <= accessAll; a++ {
					do(request{device{kind, major, minor}, a})
				}
			}
		}
	}
}

// TestDevicesMeanWhatTheSpecSays compares random rules in three forms: in
// order, as a program, and as a list. A list may be impossible; and where several
// kinds of access are asked for at once and allowed by several exceptions, the
// kernel wants one that allows them all.
func TestDevicesMeanWhatTheSpecSays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	lists := 0
	for range 20000 {
		rs, es := randomRules(r)
		var l deviceList
		var err error
		for i := range rs {
			if err = l.applyRule(&rs[i]); err != nil {
				break
			}
		}
		if err == nil {
			lists++
		} else if !errors.Is(err, errHole) {
			t.Fatal(err)
		}
		ordered, err2 := orderRules(rs)
		if err2 != nil {
			t.Fatal(err2)
		}
		program := compileProgram(ordered)
		everyRequest(func(q request) {
			want := byOrder(es, q)
			if got := run(t, program, q); got != want {
				t.Fatalf("%v of %v\nrules %+v: %v\nprogram: %v", q.access, q.device, es, want, got)
			}
			single := q.access&(q.access-1) == 0
			if err == nil && single && byList(l, q) != want {
				t.Fatalf("%v of %v\nrules %+v: %v\nlist %s: %v", q.access, q.device, es, want, show(l), !want)
			}
		})
	}
	if lists < 1000 {
		t.Errorf("only %d of the random rules made a list", lists)
	}
}

// orderRules is orderDevices without the default devices.
func orderRules(rs []specs.LinuxDeviceCgroup) (deviceRules, error) {
	l, err := orderDevices(rs, nil)
	if n := len(l.rules) - len(defaultDevices()); n >= 0 {
		l.rules = l.rules[:n]
	}
	return l, err
}

// TestOrderDevices looks at what the rules for v2 come to with the default ones.
func TestOrderDevices(t *testing.T) {
	null := request{device{'c', 1, 3}, accessRead | accessWrite}
	for _, tc := range []struct {
		name    string
		rules   []specs.LinuxDeviceCgroup
		devices []specs.LinuxDevice
		ask     request
		want    bool
	}{
		{"default", nil, nil, null, true},
		{"a hole", rules("deny a *:* rwm", "allow b 7:* rwm", "deny b 7:0 rwm"), nil, request{device{'b', 7, 0}, accessRead}, false},
		{"beside the hole", rules("deny a *:* rwm", "allow b 7:* rwm", "deny b 7:0 rwm"), nil, request{device{'b', 7, 1}, accessRead}, true},
		{"the default devices come last", rules("allow a *:* rwm", "deny c 1:* rwm"), nil, null, true},
		{"those around them are denied", rules("allow a *:* rwm", "deny c 1:* rwm"), nil, request{device{'c', 1, 11}, accessRead}, false},
		{"but any node may be made", rules("allow a *:* rwm", "deny c 1:* rwm"), nil, request{device{'c', 1, 11}, accessMknod}, true},
		{"a device in the place of a default one", nil, []specs.LinuxDevice{{Path: "/dev/null"}}, null, false},
	} {
		l, err := orderDevices(tc.rules, tc.devices)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if got := run(t, compileProgram(l), tc.ask); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
	if l, err := orderDevices(rules("deny c 1:3 rwm", "allow a *:* rwm", "allow b 8:0 r"), nil); err != nil || !l.allowed || len(l.rules) != 0 {
		t.Errorf("all are allowed, and yet there are rules: %+v, %v", l, err)
	}
	if _, err := orderDevices(rules("deny a *:* rwm", "allow c 1:3 x"), nil); err == nil || !strings.Contains(err.Error(), "linux.resources.devices[1]") {
		t.Errorf("the field is not named: %v", err)
	}
}

// run interprets a program.
func run(t *testing.T, p []insn, q request) bool {
	t.Helper()
	kind := uint32(unix.BPF_DEVCG_DEV_CHAR)
	if q.kind == 'b' {
		kind = unix.BPF_DEVCG_DEV_BLOCK
	}
	ctx := [3]uint32{uint32(q.access)<<16 | kind, uint32(q.major), uint32(q.minor)}
	var reg [11]uint32
	for pc := 0; pc < len(p); pc++ {
		in := p[pc]
		dst, src := in.regs&15, in.regs>>4
		if regs(1, 0) != 1 {
			dst, src = src, dst
		}
		jump := false
		switch in.code {
		case opLoadWord:
			reg[dst] = ctx[in.off/4]
		case opAndImm:
			reg[dst] &= uint32(in.imm)
		case opShiftImm:
			reg[dst] >>= uint32(in.imm)
		case opMovImm:
			reg[dst] = uint32(in.imm)
		case opMovReg:
			reg[dst] = reg[src]
		case opJumpNeImm:
			jump = reg[dst] != uint32(in.imm)
		case opJumpBits:
			jump = reg[dst]&uint32(in.imm) != 0
		case opJump:
			jump = true
		case opExit:
			return reg[0] == 1
		default:
			t.Fatalf("instruction %d is unknown: %+v", pc, in)
		}
		if jump {
			pc += int(in.off)
		}
	}
	t.Fatal("the program does not end")
	return false
}

// TestDevicesV1Host checks what the kernel made of the rules.
func TestDevicesV1Host(t *testing.T) {
	for _, name := range []string{"docker", "ctr", "cri-container", "cri-sandbox", "podman"} {
		r := bundle(t, name).Linux.Resources
		m := newManager(t, r)
		dir := want(t, m, "devices", "devices.list")
		if err := m.SetDevices(r); err != nil {
			t.Fatal(err)
		}
		wanted, err := compileDevices(r.Devices, nil)
		if err != nil {
			t.Fatal(err)
		}
		checkList(t, dir, wanted)
		// A second time nothing changes; from another command neither.
		again, err := Load(m.Record())
		if err != nil {
			t.Fatal(err)
		}
		if err := again.SetDevices(r); err != nil {
			t.Fatal(err)
		}
		checkList(t, dir, wanted)
	}
}

func checkList(t *testing.T, dir string, want deviceList) {
	t.Helper()
	got, err := parseDevices(content(t, dir, "devices.list"))
	if err != nil || show(got) != show(want) {
		t.Errorf("the kernel has\n%s (%v), want\n%s", show(got), err, show(want))
	}
}

// TestDevicesV1Transitions goes from list to list, and looks each time whether
// only what differs was touched.
func TestDevicesV1TransitionsHost(t *testing.T) {
	m := newManager(t, nil)
	dir := want(t, m, "devices", "devices.list")
	for _, rs := range [][]specs.LinuxDeviceCgroup{
		nil,
		rules("allow b 8:0 rwm"),
		rules("allow b 8:0 r", "allow c 99:* rw"),
		rules("allow a *:* rwm"),
		rules("allow a *:* rwm", "deny b 8:0 w"),
		rules("deny a *:* rwm"),
		rules("allow c 99:1 rwm"),
	} {
		if err := m.SetDevices(&specs.LinuxResources{Devices: rs}); err != nil {
			t.Fatal(err)
		}
		wanted, err := compileDevices(rs, nil)
		if err != nil {
			t.Fatal(err)
		}
		if wanted.allowed {
			wanted.exceptions = nil
		}
		checkList(t, dir, wanted)
	}
}

// TestDevicesV2Host attaches the program to a cgroup of the v2 hierarchy, which
// works on a hybrid host as well, and tries what it lets through.
func TestDevicesV2Host(t *testing.T) {
	m := newManager(t, nil)
	if m.unified() == "" {
		t.Skip("this host has no v2 hierarchy")
	}
	m.rec.Version = V2
	for i, s := range []struct {
		rules       []specs.LinuxDeviceCgroup
		read, write bool // of /dev/kmsg, c 1:11
	}{
		{nil, false, false},
		{rules("allow a *:* rwm"), true, true},
		{rules("allow a *:* rwm", "deny c 1:11 w"), true, false},
		{rules("deny a *:* rwm", "allow c 1:11 r"), true, false},
		{rules("deny a *:* rwm", "allow c 1:11 rw"), true, true},
		{rules("deny a *:* rwm", "allow c 1:* r"), true, false},
		{rules("deny a *:* rwm", "allow b 1:11 rw"), false, false},
		{rules("deny a *:* rwm", "allow c 1:* rwm", "deny c 1:11 rw"), false, false},
		{rules("deny a *:* rwm", "allow c 1:* rwm", "deny c 1:11 w"), true, false},
		{rules("allow a *:* rwm", "deny c 1:* rwm", "allow c 1:11 w"), false, true},
	} {
		if err := m.SetDevices(&specs.LinuxResources{Devices: s.rules}); err != nil {
			t.Fatal(err)
		}
		wanted := fmt.Sprintf("null=true read=%v write=%v both=%v", s.read, s.write, s.read && s.write)
		if got := tryDevices(t, m); got != wanted {
			t.Errorf("step %d: %s, want %s", i, got, wanted)
		}
		if n := programs(t, m); n != 1 {
			t.Errorf("step %d: %d programs are attached", i, n)
		}
	}
}

// tryDevices opens devices in a process in the v2 cgroup of m.
func tryDevices(t *testing.T, m *Manager) string {
	t.Helper()
	const script = `try() { if (eval "exec 9$2$1") 2>/dev/null; then echo true; else echo false; fi; }
echo "null=$(try /dev/null '<>') read=$(try /dev/kmsg '<') write=$(try /dev/kmsg '>') both=$(try /dev/kmsg '<>')"`
	j, err := m.Join()
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	cmd := exec.Command("sh", "-c", script)
	cmd.Stdin = strings.NewReader("")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: j.CgroupFD}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// programs returns how many device programs are attached to the cgroup of m.
func programs(t *testing.T, m *Manager) int {
	t.Helper()
	dirfd, err := unix.Open(m.unified(), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(dirfd)
	fds, err := attachedPrograms(dirfd)
	if err != nil {
		t.Fatal(err)
	}
	closeAll(fds)
	return len(fds)
}
