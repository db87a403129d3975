package systemd

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/rungoci/rung/internal/errdefs"
)

// AnnotationPrefix begins the keys of annotations that set a property.
const AnnotationPrefix = "org.systemd.property."

// The properties that FromAnnotations refuses.
var (
	// reserved are those by which rung finds the container again, and which
	// processes are in the scope. To set them would have the container in a
	// cgroup that no record names, or processes of the host in it.
	reserved = []string{"ControlGroup", "Delegate", "PIDFDs", "PIDs", "Slice"}
	// acting are those by which a scope that starts or ends has systemd start,
	// stop or reload other units (systemd.unit(5)). What systemd does not take
	// for a transient unit today, as Triggers, is among them. Left are those by
	// which others act on the scope, as PartOf, or that order, as After.
	acting = []string{"BindsTo", "Conflicts", "JoinsNamespaceOf", "OnFailure", "OnSuccess", "PropagatesReloadTo", "PropagatesStopTo",
		"Requires", "RequiresMountsFor", "RequiresOverridable", "Requisite", "RequisiteOverridable", "TriggeredBy", "Triggers",
		"Upholds", "Wants", "WantsMountsFor"}
	// rebooting are those by which the end of the scope reboots the host, or
	// switches it off (systemd.unit(5), "FailureAction=").
	rebooting = []string{"FailureAction", "JobTimeoutAction", "StartLimitAction", "SuccessAction"}
)

// FromAnnotations returns the properties that annotations of config.json ask
// for, in order of their names: "org.systemd.property.NAME" with a value in the
// text format of GVariant (ParseValue). As in runc a name that ends in "Sec" is
// one of seconds, and becomes the one in microseconds that the bus has.
// Errors name the annotation.
func FromAnnotations(annotations map[string]string) ([]Property, error) {
	var props []Property
	for key, text := range annotations {
		name, ok := strings.CutPrefix(key, AnnotationPrefix)
		if !ok {
			continue
		}
		p, err := fromAnnotation(name, text)
		if err != nil {
			return nil, &errdefs.Error{Doing: "read a property for systemd", Field: "annotations." + key, Err: err}
		}
		props = append(props, p)
	}
	slices.SortFunc(props, func(a, b Property) int { return strings.Compare(a.Name, b.Name) })
	return props, nil
}

func fromAnnotation(name, text string) (Property, error) {
	if !isPropertyName(name) {
		return Property{}, errors.New(strconv.Quote(name) + " is not the name of a property")
	}
	switch {
	case slices.Contains(reserved, name):
		return Property{}, errors.New(name + " is for rung to set")
	case slices.Contains(acting, name):
		return Property{}, errors.New(name + " is refused: it would have systemd start, stop or reload other units of the host")
	case slices.Contains(rebooting, name):
		return Property{}, errors.New(name + " is refused: it would have systemd reboot the host, or switch it off")
	}
	value, err := ParseValue(text)
	if err != nil {
		return Property{}, err
	}
	// "Sec" after a small letter: TimeoutStopSec, but not CPUQuotaPerUSec.
	if stem, ok := strings.CutSuffix(name, "Sec"); ok && stem[len(stem)-1] >= 'a' {
		if value, err = microseconds(value); err != nil {
			return Property{}, err
		}
		name = stem + "USec"
	}
	return Property{name, value}, nil
}

// isPropertyName reports whether s can be one: letters alone, and enough of them
// to be more than "Sec".
func isPropertyName(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return len(s) > 3
}

// microseconds turns a number of seconds, of any type, into microseconds.
func microseconds(v any) (uint64, error) {
	var seconds float64
	switch n := reflect.ValueOf(v); {
	case n.CanInt():
		seconds = float64(n.Int())
	case n.CanUint():
		seconds = float64(n.Uint())
	case n.CanFloat():
		seconds = n.Float()
	default:
		return 0, errors.New("seconds must be a number")
	}
	if us := seconds * 1e6; us >= 0 && us < math.MaxUint64 {
		return uint64(us), nil
	}
	return 0, errors.New("seconds are out of range")
}
