package bundle

import (
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// scheduling checks what decides when the process gets a CPU, which one, and
// when the disk.
func (v *validator) scheduling(p *specs.Process, prefix string) error {
	if p.Scheduler != nil {
		if err := scheduler(p.Scheduler, prefix+"scheduler"); err != nil {
			return err
		}
	}
	if p.IOPriority != nil {
		if err := ioPriority(p.IOPriority, prefix+"ioPriority"); err != nil {
			return err
		}
	}
	if p.ExecCPUAffinity != nil {
		if err := cpuList(prefix+"execCPUAffinity.initial", p.ExecCPUAffinity.Initial); err != nil {
			return err
		}
		return cpuList(prefix+"execCPUAffinity.final", p.ExecCPUAffinity.Final)
	}
	return nil
}

func cpuList(field, list string) error {
	if _, err := ParseCPUList(list); err != nil {
		return bad(field, err.Error())
	}
	return nil
}

// scheduler checks s by the rules of sched_setattr(2), which answers a broken
// one with a bare EINVAL.
func scheduler(s *specs.Scheduler, field string) error {
	fair, realtime := false, false
	switch s.Policy {
	case specs.SchedOther, specs.SchedBatch:
		fair = true
	case specs.SchedFIFO, specs.SchedRR:
		realtime = true
	case specs.SchedISO, specs.SchedIdle, specs.SchedDeadline:
	case "":
		return bad(field+".policy", "is missing")
	default:
		return bad(field+".policy", "unknown policy "+jsonfield.Quote(string(s.Policy)))
	}
	if fair && (s.Nice < -20 || s.Nice > 19) {
		return outOfRange(field+".nice", "from -20 to 19", int64(s.Nice))
	}
	if realtime && (s.Priority < 1 || s.Priority > 99) {
		return outOfRange(field+".priority", "from 1 to 99 with "+string(s.Policy), int64(s.Priority))
	}
	if !realtime && s.Priority != 0 {
		return outOfRange(field+".priority", "0 with "+string(s.Policy), int64(s.Priority))
	}
	for i, flag := range s.Flags {
		if !isSchedulerFlag(flag) {
			return bad(jsonfield.Index(field+".flags", i), "unknown flag "+jsonfield.Quote(string(flag)))
		}
	}
	return deadline(s, field)
}

func isSchedulerFlag(flag specs.LinuxSchedulerFlag) bool {
	switch flag {
	case specs.SchedFlagResetOnFork, specs.SchedFlagReclaim, specs.SchedFlagDLOverrun, specs.SchedFlagKeepPolicy,
		specs.SchedFlagKeepParams, specs.SchedFlagUtilClampMin, specs.SchedFlagUtilClampMax:
		return true
	}
	return false
}

// minRuntime is the shortest runtime that the kernel accepts for
// SCHED_DEADLINE, in nanoseconds (sched(7)).
const minRuntime = 1024

// deadline checks the three numbers of SCHED_DEADLINE, of which sched(7) wants
// runtime <= deadline <= period; a period of 0 means that of the deadline.
func deadline(s *specs.Scheduler, field string) error {
	if s.Policy != specs.SchedDeadline {
		for _, f := range [...]struct {
			name  string
			value uint64
		}{{"runtime", s.Runtime}, {"deadline", s.Deadline}, {"period", s.Period}} {
			if f.value != 0 {
				return bad(field+"."+f.name, "is for SCHED_DEADLINE only, not for "+string(s.Policy))
			}
		}
		return nil
	}
	switch {
	case s.Runtime < minRuntime:
		return bad(field+".runtime", "must be at least 1024 nanoseconds, got "+strconv.FormatUint(s.Runtime, 10))
	case s.Deadline < s.Runtime:
		return bad(field+".deadline", "must not be below the runtime "+
			strconv.FormatUint(s.Runtime, 10)+", got "+strconv.FormatUint(s.Deadline, 10))
	case s.Period != 0 && s.Period < s.Deadline:
		return bad(field+".period", "must not be below the deadline "+
			strconv.FormatUint(s.Deadline, 10)+", got "+strconv.FormatUint(s.Period, 10))
	}
	return nil
}

func ioPriority(p *specs.LinuxIOPriority, field string) error {
	switch p.Class {
	case specs.IOPRIO_CLASS_RT, specs.IOPRIO_CLASS_BE, specs.IOPRIO_CLASS_IDLE:
	case "":
		return bad(field+".class", "is missing")
	default:
		return bad(field+".class", "unknown class "+jsonfield.Quote(string(p.Class)))
	}
	if p.Priority < 0 || p.Priority > 7 {
		return outOfRange(field+".priority", "from 0 to 7", int64(p.Priority))
	}
	return nil
}
