// Package systemd asks a systemd manager, by D-Bus, for the scope that a
// container lives in: how it is named (unit.go), with which properties
// (property.go, annotation.go), its start and its end (this file).
//
// The interface is org.freedesktop.systemd1(5). What is here needs systemd 244
// or newer, which has properties for cpusets; it is from the time of the oldest
// kernels that rung runs on.
package systemd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/dbus"
	"github.com/rungoci/rung/internal/errdefs"
)

const (
	destination = "org.freedesktop.systemd1"
	managerPath = "/org/freedesktop/systemd1"
	manager     = "org.freedesktop.systemd1.Manager"

	errUnitExists = "org.freedesktop.systemd1.UnitExists"
	errNoSuchUnit = "org.freedesktop.systemd1.NoSuchUnit"
	errNoObject   = "org.freedesktop.DBus.Error.UnknownObject"

	// patience is how long a conversation may take: as long as runc waits
	// for systemd to start or stop a unit.
	patience = 30 * time.Second

	// directSuffix ends the name of systemd's own socket, where it is spoken
	// with without a bus: where there is no bus (yet).
	directSuffix = "/systemd/private"
)

// ErrNoManager is returned by Dial where there is no systemd to speak with.
var ErrNoManager = errors.New("there is no systemd to speak with")

// Running reports whether the host was booted with systemd (sd_booted(3)).
func Running() bool {
	var st unix.Stat_t
	return unix.Lstat("/run/systemd/system", &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// SystemAddress returns the addresses, for Dial, of the host's systemd. getenv is
// os.Getenv.
func SystemAddress(getenv func(string) string) string {
	address := getenv("DBUS_SYSTEM_BUS_ADDRESS")
	if address == "" {
		address = "unix:path=/run/dbus/system_bus_socket"
	}
	return address + ";unix:path=/run" + directSuffix
}

// UserAddress returns the addresses, for Dial, of the systemd of the user, or ""
// where the environment names none. uid is the user's id.
func UserAddress(getenv func(string) string, uid int) string {
	var list []string
	if address := getenv("DBUS_SESSION_BUS_ADDRESS"); address != "" {
		list = append(list, address)
	}
	dir := getenv("XDG_RUNTIME_DIR")
	if dir == "" && uid != 0 {
		dir = "/run/user/" + strconv.Itoa(uid) // pam_systemd(8)
	}
	if strings.HasPrefix(dir, "/") {
		dir = escapeAddress(dir)
		list = append(list, "unix:path="+dir+"/bus", "unix:path="+dir+directSuffix)
	}
	return strings.Join(list, ";")
}

// escapeAddress escapes what is not for itself in an address.
func escapeAddress(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if (c|0x20 >= 'a' && c|0x20 <= 'z') || (c >= '0' && c <= '9') || strings.IndexByte(`-_/.\*`, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		const hex = "0123456789abcdef"
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}

// Bus is a connection with a systemd manager. What it does ends after 30
// seconds at the latest, counted from Dial.
type Bus struct{ conn *dbus.Conn }

// Dial connects with the first of the addresses where somebody listens. The
// error is, or wraps, ErrNoManager where nobody does.
func Dial(list string) (*Bus, error) {
	deadline := time.Now().Add(patience)
	var last error
	for address := range strings.SplitSeq(list, ";") {
		conn, err := dbus.Dial(address, deadline)
		if err == nil {
			b := &Bus{conn}
			if err = b.hello(strings.HasSuffix(address, directSuffix)); err == nil {
				return b, nil
			}
			conn.Close()
		}
		// Why the bus does not answer says more than that the socket behind
		// it is for root alone.
		if last == nil {
			last = err
		}
	}
	if errors.Is(last, fs.ErrNotExist) || errors.Is(last, unix.ECONNREFUSED) {
		last = fmt.Errorf("%w: %w", ErrNoManager, last)
	}
	return nil, errdefs.Doing(last, "speak with systemd")
}

// hello makes this process known to a bus, which has to come first; without
// one systemd itself is at the other end.
func (b *Bus) hello(direct bool) error {
	if direct {
		return nil
	}
	_, err := b.conn.Call(&dbus.Message{Kind: dbus.MethodCall, Destination: "org.freedesktop.DBus",
		Path: "/org/freedesktop/DBus", Interface: "org.freedesktop.DBus", Member: "Hello"})
	return err
}

// Close ends the connection.
func (b *Bus) Close() { b.conn.Close() }

// call calls a method of the manager.
func (b *Bus) call(member string, args ...any) ([]any, error) {
	return b.conn.Call(&dbus.Message{Kind: dbus.MethodCall, Destination: destination,
		Path: managerPath, Interface: manager, Member: member, Body: args})
}

// object calls a method of the manager whose answer is an object: a job that it
// started, or a unit.
func (b *Bus) object(member string, args ...any) (dbus.ObjectPath, error) {
	body, err := b.call(member, args...)
	if err != nil {
		return "", err
	}
	if len(body) == 1 {
		if path, ok := body[0].(dbus.ObjectPath); ok {
			return path, nil
		}
	}
	return "", errors.New("the answer to " + member + " is not an object")
}

// property returns a property of the manager, a string.
func (b *Bus) property(name string) (string, error) {
	s, err := b.stringOf(managerPath, manager, name)
	return s, errdefs.Doing(err, "ask systemd for its "+name)
}

// stringOf returns a property of an object, a string.
func (b *Bus) stringOf(path dbus.ObjectPath, of, name string) (string, error) {
	body, err := b.conn.Call(&dbus.Message{Kind: dbus.MethodCall, Destination: destination, Path: path,
		Interface: "org.freedesktop.DBus.Properties", Member: "Get", Body: []any{of, name}})
	if err != nil {
		return "", err
	}
	if len(body) == 1 {
		if v, ok := body[0].(dbus.Variant); ok {
			if s, ok := v.Value.(string); ok {
				return s, nil
			}
		}
	}
	return "", errors.New("it is not a string")
}

// ScopeControlGroup returns the cgroup that systemd has for a scope, "" where it has
// none, as for one that has ended, or does not know the scope.
func (b *Bus) ScopeControlGroup(name string) (string, error) {
	unit, err := b.object("GetUnit", name)
	if dbus.IsError(err, errNoSuchUnit) {
		return "", nil
	}
	var s string
	if err == nil {
		s, err = b.stringOf(unit, "org.freedesktop.systemd1.Scope", "ControlGroup")
	}
	if dbus.IsError(err, errNoObject) {
		return "", nil // it was forgotten between the two
	}
	return s, errdefs.Doing(err, "ask systemd for the cgroup of "+name)
}

// ControlGroup returns the cgroup that the manager has for its units, "" for the
// root; for that of a user "/user.slice/user-1000.slice/user@1000.service".
func (b *Bus) ControlGroup() (string, error) { return b.property("ControlGroup") }

// Version returns the version of systemd, 252 for "252.38-1~deb12u1".
func (b *Bus) Version() (int, error) {
	text, err := b.property("Version")
	if err != nil {
		return 0, err
	}
	return parseVersion(text)
}

func parseVersion(text string) (int, error) {
	digits := strings.TrimPrefix(text, "v")
	end := 0
	for end < len(digits) && digits[end] >= '0' && digits[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(digits[:end])
	if err != nil {
		return 0, errors.New("systemd's version is " + strconv.Quote(text))
	}
	return n, nil
}

// StartScope starts the unit with the process pid in it, and returns when it
// stands. A unit of that name that has failed, and was left, gives way; one that
// is there is an error.
func (b *Bus) StartScope(u Unit, pid int, extra []Property) error {
	if err := b.watch(u.Name); err != nil {
		return startError(u, err)
	}
	props := append(scopeProperties(u, pid), extra...)
	job, err := b.object("StartTransientUnit", u.Name, "replace", propertyArray(props), dbus.Array{Of: "(sa(sv))"})
	if dbus.IsError(err, errUnitExists) && b.ResetFailed(u.Name) == nil {
		job, err = b.object("StartTransientUnit", u.Name, "replace", propertyArray(props), dbus.Array{Of: "(sa(sv))"})
	}
	if err != nil {
		return startError(u, err)
	}
	result, err := b.waitJob(job)
	if err == nil && result != "done" {
		_ = b.ResetFailed(u.Name)
		err = errors.New("its job ended with " + strconv.Quote(result))
	}
	return startError(u, err)
}

// scopeProperties are those of every container's scope.
func scopeProperties(u Unit, pid int) []Property {
	return []Property{
		{"Description", "rung container " + u.Container},
		{"Slice", u.Slice},
		{"PIDs", dbus.Array{Of: "u", Items: []any{uint32(pid)}}},
		// The cgroups below belong to the container.
		{"Delegate", true},
		// Else it would be stopped early at shutdown, before the engine.
		{"DefaultDependencies", false},
		{"CPUAccounting", true},
		{"IOAccounting", true},
		{"MemoryAccounting", true},
		{"TasksAccounting", true},
	}
}

func propertyArray(props []Property) dbus.Array {
	a := dbus.Array{Of: "(sv)"}
	for _, p := range props {
		a.Items = append(a.Items, dbus.Struct{p.Name, dbus.Variant{Value: p.Value}})
	}
	return a
}

// startError says what to do about a unit that does not start.
func startError(u Unit, err error) error {
	if err == nil {
		return nil
	}
	e := &errdefs.Error{Doing: "start the systemd unit " + u.Name + " in " + u.Slice, Err: err}
	switch {
	case dbus.IsError(err, errUnitExists):
		e.Hint = "each container needs a name of its own; systemctl status " + u.Name + " shows who has it"
	case denied(err):
		e.Hint = "the host's systemd serves root alone; with --rootless=true that of the user is asked"
	case errors.Is(err, os.ErrDeadlineExceeded):
		e.Hint = "systemd does not answer; systemctl list-jobs shows what it waits for"
	default:
		e.Hint = "journalctl -u " + u.Name + " may say more"
	}
	return e
}

// Refused reports whether an error of StartScope is systemd's or the bus's answer to
// the question for the unit: then there is none that is ours. Without an answer, or
// after the job was queued, there may be one.
func Refused(err error) bool {
	var e *dbus.Error
	return errors.As(err, &e)
}

// denied reports whether the bus or systemd refused to serve this user.
func denied(err error) bool {
	return dbus.IsError(err, "org.freedesktop.DBus.Error.AccessDenied") ||
		dbus.IsError(err, "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired")
}

// watch asks the bus for the signal that tells of the end of a job of the unit,
// and for no other: on a host with many containers there is a lot to hear.
func (b *Bus) watch(unit string) error {
	_, err := b.conn.Call(&dbus.Message{Kind: dbus.MethodCall, Destination: "org.freedesktop.DBus",
		Path: "/org/freedesktop/DBus", Interface: "org.freedesktop.DBus", Member: "AddMatch",
		Body: []any{"type='signal',path='" + managerPath + "',interface='" + manager + "',member='JobRemoved',arg2='" + unit + "'"}})
	// Without a bus systemd tells all there is.
	if dbus.IsError(err, errNoObject) || dbus.IsError(err, "org.freedesktop.DBus.Error.UnknownMethod") {
		return nil
	}
	return err
}

// waitJob waits for the end of a job, and returns how it ended: "done",
// "canceled", "timeout", "failed", "dependency" or "skipped".
func (b *Bus) waitJob(job dbus.ObjectPath) (result string, err error) {
	m, err := b.conn.WaitSignal(func(m *dbus.Message) bool {
		return m.Member == "JobRemoved" && m.Interface == manager && len(m.Body) == 4 && m.Body[1] == job
	})
	if err != nil {
		return "", err
	}
	result, _ = m.Body[3].(string)
	return result, nil
}

// StopUnit stops the unit, waits until it has stopped, and has systemd forget
// it where it failed. It succeeds where there is no such unit.
func (b *Bus) StopUnit(name string) error {
	err := b.stop(name)
	if err == nil {
		err = b.ResetFailed(name)
	}
	return errdefs.Doing(err, "stop the systemd unit "+name)
}

func (b *Bus) stop(name string) error {
	if err := b.watch(name); err != nil {
		return err
	}
	job, err := b.object("StopUnit", name, "replace")
	if err == nil {
		_, err = b.waitJob(job)
	}
	return ignoreMissing(err)
}

// ResetFailed has systemd forget that a unit failed. It succeeds where there is
// none.
func (b *Bus) ResetFailed(name string) error {
	_, err := b.call("ResetFailedUnit", name)
	return ignoreMissing(err)
}

func ignoreMissing(err error) error {
	if dbus.IsError(err, errNoSuchUnit) {
		return nil
	}
	return err
}

// SetProperties changes properties of a unit, until the next boot. Those that
// this systemd is too old for are left out: it does not write to their files.
func (b *Bus) SetProperties(name string, props []Property) error {
	known, err := b.known(props)
	if err == nil && len(known) > 0 {
		_, err = b.call("SetUnitProperties", name, true, propertyArray(known))
	}
	return errdefs.Doing(err, "set properties of the systemd unit "+name)
}

// known returns those of props that this systemd knows. It is asked for its version
// only where there is one that it may not know.
func (b *Bus) known(props []Property) ([]Property, error) {
	version := 0
	var known []Property
	for _, p := range props {
		since := p.since()
		if since > 0 && version == 0 {
			var err error
			if version, err = b.Version(); err != nil {
				return nil, err
			}
		}
		if since <= version {
			known = append(known, p)
		}
	}
	return known, nil
}

// Attach moves a process into the cgroup of a unit, or one below it: "/sub". A
// user's systemd has that of the host do so for processes of the user, which
// may not have left their login session by themselves.
func (b *Bus) Attach(name, sub string, pid int) error {
	_, err := b.call("AttachProcessesToUnit", name, sub, dbus.Array{Of: "u", Items: []any{uint32(pid)}})
	return errdefs.Doing(err, "move process "+strconv.Itoa(pid)+" into the systemd unit "+name)
}
