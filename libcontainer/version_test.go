package libcontainer

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestAnotherVersion has the record be of a rung to come, as after a step back to this
// one: the container can be looked at, paused, ended and deleted. What this rung
// cannot know how to do it does not try.
func TestAnotherVersion(t *testing.T) {
	b := newTestbed(t, "sleep 1000 & exec sleep 1000")
	c := b.create("c")
	must(t, c.Start())
	c.Close()
	replace(t, filepath.Join(b.root, "c", "state.json"), `"rungStateVersion":1`, `"rungStateVersion":99,"news":[{}]`)
	c, err := Load(b.root, "c")
	must(t, err)
	defer c.Close()
	info, err := c.Info()
	must(t, err)
	if info.Status != Running || info.Bundle != b.bundle {
		t.Errorf("the state is %+v", info)
	}
	if pids, err := c.Processes(); err != nil || !slices.Contains(pids, info.Pid) {
		t.Errorf("the processes are %d, %v", pids, err)
	}
	p, err := c.Process()
	must(t, err)
	for doing, do := range map[string]func() error{
		"start":      c.Start,
		"exec":       func() error { _, err := c.Exec(t.Context(), ExecOptions{Process: p}); return err },
		"update":     func() error { return c.Update(&specs.LinuxResources{}) },
		"checkpoint": func() error { return c.Checkpoint(CheckpointOptions{CRIUOptions: CRIUOptions{ImagePath: t.TempDir()}}) },
		"change the mounts of": func() error {
			return c.AddMounts([]specs.Mount{{Destination: "/mnt", Type: "tmpfs", Source: "tmpfs"}})
		},
	} {
		err := do()
		if err == nil || !strings.HasPrefix(err.Error(), doing) || !strings.Contains(err.Error(), "format version 99, this rung knows version 1 (hint: ") {
			t.Errorf("%s: %v", doing, err)
		}
	}
	must(t, c.Pause())
	must(t, c.Resume())
	init, err := c.Init()
	must(t, err)
	defer init.Close()
	must(t, c.Signal(unix.SIGKILL))
	if !endsWithin(init, 10*time.Second) {
		t.Fatal("it has not ended")
	}
	must(t, Delete(b.root, "c", false, b.warn))
	b.quiet()
	b.nothingLeft()
}
