package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/libcontainer/gate"
)

// patience is how long a test waits for what takes microseconds, before it
// says that it will never come.
const patience = 10 * time.Second

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// mustMake makes the folder of a container below root.
func mustMake(t *testing.T, root, id string) *Dir {
	t.Helper()
	d, err := Make(root, id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// within returns what f returns, and fails the test if f does not return.
func within(t *testing.T, what string, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatalf("%s: still waiting after %v", what, patience)
		return nil
	}
}

func TestMakeTwice(t *testing.T) {
	root := filepath.Join(t.TempDir(), "not", "there", "yet")
	d := mustMake(t, root, "a")
	if _, err := Make(root, "a"); !errors.Is(err, ErrExist) {
		t.Errorf("a second Make: %v", err)
	}
	if d.Path() != filepath.Join(root, "a") {
		t.Errorf("the path is %s", d.Path())
	}
	for _, dir := range []string{root, d.Path()} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v, want mode 0700", dir, info.Mode(), err)
		}
	}
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
	mustMake(t, root, "a")
}

func TestMakeRace(t *testing.T) {
	root := t.TempDir()
	for round := range 50 {
		id := fmt.Sprint("c", round)
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() {
				d, err := Make(root, id)
				if errs[i] = err; err == nil {
					defer d.Close()
				}
			})
		}
		wg.Wait()
		made := 0
		for _, err := range errs {
			switch {
			case err == nil:
				made++
			case !errors.Is(err, ErrExist):
				t.Errorf("%s: %v", id, err)
			}
		}
		if made != 1 {
			t.Fatalf("%s was made by %d callers", id, made)
		}
	}
}

// TestMakeWhileOthersLook has commands come between the mkdir and the lock of
// Make: a delete without force that finds nothing to delete, and one with
// force, which takes the new folder for what a crash left.
func TestMakeWhileOthersLook(t *testing.T) {
	for name, remove := range map[string]bool{"delete": false, "delete --force": true} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						d, err := Open(root, "c")
						if err != nil {
							continue
						}
						if d.TryLock() == nil && remove {
							if _, err := d.Read(); err != nil {
								_ = d.Remove()
							}
						}
						d.Close()
					}
				})
			}
			for range 60 {
				d, err := Make(root, "c")
				if err != nil {
					t.Error(err)
					break
				}
				if err := d.WriteJournal(&State{ID: "c"}); err != nil {
					t.Errorf("the folder went away from under its lock: %v", err)
				}
				if err := d.Remove(); err != nil {
					t.Error(err)
				}
				d.Close()
			}
			close(stop)
			wg.Wait()
		})
	}
}

// TestMakeGoneAndMadeAnew has a delete remove the new folder of one create, and another
// create make it anew, before the first has come to open it: only one of them may have it.
func TestMakeGoneAndMadeAnew(t *testing.T) {
	root := t.TempDir()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	until := func(f func()) {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					f()
				}
			}
		})
	}
	until(func() { // delete
		if d, err := Open(root, "c"); err == nil {
			if d.TryLock() == nil {
				if _, err := d.Read(); err != nil {
					d.RemoveEmpty()
				} else {
					_ = d.Remove()
				}
			}
			d.Close()
		}
	})
	for range 3 {
		until(func() { // create
			d, err := Make(root, "c")
			if errors.Is(err, ErrExist) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := d.Read(); !errors.Is(err, ErrNoRecord) {
				t.Errorf("the folder has a record of another: %v", err)
			}
			if err := d.WriteJournal(&State{ID: "c"}); err != nil {
				t.Error(err)
			}
			d.Close()
		})
	}
	time.Sleep(500 * time.Millisecond)
	close(stop)
	wg.Wait()
}

func TestMakeErrors(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, root, id, want string
	}{
		{"root is a file", file, "c", "make the state folder " + file + "/c: mkdir " + file + ": not a directory (hint: name a writable folder with --root)"},
		{"root is below a file", file + "/x", "c", "not a directory (hint: name a writable folder with --root)"},
		{"root where no folder can be made", "/proc/1", "c", "make the state folder /proc/1/c: no such file or directory"},
		{"id too long for a folder", root, strings.Repeat("x", 256), "file name too long"},
		{"a file of that name", root, "file", "container with given ID already exists: file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Make(tt.root, tt.id)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	root := t.TempDir()
	mustMake(t, root, "real")
	if err := os.Symlink("real", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(root, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		id    string
		errno unix.Errno
	}{{"link", unix.ENOTDIR}, {"fifo", unix.ENOTDIR}} {
		err := within(t, tt.id, func() error { _, err := Open(root, tt.id); return err })
		if !errors.Is(err, tt.errno) {
			t.Errorf("%s: got %v, want %v", tt.id, err, tt.errno)
		}
	}
	for _, id := range []string{"none", "real2"} {
		if _, err := Open(root, id); !errors.Is(err, ErrNotExist) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := Open(filepath.Join(root, "none"), "c"); !errors.Is(err, ErrNotExist) {
		t.Errorf("below a missing root: %v", err)
	}
}

// TestForeignFolder is about a folder that a less privileged user put where a
// container's is looked for.
func TestForeignFolder(t *testing.T) {
	needRoot(t)
	root := t.TempDir()
	d := mustMake(t, root, "c")
	if err := d.WriteState(&State{ID: "c"}); err != nil {
		t.Fatal(err)
	}
	d.Close()
	if err := os.Chown(d.Path(), 12345, 12345); err != nil {
		t.Fatal(err)
	}
	_, err := Open(root, "c")
	want := "open the state folder " + d.Path() + ": it belongs to user 12345, not to user 0"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestOpenToOthers is about a folder, or a file in it, that somebody else may
// have written to.
func TestOpenToOthers(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		change     func(path string) error
		want       string
	}{
		{"folder of all", "", func(p string) error { return os.Chmod(p, 0o777) }, "others may write to it (mode 0777)"},
		{"folder of a group", "", func(p string) error { return os.Chmod(p, 0o770) }, "others may write to it (mode 0770)"},
		{"file of all", stateFile, func(p string) error { return os.Chmod(p, 0o666) }, "state.json is not to be trusted: others may write to it (mode 0666)"},
		{"another's file", stateFile, func(p string) error { return os.Chown(p, 12345, 12345) }, "state.json is not to be trusted: it belongs to user 12345"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			needRoot(t)
			root := t.TempDir()
			made := mustMake(t, root, "c")
			if err := made.WriteState(&State{ID: "c"}); err != nil {
				t.Fatal(err)
			}
			made.Close()
			if err := tt.change(filepath.Join(made.Path(), tt.file)); err != nil {
				t.Fatal(err)
			}
			d, err := Open(root, "c")
			if err == nil {
				_, err = d.Read()
				d.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestLock(t *testing.T) {
	root := t.TempDir()
	a := mustMake(t, root, "c")
	b, err := Open(root, "c")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.TryLock(); !errors.Is(err, ErrLocked) {
		t.Errorf("TryLock beside the maker: %v", err)
	}
	a.Unlock()
	if err := b.TryLock(); err != nil {
		t.Errorf("TryLock after Unlock: %v", err)
	}
	if err := b.TryLock(); err != nil {
		t.Errorf("TryLock of what is locked by oneself: %v", err)
	}
	if err := a.TryLock(); !errors.Is(err, ErrLocked) {
		t.Errorf("TryLock beside the second: %v", err)
	}
	got := make(chan error, 1)
	go func() { got <- a.Lock() }()
	waitForWaiter(t, a)
	select {
	case err := <-got:
		t.Fatalf("Lock did not wait: %v", err)
	default:
	}
	b.Close() // as the end of a process does
	if err := within(t, "Lock", func() error { return <-got }); err != nil {
		t.Error(err)
	}
}

// waitForWaiter returns when the kernel has somebody wait for the lock of d. It
// notifies nobody of that, so there is nothing but to look (proc_locks(5)).
func waitForWaiter(t *testing.T, d *Dir) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(int(d.f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	inode := fmt.Sprintf(":%d 0 EOF", st.Ino)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Microsecond) {
		locks, err := os.ReadFile("/proc/locks")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(locks)) {
			if strings.Contains(line, "->") && strings.Contains(line, inode) {
				return
			}
		}
	}
	t.Fatal("nobody waits for the lock")
}

func TestDeletedWhileWaiting(t *testing.T) {
	root := t.TempDir()
	a := mustMake(t, root, "c")
	b, err := Open(root, "c")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	got := make(chan error, 1)
	go func() { got <- b.Lock() }()
	waitForWaiter(t, a)
	if err := a.Remove(); err != nil {
		t.Fatal(err)
	}
	// A new container of that id is another one.
	mustMake(t, root, "c")
	a.Close()
	if err := within(t, "Lock", func() error { return <-got }); !errors.Is(err, ErrNotExist) {
		t.Errorf("Lock of a removed folder: %v", err)
	}
	if err := b.TryLock(); !errors.Is(err, ErrNotExist) {
		t.Errorf("TryLock of a removed folder: %v", err)
	}
}

// contents are all files that a container's folder can hold, those of a write
// that was cut short among them, as Remove comes to them.
var contents = []string{gateFile, notifySocket, stateFile + ".new", journalFile + ".new", stateFile, journalFile}

func fill(t *testing.T, d *Dir, name string) {
	t.Helper()
	path := filepath.Join(d.Path(), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRemoveRepeatable removes a folder of every possible rest of files: among
// them is what any Remove leaves that is killed between two of its steps.
func TestRemoveRepeatable(t *testing.T) {
	root := t.TempDir()
	for subset := range 1 << len(contents) {
		d := mustMake(t, root, "c")
		for i, name := range contents {
			if subset&(1<<i) != 0 {
				fill(t, d, name)
			}
		}
		if err := d.Remove(); err != nil {
			t.Errorf("with %b: %v", subset, err)
		}
		if _, err := os.Lstat(d.Path()); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("with %b the folder is left: %v", subset, err)
		}
		if err := d.Remove(); err != nil {
			t.Errorf("once more: %v", err)
		}
		d.Close()
	}
}

// obstruct makes a folder that cannot be removed.
func obstruct(t *testing.T, dir string) {
	t.Helper()
	inside := filepath.Join(dir, "obstacle")
	err := os.MkdirAll(inside, 0o700)
	if os.Geteuid() == 0 {
		err = errors.Join(err, unix.Mount(inside, inside, "", unix.MS_BIND, ""))
		// Remove may move the folder before it comes to the mount.
		fd, oerr := unix.Open(inside, unix.O_PATH|unix.O_CLOEXEC, 0)
		err = errors.Join(err, oerr)
		t.Cleanup(func() {
			_ = unix.Unmount("/proc/self/fd/"+strconv.Itoa(fd), unix.MNT_DETACH)
			unix.Close(fd)
		})
	} else {
		err = errors.Join(err, os.Chmod(dir, 0o500))
		t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestRemoveJournalLast stops Remove at each file in turn, and at one that it does not
// know: as long as any of them is left, so is the journal.
func TestRemoveJournalLast(t *testing.T) {
	for _, stop := range append([]string{"foreign"}, contents[:len(contents)-1]...) {
		root := t.TempDir()
		d := mustMake(t, root, "c")
		if err := d.WriteJournal(&State{ID: "c"}); err != nil {
			t.Fatal(err)
		}
		if stop != stateFile {
			if err := d.WriteState(&State{ID: "c"}); err != nil {
				t.Fatal(err)
			}
		}
		obstruct(t, filepath.Join(d.Path(), stop))
		if err := d.Remove(); err == nil || !strings.Contains(err.Error(), strings.Split(stop, "/")[0]) {
			t.Errorf("%s: got %v", stop, err)
		}
		if _, err := d.Salvage(); err != nil {
			t.Errorf("%s is left, the journal is not: %v", stop, err)
		}
		if s, err := d.Read(); stop != stateFile && (err != nil || !s.Created) {
			t.Errorf("%s is left, the state file is not: %v", stop, err)
		}
	}
}

// TestRemoveFollowsNothing has links lie where Remove looks for files.
func TestRemoveFollowsNothing(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	victim := filepath.Join(outside, filepath.Base(notifySocket))
	if err := os.WriteFile(victim, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d := mustMake(t, root, "c")
	for _, name := range contents {
		if name == notifySocket {
			continue
		}
		if err := os.Symlink(victim, filepath.Join(d.Path(), name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(victim); err != nil {
		t.Errorf("what a link leads to was removed: %v", err)
	}
}

// TestLongRoot is about the 108 bytes that the path of a unix socket may have.
func TestLongRoot(t *testing.T) {
	root := filepath.Join(t.TempDir(), strings.Repeat("long/", 50))
	d := mustMake(t, root, "c")
	if n := len(d.GatePath()); n >= 108 {
		t.Fatalf("the path of the gate has %d bytes", n)
	}
	f, err := gate.Listen(d.GatePath())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := os.Lstat(filepath.Join(d.Path(), "gate"))
	if err != nil || info.Mode().Type() != os.ModeSocket {
		t.Errorf("the gate is not in its folder: %v", err)
	}
	other, err := Open(root, "c")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if closed, err := gate.Closed(other.GatePath()); !closed {
		t.Errorf("the gate is not found by another command: %v", err)
	}
}

func TestList(t *testing.T) {
	root := t.TempDir()
	for _, id := range []string{"b", "a.1", "h", "help", "-x"} {
		mustMake(t, root, id)
	}
	if err := os.WriteFile(filepath.Join(root, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("b", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	ids, err := List(root)
	if got, want := fmt.Sprint(ids), "[-x a.1 b h help]"; got != want || err != nil {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if _, err := List(filepath.Join(root, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a root that is not there: %v", err)
	}
}
