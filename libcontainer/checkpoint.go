package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle"
	"github.com/rungoci/rung/libcontainer/cgroup"
	"github.com/rungoci/rung/libcontainer/criu"
	"github.com/rungoci/rung/libcontainer/notify"
	"github.com/rungoci/rung/libcontainer/state"
)

// ErrNoCRIU: CRIU, which Checkpoint and Restore need, is not installed.
var ErrNoCRIU = criu.ErrMissing

// PageServer is where memory goes over the network.
type PageServer = criu.PageServer

// CRIUOptions are what saving and restoring a container have in common. Fields
// without a comment are options of criu(8).
type CRIUOptions struct {
	// ImagePath is the folder of the images.
	ImagePath string
	// WorkPath is the folder of CRIU's log; "" is ImagePath.
	WorkPath string
	// ManageCgroups is what CRIU does with cgroups: "soft", "full", "strict",
	// "ignore", or "" for soft.
	ManageCgroups string
	// NetworkLock is how CRIU holds connections meanwhile: "iptables",
	// "nftables", "skip", or "" for iptables.
	NetworkLock string
	// TCPClose restores TCP connections as closed ones.
	TCPClose bool

	TCPEstablished, ExtUnixSk, ShellJob, FileLocks, AutoDedup, LazyPages bool
}

// options are o for a container with these annotations. What is in a network
// namespace is always left to the engine.
func (o *CRIUOptions) options(annotations map[string]string) criu.Options {
	config, annotated := criu.ConfigFile(annotations)
	return criu.Options{
		ImageDir: o.ImagePath, WorkDir: o.WorkPath, ConfigFile: config, ConfigAnnotated: annotated,
		ManageCgroups: o.ManageCgroups, NetworkLock: o.NetworkLock, TCPClose: o.TCPClose, EmptyNetwork: true,
		TCPEstablished: o.TCPEstablished, ExtUnixSk: o.ExtUnixSk, ShellJob: o.ShellJob, FileLocks: o.FileLocks,
		AutoDedup: o.AutoDedup, LazyPages: o.LazyPages,
	}
}

// CheckpointOptions say how to save a container.
type CheckpointOptions struct {
	CRIUOptions
	// PreDump saves the memory alone, of a container that goes on. A later
	// checkpoint whose ParentPath names these images saves what has changed
	// since.
	PreDump bool
	// ParentPath is a folder relative to ImagePath, or "".
	ParentPath string
	// LeaveRunning lets the container go on when it is saved.
	LeaveRunning               bool
	TCPSkipInFlight, LinkRemap bool
	// PageServer is where memory is sent, or, with LazyPages, fetched.
	PageServer *PageServer
	// Ready gets a zero byte when, with LazyPages, memory can be fetched, and is
	// closed. May be nil.
	Ready *os.File
	// Warn is called with what is worth saying but no error. May be nil.
	Warn func(text string)
}

// Checkpoint saves a container that runs, or is paused, so that Restore can
// make it go on, here or elsewhere. The container is deleted then, unless it is
// to be left running or this was a pre-dump. If it fails, the container goes on.
//
// It returns ErrNoCRIU where CRIU is not installed; other errors quote CRIU's
// log and say where that is.
func (c *Container) Checkpoint(o CheckpointOptions) error {
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	doing := "checkpoint container " + c.state.ID
	err := c.lockCreated()
	if errors.Is(err, state.ErrLocked) && !c.state.Created {
		return c.busy()
	}
	if err != nil {
		return errdefs.Doing(err, doing)
	}
	defer c.dir.Unlock()
	if err := c.save(&o); err != nil {
		return errdefs.Doing(err, doing)
	}
	if o.LeaveRunning || o.PreDump {
		return nil
	}
	return c.destroy(true, o.Warn)
}

// save is Checkpoint under the lock, without the end of the container.
func (c *Container) save(o *CheckpointOptions) error {
	switch status, err := c.Status(); {
	case err != nil:
		return err
	case !status.CanCheckpoint():
		return fmt.Errorf("it is %s, and only one that runs or is paused can be saved", status)
	case c.state.Init.Headless():
		return state.ErrHeadless
	}
	if err := c.state.Known(); err != nil {
		return err
	}
	if err := o.checkParent(); err != nil {
		return err
	}
	b, err := bundle.LoadConfig(c.state.Bundle, c.state.Config, nil)
	if err != nil {
		return errdefs.Doing(err, "read which mounts come from outside")
	}
	cg, err := cgroup.Load(c.state.Cgroup)
	if err != nil {
		return err
	}
	var ours []string
	if _, err := os.Stat(filepath.Join(c.dir.Path(), notify.Folder)); err == nil {
		ours = append(ours, notify.Inside)
	}
	view := criu.ViewOf(c.state.Init.Pid)
	external, err := view.Saved(b.Spec, ownCgroupNamespace(b.Spec), ours)
	if err != nil {
		return err
	}
	streams, err := view.Streams(c.state.Init.Pid, c.state.Pipes)
	if err != nil {
		return err
	}
	d := &criu.DumpOptions{
		Options: o.options(c.state.Annotations), Pid: c.state.Init.Pid, Root: c.state.Root, Streams: streams,
		Namespaces: criu.Joined(b.Spec), External: external,
		PreDump: o.PreDump, Parent: o.ParentPath, LeaveRunning: o.LeaveRunning,
		TCPSkipInFlight: o.TCPSkipInFlight, LinkRemap: o.LinkRemap, PageServer: o.PageServer, Ready: o.Ready,
		NoNewPrivileges: b.Spec.Process.NoNewPrivileges, Warn: o.Warn,
	}
	d.Freezer, d.Unified = cg.Freezer()
	return criu.Dump(d)
}

// checkParent makes sure that the images that o builds on are there.
func (o *CheckpointOptions) checkParent() error {
	if o.ParentPath == "" {
		return nil
	}
	err := errors.New("it must be relative to --image-path")
	if !filepath.IsAbs(o.ParentPath) {
		var info os.FileInfo
		if info, err = os.Stat(filepath.Join(o.ImagePath, o.ParentPath)); err == nil && !info.IsDir() {
			err = errors.New("it is no folder")
		}
	}
	return errdefs.Doing(err, "find the images of the pre-dump (--parent-path)")
}

// ownCgroupNamespace tells whether a container has a cgroup namespace of its
// own.
func ownCgroupNamespace(s *specs.Spec) bool {
	return slices.ContainsFunc(s.Linux.Namespaces, func(ns specs.LinuxNamespace) bool {
		return ns.Type == specs.CgroupNamespace && ns.Path == ""
	})
}
