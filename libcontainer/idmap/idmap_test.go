package idmap

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var ranges = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 1}, {ContainerID: 1, HostID: 100000, Size: 65536}}

func TestToHost(t *testing.T) {
	for id, want := range map[uint32]struct {
		host uint32
		ok   bool
	}{0: {1000, true}, 1: {100000, true}, 65536: {165535, true}, 65537: {0, false}, 4294967295: {0, false}} {
		if host, ok := ToHost(ranges, id); host != want.host || ok != want.ok {
			t.Errorf("%d: %d, %v, want %+v", id, host, ok, want)
		}
	}
}

func TestFormat(t *testing.T) {
	text := Format(ranges)
	if want := "0 1000 1\n1 100000 65536\n"; text != want {
		t.Errorf("got %q, want %q", text, want)
	}
	if list, err := Parse(text); err != nil || !reflect.DeepEqual(list, ranges) {
		t.Errorf("read again: %v, %v", list, err)
	}
	// As the kernel pads it.
	list, err := Parse("         0          0 4294967295\n")
	if err != nil || len(list) != 1 || list[0].Size != 4294967295 {
		t.Errorf("got %v, %v", list, err)
	}
	for _, bad := range []string{"0 0", "0 0 1 2", "a b c", "0 0 4294967296", "-1 0 1"} {
		if list, err := Parse(bad); err == nil {
			t.Errorf("%q is read as %v", bad, list)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("         0          0 4294967295\n")
	f.Add("0 1000 1\n1 100000 65536\n")
	f.Add("\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse(Format(list)); err != nil || !reflect.DeepEqual(again, list) {
			t.Errorf("%q: %v, then %v, %v", text, list, again, err)
		}
	})
}

func TestNamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("writing mappings needs root")
	}
	f, err := Mappings{UIDs: ranges, GIDs: ranges, Field: "mounts[3]"}.Namespace()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if kind, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE); err != nil || kind != unix.CLONE_NEWUSER {
		t.Errorf("a namespace of type %#x, %v", kind, err)
	}
	twice := []specs.LinuxIDMapping{ranges[0], ranges[0]}
	_, err = Mappings{UIDs: ranges, GIDs: twice, Field: "mounts[3]"}.Namespace()
	if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "mounts[3].gidMappings") {
		t.Errorf("mappings that overlap: %v", err)
	}
}

// TestHelper has a program in the place of newuidmap.
func TestHelper(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", "relative:"+dir+":/bin:/usr/bin")
	k := kind{program: "newtestmap"}
	if err := k.help(42, ranges); !errors.Is(err, errNoProgram) {
		t.Errorf("without the program: %v", err)
	}
	program := filepath.Join(dir, k.program)
	out := filepath.Join(dir, "out")
	script := "#!/bin/sh\necho $0 $* >" + out + "\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := k.help(42, ranges); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != program+" 42 0 1000 1 1 100000 65536\n" {
		t.Errorf("was called as %q, %v", got, err)
	}
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho newtestmap: not allowed >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := k.help(42, ranges); err == nil || err.Error() != "newtestmap: not allowed" {
		t.Errorf("got %v", err)
	}
}
