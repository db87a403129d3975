package rdt

import (
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/libcontainer/rdt/fakeresctrl"
)

// useFake has the package work on a tree of its own until the test's end.
func useFake(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := fakeresctrl.New(root); err != nil {
		t.Fatal(err)
	}
	before := resctrl
	t.Cleanup(func() { resctrl = before })
	resctrl = kernel{
		find:  func() (string, error) { return root, nil },
		mkdir: fakeresctrl.Mkdir, rmdir: fakeresctrl.Rmdir, read: fakeresctrl.Read, write: fakeresctrl.Write,
	}
	return root
}

// mustMake plans and makes the class of container id.
func mustMake(t *testing.T, id string, config specs.LinuxIntelRdt) *Class {
	t.Helper()
	c, err := Plan(id, &config)
	if err == nil {
		err = c.Make()
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := readFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestClassOfTheContainer(t *testing.T) {
	root := useFake(t)
	config := specs.LinuxIntelRdt{L3CacheSchema: "L3:0=f", MemBwSchema: "MB:1=20", Schemata: []string{"L3:1=3", "L3:0=1f"}}
	planned, err := Plan("c1", &config)
	if err != nil {
		t.Fatal(err)
	}
	if want := (&Record{Group: root + "/c1", Own: true}); !reflect.DeepEqual(planned.Record(), want) {
		t.Errorf("the journal gets %+v, want %+v", planned.Record(), want)
	}
	c := mustMake(t, "c1", config)
	// The last word on a cache is that of schemata.
	if got, want := oneLine(read(t, root, "c1/schemata")), "MB:0=100;1=20 L3:0=1f;1=3"; got != want {
		t.Errorf("schemata are %q, want %q", got, want)
	}
	if err := c.Record().Join(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, root, "c1/tasks"); got != strconv.Itoa(os.Getpid()) {
		t.Errorf("tasks are %q", got)
	}
	if err := c.Record().Remove(); err != nil {
		t.Fatal(err)
	}
	if exists(root + "/c1") {
		t.Error("the class is left")
	}
	if err := c.Record().Remove(); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if err := c.Record().Join(os.Getpid()); err == nil || !strings.Contains(err.Error(), unix.ENOENT.Error()) {
		t.Errorf("joining a class that is gone: %v", err)
	}
}

func TestClassThatIsThere(t *testing.T) {
	root := useFake(t)
	if err := fakeresctrl.Mkdir(root + "/c1"); err != nil {
		t.Fatal(err)
	}
	c := mustMake(t, "c1", specs.LinuxIntelRdt{Schemata: []string{"MB:0=50"}})
	if c.Record().Own {
		t.Error("the class counts as the container's")
	}
	if got := lineOf(read(t, root, "c1/schemata"), "MB"); got != "MB:0=50;1=100" {
		t.Errorf("schemata are %q", got)
	}
	if err := c.Undo(); err != nil {
		t.Fatal(err)
	}
	if err := c.Record().Remove(); err != nil || !exists(root+"/c1") {
		t.Errorf("the class is gone (%v)", err)
	}
}

func TestNamedClass(t *testing.T) {
	root := useFake(t)
	gold := specs.LinuxIntelRdt{ClosID: "gold", L3CacheSchema: "L3:0=7f0;1=00f", MemBwSchema: "MB:0=33"}
	first := mustMake(t, "c1", gold)
	if err := first.Record().Remove(); err != nil || !exists(root+"/gold") {
		t.Errorf("a named class is not left (%v)", err)
	}
	// What is there is compared as numbers, and after rounding.
	for _, same := range []specs.LinuxIntelRdt{
		gold,
		{ClosID: "gold"},
		{ClosID: "gold", Schemata: []string{"L3:1=0xF"}},
		{ClosID: "gold", Schemata: []string{" MB: 0=40;1=100"}},
		{ClosID: "/", Schemata: []string{"L3:0=7ff"}},
		{ClosID: "/"},
	} {
		c := mustMake(t, "c2", same)
		if err := c.Undo(); err != nil || !exists(root+"/gold") {
			t.Errorf("%+v: undone, the class is gone (%v)", same, err)
		}
	}
	for _, other := range []specs.LinuxIntelRdt{
		{ClosID: "gold", L3CacheSchema: "L3:0=7ff"},
		{ClosID: "gold", MemBwSchema: "MB:0=50"},
		{ClosID: "gold", MemBwSchema: "MB:2=40"},
		{ClosID: "gold", Schemata: []string{"L3:1=f", "L2:0=1"}},
		{ClosID: "gold", Schemata: []string{"nonsense"}},
		{ClosID: "/", MemBwSchema: "MB:0=10"},
	} {
		before := read(t, root, "gold/schemata")
		c, err := Plan("c3", &other)
		if err == nil {
			err = c.Make()
		}
		if err == nil || !strings.Contains(err.Error(), "linux.intelRdt.closID: the class of service "+root) {
			t.Errorf("%+v: %v", other, err)
		}
		if read(t, root, "gold/schemata") != before {
			t.Errorf("%+v changed the class", other)
		}
	}
}

func TestUndo(t *testing.T) {
	root := useFake(t)
	// As after a create that fails later on.
	c := mustMake(t, "c1", specs.LinuxIntelRdt{ClosID: "gold", Schemata: []string{"MB:0=50"}, EnableMonitoring: true})
	if err := c.Undo(); err != nil || exists(root+"/gold") {
		t.Errorf("the new class is left (%v)", err)
	}
	// Somebody else has come to use it.
	c = mustMake(t, "c1", specs.LinuxIntelRdt{ClosID: "gold", Schemata: []string{"MB:0=50"}})
	other := mustMake(t, "c2", specs.LinuxIntelRdt{ClosID: "gold"})
	if err := other.Record().Join(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	if err := c.Undo(); err != nil || !exists(root+"/gold") {
		t.Errorf("the class of another container is gone (%v)", err)
	}
	// What the kernel refuses is gone again, and its reason is told.
	c, err := Plan("c3", &specs.LinuxIntelRdt{Schemata: []string{"L9:0=1"}})
	if err == nil {
		err = c.Make()
	}
	if err == nil || !strings.Contains(err.Error(), "(linux.intelRdt): invalid argument: Unknown or unsupported resource name 'L9'") {
		t.Errorf("got %v", err)
	}
	if err := c.Undo(); err != nil || exists(root+"/c3") {
		t.Errorf("the refused class is left (%v)", err)
	}
}

func TestMonitoring(t *testing.T) {
	root := useFake(t)
	c := mustMake(t, "c1", specs.LinuxIntelRdt{ClosID: "/", EnableMonitoring: true})
	r := c.Record()
	if want := (&Record{Group: root, Monitor: root + "/mon_groups/c1"}); !reflect.DeepEqual(r, want) {
		t.Fatalf("got %+v, want %+v", r, want)
	}
	if err := r.Join(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, r.Monitor, "tasks"); got != strconv.Itoa(os.Getpid()) {
		t.Errorf("tasks are %q", got)
	}
	// Of another container with this id, below another --root.
	again, err := Plan("c1", &specs.LinuxIntelRdt{ClosID: "/", EnableMonitoring: true})
	if err == nil {
		err = again.Make()
	}
	if err == nil || !strings.Contains(err.Error(), "there are processes in it") {
		t.Errorf("a monitoring group in use: %v", err)
	}
	if err := again.Undo(); err != nil || !exists(r.Monitor) {
		t.Errorf("the undo took it away (%v)", err)
	}
	if err := r.Remove(); err != nil || exists(r.Monitor) || !exists(root+"/tasks") {
		t.Errorf("removed: %v", err)
	}
	own := mustMake(t, "c2", specs.LinuxIntelRdt{EnableMonitoring: true}).Record()
	if err := own.Remove(); err != nil || exists(root+"/c2") {
		t.Errorf("the class with its counters is left (%v)", err)
	}
}

func TestRefused(t *testing.T) {
	root := useFake(t)
	for _, c := range []struct {
		id     string
		config specs.LinuxIntelRdt
		want   string
	}{
		{"c1", specs.LinuxIntelRdt{ClosID: "none"}, "linux.intelRdt.closID: there is no class of service " + root + "/none (hint:"},
		{"info", specs.LinuxIntelRdt{}, `linux.intelRdt: a class of service cannot be named "info"`},
	} {
		class, err := Plan(c.id, &c.config)
		if err == nil {
			err = class.Make()
		}
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.config, err)
		}
	}
	for _, id := range []string{"a", "b", "c"} {
		mustMake(t, id, specs.LinuxIntelRdt{})
	}
	class, err := Plan("d", &specs.LinuxIntelRdt{})
	if err == nil {
		err = class.Make()
	}
	if err == nil || !strings.Contains(err.Error(), "no space left on device: Out of CLOSIDs") || !strings.Contains(err.Error(), "has no more of them") {
		t.Errorf("too many classes: %v", err)
	}
	for name, config := range map[string]specs.LinuxIntelRdt{
		"info/L3":    {L3CacheSchema: "L3:0=1"},
		"info/MB":    {MemBwSchema: "MB:0=10"},
		"mon_groups": {EnableMonitoring: true},
	} {
		if err := os.RemoveAll(filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := Plan("e", &config); err == nil || !strings.Contains(err.Error(), "is not enabled") {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestSet(t *testing.T) {
	root := useFake(t)
	r := mustMake(t, "c1", specs.LinuxIntelRdt{}).Record()
	restore, err := r.Set("L3:0=1", "MB:1=30")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := oneLine(read(t, root, "c1/schemata")), "MB:0=100;1=30 L3:0=1;1=7ff"; got != want {
		t.Errorf("schemata are %q, want %q", got, want)
	}
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	if got, want := oneLine(read(t, root, "c1/schemata")), "MB:0=100;1=100 L3:0=7ff;1=7ff"; got != want {
		t.Errorf("taken back, schemata are %q, want %q", got, want)
	}
	if _, err := r.Set("L3", ""); err == nil || !strings.Contains(err.Error(), "Missing ':'") {
		t.Errorf("got %v", err)
	}
	if _, err := (*Record)(nil).Set("L3:0=1", ""); err == nil {
		t.Error("shares of a container without a class were set")
	}
}

func TestStats(t *testing.T) {
	root := useFake(t)
	r := mustMake(t, "c1", specs.LinuxIntelRdt{L3CacheSchema: "L3:0=f", EnableMonitoring: true}).Record()
	if err := os.WriteFile(r.Monitor+"/mon_data/mon_L3_01/llc_occupancy", []byte("77\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	want := &Stats{
		L3CacheInfo:       &L3CacheInfo{CbmMask: "7ff", MinCbmBits: 1, NumClosids: 4},
		L3CacheSchemaRoot: "L3:0=7ff;1=7ff",
		L3CacheSchema:     "L3:0=f;1=7ff",
		MemBwInfo:         &MemBwInfo{BandwidthGran: 10, DelayLinear: 1, MinBandwidth: 10, NumClosids: 4},
		MemBwSchemaRoot:   "MB:0=100;1=100",
		MemBwSchema:       "MB:0=100;1=100",
		Schemata:          []string{"MB:0=100;1=100", "    L3:0=f;1=7ff"},
		MBMStats:          []MBMStats{{2000, 1000}, {2001, 1001}},
		CMTStats:          []CMTStats{{4096}, {77}},
	}
	got, err := r.Stats()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v (%v)\nwant %+v", got, err, want)
	}
	if err := os.WriteFile(r.Monitor+"/mon_data/mon_L3_01/llc_occupancy", []byte("Unavailable\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Stats(); err == nil || !strings.Contains(err.Error(), `llc_occupancy: it is no number but "Unavailable"`) {
		t.Errorf("a counter that is not there: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(root, "info/L3_MON")); err != nil {
		t.Fatal(err)
	}
	if got, err = r.Stats(); err != nil || got.CMTStats != nil || got.MBMStats != nil {
		t.Errorf("without counters: %+v (%v)", got, err)
	}
	if got, err = (*Record)(nil).Stats(); err != nil || !reflect.DeepEqual(got, &Stats{}) {
		t.Errorf("without a class: %+v (%v)", got, err)
	}
}

func TestMountedAt(t *testing.T) {
	const other = "22 1 0:21 / /sys rw shared:7 - sysfs sysfs rw\n"
	for mountinfo, want := range map[string]string{
		other: "",
		other + "40 22 0:35 / /sys/fs/resctrl rw,relatime - resctrl resctrl rw\n":        "/sys/fs/resctrl",
		other + "41 22 0:35 / /a\\040b rw shared:9 master:2 - resctrl none rw\n":         "/a b",
		other + "42 22 0:35 /gold /mnt rw - resctrl resctrl rw\n":                        "",
		other + "43 22 0:36 / /mnt rw - tmpfs resctrl rw\n44 22 0:36 /resctrl - x y z\n": "",
	} {
		if got := mountedAt(mountinfo); got != want {
			t.Errorf("%q: got %q, want %q", mountinfo, got, want)
		}
	}
}

func TestNoResctrl(t *testing.T) {
	if _, err := find(); err == nil {
		t.Skip("this host has a resctrl filesystem")
	}
	if c, err := Plan("c1", nil); c != nil || err != nil || c.Make() != nil || c.Undo() != nil || c.Record().Join(1) != nil || c.Record().Remove() != nil {
		t.Errorf("a container that asks for nothing: %v, %v", c, err)
	}
	_, err := Plan("c1", &specs.LinuxIntelRdt{})
	if err == nil || !strings.HasPrefix(err.Error(), "linux.intelRdt: ") || !strings.Contains(err.Error(), "Intel RDT is not enabled") {
		t.Errorf("got %v", err)
	}
}
