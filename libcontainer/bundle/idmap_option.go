package bundle

import (
	"errors"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// idMapPrefix begins a mount option of crun's that has the mappings of an
// id-mapped mount in it, for engines from before the specification had fields for
// them: "idmap=uids=0-1-10#10-11-10;gids=0-100-10". Three numbers are the first
// id in the filesystem, the first one that it becomes on the host, and how many
// there are; "@" before them makes the second one an id of the container.
const idMapPrefix = "idmap="

// expandIDMaps puts the mappings of such options into the fields of the mounts.
// The specification's own fields go before them.
func expandIDMaps(mounts []specs.Mount, uids, gids []specs.LinuxIDMapping) error {
	for i := range mounts {
		m := &mounts[i]
		for j, option := range m.Options {
			value, ok := strings.CutPrefix(option, idMapPrefix)
			if !ok || len(m.UIDMappings)+len(m.GIDMappings) > 0 {
				continue
			}
			if err := expandIDMap(m, value, uids, gids); err != nil {
				return &errdefs.Error{Field: jsonfield.Index(jsonfield.Index("mounts", i)+".options", j), Err: err,
					Hint: "it is of the form idmap=uids=0-1-10#10-11-10;gids=0-100-10"}
			}
		}
	}
	return nil
}

func expandIDMap(m *specs.Mount, value string, uids, gids []specs.LinuxIDMapping) (err error) {
	for part := range strings.SplitSeq(value, ";") {
		kind, list, _ := strings.Cut(part, "=")
		switch kind {
		case "uids":
			m.UIDMappings, err = parseIDMap(list, uids)
		case "gids":
			m.GIDMappings, err = parseIDMap(list, gids)
		default:
			err = errors.New("unknown mappings " + jsonfield.Quote(kind))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parseIDMap reads the mappings in list; container are those of the container.
func parseIDMap(list string, container []specs.LinuxIDMapping) ([]specs.LinuxIDMapping, error) {
	list, relative := strings.CutPrefix(list, "@")
	var out []specs.LinuxIDMapping
	for triple := range strings.SplitSeq(list, "#") {
		fields := strings.Split(triple, "-")
		if len(fields) != 3 {
			return nil, errors.New(jsonfield.Quote(triple) + " is not three numbers")
		}
		var n [3]uint32
		for i, field := range fields {
			v, err := strconv.ParseUint(field, 10, 32)
			if err != nil {
				return nil, errors.New(jsonfield.Quote(field) + " is no id")
			}
			n[i] = uint32(v)
		}
		if relative {
			host, ok := toHost(container, n[1])
			if !ok {
				return nil, errors.New("the container has no id " + strconv.FormatUint(uint64(n[1]), 10))
			}
			n[1] = host
		}
		out = append(out, specs.LinuxIDMapping{ContainerID: n[0], HostID: n[1], Size: n[2]})
	}
	return out, nil
}

// toHost returns what the id of a container is on the host.
func toHost(list []specs.LinuxIDMapping, id uint32) (uint32, bool) {
	for _, m := range list {
		if id >= m.ContainerID && id-m.ContainerID < m.Size {
			return m.HostID + (id - m.ContainerID), true
		}
	}
	return 0, false
}
