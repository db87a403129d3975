package cgroup

import (
	"path"
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	long := strings.Repeat("x", 255)
	for _, tc := range []struct {
		path, id string
		want     string
		relative bool
		err      string
	}{
		{"/docker/abc", "id", "/docker/abc", false, ""},
		{"docker/abc", "id", "/docker/abc", true, ""},
		{"", "id", "/id", true, ""},
		{"//a///b/", "id", "/a/b", false, ""},
		{"/a/./b/../c", "id", "/a/c", false, ""},
		{"/../../../../etc/x", "id", "/etc/x", false, ""},
		{"../../../../etc/x", "id", "/etc/x", true, ""},
		{"a/../../../b", "id", "/b", true, ""},
		{"machine.slice:libpod:abc", "id", "/machine.slice:libpod:abc", true, ""},
		{"/ ", "id", "/ ", false, ""},
		{"/…", "id", "/…", false, ""},
		{"/" + long, "id", "/" + long, false, ""},
		// The place itself is everybody's.
		{"/", "id", "", false, "no cgroup of the container's own"},
		{"///", "id", "", false, "no cgroup of the container's own"},
		{".", "id", "", false, "no cgroup of the container's own"},
		{"..", "id", "", false, "no cgroup of the container's own"},
		{"/..", "id", "", false, "no cgroup of the container's own"},
		{"/a/..", "id", "", false, "no cgroup of the container's own"},
		{"a/b/../../..", "id", "", false, "no cgroup of the container's own"},
		// What the kernel cannot take, or only to everybody's harm.
		{"/a\nb", "id", "", false, "newline"},
		{"/a\n0::/", "id", "", false, "newline"},
		{"/a\x00b", "id", "", false, "NUL"},
		{"/" + long + "x", "id", "", false, "longer than 255"},
		{strings.Repeat("/"+long, 16), "id", "", false, "too long"},
		// The id is checked elsewhere as well; here nothing relies on it.
		{"", "", "", false, "container's id"},
		{"", "..", "", false, "container's id"},
		{"", "a/b", "", false, "slash"},
		{"", "a\nb", "", false, "newline"},
	} {
		got, err := parsePath(tc.path, tc.id)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) || !strings.Contains(err.Error(), fieldPath) {
				t.Errorf("parsePath(%.40q, %q) = %v, %v; want an error about %q", tc.path, tc.id, got, err, tc.err)
			}
			continue
		}
		if err != nil || got.path != tc.want || got.relative != tc.relative {
			t.Errorf("parsePath(%.40q, %q) = %+v, %v; want %q, %v", tc.path, tc.id, got, err, tc.want, tc.relative)
		}
	}
}

func TestPlaceIn(t *testing.T) {
	for _, tc := range []struct {
		p    place
		own  string
		v    Version
		want string
	}{
		{place{"/a/b", false}, "/own", V1, "/a/b"},
		{place{"/a/b", false}, "/own", V2, "/a/b"},
		{place{"/a", true}, "/", V1, "/a"},
		{place{"/a", true}, "/own", V1, "/own/a"},
		{place{"/a", true}, "/user/own", Hybrid, "/user/own/a"},
		{place{"/a", true}, "/", V2, "/a"},
		{place{"/a", true}, "/own", V2, "/a"},
		{place{"/a", true}, "/user/own", V2, "/user/a"},
	} {
		if got := tc.p.in(hierarchy{own: tc.own}, tc.v); got != tc.want {
			t.Errorf("%+v in %q on %s is %q, want %q", tc.p, tc.own, tc.v, got, tc.want)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"", "/", "a/b", "/a/../..", "../x", "/a\nb", "a//b/./c", "/\x00", "x:y:z"} {
		f.Add(s, "id")
	}
	f.Fuzz(func(t *testing.T, p, id string) {
		got, err := parsePath(p, id)
		if err != nil {
			if !strings.Contains(err.Error(), fieldPath) {
				t.Errorf("the error does not name its field: %v", err)
			}
			return
		}
		if got.path != path.Clean(got.path) || !path.IsAbs(got.path) || got.path == "/" {
			t.Errorf("%q became %q, which is not below its place", p, got.path)
		}
		for _, h := range []hierarchy{{own: "/"}, {own: "/own/deep"}} {
			for _, v := range []Version{V1, Hybrid, V2} {
				folder := Folder{Controllers: "memory", Mount: "/sys/fs/cgroup/memory", Path: got.in(h, v)}
				if !validFolder(folder) {
					t.Errorf("%q became the folder %+v, which Load refuses", p, folder)
				}
			}
		}
	})
}

// FuzzLoad reads records as a state file may have them: none that is accepted
// leads to the root of a hierarchy or out of it.
func FuzzLoad(f *testing.F) {
	for _, s := range []string{"", "/", "/a", "/a/../..", "a", "/a//b", "/a\x00", "//", "/./a"} {
		f.Add("cgroupfs", "v1", "/sys/fs/cgroup/pids", s)
	}
	f.Fuzz(func(t *testing.T, driver, version, mount, folder string) {
		m, err := Load(Record{Driver: driver, Version: Version(version), Folders: []Folder{{Controllers: "pids", Mount: mount, Path: folder}}})
		if err != nil {
			return
		}
		for _, dir := range m.dirs {
			if !path.IsAbs(mount) || folder != path.Clean(folder) || folder == "/" || dir != mount+folder || strings.Contains(folder, "\x00") {
				t.Errorf("%q below %q is accepted, as %q", folder, mount, dir)
			}
		}
	})
}
