package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/spawn"
	"github.com/rungoci/rung/internal/thread"
	"github.com/rungoci/rung/libcontainer/cgroup"
	"github.com/rungoci/rung/libcontainer/seccomp"
)

// tries has the outcome of what was tried: "" where it worked, else the error.
type tries map[string]string

func (t tries) works(name string) bool { said, tried := t[name]; return tried && said == "" }

func (t tries) put(name string, err error) {
	t[name] = ""
	if err != nil {
		t[name] = err.Error()
	}
}

// Names of tries that are no names of parts in a report.
const (
	triedPrivate    = "private mounts"
	triedOverlay    = "overlay"
	triedSeal       = "seal"
	triedSealMemory = "seal in memory"
	triedDevices    = "device filter"
	triedFilter     = "filters"
)

// sealedInOverlay is whether the seal that worked is an overlay.
const sealedInOverlay = "sealed in an overlay"

// namespaceFlags are the namespaces that a thread can leave for new ones, in the
// order in which that is tried.
var namespaceFlags = []struct {
	name string
	flag int
}{
	{"mount", unix.CLONE_NEWNS}, {"pid", unix.CLONE_NEWPID}, {"network", unix.CLONE_NEWNET}, {"ipc", unix.CLONE_NEWIPC},
	{"uts", unix.CLONE_NEWUTS}, {"cgroup", unix.CLONE_NEWCGROUP}, {"time", unix.CLONE_NEWTIME},
}

// try tries what the kernel lets this process do.
func (h *host) try(ctx context.Context) {
	h.tries = tries{}
	tryCalls(h.tries)
	h.trySeals()
	child, err := startInside(ctx, h.tries, h.cgroup)
	if err != nil {
		h.insideError = err
	} else {
		defer child.end()
	}
	if h.privileged {
		tryNamespaces(h.tries, child.namespace())
		if h.cgroup == cgroup.V2 {
			h.tries.put(triedDevices, cgroup.TryDeviceFilter())
		}
	}
	if child != nil {
		h.inside, h.insideError = child.result()
	}
}

// tryCalls tries system calls with arguments with which they do nothing.
func tryCalls(t tries) {
	// A structure of no size is invalid, which only a kernel that knows the
	// call can say.
	_, _, errno := unix.RawSyscall(unix.SYS_CLONE3, 0, 0, 0)
	t.put("clone3", expect(errno, unix.EINVAL))
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	t.put("pidfd", err)
	if err == nil {
		unix.Close(pidfd)
	}
	memfd, err := unix.MemfdCreate("rung", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	t.put("memfd", err)
	if err == nil {
		unix.Close(memfd)
	}
	dir, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
	t.put("openat2", err)
	if err == nil {
		unix.Close(dir)
	}
	// The flags are looked at before the program, which is not there.
	_, _, errno = unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, 0)
	t.put(triedFilter, expect(errno, unix.EFAULT))
	var sizes [3]uint16
	_, _, errno = unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_NOTIF_SIZES, 0, uintptr(unsafe.Pointer(&sizes)))
	t.put("notify", expect(errno, 0))
	for name, flag := range map[string]specs.LinuxSeccompFlag{
		"log": specs.LinuxSeccompFlagLog, "spec_allow": specs.LinuxSeccompFlagSpecAllow,
		"wait_killable_recv": specs.LinuxSeccompFlagWaitKillableRecv,
	} {
		err := error(unix.EINVAL)
		if seccomp.FlagSupported(flag) {
			err = nil
		}
		t.put(name, err)
	}
}

// expect returns nil if errno is the one that a working call gives.
func expect(errno, want unix.Errno) error {
	switch errno {
	case want:
		return nil
	case 0:
		return unix.EINVAL
	}
	return errno
}

// trySeals seals rung's binary as for a container, and lets go of it.
func (h *host) trySeals() {
	f, err := spawn.Seal("/run")
	h.tries.put(triedSeal, err)
	if err == nil {
		if !strings.HasPrefix(f.Name(), "memfd:") {
			h.tries[sealedInOverlay] = ""
		}
		f.Close()
	}
	f, err = spawn.SealUnreadable()
	h.tries.put(triedSealMemory, err)
	if err == nil {
		f.Close()
	}
}

// tryNamespaces makes namespaces, and mounts in them, on a thread that ends
// with it. userns is a user namespace for id-mapped mounts, or -1.
func tryNamespaces(t tries, userns int) {
	thread.Spend(func() {
		for _, ns := range namespaceFlags {
			t.put(ns.name, unix.Unshare(ns.flag))
		}
		if t.works("mount") {
			tryMounts(t, userns)
		}
	})
}

// tryMounts makes mounts that are attached nowhere, in a mount namespace of its
// own.
func tryMounts(t tries, userns int) {
	// As the init does first of all.
	t.put(triedPrivate, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	tmpfs, err := detached("tmpfs", nil)
	t.put("new mount API", err)
	if err == nil {
		defer unix.Close(tmpfs)
		t.put("mount_setattr", unix.MountSetattr(tmpfs, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}))
	}
	if knows("overlay") {
		fd, err := detached("overlay", map[string]string{"lowerdir": "/usr:/etc", "xino": "off"})
		t.put(triedOverlay, err)
		if err == nil {
			unix.Close(fd)
		}
	}
	if userns < 0 {
		return
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(userns)}
	if fd, err := detached("tmpfs", nil); err == nil {
		t.put("tmpfs", unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr))
		unix.Close(fd)
	}
	if fd, err := unix.OpenTree(unix.AT_FDCWD, imagesFolder, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC); err == nil {
		t.put(imagesFolder, unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr))
		unix.Close(fd)
	}
}

// imagesFolder is where engines keep the files of their containers.
const imagesFolder = "/var/lib"

// detached makes a file system and a mount of it that is attached nowhere.
func detached(fstype string, options map[string]string) (int, error) {
	ctx, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(ctx)
	for key, value := range options {
		if err := unix.FsconfigSetString(ctx, key, value); err != nil {
			return -1, err
		}
	}
	if err := unix.FsconfigCreate(ctx); err != nil {
		return -1, err
	}
	return unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, 0)
}

// knows tells whether the kernel has the type of file system at hand. To ask
// for one that it has not would have it load a module.
func knows(fstype string) bool {
	data, err := os.ReadFile("/proc/filesystems")
	return err == nil && bytes.Contains(append(data, '\n'), []byte("\t"+fstype+"\n"))
}

// insideArg is the hidden flag of `rung doctor` that a child gets.
const insideArg = "--inside"

// A child is this program in a user namespace of its own, in which it waits
// for a word and then tries what can be tried there.
type child struct {
	cmd    *exec.Cmd
	word   io.WriteCloser
	out    bytes.Buffer
	userns *os.File
}

// startInside starts a child, by a clone into the cgroup that it is in anyway,
// where there is one of version 2: so that has been tried too.
func startInside(ctx context.Context, t tries, mode cgroup.Version) (*child, error) {
	dir, err := ownUnified(mode)
	if err == nil {
		defer dir.Close()
		c, err := newChild(ctx, dir)
		if err == nil {
			t.put(cloneIntoCgroup, nil)
			return c, nil
		}
		// Not allowed is not unknown.
		if !errors.Is(err, os.ErrPermission) {
			t.put(cloneIntoCgroup, err)
		}
	}
	return newChild(ctx, nil)
}

const cloneIntoCgroup = "clone into a cgroup"

func newChild(ctx context.Context, cgroup *os.File) (*child, error) {
	c := &child{cmd: exec.CommandContext(ctx, "/proc/self/exe", "doctor", insideArg)}
	c.cmd.Stdout = &c.out
	c.cmd.Env = []string{}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	if cgroup != nil {
		c.cmd.SysProcAttr.UseCgroupFD, c.cmd.SysProcAttr.CgroupFD = true, int(cgroup.Fd())
	}
	var err error
	if c.word, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	// Without it there are no id-mapped mounts to try.
	c.userns, _ = os.Open("/proc/" + strconv.Itoa(c.cmd.Process.Pid) + "/ns/user")
	return c, nil
}

// namespace returns the child's user namespace, or -1.
func (c *child) namespace() int {
	if c == nil || c.userns == nil {
		return -1
	}
	return int(c.userns.Fd())
}

// result lets the child go, and returns what it found.
func (c *child) result() (tries, error) {
	c.word.Close()
	if err := c.cmd.Wait(); err != nil {
		return nil, errdefs.Doing(err, "look around in a user namespace")
	}
	var t tries
	return t, json.Unmarshal(c.out.Bytes(), &t)
}

// end is for a child whose result nobody asked for, too.
func (c *child) end() {
	c.userns.Close()
	if c.cmd.ProcessState == nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	}
}

// Inside is what the child does: it waits for the end of in, and writes the
// outcome of its tries to out.
func Inside(in io.Reader, out io.Writer) error {
	if _, err := io.Copy(io.Discard, in); err != nil {
		return err
	}
	t := tries{}
	tryNamespaces(t, -1)
	return json.NewEncoder(out).Encode(t)
}

// ownUnified opens the cgroup of version 2 that this process is in.
func ownUnified(mode cgroup.Version) (*os.File, error) {
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	return os.Open(filepath.Join(unifiedRoot(mode), unifiedPath(string(data))))
}

// unifiedRoot is where the hierarchy of version 2 is mounted.
func unifiedRoot(mode cgroup.Version) string {
	if mode == cgroup.Hybrid {
		return cgroupRoot + "/unified"
	}
	return cgroupRoot
}

// unifiedPath returns the path of version 2 in the text of /proc/PID/cgroup.
func unifiedPath(text string) string {
	for line := range strings.Lines(text) {
		if path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			return path
		}
	}
	return ""
}
