package criu

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/checkpoint-restore/go-criu/v8/rpc"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// descriptorsFile, in the folder of the images, says what the container's
// standard streams were: a JSON array of three names. It is runc's and crun's.
const descriptorsFile = "descriptors.json"

// DumpOptions say what to save, and how.
type DumpOptions struct {
	Options
	// Pid is the container's init process, Root the host's path of its root
	// filesystem.
	Pid  int
	Root string
	// Streams are those of the container's standard streams that are connected
	// with the outside (see View.Streams).
	Streams []string
	// Namespaces are those that the container has joined.
	Namespaces []Namespace
	// External are the places in the container of mounts that came from
	// outside of it, by the name that they are to have in the images.
	External map[string]string
	// Freezer is the folder of the container's cgroup, by which CRIU can stop
	// its processes, or "".
	Freezer string
	// Unified says that Freezer is in a cgroup v2 hierarchy.
	Unified bool
	// PreDump saves memory only, and that of processes that go on. The dumps
	// after it save what has changed since, if Parent names its images,
	// relative to ImageDir.
	PreDump bool
	Parent  string
	// LeaveRunning lets the processes go on afterwards; they are killed else.
	LeaveRunning               bool
	TCPSkipInFlight, LinkRemap bool
	// PageServer is the address of a page server to send memory to, or, with
	// LazyPages, to listen on for who restores it; nil for none.
	PageServer *PageServer
	// Ready gets a zero byte when the images are there and, with LazyPages,
	// memory can be fetched. It is closed then. It may be nil.
	Ready *os.File
	// NoNewPrivileges says that the processes have no_new_privs.
	NoNewPrivileges bool
	// Warn is called with what is worth saying but no error.
	Warn func(text string)
}

// PageServer is where memory goes over the network.
type PageServer struct {
	Address string
	Port    int
}

// Dump saves the processes of a container, and ends them unless it is to leave
// them running. If it fails they go on.
func Dump(o *DumpOptions) error {
	version, err := Check()
	if err != nil {
		return err
	}
	if err := checkFeatures(o.PreDump, o.LazyPages); err != nil {
		return err
	}
	if o.NoNewPrivileges && version < noNewPrivileges {
		o.Warn(noNewPrivilegesLost(version))
	}
	f, err := o.open("dump.log", true)
	if err != nil {
		return err
	}
	defer f.close()
	req, err := o.request(f, version)
	if err != nil {
		return err
	}
	if !o.PreDump {
		if err := o.describeStreams(); err != nil {
			return err
		}
	}
	w, err := (&spawn{apart: true}).start()
	if err != nil {
		return err
	}
	_, err = w.converse(req, func(n *rpc.CriuNotify, _ *os.File) (bool, error) {
		if n.GetScript() == "status-ready" {
			o.ready()
		}
		return false, nil
	})
	// After a pre-dump it waits for a dump, which another worker will make.
	if ended := w.end(); err == nil && !o.PreDump && ended != nil {
		err = io.EOF
	}
	return w.finish(err, f.log)
}

// request makes the request.
func (o *DumpOptions) request(f *folders, version Version) (*rpc.CriuReq, error) {
	opts, err := o.fill(f)
	if err != nil {
		return nil, err
	}
	opts.Root = ptr(o.Root)
	opts.Pid = ptr(int32(o.Pid))
	opts.LeaveRunning = ptr(o.LeaveRunning)
	opts.TcpSkipInFlight = ptr(o.TCPSkipInFlight)
	opts.LinkRemap = ptr(o.LinkRemap)
	if o.Freezer != "" && (!o.Unified || version >= freezerV2) {
		// Otherwise it stops them one by one (ptrace).
		opts.FreezeCgroup = ptr(o.Freezer)
	}
	if o.PageServer != nil {
		opts.Ps = &rpc.CriuPageServerInfo{Address: ptr(o.PageServer.Address), Port: ptr(int32(o.PageServer.Port))}
	}
	if o.Parent != "" {
		opts.ParentImg = ptr(o.Parent)
		opts.TrackMem = ptr(true)
	}
	if o.Ready != nil && version < statusReady {
		opts.StatusFd = ptr(int32(o.Ready.Fd()))
	}
	if err := o.namespaces(opts, version); err != nil {
		return nil, err
	}
	t := rpc.CriuReqType_DUMP
	if o.PreDump {
		t = rpc.CriuReqType_PRE_DUMP
		return &rpc.CriuReq{Type: &t, Opts: opts}, nil
	}
	for _, name := range o.Streams {
		if strings.HasPrefix(name, "file[") && !slices.Contains(opts.External, name) {
			opts.External = append(opts.External, name)
		}
	}
	for _, point := range slices.Sorted(maps.Keys(o.External)) {
		opts.ExtMnt = append(opts.ExtMnt, &rpc.ExtMountMap{Key: ptr(point), Val: ptr(o.External[point])})
	}
	return &rpc.CriuReq{Type: &t, Opts: opts}, nil
}

// namespaces tells CRIU which namespaces to leave alone. Of the other types it
// saves those that were joined like those that are the container's own.
func (o *DumpOptions) namespaces(opts *rpc.CriuOpts, version Version) error {
	for _, ns := range o.Namespaces {
		key, since := ns.external()
		if key == "" {
			continue
		}
		if err := version.atLeast(since, "a "+ns.kind()+" namespace that was joined"); err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Stat(ns.Path, &st); err != nil {
			return errdefs.AtField(errdefs.Doing(err, "look at the namespace "+ns.Path), "linux.namespaces")
		}
		opts.External = append(opts.External, fmt.Sprintf("%s[%d]:%s", ns.kind(), st.Ino, key))
	}
	return nil
}

// describeStreams writes down what the container's standard streams are.
func (o *DumpOptions) describeStreams() error {
	err := os.WriteFile(filepath.Join(o.ImageDir, descriptorsFile), jsonfield.Marshal(o.Streams), 0o600)
	return errdefs.Doing(err, "describe the standard streams")
}

// ready tells who waits for it that memory can be fetched.
func (o *DumpOptions) ready() {
	if o.Ready != nil {
		// Somebody who does not wait any more is no reason to fail.
		_, _ = o.Ready.Write([]byte{0})
		o.Ready.Close()
		o.Ready = nil
	}
}
