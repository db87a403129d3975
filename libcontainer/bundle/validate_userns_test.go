package bundle

import (
	"strings"
	"testing"
)

func TestUserNamespace(t *testing.T) {
	const user = `"namespaces": [{"type": "user"}]`
	linux := func(l string) string { return `{"linux": {` + l + `}}` }
	ids := func(uids, gids string) string {
		return linux(user + `, "uidMappings": [` + uids + `], "gidMappings": [` + gids + `]`)
	}
	const one, root = `{"size": 1}`, `{"containerID": 0, "hostID": 1000, "size": 1}`
	testRefusals(t, []refusal{
		{linux(`"uidMappings": [` + one + `]`), `linux.uidMappings: needs a user namespace in linux.namespaces`},
		{linux(`"gidMappings": [` + one + `]`), `linux.gidMappings: needs a user namespace in linux.namespaces`},
		{linux(user), `linux.uidMappings: is missing, and the user namespace needs it`},
		{ids(root, ``), `linux.gidMappings: is missing, and the user namespace needs it`},
		{ids(`{"size": 0}`, root), `linux.uidMappings[0].size: must be greater than 0`},
		{ids(root, root+`, {"containerID": 5, "hostID": 4294967295, "size": 1}`), `linux.gidMappings[1]: goes beyond the largest id: hostID + size is more than 4294967295`},
		{ids(`{"containerID": 4294967294, "size": 2}`, root), `linux.uidMappings[0]: goes beyond the largest id: containerID + size is more than 4294967295`},
		{ids(root+`, {"containerID": 10, "hostID": 5000, "size": 10}, {"containerID": 19, "hostID": 9000, "size": 1}`, root), `linux.uidMappings[2]: overlaps linux.uidMappings[1]`},
		{ids(root+`, {"containerID": 10, "hostID": 999, "size": 10}`, root), `linux.uidMappings[1]: overlaps linux.uidMappings[0]`},
		{ids(`{"containerID": 1, "size": 1}`, root), `linux.uidMappings: does not map the id 0, as which the container is set up`},
		{ids(root, `{"containerID": 1, "size": 1}`), `linux.gidMappings: does not map the id 0, as which the container is set up`},
		{ids(strings.Repeat(root+",", 340)+root, root), `linux.uidMappings[340]: is more than the 340 ranges that the kernel takes`},
		{strings.TrimSuffix(ids(root, root), "}") + `, "process": {"user": {"uid": 1}}}`, `process.user.uid: is not mapped by linux.uidMappings: 1`},
		{strings.TrimSuffix(ids(root, root), "}") + `, "process": {"user": {"gid": 7}}}`, `process.user.gid: is not mapped by linux.gidMappings: 7`},
		{strings.TrimSuffix(ids(root, root), "}") + `, "process": {"user": {"additionalGids": [0, 7]}}}`, `process.user.additionalGids[1]: is not mapped by linux.gidMappings: 7`},
		{linux(`"namespaces": [{"type": "user", "path": "/proc/1/ns/user"}], "uidMappings": [` + root + `]`), `linux.gidMappings: is missing, and the user namespace needs it`},
	})
	testAccepted(t, []string{
		ids(root, root),
		ids(`{"containerID": 0, "hostID": 100000, "size": 65536}, {"containerID": 65536, "hostID": 0, "size": 100000}`, `{"size": 4294967295}`),
		linux(`"namespaces": [{"type": "user", "path": "/proc/1/ns/user"}]`),
		linux(`"namespaces": [{"type": "user", "path": "/proc/1/ns/user"}], "uidMappings": [` + root + `], "gidMappings": [` + root + `]`),
		linux(`"uidMappings": [], "gidMappings": []`),
	})
}

func TestIDMappedMounts(t *testing.T) {
	mount := func(m string) string {
		return `{"mounts": [{"destination": "/x", "type": "none", "source": "/x", ` + m + `}]}`
	}
	const ids = `"uidMappings": [{"size": 1}], "gidMappings": [{"size": 1}]`
	const user = `"linux": {"namespaces": [{"type": "user"}], ` + ids + `}}`
	inUserns := func(m string) string { return strings.TrimSuffix(mount(m), "}") + `, ` + user }
	testRefusals(t, []refusal{
		{mount(`"options": ["bind", "idmap"]`), `mounts[0].options[1]: needs uidMappings and gidMappings, or a user namespace to take them from`},
		{mount(`"options": ["ro", "ridmap"], ` + ids), `mounts[0].options[1]: only bind mounts can be id-mapped`},
		{mount(ids), `mounts[0].uidMappings: only bind mounts can be id-mapped`},
		{mount(`"options": ["bind", "remount", "idmap"], ` + ids), `mounts[0].options[2]: a mount that is there already cannot be id-mapped`},
		{mount(`"options": ["bind"], "uidMappings": [{"size": 1}]`), `mounts[0].gidMappings: is missing beside uidMappings`},
		{inUserns(`"options": ["bind"], "gidMappings": [{"size": 1}]`), `mounts[0].uidMappings: is missing beside gidMappings`},
		{mount(`"options": ["bind"], "uidMappings": [{"size": 1}], "gidMappings": [{}]`), `mounts[0].gidMappings[0].size: must be greater than 0`},
	})
	testAccepted(t, []string{
		mount(`"options": ["bind"], "uidMappings": [], "gidMappings": []`),
		mount(`"options": ["bind"], ` + ids),
		mount(`"options": ["rbind", "ridmap"], ` + ids),
		inUserns(`"options": ["bind", "idmap"]`),
	})
}
