package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
	"github.com/rungoci/rung/libcontainer/cgroup"
)

// full returns a State without an empty field.
func full(id string) *State {
	timeout := 3
	return &State{
		ID: id, OCIVersion: "1.2.1", Bundle: "/b/\"ü\u2028\x00", Root: "/b/rootfs",
		CreatedAt: "2026-01-02T03:04:05.678Z", OwnerUID: 1000,
		Annotations: map[string]string{"": "empty", "a\nb": "c\td"},
		Creator:     Process{Pid: 1, StartTime: 2}, Init: Process{Pid: 3, StartTime: 1<<64 - 1},
		PrivatePID: true, HostMounts: &HostMounts{Before: 7},
		Cgroup: cgroup.Record{
			Driver: cgroup.DriverCgroupfs, Version: cgroup.Hybrid, Rootless: true,
			Folders: []cgroup.Folder{{Controllers: "cpu,cpuacct", Mount: "/sys/fs/cgroup/cpu,cpuacct", Path: "/a/b"}},
		},
		Hooks: specs.Hooks{
			Poststart: []specs.Hook{{Path: "/bin/true", Args: []string{"true", ""}, Env: []string{"A=B"}, Timeout: &timeout}},
			Poststop:  []specs.Hook{{Path: "/bin/false"}},
		},
	}
}

func TestRoundTrip(t *testing.T) {
	d := mustMake(t, t.TempDir(), "c")
	journal, final := full("c"), full("c")
	journal.Init = Process{}
	if err := d.WriteJournal(journal); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Read(); err != nil || got.Created || !reflect.DeepEqual(got, journal) {
		t.Errorf("read %+v, %v, want the journal %+v", got, err, journal)
	}
	if err := d.WriteState(final); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Read(); err != nil || !got.Created || !reflect.DeepEqual(got, final) {
		t.Errorf("read %+v, %v, want %+v", got, err, final)
	}
	if got, err := d.read(journalFile); err != nil || !reflect.DeepEqual(got, journal) {
		t.Errorf("the journal changed to %+v, %v", got, err)
	}
	for _, name := range []string{journalFile, stateFile} {
		info, err := os.Lstat(filepath.Join(d.Path(), name))
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	left, err := filepath.Glob(filepath.Join(d.Path(), "*.new"))
	if len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestForeignReader has another reader of JSON, such as jq, understand the
// file.
func TestForeignReader(t *testing.T) {
	d := mustMake(t, t.TempDir(), "c")
	if err := d.WriteState(full("c")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(d.Path(), stateFile))
	if err != nil {
		t.Fatal(err)
	}
	var got State
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want, err := d.Read()
	if err != nil || !reflect.DeepEqual(&got, want) {
		t.Errorf("encoding/json reads %+v, rung %+v, %v", got, want, err)
	}
}

func TestReadNothing(t *testing.T) {
	d := mustMake(t, t.TempDir(), "c")
	_, err := d.Read()
	want := "read the state folder " + d.Path() + ": it holds neither a state file nor a journal (hint: rung delete --force c clears it)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := d.Salvage(); !errors.Is(err, unix.ENOENT) {
		t.Errorf("the journal: %v", err)
	}
}

// TestCutShort cuts the state file at every length: what a full disk or a crash
// of the machine leaves. The journal must still be there to delete by.
func TestCutShort(t *testing.T) {
	d := mustMake(t, t.TempDir(), "c")
	if err := d.WriteJournal(full("c")); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteState(full("c")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(d.Path(), stateFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) {
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Read(); err == nil || !strings.Contains(err.Error(), "state.json is cut short or damaged") ||
			!strings.HasSuffix(err.Error(), "(hint: rung delete --force c clears it)") {
			t.Errorf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
	if _, err := d.Salvage(); err != nil {
		t.Error(err)
	}
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		name, content, want string
	}{
		{"version 0", `{"rungStateVersion":0,"id":"c"}`, "state.json does not say its format version"},
		{"version -1", `{"rungStateVersion":-1,"id":"c"}`, "state.json does not say its format version"},
		{"no version", `{"id":"c"}`, "state.json does not say its format version"},
		{"another id", `{"rungStateVersion":1,"id":"d"}`, `state.json is of a container "d"`},
		{"no id", `{"rungStateVersion":1}`, `state.json is of a container ""`},
		{"null", `null`, `state.json is of a container ""`},
		{"array", `[]`, "cut short or damaged"},
		{"of something else", `{"rungStateVersion":"1","id":"c"}`, "cut short or damaged"},
		{"two documents", `{"rungStateVersion":1,"id":"c"}{}`, "cut short or damaged"},
		{"NULs, as after a crash of the machine", strings.Repeat("\x00", 500), "cut short or damaged"},
		{"deep", strings.Repeat("[", 1<<20), "cut short or damaged"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := mustMake(t, t.TempDir(), "c")
			if err := os.WriteFile(filepath.Join(d.Path(), stateFile), []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := d.Read()
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasSuffix(err.Error(), "(hint: rung delete --force c clears it)") {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

// TestTooLarge is about records of more bytes, or more values, than are read: they are
// not written. One that is there is not taken for damaged, nor passed over for the journal.
func TestTooLarge(t *testing.T) {
	d := mustMake(t, t.TempDir(), "c")
	if err := d.WriteJournal(&State{ID: "c"}); err != nil {
		t.Fatal(err)
	}
	err := d.writeFile(stateFile, make([]byte, maxFile+1))
	if err == nil || !strings.Contains(err.Error(), "it would have 134217729 bytes, and what is larger than 128 MiB is not read") {
		t.Errorf("too many bytes: %v", err)
	}
	exec := &Exec{Process: jsonfield.Raw("[1" + strings.Repeat(",1", jsonfield.MaxValues-10) + "]")}
	err = d.WriteState(&State{ID: "c", Exec: exec})
	if err == nil || !strings.Contains(err.Error(), "state.json so that it can be read: ") {
		t.Errorf("too many values: %v", err)
	}
	if s, err := d.Read(); err != nil || s.Created {
		t.Errorf("there is a state file, %v", err)
	}
	// As many bytes as config.json may have, and more.
	if err := d.WriteState(&State{ID: "c", Bundle: strings.Repeat("\x7f", 3<<20)}); err != nil {
		t.Error(err)
	}
	if s, err := d.Read(); err != nil || len(s.Bundle) != 3<<20 {
		t.Error(err)
	}
	if err := os.Truncate(filepath.Join(d.Path(), stateFile), maxFile+1); err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func() (*State, error){"Read": d.Read, "Salvage": d.Salvage} {
		s, err := read()
		if err == nil || IsDamaged(err) || !strings.Contains(err.Error(), "state.json has 134217729 bytes") || strings.Contains(err.Error(), "--force") {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

// TestNotAFile puts other things in the place of the state file. None may be
// waited for or followed.
func TestNotAFile(t *testing.T) {
	for name, put := range map[string]func(t *testing.T, path string){
		"fifo": func(t *testing.T, path string) {
			if err := unix.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"fifo with a writer": func(t *testing.T, path string) {
			if err := unix.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
		},
		"symlink": func(t *testing.T, path string) {
			whole := filepath.Join(t.TempDir(), "whole")
			if err := os.WriteFile(whole, jsonfield.Marshal(&State{Version: Version, ID: "c"}), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(whole, path); err != nil {
				t.Fatal(err)
			}
		},
		"folder": func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		},
		"endless device": func(t *testing.T, path string) {
			needRoot(t)
			if err := unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))); err != nil {
				t.Skip("mknod of a copy of /dev/zero: ", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := mustMake(t, t.TempDir(), "c")
			put(t, filepath.Join(d.Path(), stateFile))
			err := within(t, "Read", func() error { _, err := d.Read(); return err })
			if !IsDamaged(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestReadWhileWritten has a reader without a lock come at any moment of a
// write.
func TestReadWhileWritten(t *testing.T) {
	root := t.TempDir()
	d := mustMake(t, root, "c")
	if err := d.WriteState(full("c")); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := d.WriteState(full("c")); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 500 {
		other, err := Open(root, "c")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Read(); err != nil {
			t.Error(err)
		}
		other.Close()
	}
	close(stop)
	wg.Wait()
}

func FuzzRead(f *testing.F) {
	whole := jsonfield.Marshal(full("c"))
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte(`{"rungStateVersion":1,"id":"c"}`))
	f.Add([]byte(`{"rungStateVersion":1,"id":"c","init":{"pid":-1,"startTime":18446744073709551615}}`))
	f.Add([]byte(`{"RUNGSTATEVERSION":1,"ID":"c","cgroup":{"folders":[null]},"hooks":{"poststop":[{}]}}`))
	d, err := Make(f.TempDir(), "c")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(filepath.Join(d.Path(), stateFile), data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := d.Read()
		if err != nil {
			if !strings.Contains(err.Error(), "state.json") || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error does not say on one line what is wrong: %q", err)
			}
			return
		}
		if s.ID != "c" || s.Version < 1 {
			t.Errorf("read a file of %q, version %d", s.ID, s.Version)
		}
		again := new(State)
		if err := jsonfield.Unmarshal(jsonfield.Marshal(s), again); err != nil {
			t.Fatalf("what was read cannot be written and read: %v", err)
		}
		if !bytes.Equal(jsonfield.Marshal(again), jsonfield.Marshal(s)) {
			t.Errorf("read %+v, written and read %+v", s, again)
		}
	})
}

// TestSalvage is about what delete --force goes by.
func TestSalvage(t *testing.T) {
	const journal, state = `{"rungStateVersion":1,"id":"c","bundle":"journal"}`, `{"rungStateVersion":1,"id":"c","bundle":"state"}`
	for _, tt := range []struct {
		name, state, journal, want string
	}{
		{"both", state, journal, "state"},
		{"no state yet", "", journal, "journal"},
		{"broken state", state[:20], journal, "journal"},
		{"broken journal", state, "x", "state"},
		{"state of another version", strings.Replace(state, ":1", ":99", 1), journal, "state"},
		{"journal of another version", "", strings.Replace(journal, ":1", ":99", 1), "journal"},
		{"state of another container", strings.Replace(state, `"c"`, `"d"`, 1), journal, "journal"},
		{"both broken", "{", "[", "journal.json is cut short or damaged"},
		{"broken state without a journal", "{", "", "state.json is cut short or damaged"},
		{"both of another container", strings.Replace(state, `"c"`, `"d"`, 1), strings.Replace(journal, `"c"`, `"d"`, 1), `journal.json is of a container "d"`},
		{"nothing", "", "", "no such file or directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := mustMake(t, t.TempDir(), "c")
			for name, content := range map[string]string{stateFile: tt.state, journalFile: tt.journal} {
				if content == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(d.Path(), name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s, err := d.Salvage()
			switch {
			case err != nil && !strings.Contains(err.Error(), tt.want), err == nil && s.Bundle != tt.want:
				t.Errorf("got %+v, %v, want %s", s, err, tt.want)
			case errors.Is(err, unix.ENOENT) != (tt.name == "nothing"):
				t.Errorf("%v: is it that there is nothing?", err)
			}
		})
	}
}
