package bundle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadMounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mounts.json")
	for _, tt := range []struct {
		text                 string
		userns, destinations bool
		want                 string // part of the error
	}{
		{`[]`, false, false, ""},
		{`[{"destination": "/a", "source": "/b", "options": ["bind"]}]`, false, false, ""},
		{`[{"destination": "/a", "type": "tmpfs"}, {"destination": "/a", "source": "/b"}]`, false, false, "mounts[1].type"},
		{`[{"source": "/b"}]`, false, false, "mounts[0].destination"},
		{`[{"source": "/b"}]`, false, true, "mounts[0].destination"},
		{`[{"destination": "/a"}]`, false, true, ""},
		{`[{"destination": "/a\u0000"}]`, false, true, "mounts[0].destination"},
		{`[{"destination": "/a", "source": "/b", "options": ["bind", "idmap"]}]`, false, false, "mounts[0].options[1]"},
		{`[{"destination": "/a", "source": "/b", "options": ["bind", "idmap"]}]`, true, false, ""},
		{`{}`, false, false, "array"},
		{`[`, false, false, path},
	} {
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := LoadMounts(path, tt.userns, tt.destinations)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.text, err, tt.want)
		}
	}
	if _, _, err := LoadMounts(path+".none", false, false); err == nil || !strings.Contains(err.Error(), ".none") {
		t.Errorf("without a file: %v", err)
	}
}
