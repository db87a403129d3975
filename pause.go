package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/libcontainer"
)

func pauseCommand() *cli.Command {
	return verb("pause", "freeze all processes of a container", (*libcontainer.Container).Pause)
}

func resumeCommand() *cli.Command {
	return verb("resume", "undo pause", (*libcontainer.Container).Resume)
}

// verb is a command that takes a container and nothing else.
func verb(name, usage string, do func(*libcontainer.Container) error) *cli.Command {
	return &cli.Command{
		Name:            name,
		HideHelpCommand: true,
		Usage:           usage,
		ArgsUsage:       "CONTAINER-ID",
		Action:          func(_ context.Context, cmd *cli.Command) error { return withContainer(cmd, do) },
	}
}
