package process

import (
	"bytes"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/sys"
	"github.com/rungoci/rung/libcontainer/bundle"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// schedPolicy returns the number of a policy in linux/sched.h.
func schedPolicy(policy specs.LinuxSchedulerPolicy) (uint32, bool) {
	switch policy {
	case specs.SchedOther:
		return unix.SCHED_NORMAL, true
	case specs.SchedFIFO:
		return unix.SCHED_FIFO, true
	case specs.SchedRR:
		return unix.SCHED_RR, true
	case specs.SchedBatch:
		return unix.SCHED_BATCH, true
	case specs.SchedISO:
		return 4, true // reserved in linux/sched.h, and refused by the kernel
	case specs.SchedIdle:
		return unix.SCHED_IDLE, true
	case specs.SchedDeadline:
		return unix.SCHED_DEADLINE, true
	}
	return 0, false
}

// schedFlag returns the bit of a flag in linux/sched.h.
func schedFlag(flag specs.LinuxSchedulerFlag) (uint64, bool) {
	switch flag {
	case specs.SchedFlagResetOnFork:
		return unix.SCHED_FLAG_RESET_ON_FORK, true
	case specs.SchedFlagReclaim:
		return unix.SCHED_FLAG_RECLAIM, true
	case specs.SchedFlagDLOverrun:
		return unix.SCHED_FLAG_DL_OVERRUN, true
	case specs.SchedFlagKeepPolicy:
		return unix.SCHED_FLAG_KEEP_POLICY, true
	case specs.SchedFlagKeepParams:
		return unix.SCHED_FLAG_KEEP_PARAMS, true
	case specs.SchedFlagUtilClampMin:
		return unix.SCHED_FLAG_UTIL_CLAMP_MIN, true
	case specs.SchedFlagUtilClampMax:
		return unix.SCHED_FLAG_UTIL_CLAMP_MAX, true
	}
	return 0, false
}

// SetScheduler sets the scheduling policy of the thread with
// sched_setattr(2) (field process.scheduler). The spec has no values for the
// two flags of utilization clamping, so these clamp to 0.
//
// Note that the kernel forbids a thread with SCHED_DEADLINE to fork, unless
// SCHED_FLAG_RESET_ON_FORK is set too.
func SetScheduler(c sys.Caller, s *specs.Scheduler) error {
	if s == nil {
		return nil
	}
	attr, err := schedAttr(s)
	if err != nil {
		return err
	}
	if errno := c.Call(unix.SYS_SCHED_SETATTR, 0, c.Mem(sys.Bytes(attr)), 0); errno != 0 {
		return &errdefs.Error{
			Doing: "set the scheduling policy " + string(s.Policy),
			Field: "process.scheduler",
			Err:   errno,
			Hint:  schedulerHint(errno, s),
		}
	}
	return nil
}

func schedAttr(s *specs.Scheduler) (*unix.SchedAttr, error) {
	policy, ok := schedPolicy(s.Policy)
	if !ok {
		return nil, errdefs.Field("process.scheduler.policy", "unknown policy "+jsonfield.Quote(string(s.Policy)))
	}
	var flags uint64
	for i, name := range s.Flags {
		flag, ok := schedFlag(name)
		if !ok {
			return nil, errdefs.Field(jsonfield.Index("process.scheduler.flags", i), "unknown flag "+jsonfield.Quote(string(name)))
		}
		flags |= flag
	}
	return &unix.SchedAttr{
		Size:     unix.SizeofSchedAttr,
		Policy:   policy,
		Flags:    flags,
		Nice:     s.Nice,
		Priority: uint32(s.Priority),
		Runtime:  s.Runtime,
		Deadline: s.Deadline,
		Period:   s.Period,
	}, nil
}

func schedulerHint(err error, s *specs.Scheduler) string {
	deadline := s.Policy == specs.SchedDeadline
	switch {
	case err == unix.EPERM && deadline:
		return "SCHED_DEADLINE needs CAP_SYS_NICE, and this process scheduler can't be used together with AllowedCPUs, a cpuset (linux.resources.cpu.cpus) that is not exclusive"
	case err == unix.EPERM && (s.Policy == specs.SchedFIFO || s.Policy == specs.SchedRR):
		return "it needs CAP_SYS_NICE and, on cgroup v1, a real-time share: set linux.resources.cpu.realtimeRuntime"
	case err == unix.EPERM:
		return "it needs CAP_SYS_NICE"
	case err == unix.EBUSY && deadline:
		return "the CPUs cannot guarantee that much time: lower runtime, or raise period"
	case err == unix.EINVAL && deadline:
		return "sched(7) wants 1024 ns <= runtime <= deadline <= period"
	case err == unix.EINVAL && s.Policy == specs.SchedISO:
		return "no kernel implements SCHED_ISO"
	case err == unix.EOPNOTSUPP:
		return "this kernel was built without utilization clamping (CONFIG_UCLAMP_TASK)"
	}
	return ""
}

// SetIOPriority sets the I/O scheduling class and level of the thread
// with ioprio_set(2); what it forks inherits them (field process.ioPriority).
func SetIOPriority(c sys.Caller, p *specs.LinuxIOPriority) error {
	if p == nil {
		return nil
	}
	// The classes of linux/ioprio.h.
	var class int
	switch p.Class {
	case specs.IOPRIO_CLASS_RT:
		class = 1
	case specs.IOPRIO_CLASS_BE:
		class = 2
	case specs.IOPRIO_CLASS_IDLE:
		class = 3
	default:
		return errdefs.Field("process.ioPriority.class", "unknown class "+jsonfield.Quote(string(p.Class)))
	}
	if p.Priority < 0 || p.Priority > 7 {
		return errdefs.Field("process.ioPriority.priority", "must be from 0 to 7, got "+strconv.Itoa(p.Priority))
	}
	const classShift = 13
	const whoProcess = 1 // IOPRIO_WHO_PROCESS of linux/ioprio.h
	errno := c.Call(unix.SYS_IOPRIO_SET, whoProcess, 0, uintptr(class<<classShift|p.Priority))
	if errno == 0 {
		return nil
	}
	e := &errdefs.Error{Doing: "set the I/O priority " + string(p.Class), Field: "process.ioPriority", Err: errno}
	if errno == unix.EPERM {
		e.Hint = "the class needs CAP_SYS_NICE or CAP_SYS_ADMIN"
	}
	return e
}

// SetAffinity lets the thread run on the CPUs of list, such as
// "0-3,7", only (fields process.execCPUAffinity.initial and final; the error
// names their object). An empty list changes nothing.
func SetAffinity(c sys.Caller, list string) error {
	const field = "process.execCPUAffinity"
	if list == "" {
		return nil
	}
	set, err := bundle.ParseCPUList(list)
	if err != nil {
		return &errdefs.Error{Field: field, Err: err}
	}
	if set == nil {
		return nil
	}
	if errno := setAffinity(c.Call, c, sys.Bytes(set)); errno != 0 {
		e := &errdefs.Error{Doing: "run on CPUs " + list + " only", Field: field, Err: errno}
		if errno == unix.EINVAL {
			e.Hint = "none of them is online and in the cpuset of the container's cgroup"
		}
		return e
	}
	return nil
}

// maxCPUs is more than any kernel can be built for (CONFIG_NR_CPUS, at most
// 8192 in Linux 6.18).
const maxCPUs = 1 << 16

// ResetAffinity lets the thread run on every CPU that the cpuset of
// its cgroup has, now and when that changes. A kernel since 6.2 remembers what
// was asked for with sched_setaffinity(2) through moves between cgroups, so
// that a container would be stuck on the CPUs that its engine was pinned to.
func ResetAffinity(c sys.Caller) error {
	if errno := setAffinity(c.Try, c, bytes.Repeat([]byte{0xff}, maxCPUs/8)); errno != 0 {
		return &errdefs.Error{Doing: "run on all CPUs of the cgroup", Err: errno}
	}
	return nil
}

// setAffinity is sched_setaffinity(2). mask is the kernel's array of unsigned
// long, as bytes; bits beyond the CPUs that the kernel was built for are ignored.
func setAffinity(call func(uintptr, ...uintptr) unix.Errno, c sys.Caller, mask []byte) unix.Errno {
	return call(unix.SYS_SCHED_SETAFFINITY, 0, uintptr(len(mask)), c.Mem(mask))
}

// SetPersonality sets the execution domain, which decides what uname(2) says
// of the machine (field linux.personality).
func SetPersonality(c sys.Caller, p *specs.LinuxPersonality) error {
	if p == nil {
		return nil
	}
	// The domains of linux/personality.h.
	var persona uintptr
	switch p.Domain {
	case specs.PerLinux:
		persona = 0x0
	case specs.PerLinux32:
		persona = 0x8
	default:
		return errdefs.Field("linux.personality.domain", "must be LINUX or LINUX32, got "+jsonfield.Quote(string(p.Domain)))
	}
	if len(p.Flags) > 0 {
		return errdefs.Field("linux.personality.flags[0]", "unknown flag "+jsonfield.Quote(string(p.Flags[0])))
	}
	errno := c.Call(unix.SYS_PERSONALITY, persona)
	if errno == 0 {
		return nil
	}
	e := &errdefs.Error{Doing: "set the personality " + string(p.Domain), Field: "linux.personality.domain", Err: errno}
	if errno == unix.EINVAL {
		e.Hint = "this machine cannot run programs of 32 bits"
	}
	return e
}
