package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer"
)

func checkpointCommand() *cli.Command {
	return &cli.Command{
		Name:            "checkpoint",
		HideHelpCommand: true,
		Usage:           "save the processes of a container, to restore them later",
		ArgsUsage:       "CONTAINER-ID",
		Description: `CRIU saves what the container's processes have in memory and in the kernel: open
files, terminals, connections. The container is deleted then, unless it is to
be left running. If it cannot be saved it goes on.`,
		DisableSliceFlagSeparator: true,
		Flags: append(criuFlags(),
			&cli.StringFlag{Name: "parent-path", Usage: "folder of the images of a --pre-dump, relative to --image-path: save only what has changed since"},
			&cli.BoolFlag{Name: "leave-running", Usage: "let the container go on afterwards"},
			&cli.BoolFlag{Name: "pre-dump", Usage: "save the memory alone, and let the container go on"},
			&cli.BoolFlag{Name: "tcp-skip-in-flight", Usage: "leave out TCP connections that are still being made"},
			&cli.BoolFlag{Name: "link-remap", Usage: "give files that were deleted while open a name again, for as long as the images are there"},
			&cli.StringFlag{Name: "page-server", Usage: "`ADDRESS:PORT` of a page server that memory is sent to, or, with --lazy-pages, fetched from"},
			&cli.IntFlag{Name: "status-fd", Value: -1, Usage: "with --lazy-pages: descriptor that gets a zero byte when memory can be fetched"},
		),
		Action: func(_ context.Context, cmd *cli.Command) error {
			warnUnprivileged("checkpoint")
			o := libcontainer.CheckpointOptions{
				PreDump: cmd.Bool("pre-dump"), ParentPath: cmd.String("parent-path"), LeaveRunning: cmd.Bool("leave-running"),
				TCPSkipInFlight: cmd.Bool("tcp-skip-in-flight"), LinkRemap: cmd.Bool("link-remap"), Warn: warn,
			}
			var err error
			if o.CRIUOptions, err = criuOptions(cmd); err != nil {
				return err
			}
			if o.PageServer, err = pageServer(cmd.String("page-server")); err != nil {
				return err
			}
			if o.LazyPages {
				if o.Ready, err = statusFile(cmd.Int("status-fd")); err != nil {
					return err
				}
			}
			return withContainer(cmd, func(c *libcontainer.Container) error { return c.Checkpoint(o) })
		},
	}
}

// criuFlags are the flags that checkpoint and restore have in common.
func criuFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "image-path", Usage: "folder of the images (default: checkpoint, in the current folder)"},
		&cli.StringFlag{Name: "work-path", Usage: "folder of CRIU's log (default: that of the images)"},
		&cli.BoolFlag{Name: "tcp-established", Usage: "allow open TCP connections"},
		&cli.BoolFlag{Name: "ext-unix-sk", Usage: "allow unix sockets that are connected with the outside"},
		&cli.BoolFlag{Name: "shell-job", Usage: "allow processes whose session or terminal is that of a shell outside"},
		&cli.BoolFlag{Name: "file-locks", Usage: "allow file locks"},
		&cli.StringFlag{Name: "manage-cgroups-mode", Usage: "what CRIU does with cgroups: soft, full, strict or ignore (default: soft)"},
		&cli.StringFlag{Name: "network-lock", Usage: "how CRIU holds connections meanwhile: iptables, nftables or skip (default: iptables)"},
		&cli.StringSliceFlag{Name: "empty-ns", Usage: "`TYPE` of a namespace (network) whose content is neither saved nor restored; always so"},
		&cli.BoolFlag{Name: "auto-dedup", Usage: "free what is saved twice in the images of several dumps"},
		&cli.BoolFlag{Name: "lazy-pages", Usage: "leave memory where it is until it is used (userfaultfd)"},
	}
}

// criuOptions reads criuFlags.
func criuOptions(cmd *cli.Command) (libcontainer.CRIUOptions, error) {
	o := libcontainer.CRIUOptions{
		ImagePath: cmd.String("image-path"), WorkPath: cmd.String("work-path"), ManageCgroups: cmd.String("manage-cgroups-mode"),
		TCPEstablished: cmd.Bool("tcp-established"), ExtUnixSk: cmd.Bool("ext-unix-sk"), ShellJob: cmd.Bool("shell-job"),
		NetworkLock: cmd.String("network-lock"), FileLocks: cmd.Bool("file-locks"), AutoDedup: cmd.Bool("auto-dedup"), LazyPages: cmd.Bool("lazy-pages"),
	}
	if o.ImagePath == "" {
		o.ImagePath = "checkpoint"
	}
	for _, ns := range cmd.StringSlice("empty-ns") {
		if ns != "network" {
			return o, &errdefs.Error{Doing: "read --empty-ns", Err: fmt.Errorf("%q cannot be left empty", ns), Hint: "only network can"}
		}
	}
	return o, nil
}

// pageServer reads --page-server.
func pageServer(value string) (*libcontainer.PageServer, error) {
	if value == "" {
		return nil, nil
	}
	i := strings.LastIndexByte(value, ':')
	if i < 1 {
		return nil, &errdefs.Error{Doing: "read --page-server", Err: fmt.Errorf("%q has no port", value), Hint: "it is ADDRESS:PORT"}
	}
	port, err := strconv.ParseUint(value[i+1:], 10, 16)
	if err != nil {
		return nil, &errdefs.Error{Doing: "read --page-server", Err: fmt.Errorf("%q is no port", value[i+1:]), Hint: "it is ADDRESS:PORT"}
	}
	// The brackets of an IPv6 address only keep its colons from the port's.
	address := strings.TrimSuffix(strings.TrimPrefix(value[:i], "["), "]")
	return &libcontainer.PageServer{Address: address, Port: int(port)}, nil
}

// statusFile returns the file of --status-fd, or nil for none. CRIU does not
// inherit it, so that who waits at its other end sees when rung is gone.
func statusFile(fd int) (*os.File, error) {
	if fd == -1 {
		return nil, nil
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err == nil && flags&unix.O_ACCMODE == unix.O_RDONLY {
		err = errors.New("it is not open for writing")
	}
	if err != nil {
		return nil, errdefs.Doing(err, fmt.Sprintf("use descriptor %d (--status-fd)", fd))
	}
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "status"), nil
}

// warnUnprivileged says what is to be expected of CRIU without root's
// privileges.
func warnUnprivileged(command string) {
	if os.Geteuid() != 0 || libcontainer.InUserNamespace() {
		warn("rung " + command + " is not tested without root's privileges, which CRIU needs for nearly everything")
	}
}
