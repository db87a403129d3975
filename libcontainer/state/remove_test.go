package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRemove(t *testing.T) {
	outside := t.TempDir()
	kept := filepath.Join(outside, "kept")
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, fill := range map[string]func(dir string) error{
		"a foreign file":               func(dir string) error { return os.WriteFile(dir+"/x", nil, 0o600) },
		"a foreign folder":             func(dir string) error { return os.MkdirAll(dir+"/a/b/c", 0o700) },
		"a folder for the state file":  func(dir string) error { return os.MkdirAll(dir+"/state.json/x", 0o700) },
		"a folder for the journal":     func(dir string) error { return os.MkdirAll(dir+"/journal.json/x", 0o700) },
		"a folder for the gate":        func(dir string) error { return os.MkdirAll(dir+"/gate", 0o700) },
		"a folder for the notify file": func(dir string) error { return os.MkdirAll(dir+"/notify/notify.sock/x", 0o700) },
		"a file for the notify folder": func(dir string) error { return os.WriteFile(dir+"/notify", nil, 0o600) },
		"a link that leads out":        func(dir string) error { return os.Symlink(outside, dir+"/link") },
		"a link for the state file":    func(dir string) error { return os.Symlink(kept, dir+"/state.json") },
	} {
		t.Run(name, func(t *testing.T) {
			d := mustMake(t, t.TempDir(), "c")
			if err := d.WriteJournal(&State{ID: "c"}); err != nil && !strings.Contains(name, "journal") {
				t.Fatal(err)
			}
			if strings.Contains(name, "journal") {
				_ = os.Remove(d.Path() + "/journal.json")
			}
			if err := fill(d.Path()); err != nil {
				t.Fatal(err)
			}
			if err := d.Remove(); err != nil {
				t.Error(err)
			}
			if _, err := os.Lstat(d.Path()); !os.IsNotExist(err) {
				t.Errorf("%s is still there: %v", d.Path(), err)
			}
			if _, err := os.Stat(kept); err != nil {
				t.Errorf("what a link leads to: %v", err)
			}
		})
	}
}

// TestRemoveDeep has more folders in each other than there may be descriptors, or
// characters in a path.
func TestRemoveDeep(t *testing.T) {
	const depth = 300
	down := "down" + strings.Repeat("-", 20)
	d := mustMake(t, t.TempDir(), "c")
	if err := d.WriteJournal(&State{ID: "c"}); err != nil {
		t.Fatal(err)
	}
	// What a Remove that was killed has left.
	for _, name := range []string{"moved-0/x", "moved-3/x"} {
		if err := os.MkdirAll(filepath.Join(d.Path(), name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	fd, err := unix.Open(d.Path(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	for range depth {
		for _, name := range []string{"side", down} {
			err = errors.Join(err, unix.Mkdirat(fd, name, 0o700))
		}
		file, ferr := unix.Openat(fd, "side/file", unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
		err = errors.Join(err, ferr, unix.Close(file))
		next, nerr := unix.Openat(fd, down, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		err = errors.Join(err, nerr, unix.Close(fd))
		if fd = next; err != nil {
			t.Fatal(err)
		}
	}
	unix.Close(fd)
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: min(before.Cur, depth/2), Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	err = d.Remove()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(d.Path()); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", d.Path(), err)
	}
}

// TestRemoveKeepsMounts has a folder of somebody else bound into the container's:
// nothing in it is removed, and the records stay until it is unmounted.
func TestRemoveKeepsMounts(t *testing.T) {
	needRoot(t)
	outside := t.TempDir()
	kept := filepath.Join(outside, "kept")
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d := mustMake(t, t.TempDir(), "c")
	if err := d.WriteJournal(&State{ID: "c"}); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteState(&State{ID: "c"}); err != nil {
		t.Fatal(err)
	}
	target := d.Path() + "/mount"
	if err := os.Mkdir(target, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(outside, target, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("nothing can be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(target, unix.MNT_DETACH) })
	err := d.Remove()
	if err == nil || !strings.Contains(err.Error(), "remove "+target) || !strings.Contains(err.Error(), "unmount it") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("the mounted file was removed: %v", err)
	}
	if s, err := d.Read(); err != nil || !s.Created {
		t.Errorf("the state file went before the mount: %v", err)
	}
	if err := unix.Unmount(target, 0); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove(); err != nil {
		t.Errorf("once more, without the mount: %v", err)
	}
}

// TestRemoveEmpty removes nothing but an empty folder.
func TestRemoveEmpty(t *testing.T) {
	for _, name := range append([]string{"foreign"}, contents...) {
		d := mustMake(t, t.TempDir(), "c")
		fill(t, d, name)
		if d.RemoveEmpty() {
			t.Errorf("with %s in it: it says that it was empty", name)
		}
		if _, err := os.Stat(filepath.Join(d.Path(), name)); err != nil {
			t.Errorf("%s was removed: %v", name, err)
		}
	}
	d := mustMake(t, t.TempDir(), "c")
	if !d.RemoveEmpty() {
		t.Error("the empty folder was not removed")
	}
	if err := d.TryLock(); !errors.Is(err, ErrNotExist) {
		t.Errorf("TryLock of it: %v", err)
	}
}
