package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer"
)

func createCommand() *cli.Command {
	return &cli.Command{
		Name:            "create",
		HideHelpCommand: true,
		Usage:           "create a container; its program waits for start",
		ArgsUsage:       "CONTAINER-ID",
		Description: `Everything that config.json asks for is in place when create returns, but the
program is not run: rung start does that.`,
		Flags: createFlags(),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			o, err := createOptions(cmd)
			if err != nil {
				return err
			}
			o.Detach = true
			c, err := libcontainer.Create(libcontainer.UntilSignal(ctx), *o)
			if err != nil {
				return err
			}
			c.Close()
			return nil
		},
	}
}

// createFlags are the flags of create, which run has too.
func createFlags() []cli.Flag {
	return []cli.Flag{
		bundleFlag(),
		&cli.StringFlag{Name: "config", Aliases: []string{"f"}, Usage: "configuration, relative to the current folder (default: config.json in the bundle)"},
		consoleSocketFlag("the container's terminal"),
		pidfdSocketFlag("the container's init process"),
		pidFileFlag("the container's init process"),
		&cli.BoolFlag{Name: "no-pivot", Usage: "do not use pivot_root; for root filesystems on a ramdisk, and less safe"},
		&cli.BoolFlag{Name: "no-new-keyring", Usage: "leave the program in the caller's session keyring"},
		noSubreaperFlag(),
		preserveFDsFlag(),
	}
}

func createOptions(cmd *cli.Command) (*libcontainer.Options, error) {
	args, err := arguments(cmd, 1, 1)
	if err != nil {
		return nil, err
	}
	o := &libcontainer.Options{
		Root: cmd.String("root"), ID: args[0], Bundle: cmd.String("bundle"), Config: cmd.String("config"),
		CrunAnnotations: self != asRunc, ScopePrefix: string(self), ScopeSubgroup: self.scopeSubgroup(),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		PreserveFDs: cmd.Int("preserve-fds"), NotifySocket: os.Getenv("NOTIFY_SOCKET"),
		NoPivot: cmd.Bool("no-pivot"), NoNewKeyring: cmd.Bool("no-new-keyring"),
		ConsoleSocket: cmd.String("console-socket"), PidFile: cmd.String("pid-file"), PidfdSocket: cmd.String("pidfd-socket"),
		Warn: warn, Trace: trace(), Debug: explain,
	}
	if o.SystemdCgroup, o.NoCgroup, err = cgroupManager(cmd); err != nil {
		return nil, err
	}
	if o.Rootless, err = rootless(cmd.String("rootless")); err != nil {
		return nil, err
	}
	if o.ListenFDs, err = listenFDs(); err != nil {
		return nil, err
	}
	if o.Bundle == "" {
		o.Bundle = "."
	}
	return o, checkDescriptors(o.PreserveFDs + o.ListenFDs)
}

// cgroupManager reads --cgroup-manager and --systemd-cgroup. Podman gives both
// where it wants no cgroup, and means the first.
func cgroupManager(cmd *cli.Command) (systemd, none bool, err error) {
	switch manager := cmd.String("cgroup-manager"); manager {
	case "":
		return cmd.Bool("systemd-cgroup"), false, nil
	case "cgroupfs", "systemd", "disabled":
		return manager == "systemd", manager == "disabled", nil
	default:
		return false, false, &errdefs.Error{Doing: "read --cgroup-manager", Err: fmt.Errorf("unknown manager %q", manager),
			Hint: "it is cgroupfs, systemd or disabled"}
	}
}

// rootless reads --rootless.
func rootless(value string) (bool, error) {
	if value == "" || strings.EqualFold(value, "auto") {
		return os.Geteuid() != 0 || libcontainer.InUserNamespace(), nil
	}
	b, err := strconv.ParseBool(value)
	if err != nil {
		return false, &errdefs.Error{Doing: "read --rootless", Err: fmt.Errorf("unknown value %q", value), Hint: "it is true, false or auto"}
	}
	return b, nil
}

// listenFDs returns the number of sockets that systemd passed to this process
// (sd_listen_fds(3)), and 0 where they are meant for another one. crun takes
// them whoever they are meant for, and Podman counts on it: it passes its own on.
func listenFDs() (int, error) {
	value := os.Getenv("LISTEN_FDS")
	if value == "" || self != asCrun && os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return 0, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return 0, &errdefs.Error{Doing: "read LISTEN_FDS", Err: fmt.Errorf("%q is no number of descriptors", value)}
	}
	return n, nil
}

// checkDescriptors makes sure that the n descriptors from 3 on came from the
// caller. Those that rung opened are marked close-on-exec, so no inherited
// one is.
func checkDescriptors(n int) error {
	if n < 0 {
		return &errdefs.Error{Doing: "read --preserve-fds", Err: fmt.Errorf("%d is less than zero", n)}
	}
	for fd := 3; fd < 3+n; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			return &errdefs.Error{Doing: fmt.Sprintf("pass %d descriptors on (--preserve-fds, LISTEN_FDS)", n),
				Err: fmt.Errorf("descriptor %d is not open", fd)}
		}
	}
	return nil
}
