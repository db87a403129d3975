package systemd

import (
	"reflect"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	ours "github.com/rungoci/rung/internal/dbus"
)

func TestFromAnnotations(t *testing.T) {
	strs := func(s ...any) ours.Array { return ours.Array{Of: "s", Items: s} }
	for _, c := range []struct {
		key, text string
		name      string // "" expects an error
		want      any    // or a part of the error
	}{
		{"CollectMode", "'inactive-or-failed'", "CollectMode", "inactive-or-failed"},
		{"TimeoutStopSec", "uint64 123", "TimeoutStopUSec", uint64(123000000)},
		{"TimeoutStopSec", "1.5", "TimeoutStopUSec", uint64(1500000)},
		{"TimeoutStopSec", "5", "TimeoutStopUSec", uint64(5000000)},
		{"TimeoutStopSec", "byte 5", "TimeoutStopUSec", uint64(5000000)},
		{"TimeoutStopSec", "int16 5", "TimeoutStopUSec", uint64(5000000)},
		{"TimeoutStopSec", "uint32 5", "TimeoutStopUSec", uint64(5000000)},
		{"TimeoutStopUSec", "uint64 123", "TimeoutStopUSec", uint64(123)},
		{"SendSIGHUP", "true", "SendSIGHUP", true},
		{"After", "['a.service', \"b.target\"]", "After", strs("a.service", "b.target")},
		{"After", "@as []", "After", ours.Array{Of: "s"}},
		{"AllowedCPUs", "[byte 0x1, 2]", "AllowedCPUs", ours.Array{Of: "y", Items: []any{byte(1), byte(2)}}},
		{"KillSignal", "010", "KillSignal", int32(8)},
		{"TimeoutStopSec", "'5'", "", "seconds must be a number"},
		{"TimeoutStopSec", "true", "", "seconds must be a number"},
		{"TimeoutStopSec", "-5", "", "out of range"},
		{"TimeoutStopSec", "uint64 18446744073709551615", "", "out of range"},
		{"Sec", "1", "", "not the name of a property"},
		{"", "1", "", "not the name of a property"},
		{"Kill Signal", "1", "", "not the name of a property"},
		{"PIDs", "[uint32 1]", "", "is for rung to set"},
		{"Slice", "'x.slice'", "", "is for rung to set"},
		{"Delegate", "false", "", "is for rung to set"},
		{"Wants", "['evil.service']", "", "Wants is refused: it would have systemd start, stop or reload other units"},
		{"FailureAction", "'reboot'", "", "FailureAction is refused: it would have systemd reboot the host"},
		{"Before", "['a.service']", "Before", strs("a.service")},
		{"PartOf", "['a.target']", "PartOf", strs("a.target")},
		{"StopPropagatedFrom", "['a.target']", "StopPropagatedFrom", strs("a.target")},
		{"Description", "'text'", "Description", "text"},
		{"DefaultDependencies", "false", "DefaultDependencies", false},
		{"KillMode", "'mixed'", "KillMode", "mixed"},
		{"CollectMode", "inactive", "", "not a value"},
		{"CollectMode", "'inactive", "", "no quote at its end"},
		{"CollectMode", "'inactive' x", "", "follows the value"},
		{"CollectMode", "", "", "missing"},
		{"After", "[]", "", "needs its type"},
		{"After", "['a', 1]", "", "not of the type"},
		{"After", "['a'", "", "does not end"},
		{"After", strings.Repeat("[", 100), "", "nested too deep"},
		{"DeviceAllow", "[('/dev/null', 'rw')]", "", "not a value"},
		{"Environment", "{'a': 'b'}", "", "not a value"},
		{"KillSignal", "int32 string 'x'", "", "a second type"},
		{"KillSignal", "byte 256", "", "out of range"},
	} {
		props, err := FromAnnotations(map[string]string{AnnotationPrefix + c.key: c.text, "org.other": "x"})
		if c.name == "" {
			if err == nil || !strings.Contains(err.Error(), c.want.(string)) || !strings.Contains(err.Error(), "annotations."+AnnotationPrefix+c.key) {
				t.Errorf("%s=%s: got %v, %v; want an error with %q", c.key, c.text, props, err, c.want)
			}
			continue
		}
		if want := []Property{{c.name, c.want}}; err != nil || !reflect.DeepEqual(props, want) {
			t.Errorf("%s=%s: got %v, %v; want %v", c.key, c.text, props, err, want)
		}
	}
}

// TestRefused has all that systemd.unit(5) lists of what one unit does to others,
// and to the host.
func TestRefused(t *testing.T) {
	for _, name := range []string{
		"Wants", "Requires", "Requisite", "BindsTo", "Upholds", "Conflicts", "OnFailure", "OnSuccess", "PropagatesReloadTo", "PropagatesStopTo",
		"JoinsNamespaceOf", "RequiresMountsFor", "WantsMountsFor", "Triggers", "TriggeredBy", "RequiresOverridable", "RequisiteOverridable",
		"FailureAction", "SuccessAction", "StartLimitAction", "JobTimeoutAction",
	} {
		for _, text := range []string{"['a.service']", "'reboot'", "@as []"} {
			if props, err := FromAnnotations(map[string]string{AnnotationPrefix + name: text}); err == nil || !strings.Contains(err.Error(), name+" is refused") {
				t.Errorf("%s=%s: got %v, %v", name, text, props, err)
			}
		}
	}
}

func TestFromAnnotationsInOrder(t *testing.T) {
	props, err := FromAnnotations(map[string]string{AnnotationPrefix + "Zzzz": "1", AnnotationPrefix + "Aaaa": "1", AnnotationPrefix + "Mmmm": "1"})
	if err != nil || len(props) != 3 || props[0].Name != "Aaaa" || props[2].Name != "Zzzz" {
		t.Errorf("got %v, %v", props, err)
	}
}

// FuzzParseValue holds the parser to that of godbus, which runc reads the same
// annotations with: a value that both take is the same.
func FuzzParseValue(f *testing.F) {
	for _, s := range []string{
		"true", "42", "0x2a", "052", "-7", "1.5", "1e3", "uint64 42", "@t 42", "byte 0x1", "'text'", `"a\tb\u00e4\\"`, "objectpath '/a/b'",
		"['a', 'b']", "@as []", "[1, 2.5]", "[1, uint64 2]", "[[1], [2]]", "@aat [[1]]", "int16 -3", "double 1", "signature 'as'",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseValue(text)
		if err != nil {
			return
		}
		sig, err := ours.SignatureOf(got)
		if err != nil || !sig.Valid() {
			t.Fatalf("%q: %#v is of the type %q, %v", text, got, sig, err)
		}
		want, err := dbus.ParseVariant(text, dbus.Signature{})
		if err != nil {
			return // it knows no sign before a prefix, for one
		}
		if dbus.SignatureOf(want.Value()).String() != string(sig) {
			t.Fatalf("%q: got %s %v, godbus has %s %v", text, sig, got, want.Signature(), want)
		}
		if plain := plainOf(got); !reflect.DeepEqual(plain, plainOf(want.Value())) && got == got {
			t.Fatalf("%q: got %#v, godbus has %#v", text, plain, want.Value())
		}
	})
}

// plainOf makes values of both packages comparable.
func plainOf(v any) any {
	switch v := v.(type) {
	case ours.Array:
		var all []any
		for _, item := range v.Items {
			all = append(all, plainOf(item))
		}
		return all
	case ours.ObjectPath:
		return string(v)
	case dbus.ObjectPath:
		return string(v)
	case ours.Signature:
		return string(v)
	case dbus.Signature:
		return v.String()
	}
	if r := reflect.ValueOf(v); r.Kind() == reflect.Slice {
		var all []any
		for i := range r.Len() {
			all = append(all, plainOf(r.Index(i).Interface()))
		}
		return all
	}
	return v
}
