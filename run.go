package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/libcontainer"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:            "run",
		HideHelpCommand: true,
		Usage:           "create a container, start it, and delete it when it ends",
		ArgsUsage:       "CONTAINER-ID",
		Description: `rung passes signals and the terminal on and exits with the program's exit
status, or 128 and the number of the signal that ended it.`,
		Flags: append(createFlags(),
			detachFlag("the program runs"),
			&cli.BoolFlag{Name: "keep", Usage: "do not delete the container when it ends"},
		),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			o, err := createOptions(cmd)
			if err != nil {
				return err
			}
			o.Detach = cmd.Bool("detach")
			status, err := libcontainer.Run(ctx, libcontainer.RunOptions{
				Options: *o, Keep: cmd.Bool("keep"), NoSubreaper: cmd.Bool("no-subreaper"), KeepSignals: true,
			})
			if err != nil {
				return err
			}
			return programEnded(status)
		},
	}
}
