package bundle

import (
	"maps"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// netDevices checks linux.netDevices. Which devices there are is the host's to
// know.
func (v *validator) netDevices() error {
	devices := v.linux.NetDevices
	if len(devices) == 0 {
		return nil
	}
	if !HasNamespace(v.spec, specs.NetworkNamespace) {
		return bad("linux.netDevices", "needs a network namespace in linux.namespaces")
	}
	names := make(map[string]string)
	for _, host := range slices.Sorted(maps.Keys(devices)) {
		field := jsonfield.Key("linux.netDevices", host)
		if !validDevice(host) || strings.Contains(host, "%") {
			return bad(field, "invalid network device name "+jsonfield.Quote(host))
		}
		name := devices[host].Name
		if name == "" {
			name = host
		}
		// The kernel would number devices by one "%d", and by nothing else.
		if pattern := strings.Replace(name, "%d", "", 1); !validDevice(name) || strings.Contains(pattern, "%") {
			return bad(field+".name", "invalid network device name "+jsonfield.Quote(name))
		}
		if other, taken := names[name]; taken && !strings.Contains(name, "%") {
			return bad(field+".name", "is also the name of "+jsonfield.Key("linux.netDevices", other))
		}
		names[name] = host
	}
	return nil
}

// validDevice is what the kernel has for a name (dev_valid_name).
func validDevice(name string) bool {
	return name != "" && len(name) < unix.IFNAMSIZ && name != "." && name != ".." && !strings.ContainsAny(name, "/: \t\n\v\f\r\x00") &&
		strings.IndexByte(name, 0xa0) < 0 // a blank of Latin-1
}
