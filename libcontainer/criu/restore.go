package criu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/checkpoint-restore/go-criu/v8/rpc"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/procstat"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// RestoreOptions say what to restore, and where.
type RestoreOptions struct {
	Options
	// Root is the root filesystem, a mount of its own in the mount namespace
	// of the calling thread, which CRIU is started in.
	Root string
	// Stdio are what the processes get for those of their standard streams
	// that were connected with the outside.
	Stdio [3]*os.File
	// Namespaces are those to join.
	Namespaces []Namespace
	// External are the host's paths of the mounts that come from outside of
	// the container, by their names in the images.
	External map[string]string
	// LSMProfile and LSMMountContext are the labels of processes and mounts,
	// in place of those that they were saved with, or "".
	LSMProfile, LSMMountContext string
	// NoNewPrivileges says that the processes had no_new_privs.
	NoNewPrivileges bool
	// Log is called with what is worth saying, but not on standard error: that
	// may be the processes' own, and CRIU takes a file whose size has changed for
	// another one.
	Log func(text string)
}

// Steps are called while the container is restored.
type Steps struct {
	// Placed is called with CRIU's pid, before it begins: all processes that
	// it makes are born in the cgroup in which it is. It returns the paths of
	// the container's cgroups, by controllers ("" for cgroup v2), to which
	// CRIU moves the cgroups that the container had made below its own.
	Placed func(pid int) (map[string]string, error)
	// Born is called with the pid of the init process, when its namespaces
	// are there and before anything else is; it is a child of this process.
	Born func(pid int) error
	// Terminal is called with the master of the container's terminal, which
	// it must not keep.
	Terminal func(master *os.File) error
}

// Restored is a container whose processes are all there, and wait.
type Restored struct {
	w *worker
	f *folders
	// extra are the descriptors that CRIU inherits from firstExtra on, and
	// opened those of them that are to be closed.
	extra, opened []*os.File
	off           func() bool
	// init is the pid of the container's init process, or 0.
	init int
}

// Restore restores a container up to the point where its processes go on, which
// is up to Resume. If it fails, or ctx ends, CRIU has ended what it made.
func Restore(ctx context.Context, o *RestoreOptions, steps Steps) (*Restored, error) {
	version, err := Check()
	if err != nil {
		return nil, err
	}
	r := &Restored{}
	if err := r.begin(ctx, o, version, steps); err != nil {
		r.Abandon()
		return nil, err
	}
	if o.NoNewPrivileges && version < noNewPrivileges {
		o.Log(noNewPrivilegesLost(version))
	}
	return r, nil
}

func (r *Restored) begin(ctx context.Context, o *RestoreOptions, version Version, steps Steps) (err error) {
	if r.f, err = o.open("restore.log", false); err != nil {
		return err
	}
	req, err := o.request(r, version)
	if err != nil {
		return err
	}
	if r.w, err = (&spawn{stdio: [3]*os.File{o.Stdio[0], o.Stdio[1]}, extra: r.extra}).start(); err != nil {
		return err
	}
	r.off = context.AfterFunc(ctx, r.w.interrupt)
	if err := r.w.watch(r.unlock); err != nil {
		return err
	}
	if err := place(steps, r.w.pid, req.Opts); err != nil {
		return err
	}
	resp, err := r.w.converse(req, func(n *rpc.CriuNotify, f *os.File) (bool, error) {
		return r.notified(steps, n, f)
	})
	if err == nil && resp != nil {
		err = errors.New("CRIU restored the container without a word before it let it go")
	}
	if err != nil {
		return r.w.finish(err, r.f.log)
	}
	return nil
}

// place puts CRIU into the container's cgroups.
func place(steps Steps, pid int, opts *rpc.CriuOpts) error {
	paths, err := steps.Placed(pid)
	if err != nil {
		return err
	}
	for _, controllers := range slices.Sorted(maps.Keys(paths)) {
		for controller := range strings.SplitSeq(controllers, ",") {
			opts.CgRoot = append(opts.CgRoot, &rpc.CgroupRoot{Ctrl: ptr(controller), Path: ptr(paths[controllers])})
		}
	}
	return nil
}

// notified does what is to be done at a point of the restore.
func (r *Restored) notified(steps Steps, n *rpc.CriuNotify, f *os.File) (stop bool, err error) {
	switch n.GetScript() {
	case "setup-namespaces":
		r.init = int(n.GetPid())
		return false, steps.Born(r.init)
	case "orphan-pts-master":
		if f == nil {
			return false, errors.New("CRIU sent no terminal")
		}
		return false, steps.Terminal(f)
	case "post-restore":
		return true, nil
	}
	return false, nil
}

// unlock ends a CRIU that waits for ever. When a restore fails late, CRIU kills the
// container's init and waits for its end; the init waits for that of the other
// processes of its pid namespace; and these, which CRIU traces, are gone only
// when CRIU has waited for them, which it does not (seen with CRIU 4.2).
func (r *Restored) unlock() {
	if r.init == 0 {
		return
	}
	if init, err := procstat.Read(r.init); err == nil && init.Exiting() {
		r.w.killed = unix.Kill(r.w.pid, unix.SIGKILL) == nil
	}
}

// Keep has the end of Restore's ctx mean nothing any more. It returns false where
// that has come already, and CRIU is ending the processes.
func (r *Restored) Keep() bool {
	off := r.off
	r.off = nil
	return off == nil || off()
}

// Resume lets the processes go on, and waits until they do. If it fails, CRIU
// has ended them.
func (r *Restored) Resume() error {
	err := r.w.send(goOn())
	if err == nil {
		_, err = r.w.await(nil)
	}
	if err == nil && r.w.end() != nil {
		err = io.EOF
	}
	err = r.w.finish(err, r.f.log)
	r.close()
	return err
}

// Abandon has CRIU end the processes again. After Resume it does nothing.
func (r *Restored) Abandon() {
	if r.w != nil {
		_ = r.w.end()
	}
	r.close()
}

func (r *Restored) close() {
	if r.off != nil {
		r.off()
	}
	if r.f != nil {
		r.f.close()
		r.f = nil
	}
	for _, f := range r.opened {
		f.Close()
	}
	r.opened = nil
}

// request makes the request, and opens the files that CRIU inherits.
func (o *RestoreOptions) request(r *Restored, version Version) (*rpc.CriuReq, error) {
	opts, err := o.fill(r.f)
	if err != nil {
		return nil, err
	}
	opts.Root = ptr(o.Root)
	// Ours, not CRIU's: then somebody can wait for it.
	opts.RstSibling = ptr(true)
	opts.EvasiveDevices = ptr(true)
	for label, opt := range map[string]**string{o.LSMProfile: &opts.LsmProfile, o.LSMMountContext: &opts.LsmMountContext} {
		if label == "" {
			continue
		}
		if err := version.atLeast(otherLabels, "--lsm-profile and --lsm-mount-context"); err != nil {
			return nil, err
		}
		*opt = ptr(label)
	}
	for _, name := range slices.Sorted(maps.Keys(o.External)) {
		opts.ExtMnt = append(opts.ExtMnt, &rpc.ExtMountMap{Key: ptr(name), Val: ptr(o.External[name])})
	}
	if err := o.namespaces(r, opts, version); err != nil {
		return nil, err
	}
	if err := o.streams(r, opts); err != nil {
		return nil, err
	}
	t := rpc.CriuReqType_RESTORE
	return &rpc.CriuReq{Type: &t, Opts: opts}, nil
}

// namespaces has CRIU join the namespaces that have a path.
func (o *RestoreOptions) namespaces(r *Restored, opts *rpc.CriuOpts, version Version) error {
	for _, ns := range o.Namespaces {
		key, since := ns.external()
		switch {
		case ns.Type == specs.CgroupNamespace || ns.Type == specs.TimeNamespace || ns.Type == specs.MountNamespace:
			return &errdefs.Error{Doing: "restore the container", Field: "linux.namespaces",
				Err: fmt.Errorf("CRIU cannot join a %s namespace", ns.Type), Hint: "leave its path away"}
		case key == "":
			opts.JoinNs = append(opts.JoinNs, &rpc.JoinNamespace{Ns: ptr(ns.kind()), NsFile: ptr(ns.Path)})
			continue
		}
		if err := version.atLeast(since, "a "+ns.kind()+" namespace that is joined"); err != nil {
			return err
		}
		fd, err := unix.Open(ns.Path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return errdefs.AtField(errdefs.Doing(err, "open the namespace "+ns.Path), "linux.namespaces")
		}
		f := os.NewFile(uintptr(fd), ns.Path)
		opts.InheritFd = append(opts.InheritFd, r.inherit(key, f))
		r.opened = append(r.opened, f)
	}
	return nil
}

// inherit has CRIU inherit f, and use it for what has this name in the images.
func (r *Restored) inherit(name string, f *os.File) *rpc.InheritFd {
	r.extra = append(r.extra, f)
	return &rpc.InheritFd{Key: ptr(name), Fd: ptr(int32(firstExtra + len(r.extra) - 1))}
}

// streams gives the processes the caller's standard streams in place of those of
// their own that were connected with the outside. Two that were one file are
// one file again.
func (o *RestoreOptions) streams(r *Restored, opts *rpc.CriuOpts) error {
	data, err := os.ReadFile(filepath.Join(o.ImageDir, descriptorsFile))
	if errors.Is(err, os.ErrNotExist) {
		return &errdefs.Error{Doing: "read the images", Err: err, Hint: "--image-path names the folder that rung checkpoint has written"}
	}
	if err != nil {
		return errdefs.Doing(err, "read the images")
	}
	var streams []string
	if err := jsonfield.Unmarshal(data, &streams); err != nil {
		return errdefs.Doing(err, "read "+filepath.Join(o.ImageDir, descriptorsFile))
	}
	for fd, name := range streams[:min(len(streams), 3)] {
		// Any other name would be that of a file of the container.
		if ours := strings.HasPrefix(name, "pipe:[") || strings.HasPrefix(name, "file["); ours && o.Stdio[fd] != nil {
			opts.InheritFd = append(opts.InheritFd, r.inherit(name, o.Stdio[fd]))
		}
	}
	return nil
}
