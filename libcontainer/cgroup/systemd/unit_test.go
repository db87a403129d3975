package systemd

import (
	"strings"
	"testing"
)

func TestParseUnit(t *testing.T) {
	long := strings.Repeat("x", 240)
	for _, c := range []struct {
		path       string
		user       bool
		unit, want string // want is the path, or part of an error
	}{
		{"", false, "rung-id.scope", "/system.slice/rung-id.scope"},
		{"", true, "rung-id.scope", "/user.slice/rung-id.scope"},
		{"::name", false, "-name.scope", "/system.slice/-name.scope"},
		{":docker:434", true, "docker-434.scope", "/user.slice/docker-434.scope"},
		{"machine.slice:libpod:1a2b", false, "libpod-1a2b.scope", "/machine.slice/libpod-1a2b.scope"},
		{"kubepods-burstable-pod1_2.slice:cri-containerd:c", false, "cri-containerd-c.scope",
			"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-c.scope"},
		{"-.slice:a:b", false, "a-b.scope", "/a-b.scope"},
		{"memory.slice:cpu.x:b", false, "cpu.x-b.scope", "/_memory.slice/_cpu.x-b.scope"},
		{"_a.slice:.b:c", false, ".b-c.scope", "/__a.slice/_.b-c.scope"},
		{"a.slice:cgroup.b:c", false, "cgroup.b-c.scope", "/a.slice/_cgroup.b-c.scope"},
		{`a\x2db.slice:p:n`, false, "p-n.scope", `/a\x2db.slice/p-n.scope`},
		{"/system.slice/rung", false, "", "slice:prefix:name"},
		{"a:b", false, "", "slice:prefix:name"},
		{"a:b:c:d", false, "", "slice:prefix:name"},
		{"system:a:b", false, "", "does not end in .slice"},
		{".slice:a:b", false, "", "does not end in .slice"},
		{"a--b.slice:a:b", false, "", "empty part"},
		{"-a.slice:a:b", false, "", "empty part"},
		{"a-.slice:a:b", false, "", "empty part"},
		{"a/b.slice:a:b", false, "", `character "/"`},
		{"../../x.slice:a:b", false, "", `character "/"`},
		{"a.slice:../x:b", false, "", `character "/"`},
		{"a.slice:a:b\n", false, "", `character "\n"`},
		{"a.slice:a:b c", false, "", `character " "`},
		{"a.slice:a:ö", false, "", "character"},
		{"a.slice:a:'b", false, "", "character"},
		{"a.slice:a:", false, "", "a slice holds no processes"},
		{"a.slice:a:b.slice", false, "", "a slice holds no processes"},
		{"a.slice:" + long + ":" + long, false, "", "longer than 255"},
		{long + long + ".slice:a:b", false, "", "longer than 255"},
	} {
		u, err := ParseUnit(c.path, "rung", "id", c.user)
		switch {
		case c.unit == "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%q: got %+v, %v; want an error with %q", c.path, u, err, c.want)
		case c.unit != "" && (err != nil || u.Name != c.unit || u.Path() != c.want):
			t.Errorf("%q: got %+v, %v", c.path, u, err)
		}
	}
	if _, err := ParseUnit("", "rung", "a+b", false); err == nil || !strings.Contains(err.Error(), `"+"`) {
		t.Errorf("an id with a plus: %v", err)
	}
}

// FuzzParseUnit: whatever the path, the cgroup is below the manager's.
func FuzzParseUnit(f *testing.F) {
	f.Add("a-b.slice:c:d", "id")
	f.Add("", "x")
	f.Add("-.slice:..:..", "..")
	f.Fuzz(func(t *testing.T, cgroupsPath, id string) {
		u, err := ParseUnit(cgroupsPath, "rung", id, false)
		if err != nil {
			return
		}
		path := u.Path()
		for name := range strings.SplitSeq(path[1:], "/") {
			if name == "" || name == "." || name == ".." {
				t.Fatalf("%q, %q: %q", cgroupsPath, id, path)
			}
		}
		if path[0] != '/' || !strings.HasSuffix(path, ".scope") || strings.ContainsAny(path, "' \x00\n") {
			t.Fatalf("%q, %q: %q", cgroupsPath, id, path)
		}
	})
}
