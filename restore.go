package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/libcontainer"
)

func restoreCommand() *cli.Command {
	return &cli.Command{
		Name:            "restore",
		HideHelpCommand: true,
		Usage:           "restore a container that checkpoint has saved",
		ArgsUsage:       "CONTAINER-ID",
		Description: `The bundle is the one that the container was made from, or a copy of it; its
root filesystem has to have the files that the processes had open. The id and
the cgroup may be others.

As with run, rung passes signals and the terminal on, exits with the program's
exit status and deletes the container then, unless it is to be detached.`,
		DisableSliceFlagSeparator: true,
		Flags: append(criuFlags(),
			bundleFlag(),
			consoleSocketFlag("the container's terminal"),
			pidFileFlag("the container's init process"),
			detachFlag("the container goes on"),
			noSubreaperFlag(),
			&cli.BoolFlag{Name: "no-pivot", Usage: "taken for runc's sake; CRIU enters the root filesystem in its own way"},
			&cli.BoolFlag{Name: "tcp-close", Usage: "restore TCP connections as closed ones"},
			&cli.StringFlag{Name: "lsm-profile", Usage: "label of the processes in place of what they had, as `apparmor:NAME` or selinux:LABEL"},
			&cli.StringFlag{Name: "lsm-mount-context", Usage: "SELinux `CONTEXT` of mounts in place of what they had"},
		),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			warnUnprivileged("restore")
			run, err := createOptions(cmd)
			if err != nil {
				return err
			}
			run.Detach = cmd.Bool("detach")
			o := libcontainer.RestoreOptions{
				RunOptions: libcontainer.RunOptions{Options: *run, NoSubreaper: cmd.Bool("no-subreaper"), KeepSignals: true},
				LSMProfile: cmd.String("lsm-profile"), LSMMountContext: cmd.String("lsm-mount-context"), Log: warnInLog,
			}
			// What is meant for the program it has got already.
			o.NotifySocket, o.ListenFDs = "", 0
			if o.CRIUOptions, err = criuOptions(cmd); err != nil {
				return err
			}
			o.TCPClose = cmd.Bool("tcp-close")
			status, err := libcontainer.Restore(ctx, o)
			if err != nil {
				return err
			}
			return programEnded(status)
		},
	}
}
