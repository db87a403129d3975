package initproc

import (
	"errors"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/process"
	"github.com/rungoci/rung/libcontainer/rootfs"
)

// Steps that make the root filesystem, and what of the program's is in it.

func (in *inside) openRoot() (err error) {
	// What the sources of mounts are relative to (config.md, "Mounts").
	err = unix.Chdir(in.msg.State.Bundle)
	outsideBundle := err == unix.EACCES && in.msg.Userns
	if err != nil && !outsideBundle {
		return errdefs.Doing(err, "enter the bundle "+in.msg.State.Bundle)
	}
	source := in.source
	if in.alongside() {
		source = func(int) (int, error) { return -1, ErrNotAhead }
	}
	in.root, err = rootfs.New(rootfs.Options{
		Spec:            in.spec,
		Root:            in.msg.Root,
		NoPivot:         in.msg.NoPivot,
		CgroupNamespace: in.newNamespace(specs.CgroupNamespace),
		Cgroup:          cgroupView(in.msg.Cgroup),
		Source:          source,
		Procfs:          in.newProcfs,
		OutsideBundle:   outsideBundle,
		LabelOption:     in.msg.LabelOption,
		CgroupV1:        in.msg.CgroupV1,
	})
	if err != nil {
		return err
	}
	return in.root.Open()
}

// source has the outside open the source of a mount.
func (in *inside) source(mount int) (int, error) {
	if err := in.conn.Send(handshake.KindSource, handshake.SourceRequest{Mount: mount}); err != nil {
		return -1, errdefs.Doing(err, "ask the outside")
	}
	fr, err := in.conn.Receive()
	switch {
	case err != nil:
		return -1, errdefs.Doing(err, "wait for the outside")
	case fr.Kind == handshake.KindFailed:
		return -1, fr.Err()
	case fr.Kind != handshake.KindSource || fr.File == nil:
		return -1, errors.New("handshake: the outside does not send the source of a mount")
	}
	defer fr.File.Close()
	return unix.FcntlInt(fr.File.Fd(), unix.F_DUPFD_CLOEXEC, 0)
}

func cgroupView(v handshake.CgroupView) rootfs.CgroupView {
	out := rootfs.CgroupView{Unified: v.Unified, Path: v.Path}
	for _, m := range v.Mounts {
		out.Mountpoints = append(out.Mountpoints, rootfs.CgroupMount(m))
	}
	return out
}

func (in *inside) mounts() error { return in.root.Mounts() }

func (in *inside) devices() error { return in.root.Devices() }

// terminal makes the container's terminal and hands its master out.
func (in *inside) terminal() error {
	if !in.spec.Process.Terminal {
		return nil
	}
	terminal := rootfs.JoinTerminal
	if !in.msg.Join {
		terminal = in.root.Terminal
	}
	master, slave, err := terminal(in.spec.Process.ConsoleSize)
	if err != nil {
		return errdefs.AtField(err, "process.terminal")
	}
	defer slave.Close()
	defer master.Close()
	if err := in.conn.SendFile(handshake.KindTerminal, master); err != nil {
		return err
	}
	return process.ControllingTerminal(slave)
}

// enter makes the root filesystem the root, and while it can still be written
// to, the working folder.
func (in *inside) enter() error {
	if err := in.root.Enter(); err != nil {
		return err
	}
	return process.MakeCwd(in.spec.Process.Cwd)
}

// paths makes read-only and hides what the config says, has the standard streams
// show nothing of the host, and gives the root descriptors back.
func (in *inside) paths() error {
	if err := in.root.Finish(); err != nil {
		return err
	}
	if err := in.root.NullStdio(in.streams, in.replaceStream); err != nil {
		return err
	}
	return in.root.Close()
}

// replaceStream makes null one of the standard streams.
func (in *inside) replaceStream(null, stream int) error {
	if !in.alongside() {
		return unix.Dup3(null, stream, 0)
	}
	if in.null == nil {
		fd, err := unix.FcntlInt(uintptr(null), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return err
		}
		in.null = os.NewFile(uintptr(fd), os.DevNull)
	}
	in.nullStreams = append(in.nullStreams, stream)
	return nil
}

// stdio gives the standard streams to the container's user, so that it may
// open /dev/stdout again; web servers log that way. Left alone are streams that
// cannot be given, files that are only read (the caller may have put any file
// there), and a foreground caller's terminal, which it needs afterwards.
func (in *inside) stdio() error {
	uid := int(in.spec.Process.User.UID)
	for _, fd := range in.streams {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil || int(st.Uid) == uid {
			continue // closed by the caller, or nothing to do
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFCHR:
			borrowed := in.msg.Foreground && !in.spec.Process.Terminal
			if borrowed || st.Rdev == unix.Mkdev(1, 3) {
				continue
			}
		case unix.S_IFREG:
			flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
			if err != nil || flags&unix.O_ACCMODE == unix.O_RDONLY {
				continue
			}
		}
		switch err := unix.Fchown(fd, uid, -1); err {
		case nil, unix.EINVAL, unix.EPERM, unix.EROFS, unix.ENOSYS:
		default:
			return errdefs.AtField(errdefs.Doing(err, "give the standard streams to the user"), "process.user.uid")
		}
	}
	return nil
}
