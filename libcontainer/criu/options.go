package criu

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/checkpoint-restore/go-criu/v8/rpc"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// Options are what Dump and Restore have in common. Those without a comment are
// the options of criu(8) of the same name.
type Options struct {
	// ImageDir is the folder of the images.
	ImageDir string
	// WorkDir is the folder of the log and of what else CRIU writes down; ""
	// is ImageDir.
	WorkDir string
	// ConfigFile is a file with options of CRIU that override these, or "".
	ConfigFile string
	// ConfigAnnotated says that an annotation named ConfigFile. It then must be
	// one that root or the caller wrote.
	ConfigAnnotated bool
	// ManageCgroups is what CRIU does with cgroups: soft, full, strict, ignore
	// or "", which is soft.
	ManageCgroups string
	// NetworkLock is how connections are held: iptables, nftables, skip or "",
	// which is iptables.
	NetworkLock string
	// TCPClose restores TCP connections as closed ones.
	TCPClose bool
	// EmptyNetwork has CRIU neither save nor restore what is in a network
	// namespace: that is the engine's.
	EmptyNetwork                                   bool
	TCPEstablished, ExtUnixSk, ShellJob, FileLocks bool
	AutoDedup, LazyPages                           bool
}

// logLevel is CRIU's for messages about each step.
const logLevel = 4

// folders are the open folders of a request, and a file with options. CRIU opens
// them anew by their numbers in this process, so they have to stay open until it
// is done.
type folders struct {
	images, work *os.File
	config       *os.File // only if it was named by an annotation
	// log is the path of CRIU's log.
	log string
}

// open opens the folders. The work folder is made where it is missing, and so is
// that of the images with make.
func (o *Options) open(logName string, make bool) (*folders, error) {
	f := &folders{log: filepath.Join(o.ImageDir, logName)}
	var err error
	if f.images, err = openFolder(o.ImageDir, make); err != nil {
		return nil, errdefs.Doing(err, "open the folder of the images (--image-path)")
	}
	if o.WorkDir != "" {
		f.log = filepath.Join(o.WorkDir, logName)
		if f.work, err = openFolder(o.WorkDir, true); err != nil {
			f.close()
			return nil, errdefs.Doing(err, "open CRIU's work folder (--work-path)")
		}
	}
	if o.ConfigAnnotated && o.ConfigFile != "" {
		if f.config, err = openConfig(o.ConfigFile); err != nil {
			f.close()
			return nil, err
		}
	}
	if abs, err := filepath.Abs(f.log); err == nil {
		f.log = abs
	}
	// An old one would be quoted if CRIU does not come to write its own.
	if err := os.Remove(f.log); err != nil && !os.IsNotExist(err) {
		f.close()
		return nil, errdefs.Doing(err, "remove the old log")
	}
	return f, nil
}

// openFolder opens a folder. With make it is made where it is missing, for the
// caller alone: images hold all that the container's processes have in memory.
func openFolder(path string, make bool) (*os.File, error) {
	if make {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, err
		}
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

func (f *folders) close() {
	for _, file := range []*os.File{f.images, f.work, f.config} {
		if file != nil {
			file.Close()
		}
	}
}

// fill returns what of a request comes from o.
func (o *Options) fill(f *folders) (*rpc.CriuOpts, error) {
	mode, err := o.cgroupMode()
	if err != nil {
		return nil, err
	}
	lock, err := o.networkLock()
	if err != nil {
		return nil, err
	}
	opts := &rpc.CriuOpts{
		NetworkLock:       &lock,
		ImagesDirFd:       ptr(int32(f.images.Fd())),
		LogLevel:          ptr(int32(logLevel)),
		LogFile:           ptr(filepath.Base(f.log)),
		NotifyScripts:     ptr(true),
		ManageCgroups:     ptr(true),
		ManageCgroupsMode: &mode,
		TcpEstablished:    ptr(o.TCPEstablished),
		ExtUnixSk:         ptr(o.ExtUnixSk),
		ShellJob:          ptr(o.ShellJob),
		FileLocks:         ptr(o.FileLocks),
		AutoDedup:         ptr(o.AutoDedup),
		LazyPages:         ptr(o.LazyPages),
		OrphanPtsMaster:   ptr(true),
	}
	if o.TCPClose {
		opts.TcpClose = ptr(true)
	}
	if f.work != nil {
		opts.WorkDirFd = ptr(int32(f.work.Fd()))
	}
	if o.EmptyNetwork {
		opts.EmptyNs = ptr(uint32(unix.CLONE_NEWNET))
	}
	switch {
	case f.config != nil:
		// Not the path: another file may be there by now.
		opts.ConfigFile = ptr(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.config.Fd()))
	case o.ConfigFile != "" && !o.ConfigAnnotated:
		opts.ConfigFile = ptr(o.ConfigFile)
	}
	return opts, nil
}

func (o *Options) cgroupMode() (rpc.CriuCgMode, error) {
	switch o.ManageCgroups {
	case "":
		return rpc.CriuCgMode_DEFAULT, nil
	case "soft":
		return rpc.CriuCgMode_SOFT, nil
	case "full":
		return rpc.CriuCgMode_FULL, nil
	case "strict":
		return rpc.CriuCgMode_STRICT, nil
	case "ignore":
		return rpc.CriuCgMode_IGNORE, nil
	}
	return 0, &errdefs.Error{Doing: "read --manage-cgroups-mode", Err: fmt.Errorf("unknown mode %q", o.ManageCgroups),
		Hint: "it is soft, full, strict or ignore"}
}

func (o *Options) networkLock() (rpc.CriuNetworkLockMethod, error) {
	switch o.NetworkLock {
	case "":
		return rpc.Default_CriuOpts_NetworkLock, nil
	case "iptables":
		return rpc.CriuNetworkLockMethod_IPTABLES, nil
	case "nftables":
		return rpc.CriuNetworkLockMethod_NFTABLES, nil
	case "skip":
		return rpc.CriuNetworkLockMethod_SKIP, nil
	}
	return 0, &errdefs.Error{Doing: "read --network-lock", Err: fmt.Errorf("unknown method %q", o.NetworkLock),
		Hint: "it is iptables, nftables or skip"}
}

func ptr[T any](v T) *T { return &v }

// The names under which CRIU finds namespaces that are somebody else's, the
// same when it saves and when it restores. They are runc's, so that either can
// restore what the other has saved.
const (
	networkKey = "extRootNetNS"
	pidKey     = "extRootPidNS"
)

// Namespace is a namespace that the container has joined, by its file.
type Namespace struct {
	Type specs.LinuxNamespaceType
	Path string
}

// Joined returns the namespaces of a configuration that are named by a path.
func Joined(s *specs.Spec) []Namespace {
	var joined []Namespace
	for _, ns := range s.Linux.Namespaces {
		if ns.Path != "" {
			joined = append(joined, Namespace{ns.Type, ns.Path})
		}
	}
	return joined
}

// kind returns CRIU's word for the type of a namespace.
func (n Namespace) kind() string {
	switch n.Type {
	case specs.NetworkNamespace:
		return "net"
	case specs.MountNamespace:
		return "mnt"
	}
	return string(n.Type)
}

// external returns the key of a namespace that CRIU leaves alone, and the
// version that can do that; "" for a namespace of another type.
func (n Namespace) external() (key string, since Version) {
	switch n.Type {
	case specs.NetworkNamespace:
		return networkKey, externalNetwork
	case specs.PIDNamespace:
		return pidKey, externalPID
	}
	return "", 0
}

// Pipes returns the names of those of the files that are pipes, "" for the
// others; nil if none is. By these names CRIU knows, when it restores a process,
// which of its descriptors were connected with the outside, and what they are to
// be connected with then.
func Pipes(files []*os.File) []string {
	pipes := make([]string, len(files))
	for i, f := range files {
		var fs unix.Statfs_t
		var st unix.Stat_t
		// A fifo, unlike a pipe, is in a filesystem with folders.
		if f != nil && unix.Fstatfs(int(f.Fd()), &fs) == nil && int64(fs.Type) == unix.PIPEFS_MAGIC && unix.Fstat(int(f.Fd()), &st) == nil {
			pipes[i] = fmt.Sprintf("pipe:[%d]", st.Ino)
		}
	}
	if !slices.ContainsFunc(pipes, func(p string) bool { return strings.HasPrefix(p, "pipe:") }) {
		return nil
	}
	return pipes
}
