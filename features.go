package main

import (
	"context"
	"encoding/json"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/libcontainer/mountopt"
	"github.com/rungoci/rung/libcontainer/seccomp"
	"github.com/rungoci/rung/libcontainer/specgen"
)

func featuresCommand() *cli.Command {
	return &cli.Command{
		Name:            "features",
		HideHelpCommand: true,
		Usage:           "print what this rung can do, as JSON",
		Description:     "The format is that of the OCI runtime specification (features.md).",
		Action: func(_ context.Context, cmd *cli.Command) error {
			if _, err := arguments(cmd, 0, 0); err != nil {
				return err
			}
			enc := json.NewEncoder(os.Stdout)
			enc.SetIndent("", "    ")
			return enc.Encode(specgen.Features(mountopt.Known(), seccomp.FlagSupported))
		},
	}
}
