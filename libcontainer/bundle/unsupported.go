package bundle

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// This file is the one place that says what the spec knows and rung does not
// do yet. What config.json asks for and rung would leave out must be refused:
// a container without the network device that was asked for is not the
// container that was asked for. Who implements something deletes its row.

// unsupported has a row for each such thing.
// asks returns the field that asks for it, or "". A value that asks for
// nothing, such as "" or {}, is not a reason to refuse.
var unsupported = [...]struct {
	what string
	asks func(*specs.Spec, *specs.Linux) string
}{
	{"network devices", func(_ *specs.Spec, l *specs.Linux) string {
		return when(len(l.NetDevices) > 0, "linux.netDevices")
	}},
}

// supported refuses what is in the table above.
func (v *validator) supported() error {
	for i := range unsupported {
		if field := unsupported[i].asks(v.spec, v.linux); field != "" {
			return notSupported(field, unsupported[i].what)
		}
	}
	return nil
}

func notSupported(field, what string) error {
	return bad(field, what+" are not supported by this version of rung")
}

// when returns field if it asks.
func when(asks bool, field string) string {
	if asks {
		return field
	}
	return ""
}
