package main

import (
	"context"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/libcontainer"
)

func startCommand() *cli.Command {
	return &cli.Command{
		Name:            "start",
		HideHelpCommand: true,
		Usage:           "run the program of a created container",
		ArgsUsage:       "CONTAINER-ID",
		Description:     "start returns when the program runs, or says why it could not be run.",
		Action: func(_ context.Context, cmd *cli.Command) error {
			return withContainer(cmd, func(c *libcontainer.Container) error {
				if host := os.Getenv("NOTIFY_SOCKET"); host != "" {
					return c.StartNotify(host)
				}
				return c.Start()
			})
		},
	}
}
