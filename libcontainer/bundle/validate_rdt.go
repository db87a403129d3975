package bundle

import (
	"strings"

	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// intelRdt checks what config-linux.md says of linux.intelRdt. A schema's
// content is left to the kernel, which knows what the processor can do.
func (v *validator) intelRdt() error {
	r := v.linux.IntelRdt
	if r == nil {
		return nil
	}
	switch id := r.ClosID; {
	case id == "." || id == ".." || len(id) > 1 && strings.Contains(id, "/") || strings.Contains(id, "\n"):
		return bad("linux.intelRdt.closID", "must be the name of a folder, or /, got "+jsonfield.Quote(id))
	case id == "info" || id == "mon_groups" || id == "mon_data":
		return bad("linux.intelRdt.closID", jsonfield.Quote(id)+" is no class of service, but resctrl's own")
	case len(id) > 255:
		return bad("linux.intelRdt.closID", "is longer than 255 bytes")
	}
	if err := noNUL("linux.intelRdt.closID", r.ClosID); err != nil {
		return err
	}
	// "SHOULD": with the caches divided for code and data there are two lines.
	if l3 := r.L3CacheSchema; l3 != "" && !strings.HasPrefix(l3, "L3:") {
		v.warn("linux.intelRdt.l3CacheSchema", "should begin with L3:, got "+jsonfield.Quote(l3))
	}
	if mb := r.MemBwSchema; mb != "" && !strings.HasPrefix(mb, "MB:") {
		return bad("linux.intelRdt.memBwSchema", "must begin with MB:, got "+jsonfield.Quote(mb))
	}
	if strings.Contains(r.MemBwSchema, "\n") {
		return bad("linux.intelRdt.memBwSchema", "must be one line, got "+jsonfield.Quote(r.MemBwSchema))
	}
	for i, line := range r.Schemata {
		if strings.Contains(line, "\n") {
			return bad(jsonfield.Index("linux.intelRdt.schemata", i), "must be one line, got "+jsonfield.Quote(line))
		}
	}
	return nil
}
