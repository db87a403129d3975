package cgroup

import (
	"errors"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/internal/errdefs"
)

// access is a set of what a rule is about.
type access uint8

// The values are those of BPF_DEVCG_ACC_* in linux/bpf.h.
const (
	accessMknod access = 1 << iota
	accessRead
	accessWrite

	accessAll = accessMknod | accessRead | accessWrite
)

// anyNumber stands for every device number.
const anyNumber = -1

// device is one device, or with anyNumber several.
type device struct {
	kind         byte // 'b' or 'c'
	major, minor int64
}

// exception is a device that is treated unlike the others.
type exception struct {
	device
	access access
}

// deviceRule allows or denies access to a device, or to several.
type deviceRule struct {
	exception
	allow bool
}

// deviceRules are what the program for v2 is made from. The last rule that is
// about a device and a kind of access to it decides; where there is none, it is
// allowed if allowed is true.
type deviceRules struct {
	allowed bool
	rules   []deviceRule
}

// deviceList is what the devices cgroup of v1 keeps: whether devices are
// allowed, and the exceptions to that.
type deviceList struct {
	allowed    bool
	exceptions []exception
}

// covers reports whether d stands for all that e stands for.
func (d device) covers(e device) bool {
	return d.kind == e.kind && (d.major == anyNumber || d.major == e.major) && (d.minor == anyNumber || d.minor == e.minor)
}

// overlaps reports whether there is a device that both d and e stand for.
func (d device) overlaps(e device) bool {
	return d.kind == e.kind &&
		(d.major == anyNumber || e.major == anyNumber || d.major == e.major) &&
		(d.minor == anyNumber || e.minor == anyNumber || d.minor == e.minor)
}

// errHole is the cause where a rule would make an exception to an exception.
var errHole = errors.New("is an exception to an earlier rule for more devices, which cgroup v1 cannot express")

// apply applies a rule for one kind of device.
//
// Later rules win, as the runtime-spec wants it. The kernel's list has only two
// levels, though: a rule for fewer devices than an earlier exception is about
// cannot be kept, and is an error. (The kernel would ignore it, which for a
// denial nobody would notice.)
func (l *deviceList) apply(e exception, allow bool) error {
	if allow != l.allowed {
		l.add(e)
		return nil
	}
	kept := l.exceptions[:0]
	for _, x := range l.exceptions {
		if x.access&e.access != 0 {
			switch {
			case e.covers(x.device):
				x.access &^= e.access
			case e.overlaps(x.device):
				return errHole
			}
		}
		if x.access != 0 {
			kept = append(kept, x)
		}
	}
	l.exceptions = kept
	return nil
}

// add adds an exception, unless there is one that includes it.
func (l *deviceList) add(e exception) {
	for i := range l.exceptions {
		x := &l.exceptions[i]
		if x.device == e.device {
			x.access |= e.access
			return
		}
		if x.covers(e.device) && e.access&^x.access == 0 {
			return
		}
	}
	l.exceptions = append(l.exceptions, e)
}

// reset makes the list one without exceptions.
func (l *deviceList) reset(allowed bool) {
	l.allowed, l.exceptions = allowed, l.exceptions[:0]
}

// defaultDevice is a device that every container may use.
type defaultDevice struct {
	exception
	// path is the device that a container has by default, which
	// linux.devices can replace by another.
	path string
}

// defaultDevices returns the rules that are applied after those of the
// configuration, by agreement of the runtimes: a container may make any device
// node, and use those that the runtime-spec promises ("Default Devices"), its
// own terminals and, since containers came to rely on it, /dev/net/tun.
func defaultDevices() [11]defaultDevice {
	c := func(major, minor int64, path string) defaultDevice {
		return defaultDevice{exception{device{'c', major, minor}, accessAll}, path}
	}
	return [...]defaultDevice{
		{exception{device{'c', anyNumber, anyNumber}, accessMknod}, ""},
		{exception{device{'b', anyNumber, anyNumber}, accessMknod}, ""},
		c(1, 3, "/dev/null"),
		c(1, 8, "/dev/random"),
		c(1, 7, "/dev/full"),
		c(5, 0, "/dev/tty"),
		c(1, 5, "/dev/zero"),
		c(1, 9, "/dev/urandom"),
		c(136, anyNumber, ""), // pts
		c(5, 2, ""),           // ptmx
		c(10, 200, ""),        // net/tun
	}
}

// replaced reports whether linux.devices puts another device in the place of d.
func (d *defaultDevice) replaced(devices []specs.LinuxDevice) bool {
	if d.path == "" {
		return false
	}
	for i := range devices {
		if devices[i].Path == d.path {
			return true
		}
	}
	return false
}

// compileDevices turns the rules of the configuration and the default ones into
// a list for v1. A container without rules may use the default devices only.
func compileDevices(rules []specs.LinuxDeviceCgroup, devices []specs.LinuxDevice) (deviceList, error) {
	l := deviceList{exceptions: make([]exception, 0, 16)}
	for i := range rules {
		if err := l.applyRule(&rules[i]); err != nil {
			return l, errdefs.AtField(err, index(fieldDevices, i))
		}
	}
	for _, d := range defaultDevices() {
		if d.replaced(devices) {
			continue
		}
		if err := l.apply(d.exception, true); err != nil {
			return l, &errdefs.Error{
				Field: fieldDevices,
				Err:   errors.New("denies " + d.String() + " with a rule for more devices, which every container may use"),
				Hint:  "deny single devices, or everything before allowing some; cgroup v1 can do no more",
			}
		}
	}
	return l, nil
}

// orderDevices is compileDevices for v2, where any rules in any order are
// possible.
func orderDevices(rules []specs.LinuxDeviceCgroup, devices []specs.LinuxDevice) (deviceRules, error) {
	l := deviceRules{rules: make([]deviceRule, 0, 16)}
	for i := range rules {
		e, kinds, err := parseRule(&rules[i])
		if err != nil {
			return l, errdefs.AtField(err, index(fieldDevices, i))
		}
		if isEverything(e, kinds) {
			l.allowed, l.rules = rules[i].Allow, l.rules[:0]
			continue
		}
		for _, e.kind = range []byte(kinds) {
			l.rules = append(l.rules, deviceRule{e, rules[i].Allow})
		}
	}
	if l.allowed && !slices.ContainsFunc(l.rules, func(r deviceRule) bool { return !r.allow }) {
		l.rules = nil
		return l, nil
	}
	for _, d := range defaultDevices() {
		if !d.replaced(devices) {
			l.rules = append(l.rules, deviceRule{d.exception, true})
		}
	}
	return l, nil
}

// applyRule applies a rule of the configuration.
func (l *deviceList) applyRule(r *specs.LinuxDeviceCgroup) error {
	e, kinds, err := parseRule(r)
	if err != nil {
		return err
	}
	if isEverything(e, kinds) {
		l.reset(r.Allow)
		return nil
	}
	for _, e.kind = range []byte(kinds) {
		if err := l.apply(e, r.Allow); err != nil {
			return err
		}
	}
	return nil
}

// isEverything reports whether a rule is about all access to all devices.
func isEverything(e exception, kinds string) bool {
	return kinds == "bc" && e.major == anyNumber && e.minor == anyNumber && e.access == accessAll
}

// parseRule reads a rule of the configuration. It is about e for each of kinds,
// "b", "c" or both: v1 takes "a" for all devices and all access, whatever
// else is given, but that would allow more than what is asked for.
func parseRule(r *specs.LinuxDeviceCgroup) (e exception, kinds string, err error) {
	e.device = device{major: anyNumber, minor: anyNumber}
	for _, c := range []byte(r.Access) {
		switch c {
		case 'r':
			e.access |= accessRead
		case 'w':
			e.access |= accessWrite
		case 'm':
			e.access |= accessMknod
		}
		// Of anything else bundle.Validate has warned.
	}
	if e.access == 0 {
		return e, "", errors.New("access " + quote(r.Access) + ` has none of the letters "rwm"`)
	}
	if err := setNumber(&e.major, r.Major, "major"); err != nil {
		return e, "", err
	}
	if err := setNumber(&e.minor, r.Minor, "minor"); err != nil {
		return e, "", err
	}
	switch r.Type {
	case "b", "c":
		return e, r.Type, nil
	case "", "a":
		return e, "bc", nil
	}
	return e, "", errors.New("type " + quote(r.Type) + ` is not "a", "b" or "c"`)
}

// setNumber sets a device number from the configuration, where -1 is any.
func setNumber(to, from *int64, what string) error {
	if from == nil || *from == anyNumber {
		return nil
	}
	if *from < 0 || *from > 1<<32-1 {
		return errors.New(what + " " + itoa(*from) + " is not a device number")
	}
	*to = *from
	return nil
}

// String returns e as the devices cgroup of v1 writes it: "c 1:3 rwm".
func (e exception) String() string {
	b := make([]byte, 0, 32)
	b = append(b, e.kind, ' ')
	b = appendNumber(b, e.major)
	b = append(b, ':')
	b = appendNumber(b, e.minor)
	b = append(b, ' ')
	for _, a := range [...]struct {
		bit access
		c   byte
	}{{accessRead, 'r'}, {accessWrite, 'w'}, {accessMknod, 'm'}} {
		if e.access&a.bit != 0 {
			b = append(b, a.c)
		}
	}
	return string(b)
}

func appendNumber(b []byte, n int64) []byte {
	if n == anyNumber {
		return append(b, '*')
	}
	return append(b, itoa(n)...)
}

// parseDevices reads devices.list of v1: the exceptions, or "a *:* rwm" where
// all devices are allowed. Exceptions to that it does not show.
func parseDevices(text string) (deviceList, error) {
	var l deviceList
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return l, errors.New("line " + quote(line) + " is not of the form TYPE MAJOR:MINOR ACCESS")
		}
		if fields[0] == "a" {
			return deviceList{allowed: true}, nil
		}
		major, minor, ok := strings.Cut(fields[1], ":")
		r := specs.LinuxDeviceCgroup{Allow: true, Type: fields[0], Access: fields[2]}
		var err1, err2 error
		r.Major, err1 = parseNumber(major)
		r.Minor, err2 = parseNumber(minor)
		if !ok || err1 != nil || err2 != nil {
			return l, errors.New("line " + quote(line) + " has no device numbers")
		}
		if err := l.applyRule(&r); err != nil {
			return l, err
		}
	}
	return l, nil
}
