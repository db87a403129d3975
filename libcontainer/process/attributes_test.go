package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/sys"
)

func TestSetNames(t *testing.T) {
	needRoot(t)
	onThread(t, unix.CLONE_NEWUTS, func() error {
		if err := errors.Join(SetHostname("ladder"), SetDomainname("example"), SetHostname(""), SetDomainname("")); err != nil {
			return err
		}
		var uts unix.Utsname
		if err := unix.Uname(&uts); err != nil {
			return err
		}
		host, domain := unix.ByteSliceToString(uts.Nodename[:]), unix.ByteSliceToString(uts.Domainname[:])
		if host != "ladder" || domain != "example" {
			return errors.New("got " + host + " and " + domain)
		}
		return errors.Join(
			check(SetHostname(strings.Repeat("x", 65)), unix.EINVAL, "hostname", "64 bytes"),
			check(SetDomainname(strings.Repeat("x", 65)), unix.EINVAL, "domainname", "64 bytes"))
	})
}

func helperLimits() error {
	var now unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &now); err != nil {
		return err
	}
	limits := []specs.POSIXRlimit{
		{Type: "RLIMIT_NOFILE", Soft: 100, Hard: now.Max},
		{Type: "RLIMIT_CORE", Soft: 0, Hard: 0},
	}
	if err := SetRlimits(sys.Here(), limits); err != nil {
		return err
	}
	out, err := exec.Command("/bin/sh", "-c", "ulimit -Sn; ulimit -Hc").Output()
	if err != nil || string(out) != "100\n0\n" {
		return fmt.Errorf("a child has %q: %v", out, err)
	}
	if err := check(SetRlimits(sys.Here(), []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 2, Hard: 1}}), unix.EINVAL, "process.rlimits[0]", "2:1"); err != nil {
		return err
	}
	// Whoever runs this may not: no limit may be above fs.nr_open.
	above := []specs.POSIXRlimit{limits[1], {Type: "RLIMIT_NOFILE", Soft: 1, Hard: 1 << 40}}
	if err := check(SetRlimits(sys.Here(), above), unix.EPERM, "process.rlimits[1]", "CAP_SYS_RESOURCE", "fs.nr_open", "hard limit now is"); err != nil {
		return err
	}
	return helperOOM()
}

func helperOOM() error {
	p, err := OpenProc()
	if err != nil {
		return err
	}
	defer p.Close()
	read := func() string {
		data, _ := os.ReadFile("/proc/self/oom_score_adj")
		return strings.TrimSpace(string(data))
	}
	before := read()
	if err := SetOOMScoreAdj(p, nil); err != nil || read() != before {
		return fmt.Errorf("nil changed it: %v", err)
	}
	for _, v := range []int{998, 999, 999} {
		if err := SetOOMScoreAdj(p, &v); err != nil || read() != fmt.Sprint(v) {
			return fmt.Errorf("got %s: %v", read(), err)
		}
	}
	tooMuch := 1001
	return check(SetOOMScoreAdj(p, &tooMuch), unix.EINVAL, "process.oomScoreAdj", "to 1001", "from -1000 to 1000")
}

func TestLimits(t *testing.T) {
	if out, err := runHelper(t, "limits", nil); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestSetRlimitsUnknown(t *testing.T) {
	err := SetRlimits(sys.Here(), []specs.POSIXRlimit{{Type: "RLIMIT_NONSENSE"}})
	if err := check(err, 0, "process.rlimits[0].type", "RLIMIT_NONSENSE"); err != nil {
		t.Error(err)
	}
}

func TestRlimitNumbers(t *testing.T) {
	seen := map[int]bool{}
	for _, name := range strings.Fields("AS CORE CPU DATA FSIZE LOCKS MEMLOCK MSGQUEUE NICE NOFILE NPROC RSS RTPRIO RTTIME SIGPENDING STACK") {
		n, ok := rlimitNumber("RLIMIT_" + name)
		if !ok || n < 0 || n > 15 || seen[n] {
			t.Errorf("RLIMIT_%s is %d, %v", name, n, ok)
		}
		seen[n] = true
	}
}

func TestSetScheduler(t *testing.T) {
	needRoot(t)
	tests := []struct {
		name  string
		in    *specs.Scheduler
		want  unix.SchedAttr
		errno syscall.Errno
		field string
	}{
		{name: "nothing"},
		{name: "other", in: &specs.Scheduler{Policy: specs.SchedOther, Nice: 3}, want: unix.SchedAttr{Policy: 0, Nice: 3}},
		{name: "batch", in: &specs.Scheduler{Policy: specs.SchedBatch, Nice: 19}, want: unix.SchedAttr{Policy: 3, Nice: 19}},
		{name: "idle", in: &specs.Scheduler{Policy: specs.SchedIdle}, want: unix.SchedAttr{Policy: 5}},
		{
			name: "flag",
			in:   &specs.Scheduler{Policy: specs.SchedBatch, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}},
			want: unix.SchedAttr{Policy: 3, Flags: 1},
		},
		{name: "fifo", in: &specs.Scheduler{Policy: specs.SchedFIFO, Priority: 1}, want: unix.SchedAttr{Policy: 1, Priority: 1}},
		{name: "rr", in: &specs.Scheduler{Policy: specs.SchedRR, Priority: 99}, want: unix.SchedAttr{Policy: 2, Priority: 99}},
		{
			name: "deadline",
			in:   &specs.Scheduler{Policy: specs.SchedDeadline, Runtime: 2000, Deadline: 1000000, Period: 2000000},
			want: unix.SchedAttr{Policy: 6, Runtime: 2000, Deadline: 1000000, Period: 2000000},
		},
		{name: "bad deadline", in: &specs.Scheduler{Policy: specs.SchedDeadline, Runtime: 2}, errno: unix.EINVAL, field: "process.scheduler"},
		{name: "iso", in: &specs.Scheduler{Policy: specs.SchedISO}, errno: unix.EINVAL, field: "process.scheduler"},
		{name: "no policy", in: &specs.Scheduler{}, field: "process.scheduler.policy"},
		{
			name:  "unknown flag",
			in:    &specs.Scheduler{Policy: specs.SchedOther, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagReclaim, "X"}},
			field: "process.scheduler.flags[1]",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onThread(t, 0, func() error {
				err := SetScheduler(sys.Here(), tt.in)
				if tt.field == "" && errors.Is(err, unix.EPERM) {
					t.Log("not allowed here:", err)
					return nil
				}
				if err := check(err, tt.errno, tt.field); err != nil || tt.in == nil || tt.field != "" {
					return err
				}
				got, err := unix.SchedGetAttr(0, 0)
				if err != nil {
					return err
				}
				tt.want.Size = got.Size
				tt.want.Util_max, tt.want.Util_min = got.Util_max, got.Util_min
				if got.Policy != unix.SCHED_DEADLINE {
					tt.want.Runtime = got.Runtime // the slice of the fair classes, since 6.12
				}
				if got.Policy == unix.SCHED_IDLE {
					tt.want.Nice = got.Nice // the caller's, which means nothing there
				}
				if *got != tt.want {
					return fmt.Errorf("got %+v, want %+v", *got, tt.want)
				}
				return nil
			})
		})
	}
}

func TestSchedulerFlagsAreDistinct(t *testing.T) {
	var all uint64
	for _, flag := range []specs.LinuxSchedulerFlag{
		specs.SchedFlagResetOnFork, specs.SchedFlagReclaim, specs.SchedFlagDLOverrun, specs.SchedFlagKeepPolicy,
		specs.SchedFlagKeepParams, specs.SchedFlagUtilClampMin, specs.SchedFlagUtilClampMax,
	} {
		bit, ok := schedFlag(flag)
		if !ok || bit == 0 || all&bit != 0 {
			t.Errorf("%s is %#x", flag, bit)
		}
		all |= bit
	}
	if all != 0x7f {
		t.Errorf("all flags are %#x", all)
	}
}

func TestSetIOPriority(t *testing.T) {
	needRoot(t)
	tests := []struct {
		name  string
		in    *specs.LinuxIOPriority
		want  uintptr
		field string
	}{
		{"realtime", &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_RT, Priority: 0}, 1 << 13, ""},
		{"best effort", &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 7}, 2<<13 | 7, ""},
		{"idle", &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_IDLE}, 3 << 13, ""},
		{"unknown class", &specs.LinuxIOPriority{Class: "IOPRIO_CLASS_X"}, 0, "process.ioPriority.class"},
		{"too low", &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 8}, 0, "process.ioPriority.priority"},
		{"negative", &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: -1}, 0, "process.ioPriority.priority"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onThread(t, 0, func() error {
				if err := check(SetIOPriority(sys.Here(), tt.in), 0, tt.field); err != nil || tt.field != "" {
					return err
				}
				got, _, errno := unix.RawSyscall(unix.SYS_IOPRIO_GET, 1, 0, 0)
				if errno != 0 || got != tt.want {
					return fmt.Errorf("got %#x, want %#x (%v)", got, tt.want, errno)
				}
				return nil
			})
		})
	}
	if err := SetIOPriority(sys.Here(), nil); err != nil {
		t.Error(err)
	}
}

func TestAffinity(t *testing.T) {
	onThread(t, 0, func() error {
		var before, got unix.CPUSet
		if err := unix.SchedGetaffinity(0, &before); err != nil {
			return err
		}
		for _, list := range []string{"", " , "} {
			if err := SetAffinity(sys.Here(), list); err != nil {
				return err
			}
		}
		if err := SetAffinity(sys.Here(), "0"); err != nil {
			return err
		}
		if err := unix.SchedGetaffinity(0, &got); err != nil || got.Count() != 1 || !got.IsSet(0) {
			return fmt.Errorf("after 0: %v, %v", got, err)
		}
		if err := ResetAffinity(sys.Here()); err != nil {
			return err
		}
		if err := unix.SchedGetaffinity(0, &got); err != nil || got != before {
			return fmt.Errorf("after the reset: %v, before %v, %v", got, before, err)
		}
		return errors.Join(
			check(SetAffinity(sys.Here(), "0-x"), 0, "process.execCPUAffinity"),
			check(SetAffinity(sys.Here(), "1023"), unix.EINVAL, "process.execCPUAffinity", "CPUs 1023", "cpuset"))
	})
}

func TestSetPersonality(t *testing.T) {
	onThread(t, 0, func() error {
		persona := func() uintptr {
			p, _, _ := unix.RawSyscall(unix.SYS_PERSONALITY, 0xffffffff, 0, 0)
			return p
		}
		for _, step := range []struct {
			in   *specs.LinuxPersonality
			want uintptr
		}{
			{&specs.LinuxPersonality{Domain: specs.PerLinux32}, 8},
			{nil, 8},
			{&specs.LinuxPersonality{Domain: specs.PerLinux}, 0},
		} {
			if err := SetPersonality(sys.Here(), step.in); err != nil || persona() != step.want {
				return fmt.Errorf("%v gave %#x: %v", step.in, persona(), err)
			}
		}
		return errors.Join(
			check(SetPersonality(sys.Here(), &specs.LinuxPersonality{Domain: "HURD"}), 0, "linux.personality.domain"),
			check(SetPersonality(sys.Here(), &specs.LinuxPersonality{Domain: specs.PerLinux, Flags: []specs.LinuxPersonalityFlag{"X"}}), 0, "linux.personality.flags[0]"))
	})
}

func TestSetMemoryPolicy(t *testing.T) {
	if unix.SetMemPolicy(unix.MPOL_DEFAULT, nil) == unix.ENOSYS {
		t.Skip("this kernel was built without NUMA")
	}
	onThread(t, 0, func() error {
		// The first word of get_mempolicy(2) without an address.
		mode := func() (mode int32) {
			unix.RawSyscall6(unix.SYS_GET_MEMPOLICY, uintptr(unsafe.Pointer(&mode)), 0, 0, 0, 0, 0)
			return mode
		}
		for _, step := range []struct {
			in   *specs.LinuxMemoryPolicy
			want int32
		}{
			{&specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0", Flags: []specs.MemoryPolicyFlagType{specs.MpolFStaticNodes}},
				unix.MPOL_BIND | unix.MPOL_F_STATIC_NODES},
			{nil, unix.MPOL_BIND | unix.MPOL_F_STATIC_NODES},
			{&specs.LinuxMemoryPolicy{Mode: specs.MpolInterleave, Nodes: "0"}, unix.MPOL_INTERLEAVE},
			{&specs.LinuxMemoryPolicy{Mode: specs.MpolLocal}, unix.MPOL_LOCAL},
			{&specs.LinuxMemoryPolicy{Mode: specs.MpolDefault}, unix.MPOL_DEFAULT},
		} {
			if err := SetMemoryPolicy(sys.Here(), step.in); err != nil || mode() != step.want {
				return fmt.Errorf("%+v gave %#x: %v", step.in, mode(), err)
			}
		}
		return errors.Join(
			check(SetMemoryPolicy(sys.Here(), &specs.LinuxMemoryPolicy{Mode: "BIND"}), 0, "linux.memoryPolicy.mode"),
			check(SetMemoryPolicy(sys.Here(), &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "1000"}), unix.EINVAL, "linux.memoryPolicy", "MPOL_BIND", "nodes is in this machine"))
	})
}

func TestSetUmask(t *testing.T) {
	masks := []uint32{0, 0o77, 0o777}
	onThread(t, unix.CLONE_FS, func() error {
		SetUmask(sys.Here(), specs.User{})
		if got := unix.Umask(0); got != 0o022 {
			return fmt.Errorf("default is %#o", got)
		}
		for _, mask := range masks {
			SetUmask(sys.Here(), specs.User{Umask: &mask})
			if got := unix.Umask(0); got != int(mask) {
				return fmt.Errorf("got %#o, want %#o", got, mask)
			}
		}
		return nil
	})
}

func TestSessionKeyring(t *testing.T) {
	const name = "_ses.rung-process-test"
	if err := JoinSessionKeyring(sys.Here(), name+".probe"); err != nil {
		t.Skip("no keyrings here: ", err)
	}
	onThread(t, 0, func() error {
		if err := NewSessionKeyring(name, false); err != nil {
			return err
		}
		id, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
		if err == unix.ENOSYS {
			return nil
		}
		perm, perr := keyringPerm(id)
		if err != nil || perr != nil || perm&keyUserSearch == 0 {
			return fmt.Errorf("permissions %#x: %v, %v", perm, err, perr)
		}
		onThread(t, 0, func() error {
			if err := JoinSessionKeyring(sys.Here(), name); err != nil {
				return err
			}
			joined, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
			if err != nil || joined != id {
				return fmt.Errorf("joined %d, want %d: %v", joined, id, err)
			}
			return nil
		})
		return check(NewSessionKeyring(strings.Repeat("x", 8192), false), unix.EINVAL, "", "join the session keyring")
	})
}

func TestKeyringName(t *testing.T) {
	a, err := KeyringName("box")
	b, berr := KeyringName("box")
	if err != nil || berr != nil || a == b {
		t.Errorf("%q and %q: %v, %v", a, b, err, berr)
	}
	// Where runc's tests look for the name.
	if name := a[strings.LastIndexByte(a, ';')+1:]; name != "_ses.box" {
		t.Errorf("%q ends in %q", a, name)
	}
}

func helperTerminal() error {
	slave := os.NewFile(3, "slave")
	if err := ControllingTerminal(slave); err != nil {
		return err
	}
	if err := slave.Close(); err != nil {
		return err
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer tty.Close()
	for fd := range 3 {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if _, terr := unix.IoctlGetTermios(fd, unix.TCGETS); terr != nil || err != nil || flags != 0 {
			return fmt.Errorf("descriptor %d: flags %d, %v, %v", fd, flags, err, terr)
		}
	}
	_, err = tty.WriteString("all is well\n")
	return err
}

func TestControllingTerminal(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	defer master.Close()
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, master.Fd(), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		t.Fatal(errno)
	}
	slave := os.NewFile(peer, "slave")
	defer slave.Close()
	out, err := runHelper(t, "terminal", func(cmd *exec.Cmd) {
		cmd.ExtraFiles = []*os.File{slave}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	})
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	buf := make([]byte, 100)
	n, err := master.Read(buf)
	if got := strings.TrimSpace(string(buf[:n])); got != "all is well" {
		t.Errorf("the terminal shows %q, %v", got, err)
	}
	// A process that leads no session may not take a terminal.
	if err := check(ControllingTerminal(slave), unix.EPERM, "process.terminal"); err != nil {
		t.Error(err)
	}
}
