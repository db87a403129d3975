package bundle

import (
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// mounts checks the shape of the mounts. What the options mean is left to the
// one who mounts.
func (v *validator) mounts() error {
	for i := range v.spec.Mounts {
		m, field := &v.spec.Mounts[i], jsonfield.Index("mounts", i)
		if err := checkMount(field, m); err != nil {
			return err
		}
		if err := v.idMapped(field, m); err != nil {
			return err
		}
		if !strings.HasPrefix(m.Destination, "/") {
			v.warn(field+".destination", "should be an absolute path, taking "+
				jsonfield.Quote(m.Destination)+" as relative to /")
		}
	}
	return nil
}

func checkMount(field string, m *specs.Mount) error {
	if m.Destination == "" {
		return bad(field+".destination", "is missing")
	}
	remount := slices.Contains(m.Options, "remount")
	if m.Source == "" && isBind(m) && !remount {
		return bad(field+".source", "is missing, and a bind mount needs one")
	}
	if m.Type == "" && !isBind(m) && !remount {
		return bad(field+".type", "is missing, and only a bind mount can do without")
	}
	for _, s := range [...]struct{ name, value string }{
		{".destination", m.Destination}, {".source", m.Source}, {".type", m.Type},
	} {
		if err := noNUL(field+s.name, s.value); err != nil {
			return err
		}
	}
	for i, option := range m.Options {
		if err := noNUL(jsonfield.Index(field+".options", i), option); err != nil {
			return err
		}
	}
	return nil
}

// isBind says whether m is a bind mount. The spec goes by the options alone;
// the type is what people write when they forget them.
func isBind(m *specs.Mount) bool {
	return m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
}
