package main

import (
	"context"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer"
	"github.com/rungoci/rung/libcontainer/bundle"
)

func mountsCommand() *cli.Command {
	return &cli.Command{
		Name:            "mounts",
		HideHelpCommand: true,
		Usage:           "add mounts to a container that runs, or remove them",
		ArgsUsage:       "add|remove CONTAINER-ID FILE",
		Description: `FILE has a JSON array of mounts, as the field mounts of config.json; - is
standard input. Bind mounts and tmpfs can be added: all of them, or none and
the error names the one that failed. Of those to be removed, only the
destination matters.`,
		Action: func(_ context.Context, cmd *cli.Command) error {
			args, err := arguments(cmd, 3, 3)
			if err != nil {
				return err
			}
			do, ok := map[string]func(*libcontainer.Container, []specs.Mount) error{
				"add": (*libcontainer.Container).AddMounts, "remove": (*libcontainer.Container).RemoveMounts,
			}[args[0]]
			if !ok {
				return &errdefs.Error{Doing: "change mounts", Err: fmt.Errorf("unknown action %q", args[0]), Hint: "it is add or remove"}
			}
			return onContainer(cmd, args[1], func(c *libcontainer.Container) error {
				mounts, warnings, err := bundle.LoadMounts(args[2], c.HasUserNamespace(), args[0] == "remove")
				if err != nil {
					return err
				}
				for _, w := range warnings {
					warn(w)
				}
				return do(c, mounts)
			})
		},
	}
}
