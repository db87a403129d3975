package spawn

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/memfd"
)

// Seal returns this program as a file that nobody can write to, not even by
// way of /proc/PID/exe of a process that runs it (CVE-2019-5736: a container
// overwrote the host's runtime through its init's /proc/self/exe).
//
// It is the program seen through a read-only overlay without an upper layer
// (0.1 ms; needs CAP_SYS_ADMIN), else a sealed copy in memory (1 to 2 ms). A
// read-only bind mount would not do: a container with CAP_SYS_ADMIN can make
// it writable again.
//
// dir is any folder of the caller's that does not hold the program; nothing is
// made in it.
func Seal(dir string) (*os.File, error) {
	if sealed() {
		f, err := os.OpenFile("/proc/self/exe", unix.O_PATH, 0)
		return f, errdefs.Doing(err, "open rung's sealed binary")
	}
	if f := sealedOverlay(dir); f != nil {
		return f, nil
	}
	return copySealed(readable)
}

// sealedEnv tells a process that it was executed by ExecSealed: its pid, so that
// what it hands on to others means nothing there.
const sealedEnv = "RUNG_SEALED_PID"

func sealed() bool { return os.Getenv(sealedEnv) == strconv.Itoa(os.Getpid()) }

// ExecSealed has the calling process execute its own program anew, with the same
// arguments, from the file that Seal makes, and returns nil where it does so
// already. What it clones then has no link in /proc to the host's file either,
// not even before it executes anything (CVE-2019-5736).
func ExecSealed(dir string) error {
	if sealed() {
		return nil
	}
	f, err := Seal(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	env := append(os.Environ(), sealedEnv+"="+strconv.Itoa(os.Getpid()))
	err = syscall.Exec("/proc/self/fd/"+strconv.Itoa(int(f.Fd())), os.Args, env)
	return errdefs.Doing(err, "run rung anew from its sealed binary")
}

// SealUnreadable is Seal for a process in another user namespace. What it
// returns can be executed and not be read, which keeps others there off the
// process; see permitted. An overlay shows the mode of the host's file, so it
// is always a copy.
func SealUnreadable() (*os.File, error) { return copySealed(unreadable) }

// The modes of a sealed copy.
const (
	readable   = 0o555
	unreadable = 0o111
)

// unmapped is a user and group that no user namespace maps but one that maps
// all there are.
const unmapped = 1<<31 - 2

func copySealed(mode uint32) (*os.File, error) {
	f, err := sealedCopy(mode)
	return f, errdefs.Doing(err, "seal rung's own binary for the container (CVE-2019-5736)")
}

// sealedOverlay returns nil where the kernel, the privileges or the place of
// the binary do not allow an overlay.
func sealedOverlay(second string) *os.File {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil || strings.ContainsAny(exe+second, `:\,`) {
		return nil
	}
	ctx, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil
	}
	defer unix.Close(ctx)
	dir, name := filepath.Split(exe)
	// An overlay without an upper layer wants two lower ones. The second is
	// never reached, as the first has the name.
	if unix.FsconfigSetString(ctx, "lowerdir", dir+":"+second) != nil {
		return nil
	}
	// Where the layers are of different filesystems the kernel would turn
	// xino on and say so in its log, at every container.
	_ = unix.FsconfigSetString(ctx, "xino", "off")
	if unix.FsconfigCreate(ctx) != nil {
		return nil
	}
	mnt, err := unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOSUID)
	if err != nil {
		return nil
	}
	defer unix.Close(mnt)
	fd, err := unix.Openat(mnt, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), exe)
	if !sameProgram(f) {
		f.Close()
		return nil
	}
	return f
}

// sameProgram tells whether f is the running program and not a file that took
// its place while it ran (an upgrade of the package): the overlay looks the
// name up anew. Inode numbers change in an overlay; size and time do not.
func sameProgram(f *os.File) bool {
	var a, b unix.Stat_t
	if unix.Stat("/proc/self/exe", &a) != nil || unix.Fstat(int(f.Fd()), &b) != nil {
		return false
	}
	return a.Size == b.Size && a.Mtim == b.Mtim && b.Mode&unix.S_IFMT == unix.S_IFREG
}

// sealedCopy copies the program into a memfd, gives it its mode and seals it.
func sealedCopy(mode uint32) (*os.File, error) {
	src, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer src.Close()
	f, err := memfd.New()
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(f, src); err != nil {
		f.Close()
		return nil, err
	}
	if mode == unreadable {
		// Who is root over the file's owner in a user namespace, as where that
		// maps the host's root, may read it all the same (would_dump in the
		// kernel's fs/exec.c). Without CAP_CHOWN it stays the caller's.
		_ = unix.Fchown(int(f.Fd()), unmapped, unmapped)
	}
	if err := unix.Fchmod(int(f.Fd()), mode); err != nil {
		f.Close()
		return nil, os.NewSyscallError("fchmod", err)
	}
	if err := memfd.Seal(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
