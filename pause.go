package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/libcontainer"
)

func pauseCommand() *cli.Command {
	return &cli.Command{
		Name:            "pause",
		HideHelpCommand: true,
		Usage:           "freeze all processes of a container",
		ArgsUsage:       "CONTAINER-ID",
		Action: func(_ context.Context, cmd *cli.Command) error {
			return withContainer(cmd, (*libcontainer.Container).Pause)
		},
	}
}

func resumeCommand() *cli.Command {
	return &cli.Command{
		Name:            "resume",
		HideHelpCommand: true,
		Usage:           "undo pause",
		ArgsUsage:       "CONTAINER-ID",
		Action: func(_ context.Context, cmd *cli.Command) error {
			return withContainer(cmd, (*libcontainer.Container).Resume)
		},
	}
}
