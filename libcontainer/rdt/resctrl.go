package rdt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// resctrl is what this package needs the kernel for. Where there is no such
// processor, tests have another one (package fakeresctrl).
var resctrl = kernel{find: find, mkdir: mkdir, rmdir: unix.Rmdir, read: os.ReadFile, write: write}

type kernel struct {
	// find returns the folder in which the filesystem is mounted.
	find func() (string, error)
	// mkdir and rmdir make and remove a group, with the files in it.
	mkdir func(path string) error
	rmdir func(path string) error
	// read returns the content of a file.
	read func(path string) ([]byte, error)
	// write writes to a file of a group in one go.
	write func(path, text string) error
}

// mountpoint is a folder that the kernel has if it can control anything of the
// processor's. It is not said that somebody has mounted the filesystem there.
const mountpoint = "/sys/fs/resctrl"

func find() (string, error) {
	var st unix.Statfs_t
	err := unix.Statfs(mountpoint, &st)
	if err == nil && int64(st.Type) == unix.RDTGROUP_SUPER_MAGIC {
		return mountpoint, nil
	}
	there := err == nil
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", errdefs.Doing(err, "look for the resctrl filesystem")
	}
	if path := mountedAt(string(text)); path != "" {
		return path, nil
	}
	if !there {
		return "", errors.New("this host has no resctrl filesystem: Intel RDT is not enabled, or the processor does not have it")
	}
	return "", &errdefs.Error{Err: errors.New("the resctrl filesystem is not mounted: Intel RDT is not enabled"),
		Hint: "mount -t resctrl resctrl " + mountpoint}
}

// mountedAt returns where /proc/PID/mountinfo has a resctrl filesystem, or "".
func mountedAt(mountinfo string) string {
	for line := range strings.SplitSeq(mountinfo, "\n") {
		mount, fs, _ := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if strings.HasPrefix(fs, "resctrl ") && len(fields) > 4 && fields[3] == "/" {
			return unescape(fields[4])
		}
	}
	return ""
}

// unescape undoes what mountinfo does to a path (proc_pid_mountinfo(5)). The
// replacer is made here, as every start of rung would pay for one of the package.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

func mkdir(path string) error { return unix.Mkdir(path, 0o755) }

// rmdir removes a group; one that is not there is no error.
func rmdir(path string) error {
	if err := resctrl.rmdir(path); err != nil && !errors.Is(err, unix.ENOENT) {
		return errdefs.Doing(err, "remove "+path)
	}
	return nil
}

// write does not make a file that is not there: the kernel has made them all.
func write(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return cause(err)
	}
	_, err = f.WriteString(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return cause(err)
}

// lock keeps others out while several files are read and written, in the way
// that the kernel's documentation has for all programs. It is held for a few
// system calls.
func lock(root string) (unlock func(), err error) {
	fd, err := unix.Open(root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, errdefs.Doing(err, "open "+root)
	}
	for {
		err = unix.Flock(fd, unix.LOCK_EX)
		switch err {
		case nil:
			return func() { unix.Close(fd) }, nil
		case unix.EINTR:
		default:
			unix.Close(fd)
			return nil, errdefs.Doing(err, "lock "+root)
		}
	}
}

// readFile returns a file without the newline at its end.
func readFile(path string) (string, error) {
	text, err := resctrl.read(path)
	if err != nil {
		return "", errdefs.Doing(cause(err), "read "+path)
	}
	return strings.TrimRight(string(text), "\n"), nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// cause leaves the path out of an error, which says it already.
func cause(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// failed is the error of a call that the kernel has explained in a file.
func (c *Class) failed(err error, doing, field string) *errdefs.Error {
	why, rerr := readFile(filepath.Join(c.root, "info", "last_cmd_status"))
	if why = strings.TrimSpace(why); rerr == nil && why != "" && why != "ok" {
		err = fmt.Errorf("%w: %s", err, strings.ReplaceAll(why, "\n", ", "))
	}
	return &errdefs.Error{Doing: doing, Field: field, Err: err}
}

func (c *Class) failedOrNil(err error, doing, field string) error {
	if err == nil {
		return nil
	}
	return c.failed(err, doing, field)
}
