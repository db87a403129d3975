package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer"
)

func eventsCommand() *cli.Command {
	return &cli.Command{
		Name:            "events",
		HideHelpCommand: true,
		Usage:           "print what a container uses, and when it runs out of memory",
		ArgsUsage:       "CONTAINER-ID",
		Description: `Each event is a line of JSON: the statistics of the container's cgroup, at each
interval, or that the container ran out of memory. The command ends with the
container.`,
		Flags: []cli.Flag{
			&cli.DurationFlag{Name: "interval", Value: 5 * time.Second, Usage: "time between two statistics, such as 500ms or 1m"},
			&cli.BoolFlag{Name: "stats", Usage: "print the statistics once, and end"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			return withContainer(cmd, func(c *libcontainer.Container) error {
				if cmd.Duration("interval") <= 0 {
					return &errdefs.Error{Doing: "read --interval", Err: errors.New("duration interval must be greater than 0")}
				}
				out := json.NewEncoder(os.Stdout)
				emit := func(e libcontainer.Event) error { return out.Encode(e) }
				var err error
				if cmd.Bool("stats") {
					var stats *libcontainer.Stats
					if stats, err = c.Stats(); err == nil {
						err = emit(libcontainer.Event{Type: libcontainer.EventStats, ID: c.ID(), Data: stats})
					}
				} else {
					err = c.Watch(ctx, cmd.Duration("interval"), emit)
				}
				if errors.Is(err, libcontainer.ErrNotRunning) {
					return errdefs.Doing(err, "watch container "+c.ID())
				}
				return err
			})
		},
	}
}
