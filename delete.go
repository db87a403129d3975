package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/libcontainer"
)

func deleteCommand() *cli.Command {
	return &cli.Command{
		Name:            "delete",
		HideHelpCommand: true,
		Usage:           "remove a container and everything that was made for it",
		ArgsUsage:       "CONTAINER-ID",
		Description: `The container must be stopped, or created and never started. With --force it is
killed first; a container that does not exist, or is half created, is no
error.`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "kill the container if it still runs"},
			regexFlag("delete each"),
		},
		Action: func(_ context.Context, cmd *cli.Command) error {
			args, err := arguments(cmd, 1, 1)
			if err != nil {
				return err
			}
			return onEach(cmd, args[0], func(id string) error {
				return libcontainer.Delete(cmd.String("root"), id, cmd.Bool("force"), warn)
			})
		},
	}
}
