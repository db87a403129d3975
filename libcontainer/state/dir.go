package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// ErrNotExist is returned where there is no container of an id. Its text is
// what containerd looks for.
var ErrNotExist = errors.New("container does not exist")

// ErrExist is returned where a container of an id is there already.
var ErrExist = errors.New("container with given ID already exists")

// ErrNoRecord is returned by Read where there is nothing that tells of a container: it is
// being made, or was deleted a moment ago, or either died in between.
var ErrNoRecord = errors.New("it holds neither a state file nor a journal")

// ErrLocked is returned by TryLock while another command holds the container.
var ErrLocked = errors.New("another rung command is at work on the container")

const (
	journalFile = "journal.json"
	stateFile   = "state.json"
	gateFile    = "gate"
	filterFile  = "seccomp"
	// notifySocket is there for containers with a NOTIFY_SOCKET (package
	// notify).
	notifySocket = "notify/notify.sock"
	// maxFile bounds what is written to a state file, and read of it, in bytes. Of what
	// config.json says, which has at most 16 MiB, a file has each part once; and a
	// byte of it is six here at most (U+007F as \u007f).
	maxFile = 128 << 20
)

// Dir is the open folder of one container.
type Dir struct {
	Root, ID string
	f        *os.File
}

// Make makes the folder of a new container and locks it. Of two callers with
// one id exactly one gets it; the other gets ErrExist.
func Make(root, id string) (*Dir, error) {
	doing := "make the state folder " + filepath.Join(root, id)
	mode := os.FileMode(0o700)
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" && strings.HasPrefix(root, dir+"/") {
		// Or a cleaner of that folder would take it for forgotten after six
		// hours (XDG Base Directory Specification).
		mode |= os.ModeSticky
	}
	if err := os.MkdirAll(root, mode); err != nil {
		return nil, rootError(doing, err)
	}
	for {
		if err := unix.Mkdir(filepath.Join(root, id), 0o700); err != nil {
			if err == unix.EEXIST {
				return nil, fmt.Errorf("%w: %s", ErrExist, id)
			}
			return nil, rootError(doing, err)
		}
		d, err := Open(root, id)
		if err == nil {
			// Another command may have come between, and lock the folder
			// to look what it is.
			if err = d.Lock(); err == nil {
				// Or delete, and then a create that has made it anew.
				_, err = d.Read()
				if errors.Is(err, ErrNoRecord) {
					return d, nil
				}
				if err == nil {
					err = fmt.Errorf("%w: %s", ErrExist, id)
				}
			}
			d.Close()
		}
		// That was delete: it took the empty folder for what a crash left.
		if !errors.Is(err, ErrNotExist) {
			return nil, err
		}
	}
}

func rootError(doing string, err error) error {
	e := &errdefs.Error{Doing: doing, Err: err}
	switch {
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOTDIR):
		e.Hint = "name a writable folder with --root"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		e.Hint = "the filesystem of --root is full"
	}
	return e
}

// NotExist returns an ErrNotExist about the container id below root.
func NotExist(root, id string) error {
	return &errdefs.Error{Doing: "find container " + id + " below " + root, Err: ErrNotExist,
		Hint: "an engine has a --root of its own; rung --root FOLDER list shows what is there"}
}

// Open opens the folder of a container. It returns ErrNotExist where there is
// none.
func Open(root, id string) (*Dir, error) {
	path := filepath.Join(root, id)
	fd, err := unix.Open(path, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	switch err {
	case nil:
	case unix.ENOENT:
		return nil, NotExist(root, id)
	default:
		return nil, errdefs.Doing(err, "open the state folder "+path)
	}
	d := &Dir{Root: root, ID: id, f: os.NewFile(uintptr(fd), path)}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		d.Close()
		return nil, errdefs.Doing(err, "read the state folder "+path)
	}
	if err := trusted(&st); err != nil {
		d.Close()
		return nil, errdefs.Doing(err, "open the state folder "+path)
	}
	return d, nil
}

// trusted says whether only the caller, or root, can have made or changed the
// folder or file: what a state file says is done with the caller's privileges,
// so it must not come from a less privileged user.
func trusted(st *unix.Stat_t) error {
	if euid := os.Geteuid(); int(st.Uid) != euid && st.Uid != 0 {
		return fmt.Errorf("it belongs to user %d, not to user %d", st.Uid, euid)
	}
	if st.Mode&0o022 != 0 {
		return fmt.Errorf("others may write to it (mode %#o)", st.Mode&0o7777)
	}
	return nil
}

// Close releases the folder and the lock.
func (d *Dir) Close() error { return d.f.Close() }

// Path is the folder's path.
func (d *Dir) Path() string { return d.f.Name() }

// GatePath is the path of the gate's socket, below 108 bytes however long
// --root is.
func (d *Dir) GatePath() string {
	return "/proc/self/fd/" + strconv.Itoa(int(d.f.Fd())) + "/" + gateFile
}

// TryLock takes the container's lock for changes, or returns ErrLocked. It
// returns ErrNotExist if the container was deleted in between.
func (d *Dir) TryLock() error { return d.flock(unix.LOCK_EX | unix.LOCK_NB) }

// Lock waits for the lock.
func (d *Dir) Lock() error { return d.flock(unix.LOCK_EX) }

func (d *Dir) flock(how int) error {
	for {
		err := unix.Flock(int(d.f.Fd()), how)
		switch err {
		case nil:
			return d.stillThere()
		case unix.EINTR:
		case unix.EWOULDBLOCK:
			return ErrLocked
		default:
			return errdefs.Doing(err, "lock "+d.Path())
		}
	}
}

// Unlock lets other commands in while this one goes on reading.
func (d *Dir) Unlock() {
	_ = unix.Flock(int(d.f.Fd()), unix.LOCK_UN)
}

// stillThere returns ErrNotExist if the folder was removed while the lock was
// waited for.
func (d *Dir) stillThere() error {
	var st unix.Stat_t
	if err := unix.Fstat(int(d.f.Fd()), &st); err != nil {
		return errdefs.Doing(err, "read "+d.Path())
	}
	if st.Nlink == 0 {
		return ErrNotExist
	}
	return nil
}

// WriteJournal writes s as the journal, before anything it names is made.
func (d *Dir) WriteJournal(s *State) error {
	s.Created = false
	return d.write(journalFile, s)
}

// WriteState writes s as the state file.
func (d *Dir) WriteState(s *State) error {
	s.Created = true
	return d.write(stateFile, s)
}

// RemoveState takes WriteState back, so that the journal counts again.
func (d *Dir) RemoveState() error {
	err := unix.Unlinkat(int(d.f.Fd()), stateFile, 0)
	if err == unix.ENOENT {
		return nil
	}
	return errdefs.Doing(err, "remove "+filepath.Join(d.Path(), stateFile))
}

// WriteFilter writes the compiled linux.seccomp, before the state file.
func (d *Dir) WriteFilter(data []byte) error { return d.writeFile(filterFile, data) }

// ReadFilter returns what WriteFilter has written.
func (d *Dir) ReadFilter() ([]byte, error) {
	fd, err := unix.Openat(int(d.f.Fd()), filterFile, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, errdefs.Doing(err, "open "+filepath.Join(d.Path(), filterFile))
	}
	defer unix.Close(fd)
	data, err := readAll(fd)
	if err != nil {
		return nil, errdefs.Doing(fmt.Errorf("%s %w", filterFile, err), "read the state folder "+d.Path())
	}
	return data, nil
}

func (d *Dir) write(name string, s *State) error {
	s.Version = Version
	data := jsonfield.Marshal(s)
	// A record that could not be read again would strand the container. A value has a
	// byte at least, so only long files can have more of them than are read.
	if len(data) > jsonfield.MaxValues {
		if err := jsonfield.Unmarshal(data, new(State)); err != nil {
			return errdefs.Doing(err, "write "+filepath.Join(d.Path(), name)+" so that it can be read")
		}
	}
	return d.writeFile(name, data)
}

// writeFile writes a file that readers see all of, or nothing. It refuses what is too
// large for them.
func (d *Dir) writeFile(name string, data []byte) error {
	doing := "write " + filepath.Join(d.Path(), name)
	if len(data) > maxFile {
		return errdefs.Doing(fmt.Errorf("it would have %d bytes, and %w", len(data), errTooLarge), doing)
	}
	dirfd := int(d.f.Fd())
	tmp := name + ".new"
	fd, err := unix.Openat(dirfd, tmp, unix.O_CREAT|unix.O_TRUNC|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return rootError(doing, err)
	}
	f := os.NewFile(uintptr(fd), name)
	_, err = f.Write(data)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = unix.Renameat(dirfd, tmp, dirfd, name)
	}
	if err != nil {
		return rootError(doing, err)
	}
	return nil
}

// Read returns the state file, or the journal where the container is not
// created yet, or ErrNoRecord. It may be of another version: see State.Known.
func (d *Dir) Read() (*State, error) {
	name := stateFile
	s, err := d.read(name)
	if errors.Is(err, unix.ENOENT) {
		name = journalFile
		s, err = d.read(name)
	}
	if errors.Is(err, unix.ENOENT) {
		return nil, d.broken(ErrNoRecord)
	}
	if err == nil && s.Version < 1 {
		return nil, d.broken(fmt.Errorf("%s does not say its format version", name))
	}
	return s, err
}

// Salvage returns what delete needs where Read fails: the state file or else
// the journal, even if it does not say its version. It returns an
// error that wraps ENOENT where there is neither: the journal comes before
// everything else, so then nothing was made. An error that IsDamaged is that
// what there is says nothing; any other, that it may yet be read (EIO, EMFILE),
// and must not be dropped. The journal, which does not know the init, is not
// taken for a state file that could not be read.
func (d *Dir) Salvage() (*State, error) {
	s, err := d.read(stateFile)
	if err == nil || !errors.Is(err, unix.ENOENT) && !IsDamaged(err) {
		return s, err
	}
	s, jerr := d.read(journalFile)
	if errors.Is(jerr, unix.ENOENT) && !errors.Is(err, unix.ENOENT) {
		return nil, err
	}
	return s, jerr
}

// damagedError is an error about what no command of rung has written.
type damagedError struct{ error }

func (e damagedError) Unwrap() error { return e.error }

// IsDamaged tells whether an error of Read or Salvage is that there is a file that rung
// has not written, or not as it is now: nothing is lost with it.
func IsDamaged(err error) bool {
	var damaged damagedError
	return errors.As(err, &damaged)
}

// broken is an error that delete --force gets over.
func (d *Dir) broken(err error) error {
	return &errdefs.Error{Doing: "read the state folder " + d.Path(), Err: damagedError{err},
		Hint: "rung delete --force " + d.ID + " clears it"}
}

func (d *Dir) read(name string) (*State, error) {
	fd, err := unix.Openat(int(d.f.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	switch err {
	case nil:
	case unix.ELOOP, unix.ENXIO: // a symbolic link, a socket
		return nil, d.broken(fmt.Errorf("%s %w", name, errNotRegular))
	default:
		return nil, errdefs.Doing(err, "open "+filepath.Join(d.Path(), name))
	}
	defer unix.Close(fd)
	data, err := readAll(fd)
	if errors.Is(err, errNotRegular) {
		return nil, d.broken(fmt.Errorf("%s %w", name, err))
	}
	if err != nil {
		return nil, errdefs.Doing(fmt.Errorf("%s %w", name, err), "read the state folder "+d.Path())
	}
	s := new(State)
	if err := jsonfield.Unmarshal(data, s); err != nil {
		return nil, d.broken(fmt.Errorf("%s is cut short or damaged: %w", name, err))
	}
	if s.ID != d.ID {
		return nil, d.broken(fmt.Errorf("%s is of a container %q", name, s.ID))
	}
	return s, nil
}

var (
	errNotRegular = errors.New("is not a regular file")
	errTooLarge   = fmt.Errorf("what is larger than %d MiB is not read", maxFile>>20)
)

// readAll returns the content of a regular file. Anything else in its place
// could have the reader wait.
func readAll(fd int) ([]byte, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, errNotRegular
	case st.Size > maxFile:
		return nil, fmt.Errorf("has %d bytes, and %w", st.Size, errTooLarge)
	}
	if err := trusted(&st); err != nil {
		return nil, fmt.Errorf("is not to be trusted: %w", err)
	}
	data := make([]byte, st.Size)
	for n := 0; n < len(data); {
		got, err := unix.Read(fd, data[n:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, fmt.Errorf("cannot be read: %w", err)
		case got == 0:
			return data[:n], nil
		default:
			n += got
		}
	}
	return data, nil
}

// names returns what is in the folder dirfd.
func names(dirfd int) ([]string, error) {
	fd, err := unix.Openat(dirfd, ".", unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "folder")
	defer f.Close()
	return f.Readdirnames(-1)
}

// List returns the ids of all containers below root in the order of their
// names.
func List(root string) ([]string, error) {
	f, err := os.Open(root)
	if err != nil {
		return nil, errdefs.Doing(err, "list "+root)
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, errdefs.Doing(err, "list "+root)
	}
	ids := make([]string, 0, len(entries))
	for _, e := range entries {
		if e.IsDir() {
			ids = append(ids, e.Name())
		}
	}
	sort.Strings(ids)
	return ids, nil
}
