package libcontainer

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rungoci/rung/libcontainer/state"
)

// TestUnmade is about a folder in which there is nothing yet of the container that is being made, or nothing any
// more of one that is being deleted.
func TestUnmade(t *testing.T) {
	root := t.TempDir()
	maker, err := state.Make(root, "c")
	if err != nil {
		t.Fatal(err)
	}
	defer maker.Close()
	if _, err := Load(root, "c"); !errors.Is(err, ErrNotExist) {
		t.Errorf("while somebody is at work, Load says %v", err)
	}
	deleted := make(chan error)
	go func() { deleted <- Delete(root, "c", false, nil) }()
	waitsForLock(t)
	if err := maker.WriteState(&state.State{ID: "c"}); err != nil {
		t.Fatal(err)
	}
	maker.Unlock()
	if err := <-deleted; !errors.Is(err, state.ErrLocked) {
		t.Errorf("Delete, which has waited for the creation, says %v", err)
	}
	c, err := Load(root, "c")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := maker.RemoveState(); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(root, "c"); !errors.Is(err, state.ErrNoRecord) {
		t.Errorf("where nobody is at work, Load says %v", err)
	}
	if err := Delete(root, "c", true, nil); err != nil {
		t.Errorf("with force: %v", err)
	}
}

// TestDeleteUnmade deletes, without force, folders that have no record: where nothing is in it a crash has left it.
func TestDeleteUnmade(t *testing.T) {
	root := t.TempDir()
	folder := filepath.Join(root, "c")
	must(t, os.Mkdir(folder, 0o700))
	if err := Delete(root, "c", false, nil); !errors.Is(err, ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the empty folder is left: %v", err)
	}
	must(t, os.Mkdir(folder, 0o700))
	must(t, os.WriteFile(filepath.Join(folder, "theirs"), nil, 0o600))
	err := Delete(root, "c", false, nil)
	if !errors.Is(err, state.ErrNoRecord) {
		t.Errorf("a folder with something in it: %v", err)
	}
	wantError(t, err, "rung delete --force c clears it")
	if _, err := os.Stat(filepath.Join(folder, "theirs")); err != nil {
		t.Error(err)
	}
}

// waitsForLock waits until a goroutine waits for the lock of a container. Delete asks for it
// again and again, so the kernel knows of nobody who waits.
func waitsForLock(t *testing.T) {
	t.Helper()
	stacks := make([]byte, 1<<16)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "state.(*Dir).LockWithin(") {
			return
		}
	}
	t.Fatal("nobody waits for the lock")
}

// TestCreatedMeanwhile reads the record of a container that comes to be before its
// creator is looked at.
func TestCreatedMeanwhile(t *testing.T) {
	b := newTestbed(t, "sleep 1000")
	c := b.create("c")
	defer c.Close()
	record := *c.state
	c.state = &state.State{ID: "c"} // as the journal has it
	if status, err := c.Status(); status != Created || err != nil {
		t.Errorf("got %q, %v", status, err)
	}
	if c.state.Init != record.Init {
		t.Errorf("got %v, want %v", c.state.Init, record.Init)
	}
	b.delete("c")
	b.nothingLeft()
}
