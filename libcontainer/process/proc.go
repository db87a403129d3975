package process

import (
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/sys"
)

// Proc is a handle to the host's /proc, opened before anything of the
// container is mounted. What is written to a path below /proc by name may land
// in a file that the image, or a container that shares a mount, has put there:
// an oom_score_adj that is not written is a nuisance, a security label that is
// not written or a write to /proc/sysrq-trigger instead is an escape
// (CVE-2019-16884, CVE-2025-31133, CVE-2025-52565, CVE-2025-52881). So every
// file is opened beneath the handle, through no link out of it and no mount on
// top of it.
type Proc struct {
	fd int
	// fresh tells that fd is a procfs of our own making.
	fresh bool
}

// OpenProc opens /proc and makes sure that it is the root of a procfs. The
// caller closes the handle.
func OpenProc() (*Proc, error) {
	fd, err := sys.OpenProc()
	if err != nil {
		return nil, err
	}
	return &Proc{fd: fd}, nil
}

// ProcFromFile returns the handle that another process has opened and checked
// (OpenProc), and takes f, which is closed with it. The other one may be in
// another pid namespace, an outer one.
func ProcFromFile(f *os.File) (*Proc, error) {
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, errdefs.Doing(err, "take the handle of /proc")
	}
	return &Proc{fd: fd}, nil
}

// File hands the handle over as a file.
func (p *Proc) File() *os.File {
	fd := p.fd
	p.fd = -1
	return os.NewFile(uintptr(fd), "/proc")
}

// Close gives the descriptor back. A second call does nothing.
func (p *Proc) Close() error {
	if p == nil || p.fd < 0 {
		return nil
	}
	fd := p.fd
	p.fd = -1
	return unix.Close(fd)
}

// WriteSelf writes value to the file called name of the calling thread, such
// as "oom_score_adj" or "attr/exec", with one write(2). The error is without a
// field of config.json.
func (p *Proc) WriteSelf(name, value string) error {
	fd, err := p.open("thread-self/"+name, unix.O_WRONLY)
	if err == nil {
		err = writeOnce(fd, value)
	}
	if err != nil {
		return &errdefs.Error{Doing: "write to /proc/thread-self/" + name, Err: err, Hint: coveredHint(err)}
	}
	return nil
}

// writeOnce writes value to fd and closes it.
func writeOnce(fd int, value string) error {
	defer unix.Close(fd)
	n, err := unix.Write(fd, []byte(value))
	if err == nil && n < len(value) {
		err = io.ErrShortWrite
	}
	return err
}

// coveredHint explains EXDEV, which open returns for a file that lies on
// another mount than /proc itself.
func coveredHint(err error) string {
	if err == unix.EXDEV {
		return "something is mounted on top of it on this host, and no procfs without that could be made"
	}
	return ""
}

// open opens path, relative to the root of the procfs. Where something is
// mounted on top of it, as in most containers, it goes through a procfs that
// is mounted nowhere.
func (p *Proc) open(path string, flags uint64) (int, error) {
	fd, err := openBeneath(p.fd, path, flags)
	if err != unix.EXDEV || p.fresh {
		return fd, err
	}
	fresh, ferr := newProc()
	if ferr != nil {
		return -1, err
	}
	unix.Close(p.fd)
	p.fd, p.fresh = fresh, true
	return openBeneath(p.fd, path, flags)
}

// OpenHow is how a file below /proc has to be opened; see Proc.
func OpenHow(flags uint64) unix.OpenHow {
	return unix.OpenHow{
		Flags:   flags | unix.O_CLOEXEC | unix.O_NOCTTY | unix.O_NONBLOCK,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	}
}

func openBeneath(dir int, path string, flags uint64) (int, error) {
	how := OpenHow(flags)
	// openat2(2) answers EAGAIN where it cannot exclude that a rename
	// elsewhere on the machine led it astray; that does not last.
	for range 128 {
		fd, err := unix.Openat2(dir, path, &how)
		if err != unix.EAGAIN && err != unix.EINTR {
			return fd, err
		}
	}
	return -1, unix.EAGAIN
}

// newProc makes a procfs that is attached to no path. Its processes are those
// of the pid namespace of the caller.
func newProc() (int, error) {
	ctx, err := unix.Fsopen("proc", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(ctx)
	if err := unix.FsconfigCreate(ctx); err != nil {
		return -1, err
	}
	return unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
}
