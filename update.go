package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer"
	"github.com/rungoci/rung/libcontainer/bundle"
)

// limitFlag is a flag of update that sets one limit.
type limitFlag struct {
	name string
	// field is what it sets, below linux.resources.
	field, usage string
	// set reads the value.
	set func(r *specs.LinuxResources, value string) error
	// obsolete flags are taken, and not shown.
	obsolete bool
}

// limitFlags are the flags of update for single limits.
var limitFlags = [...]limitFlag{
	{name: "blkio-weight", field: "blockIO.weight", usage: "relative weight for block devices, from 10 to 1000",
		set: func(r *specs.LinuxResources, s string) error {
			n, err := strconv.ParseUint(s, 10, 16)
			if weight := uint16(n); err == nil {
				r.BlockIO = &specs.LinuxBlockIO{Weight: &weight}
			}
			return err
		}},
	{name: "cpu-burst", field: "cpu.burst", usage: "CPU time beyond the quota that may be saved up, in microseconds",
		set: func(r *specs.LinuxResources, s string) error { return setUint(&r.CPU.Burst, s) }},
	{name: "cpu-idle", field: "cpu.idle", usage: "1 to run only when no other container wants the CPU, 0 to end that",
		set: func(r *specs.LinuxResources, s string) error { return setInt(&r.CPU.Idle, s) }},
	{name: "cpu-period", field: "cpu.period", usage: "period of the CPU quota, in microseconds",
		set: func(r *specs.LinuxResources, s string) error { return setUint(&r.CPU.Period, s) }},
	{name: "cpu-quota", field: "cpu.quota", usage: "CPU time in each period, in microseconds; -1 for no limit",
		set: func(r *specs.LinuxResources, s string) error { return setInt(&r.CPU.Quota, s) }},
	{name: "cpu-rt-period", field: "cpu.realtimePeriod", usage: "period of realtime scheduling, in microseconds (cgroup v1)",
		set: func(r *specs.LinuxResources, s string) error { return setUint(&r.CPU.RealtimePeriod, s) }},
	{name: "cpu-rt-runtime", field: "cpu.realtimeRuntime", usage: "realtime CPU time in each period, in microseconds (cgroup v1)",
		set: func(r *specs.LinuxResources, s string) error { return setInt(&r.CPU.RealtimeRuntime, s) }},
	{name: "cpu-share", field: "cpu.shares", usage: "relative weight for CPU time, from 2 to 262144",
		set: func(r *specs.LinuxResources, s string) error { return setUint(&r.CPU.Shares, s) }},
	{name: "cpuset-cpus", field: "cpu.cpus", usage: "CPUs that may be used, such as 0-2,7",
		set: func(r *specs.LinuxResources, s string) error { r.CPU.Cpus = s; return nil }},
	{name: "cpuset-mems", field: "cpu.mems", usage: "memory nodes that may be used",
		set: func(r *specs.LinuxResources, s string) error { r.CPU.Mems = s; return nil }},
	{name: "kernel-memory", field: "memory.kernel", usage: "obsolete, and ignored", obsolete: true,
		//lint:ignore SA1019 the field is deprecated, which is what bundle warns of.
		set: func(r *specs.LinuxResources, s string) error { return setSize(&r.Memory.Kernel, s) }},
	{name: "kernel-memory-tcp", field: "memory.kernelTCP", usage: "obsolete, and ignored", obsolete: true,
		set: func(r *specs.LinuxResources, s string) error { return setSize(&r.Memory.KernelTCP, s) }},
	{name: "memory", field: "memory.limit", usage: "limit of memory, in bytes or such as 64M; -1 for none",
		set: func(r *specs.LinuxResources, s string) error { return setSize(&r.Memory.Limit, s) }},
	{name: "memory-reservation", field: "memory.reservation", usage: "memory that is taken from the container last, in bytes or such as 64M",
		set: func(r *specs.LinuxResources, s string) error { return setSize(&r.Memory.Reservation, s) }},
	{name: "memory-swap", field: "memory.swap", usage: "limit of memory and swap together, in bytes or such as 64M; -1 for none",
		set: func(r *specs.LinuxResources, s string) error { return setSize(&r.Memory.Swap, s) }},
	{name: "pids-limit", field: "pids.limit", usage: "number of processes and threads; -1 for no limit",
		set: func(r *specs.LinuxResources, s string) error {
			r.Pids = new(specs.LinuxPids)
			return setInt(&r.Pids.Limit, s)
		}},
}

func updateCommand() *cli.Command {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "resources", Aliases: []string{"r"}, Usage: "read the limits from `FILE`, or from standard input if it is -"},
	}
	for i := range limitFlags {
		f := &limitFlags[i]
		flags = append(flags, &cli.StringFlag{Name: f.name, Usage: f.usage, Hidden: f.obsolete})
	}
	flags = append(flags,
		&cli.StringFlag{Name: "l3-cache-schema", Usage: "shares of the L3 cache (Intel RDT) of the container's class of service, such as L3:0=f;1=ff"},
		&cli.StringFlag{Name: "mem-bw-schema", Usage: "shares of the memory bandwidth (Intel RDT) of the container's class of service, such as MB:0=20;1=70"},
	)
	return &cli.Command{
		Name:            "update",
		HideHelpCommand: true,
		Usage:           "change the limits of a container",
		ArgsUsage:       "CONTAINER-ID",
		Description: `What no flag names stays as it is. Either all of the new limits are in force
afterwards, or none is and the error names the one that was refused. FILE has
the JSON of linux.resources in config.json, of which fields may be left out;
with it, the flags for single limits are ignored.`,
		Flags: flags,
		Action: func(_ context.Context, cmd *cli.Command) error {
			return withContainer(cmd, func(c *libcontainer.Container) error { return updateLimits(cmd, c) })
		},
	}
}

// updateLimits sets the limits of c that the command line asks for, all or none.
func updateLimits(cmd *cli.Command, c *libcontainer.Container) error {
	r, err := newLimits(cmd)
	if err != nil {
		return err
	}
	update := func() error {
		if cmd.String("resources") != "" {
			return c.Update(r) // whose fields are the file's
		}
		return nameFlag(c.Update(r))
	}
	l3, mb := cmd.String("l3-cache-schema"), cmd.String("mem-bw-schema")
	if l3 == "" && mb == "" {
		return update()
	}
	restore, err := c.UpdateIntelRdt(l3, mb)
	if err != nil {
		return nameFlag(err)
	}
	err = update()
	if err != nil {
		if rerr := restore(); rerr != nil {
			warn("undo of a failed update: " + rerr.Error())
		}
	}
	return err
}

// newLimits returns what the file or the flags ask for.
func newLimits(cmd *cli.Command) (*specs.LinuxResources, error) {
	path := cmd.String("resources")
	if path == "" {
		return resourcesFromFlags(cmd)
	}
	for i := range limitFlags {
		if name := limitFlags[i].name; cmd.IsSet(name) {
			warn("--" + name + " is ignored, as always with --resources")
		}
	}
	r, warnings, err := bundle.LoadResources(path)
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		warn(w)
	}
	return r, nil
}

// resourcesFromFlags returns the limits that the flags ask for. An empty value
// asks for nothing.
func resourcesFromFlags(cmd *cli.Command) (*specs.LinuxResources, error) {
	r := &specs.LinuxResources{CPU: new(specs.LinuxCPU), Memory: new(specs.LinuxMemory)}
	for i := range limitFlags {
		f := &limitFlags[i]
		value := cmd.String(f.name)
		if value == "" {
			continue
		}
		if err := f.set(r, value); err != nil {
			var number *strconv.NumError
			if errors.As(err, &number) {
				err = number.Err
			}
			return nil, &errdefs.Error{Field: "--" + f.name, Err: fmt.Errorf("invalid value %q: %w", value, err)}
		}
	}
	warnings, err := bundle.ValidateResources(r)
	if err != nil {
		return nil, nameFlag(err)
	}
	for _, w := range warnings {
		field, text, _ := strings.Cut(w, ": ")
		warn(flagOf(field) + ": " + text)
	}
	return r, nil
}

// nameFlag has an error name the flag in place of the field that it sets.
func nameFlag(err error) error {
	var e *errdefs.Error
	if errors.As(err, &e) {
		e.Field = flagOf(e.Field)
	}
	return err
}

// flagOf returns the flag that sets a field, or the field.
func flagOf(field string) string {
	switch field {
	case "linux.intelRdt.l3CacheSchema":
		return "--l3-cache-schema"
	case "linux.intelRdt.memBwSchema":
		return "--mem-bw-schema"
	}
	short := strings.TrimPrefix(field, "linux.resources.")
	for i := range limitFlags {
		if limitFlags[i].field == short {
			return "--" + limitFlags[i].name
		}
	}
	return field
}

func setUint(to **uint64, s string) error {
	n, err := strconv.ParseUint(s, 10, 64)
	*to = &n
	return err
}

func setInt(to **int64, s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	*to = &n
	return err
}

func setSize(to **int64, s string) error {
	n, err := parseSize(s)
	*to = &n
	return err
}

var errSize = errors.New(`not a size such as 33554432, 32M, 1.5g or -1`)

// parseSize reads a number of bytes: digits, perhaps a fraction, and perhaps a
// unit of powers of 1024: k, m, g, t or p, in either case, with or without "b"
// or "ib" after it. -1 is no limit.
func parseSize(s string) (int64, error) {
	if s == "-1" {
		return -1, nil
	}
	number := s
	for number != "" && !isDigit(number[len(number)-1]) {
		number = number[:len(number)-1]
	}
	unit := strings.ToLower(strings.TrimPrefix(s[len(number):], " "))
	if strings.HasSuffix(s, " ") {
		return 0, errSize
	}
	shift := 0
	if unit != "" && unit != "b" {
		i := strings.IndexByte("kmgtp", unit[0])
		if rest := unit[1:]; i < 0 || rest != "" && rest != "b" && rest != "ib" {
			return 0, errSize
		}
		shift = 10 * (i + 1)
	}
	// ParseFloat would take "inf", "0x1p3", "1_0" and signs, too.
	if strings.Trim(number, "0123456789.") != "" || number == "" || number[0] == '.' {
		return 0, errSize
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil && n <= (1<<63-1)>>shift {
		return n << shift, nil
	}
	f, err := strconv.ParseFloat(number, 64)
	if f *= float64(int64(1) << shift); err != nil || f >= 1<<63 {
		return 0, errSize
	}
	return int64(f), nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
