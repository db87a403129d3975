package bundle

import (
	"math"
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// maxMappings is how many lines the kernel takes (user_namespaces(7), since
// Linux 4.15).
const maxMappings = 340

// userNamespace checks the id mappings and that there is a namespace for them.
func (v *validator) userNamespace() error {
	path, found := Namespace(v.spec, specs.UserNamespace)
	mapped := len(v.linux.UIDMappings) > 0 || len(v.linux.GIDMappings) > 0
	switch {
	case !found && len(v.linux.UIDMappings) > 0:
		return bad("linux.uidMappings", "needs a user namespace in linux.namespaces")
	case !found && mapped:
		return bad("linux.gidMappings", "needs a user namespace in linux.namespaces")
	case !found, path != "" && !mapped:
		return nil
	}
	for _, list := range [...]struct {
		field string
		ids   []specs.LinuxIDMapping
	}{
		{"linux.uidMappings", v.linux.UIDMappings}, {"linux.gidMappings", v.linux.GIDMappings},
	} {
		if len(list.ids) == 0 {
			return bad(list.field, "is missing, and the user namespace needs it")
		}
		if err := mappings(list.field, list.ids); err != nil {
			return err
		}
		if !isMapped(list.ids, 0) {
			return bad(list.field, "does not map the id 0, as which the container is set up")
		}
	}
	return v.mappedUser()
}

// mappedUser checks that the program's ids are mapped.
func (v *validator) mappedUser() error {
	if v.spec.Process == nil {
		return nil
	}
	u := v.spec.Process.User
	if !isMapped(v.linux.UIDMappings, u.UID) {
		return bad("process.user.uid", "is not mapped by linux.uidMappings: "+strconv.FormatUint(uint64(u.UID), 10))
	}
	if !isMapped(v.linux.GIDMappings, u.GID) {
		return bad("process.user.gid", "is not mapped by linux.gidMappings: "+strconv.FormatUint(uint64(u.GID), 10))
	}
	for i, gid := range u.AdditionalGids {
		if !isMapped(v.linux.GIDMappings, gid) {
			return bad(jsonfield.Index("process.user.additionalGids", i),
				"is not mapped by linux.gidMappings: "+strconv.FormatUint(uint64(gid), 10))
		}
	}
	return nil
}

// mappings checks that each range is one, and that none overlaps another on
// either side.
func mappings(field string, ids []specs.LinuxIDMapping) error {
	if len(ids) > maxMappings {
		return bad(jsonfield.Index(field, maxMappings), "is more than the 340 ranges that the kernel takes")
	}
	for i, m := range ids {
		at := jsonfield.Index(field, i)
		switch {
		case m.Size == 0:
			return bad(at+".size", "must be greater than 0")
		// The last id means "none", and the kernel maps it to nothing.
		case m.Size > math.MaxUint32-m.ContainerID:
			return bad(at, "goes beyond the largest id: containerID + size is more than 4294967295")
		case m.Size > math.MaxUint32-m.HostID:
			return bad(at, "goes beyond the largest id: hostID + size is more than 4294967295")
		}
		for j, other := range ids[:i] {
			if overlap(m.ContainerID, m.Size, other.ContainerID, other.Size) || overlap(m.HostID, m.Size, other.HostID, other.Size) {
				return bad(at, "overlaps "+jsonfield.Index(field, j))
			}
		}
	}
	return nil
}

func overlap(a, aSize, b, bSize uint32) bool { return a < b+bSize && b < a+aSize }

func isMapped(ids []specs.LinuxIDMapping, id uint32) bool {
	return slices.ContainsFunc(ids, func(m specs.LinuxIDMapping) bool {
		return id >= m.ContainerID && id-m.ContainerID < m.Size
	})
}

// idMapped checks an id-mapped mount. Without mappings of its own it takes
// those of the container's user namespace.
func (v *validator) idMapped(field string, m *specs.Mount) error {
	option := slices.IndexFunc(m.Options, func(o string) bool { return o == "idmap" || o == "ridmap" })
	uids, gids := len(m.UIDMappings) > 0, len(m.GIDMappings) > 0
	asks := field + ".uidMappings"
	switch {
	case option >= 0:
		asks = jsonfield.Index(field+".options", option)
	case gids && !uids:
		asks = field + ".gidMappings"
	case !uids:
		return nil
	}
	if !isBind(m) {
		return bad(asks, "only bind mounts can be id-mapped")
	}
	if slices.Contains(m.Options, "remount") {
		return bad(asks, "a mount that is there already cannot be id-mapped")
	}
	switch {
	case !uids && !gids && !HasNamespace(v.spec, specs.UserNamespace):
		return bad(asks, "needs uidMappings and gidMappings, or a user namespace to take them from")
	case !uids && !gids:
		return nil
	case !uids:
		return bad(field+".uidMappings", "is missing beside gidMappings")
	case !gids:
		return bad(field+".gidMappings", "is missing beside uidMappings")
	}
	if err := mappings(field+".uidMappings", m.UIDMappings); err != nil {
		return err
	}
	return mappings(field+".gidMappings", m.GIDMappings)
}
