package systemd

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// fake is a bus with a systemd behind it, made of godbus's encoding.
type fake struct {
	t       *testing.T
	address string
	// answer returns the reply to a call of systemd: a body, or an error's
	// name and text; what it sends by signal comes before that.
	answer func(member string, body []any) (reply []any, errName, text string)
	mu     sync.Mutex
	calls  []string
	bodies [][]any
	conn   net.Conn
}

func newFake(t *testing.T, answer func(f *fake, member string, body []any) ([]any, string, string)) *fake {
	t.Helper()
	f := &fake{t: t}
	f.answer = func(member string, body []any) ([]any, string, string) { return answer(f, member, body) }
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	f.address = "unix:path=" + path
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.serve(c)
		}
	}()
	return f
}

func (f *fake) serve(c net.Conn) {
	defer c.Close()
	f.conn = c
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if line == "BEGIN\r\n" {
			break
		}
	}
	if _, err := c.Write([]byte("DATA\r\nOK 0123456789abcdef\r\n")); err != nil {
		return
	}
	for {
		m, err := dbus.DecodeMessage(r)
		if err != nil {
			return
		}
		f.handle(m)
	}
}

func (f *fake) handle(m *dbus.Message) {
	member := m.Headers[dbus.FieldMember].Value().(string)
	reply := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{dbus.FieldReplySerial: dbus.MakeVariant(m.Serial())}}
	if m.Headers[dbus.FieldDestination].Value() != destination {
		member = "bus." + member
	}
	f.mu.Lock()
	f.calls, f.bodies = append(f.calls, member), append(f.bodies, m.Body)
	f.mu.Unlock()
	body, name, text := f.answer(member, m.Body)
	if name != "" {
		reply.Type, body = dbus.TypeError, []any{text}
		reply.Headers[dbus.FieldErrorName] = dbus.MakeVariant(name)
	}
	f.send(reply, body)
}

func (f *fake) send(m *dbus.Message, body []any) {
	m.Body = body
	if len(body) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	if err := m.EncodeTo(f.conn, binary.LittleEndian); err != nil {
		f.t.Error(err)
	}
}

// ended sends the signal that a job has ended.
func (f *fake) ended(job dbus.ObjectPath, unit, result string) {
	f.send(&dbus.Message{Type: dbus.TypeSignal, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath: dbus.MakeVariant(dbus.ObjectPath(managerPath)), dbus.FieldInterface: dbus.MakeVariant(manager), dbus.FieldMember: dbus.MakeVariant("JobRemoved"),
	}}, []any{uint32(1), job, unit, result})
}

const job = dbus.ObjectPath("/org/freedesktop/systemd1/job/7")

// healthy answers as a systemd does whose jobs end with result.
func healthy(result string) func(f *fake, member string, body []any) ([]any, string, string) {
	return func(f *fake, member string, body []any) ([]any, string, string) {
		switch member {
		case "StartTransientUnit", "StopUnit":
			f.ended("/org/freedesktop/systemd1/job/6", "other.scope", "failed")
			f.ended(job, body[0].(string), result)
			return []any{job}, "", ""
		case "Get":
			return []any{dbus.MakeVariant(map[string]string{"Version": "252.39-1~deb12u1", "ControlGroup": "/user.slice/x"}[body[1].(string)])}, "", ""
		case "bus.Hello":
			return []any{":1.7"}, "", ""
		}
		return nil, "", ""
	}
}

func (f *fake) dial() *Bus {
	f.t.Helper()
	b, err := Dial(f.address)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(b.Close)
	return b
}

var testUnit = Unit{Name: "rung-c.scope", Slice: "a-b.slice", Container: "c"}

func TestStartScope(t *testing.T) {
	f := newFake(t, healthy("done"))
	if err := f.dial().StartScope(testUnit, 42, []Property{{"CollectMode", "inactive-or-failed"}, {"Delegate", false}}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"bus.Hello", "bus.AddMatch", "StartTransientUnit"}; !reflect.DeepEqual(f.calls, want) {
		t.Errorf("calls: %v", f.calls)
	}
	if match := f.bodies[1][0].(string); !strings.Contains(match, "member='JobRemoved'") || !strings.Contains(match, "arg2='rung-c.scope'") {
		t.Errorf("match: %s", match)
	}
	body := f.bodies[2]
	if body[0] != "rung-c.scope" || body[1] != "replace" {
		t.Errorf("called with %v", body)
	}
	got := map[string]any{}
	for _, p := range body[2].([][]any) {
		got[p[0].(string)] = p[1].(dbus.Variant).Value() // the last one counts
	}
	want := map[string]any{"Description": "rung container c", "Slice": "a-b.slice", "PIDs": []uint32{42}, "Delegate": false, "DefaultDependencies": false,
		"CollectMode": "inactive-or-failed", "CPUAccounting": true, "IOAccounting": true, "MemoryAccounting": true, "TasksAccounting": true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("properties:\n got %v\nwant %v", got, want)
	}
}

// TestStartScopeAgain: a unit that failed and was left gives way, once.
func TestStartScopeAgain(t *testing.T) {
	times := 0
	f := newFake(t, func(f *fake, member string, body []any) ([]any, string, string) {
		if member == "StartTransientUnit" {
			if times++; times == 1 {
				return nil, errUnitExists, "it is there"
			}
		}
		return healthy("done")(f, member, body)
	})
	if err := f.dial().StartScope(testUnit, 42, nil); err != nil {
		t.Fatal(err)
	}
	if want := []string{"StartTransientUnit", "ResetFailedUnit", "StartTransientUnit"}; !reflect.DeepEqual(f.calls[2:], want) {
		t.Errorf("calls: %v", f.calls)
	}
}

func TestStartScopeFails(t *testing.T) {
	refuse := func(name string) func(*fake, string, []any) ([]any, string, string) {
		return func(f *fake, member string, body []any) ([]any, string, string) {
			if member == "StartTransientUnit" {
				return nil, name, "no way"
			}
			return healthy("done")(f, member, body)
		}
	}
	for name, c := range map[string]struct {
		answer func(*fake, string, []any) ([]any, string, string)
		want   []string
	}{
		"exists":       {refuse(errUnitExists), []string{"rung-c.scope", "a-b.slice", "no way", "systemctl status rung-c.scope"}},
		"denied":       {refuse("org.freedesktop.DBus.Error.AccessDenied"), []string{"no way", "--rootless"}},
		"unknown":      {refuse("org.freedesktop.DBus.Error.PropertyReadOnly"), []string{"no way", "journalctl -u rung-c.scope"}},
		"job failed":   {healthy("failed"), []string{`"failed"`}},
		"job canceled": {healthy("canceled"), []string{`"canceled"`}},
	} {
		f := newFake(t, c.answer)
		err := f.dial().StartScope(testUnit, 42, nil)
		if got, want := Refused(err), !strings.HasPrefix(name, "job "); got != want {
			t.Errorf("%s: refused is %v", name, got)
		}
		for _, part := range c.want {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: got %v, want %q", name, err, part)
			}
		}
	}
}

func TestStopUnit(t *testing.T) {
	f := newFake(t, healthy("done"))
	if err := f.dial().StopUnit("a.scope"); err != nil {
		t.Error(err)
	}
	if want := []string{"StopUnit", "ResetFailedUnit"}; !reflect.DeepEqual(f.calls[2:], want) {
		t.Errorf("calls: %v", f.calls)
	}
	gone := newFake(t, func(f *fake, member string, body []any) ([]any, string, string) {
		if strings.HasSuffix(member, "Unit") {
			return nil, errNoSuchUnit, "not loaded"
		}
		return healthy("done")(f, member, body)
	})
	if err := gone.dial().StopUnit("a.scope"); err != nil {
		t.Errorf("a unit that is gone: %v", err)
	}
	angry := newFake(t, func(f *fake, member string, body []any) ([]any, string, string) {
		if member == "StopUnit" {
			return nil, "org.freedesktop.DBus.Error.AccessDenied", "no way"
		}
		return healthy("done")(f, member, body)
	})
	if err := angry.dial().StopUnit("a.scope"); err == nil || !strings.Contains(err.Error(), "stop the systemd unit a.scope: no way") {
		t.Errorf("got %v", err)
	}
}

func TestManagerProperties(t *testing.T) {
	b := newFake(t, healthy("done")).dial()
	if v, err := b.Version(); v != 252 || err != nil {
		t.Errorf("version %d, %v", v, err)
	}
	if g, err := b.ControlGroup(); g != "/user.slice/x" || err != nil {
		t.Errorf("cgroup %q, %v", g, err)
	}
	for text, want := range map[string]int{"249": 249, "v255.4-1ubuntu8": 255, "256~rc3": 256, "": 0, "next": 0} {
		if got, err := parseVersion(text); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %d, %v", text, got, err)
		}
	}
}

func TestSetProperties(t *testing.T) {
	f := newFake(t, healthy("done"))
	if err := f.dial().SetProperties("a.scope", []Property{{"MemoryMax", infinity}}); err != nil {
		t.Fatal(err)
	}
	want := []any{"a.scope", true, [][]any{{"MemoryMax", dbus.MakeVariant(infinity)}}}
	if got := f.bodies[1]; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestSetPropertiesByVersion: the fake is a systemd 252.
func TestSetPropertiesByVersion(t *testing.T) {
	f := newFake(t, healthy("done"))
	b := f.dial()
	if err := b.SetProperties("a.scope", []Property{{"CPUWeight", uint64(0)}, {"MemoryZSwapMax", infinity}}); err != nil {
		t.Fatal(err)
	}
	want := []any{"a.scope", true, [][]any{{"CPUWeight", dbus.MakeVariant(uint64(0))}}}
	if got := f.bodies[len(f.bodies)-1]; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	calls := len(f.calls)
	if err := b.SetProperties("a.scope", []Property{{"MemoryZSwapMax", infinity}}); err != nil {
		t.Error(err)
	}
	if got := f.calls[calls:]; !reflect.DeepEqual(got, []string{"Get"}) {
		t.Errorf("calls: %v", got)
	}
}

func TestAttach(t *testing.T) {
	f := newFake(t, healthy("done"))
	if err := f.dial().Attach("a.scope", "/sub", 42); err != nil {
		t.Fatal(err)
	}
	if want := []any{"a.scope", "/sub", []uint32{42}}; f.calls[1] != "AttachProcessesToUnit" || !reflect.DeepEqual(f.bodies[1], want) {
		t.Errorf("got %v %v", f.calls, f.bodies)
	}
}

// TestDialFallsBack: where there is no bus, systemd's own socket serves.
func TestDialFallsBack(t *testing.T) {
	f := newFake(t, healthy("done"))
	socket := strings.TrimPrefix(f.address, "unix:path=")
	private := filepath.Join(filepath.Dir(socket), "systemd", "private")
	if err := os.Mkdir(filepath.Dir(private), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(socket, private); err != nil {
		t.Fatal(err)
	}
	b, err := Dial("unix:path=/nonexistent/bus;unix:path=" + private)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.StartScope(testUnit, 42, nil); err != nil {
		t.Error(err)
	}
	if f.calls[0] == "bus.Hello" {
		t.Errorf("calls: %v", f.calls)
	}
	if _, err := Dial("unix:path=/nonexistent/bus"); !errors.Is(err, ErrNoManager) || strings.Contains(err.Error(), "\n") {
		t.Errorf("nobody there: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(key string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == key {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	for _, c := range []struct {
		getenv func(string) string
		uid    int
		want   string
	}{
		{env(), 0, ""},
		{env(), 1000, "unix:path=/run/user/1000/bus;unix:path=/run/user/1000/systemd/private"},
		{env("XDG_RUNTIME_DIR", "/run/a b"), 0, "unix:path=/run/a%20b/bus;unix:path=/run/a%20b/systemd/private"},
		{env("XDG_RUNTIME_DIR", "relative"), 1000, ""},
		{env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/x", "XDG_RUNTIME_DIR", "/r"), 1000, "unix:path=/x;unix:path=/r/bus;unix:path=/r/systemd/private"},
	} {
		if got := UserAddress(c.getenv, c.uid); got != c.want {
			t.Errorf("user %d: got %q, want %q", c.uid, got, c.want)
		}
	}
	if got := SystemAddress(env()); got != "unix:path=/run/dbus/system_bus_socket;unix:path=/run/systemd/private" {
		t.Errorf("got %q", got)
	}
	if got := SystemAddress(env("DBUS_SYSTEM_BUS_ADDRESS", "unix:abstract=x")); !strings.HasPrefix(got, "unix:abstract=x;") {
		t.Errorf("got %q", got)
	}
}

func TestSilence(t *testing.T) {
	var b *Bus
	f := newFake(t, func(f *fake, member string, body []any) ([]any, string, string) {
		if member == "StartTransientUnit" {
			b.conn.SetDeadline(time.Now().Add(100 * time.Millisecond))
			return []any{job}, "", "" // and no word of its end
		}
		return healthy("done")(f, member, body)
	})
	b = f.dial()
	if err := b.StartScope(testUnit, 42, nil); err == nil || !strings.Contains(err.Error(), "systemd does not answer") {
		t.Errorf("got %v", err)
	}
}
