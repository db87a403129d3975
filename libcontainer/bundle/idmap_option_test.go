package bundle

import (
	"reflect"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestExpandIDMaps(t *testing.T) {
	own := []specs.LinuxIDMapping{{ContainerID: 7, HostID: 8, Size: 9}}
	container := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 0, Size: 1}, {ContainerID: 1, HostID: 2, Size: 1000}}
	for _, tt := range []struct {
		option     string
		uids, gids []specs.LinuxIDMapping
	}{
		{"idmap", nil, nil},
		{"ro", nil, nil},
		{"idmap=uids=0-1-10#10-11-10;gids=0-100-10",
			[]specs.LinuxIDMapping{{ContainerID: 0, HostID: 1, Size: 10}, {ContainerID: 10, HostID: 11, Size: 10}}, []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100, Size: 10}}},
		// The example of crun(1).
		{"idmap=uids=@1-3-10;gids=@0-0-1", []specs.LinuxIDMapping{{ContainerID: 1, HostID: 4, Size: 10}}, []specs.LinuxIDMapping{{ContainerID: 0, HostID: 0, Size: 1}}},
	} {
		mounts := []specs.Mount{{Options: []string{"bind", tt.option}}}
		if err := expandIDMaps(mounts, container, container); err != nil || !reflect.DeepEqual(mounts[0].UIDMappings, tt.uids) || !reflect.DeepEqual(mounts[0].GIDMappings, tt.gids) {
			t.Errorf("%s: %+v, %v", tt.option, mounts[0], err)
		}
	}
	mounts := []specs.Mount{{Options: []string{"idmap=uids=0-1-1;gids=0-1-1"}, UIDMappings: own, GIDMappings: own}}
	if err := expandIDMaps(mounts, nil, nil); err != nil || !reflect.DeepEqual(mounts[0].UIDMappings, own) {
		t.Errorf("the fields of the specification are replaced: %+v, %v", mounts[0], err)
	}
	for _, option := range []string{"idmap=", "idmap=x", "idmap=uids", "idmap=uids=1-2", "idmap=uids=1-2-x", "idmap=uids=1-2-3-4", "idmap=uids=4294967296-0-1", "idmap=uids=@0-5000-1", "idmap=uids=0-0-1;"} {
		err := expandIDMaps([]specs.Mount{{}, {Options: []string{option}}}, container, container)
		if err == nil || !strings.Contains(err.Error(), "mounts[1].options[0]") {
			t.Errorf("%s: %v", option, err)
		}
	}
}
