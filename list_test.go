package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rungoci/rung/libcontainer"
)

func TestListNothing(t *testing.T) {
	root := t.TempDir()
	for args, want := range map[string]string{
		"list":                      "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n",
		"list --quiet":              "",
		"list -q --format json":     "",
		"list --format=json":        "null\n", // as with runc
		"list -f table":             "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n",
		"list --format table -q":    "",
		"list --quiet --format=xml": "error",
	} {
		out, err := rung(t, append([]string{"--root", root}, strings.Fields(args)...)...)
		if err != nil {
			wantError(t, args, err, `list containers: invalid format option "xml" (hint: --format is table or json)`)
			out = "error"
		}
		if out != want {
			t.Errorf("%s prints %q, want %q", args, out, want)
		}
	}
}

func TestListMissingRoot(t *testing.T) {
	_, err := rung(t, "--root", filepath.Join(t.TempDir(), "none"), "list")
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestListBroken has a folder that is no container's lie among them.
func TestListBroken(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"broken", "empty"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "broken", "state.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := logTo(t)
	infos := containerInfos(root, []string{"broken", "empty", "deleted meanwhile", "gone"})
	if len(infos) != 0 {
		t.Errorf("got %+v", infos)
	}
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for part, n := range map[string]int{"level=warning": 3, "state.json is cut short": 1, "neither a state file nor a journal": 1, "rung delete --force broken clears it": 1, "gone": 0} {
		if got := strings.Count(string(data), part); got != n {
			t.Errorf("%q is said %d times, want %d, in %s", part, got, n, data)
		}
	}
}

func TestPrint(t *testing.T) {
	infos := []*libcontainer.Info{
		{ID: "a", Pid: 7, Status: libcontainer.Running, Bundle: "/b", Created: "2026-01-02T03:04:05Z", Owner: "root"},
		{ID: "a-longer-name", Status: libcontainer.Stopped, Bundle: "/a/long/path/to/a/bundle", Created: "2026-01-02T03:04:05Z", Owner: "#77"},
	}
	for name, tt := range map[string]struct {
		print func([]*libcontainer.Info) error
		want  string
	}{
		"ids": {printIDs, "a\na-longer-name\n"},
		"table": {printTable, "" +
			"ID              PID         STATUS      BUNDLE                     CREATED                OWNER\n" +
			"a               7           running     /b                         2026-01-02T03:04:05Z   root\n" +
			"a-longer-name   0           stopped     /a/long/path/to/a/bundle   2026-01-02T03:04:05Z   #77\n"},
	} {
		path := filepath.Join(t.TempDir(), "out")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		stdout := os.Stdout
		os.Stdout = f
		err = tt.print(infos)
		os.Stdout = stdout
		f.Close()
		if err != nil {
			t.Error(err)
		}
		if got, err := os.ReadFile(path); string(got) != tt.want || err != nil {
			t.Errorf("%s: got\n%swant\n%s%v", name, got, tt.want, err)
		}
	}
}

func TestOwnerName(t *testing.T) {
	for owner, want := range map[string]string{
		"#0": "root", "#4000000001": "#4000000001", "#-1": "#-1", "#": "#", "": "", "#x": "#x", "somebody": "somebody", "#99999999999999999999": "#99999999999999999999",
	} {
		if got := ownerName(owner); got != want {
			t.Errorf("%q: %q, want %q", owner, got, want)
		}
	}
}
