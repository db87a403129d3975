package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/libcontainer"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

func stateCommand() *cli.Command {
	return &cli.Command{
		Name:            "state",
		HideHelpCommand: true,
		Usage:           "print the state of a container",
		ArgsUsage:       "CONTAINER-ID",
		Description:     "The state is JSON: that of the OCI specification, with rootfs, created and owner added.",
		Action: func(_ context.Context, cmd *cli.Command) error {
			return withContainer(cmd, func(c *libcontainer.Container) error {
				info, err := c.Info()
				if err != nil {
					return err
				}
				switch self {
				case asRunc:
					info.Owner = "" // which runc's list alone fills in
				case asCrun:
					info.OCIVersion = "1.0.0" // which crun says of all
					fallthrough
				default:
					info.Owner = ownerName(info.Owner)
				}
				var out bytes.Buffer
				if err := json.Indent(&out, jsonfield.Marshal(info), "", "  "); err != nil {
					return err
				}
				out.WriteByte('\n')
				_, err = os.Stdout.Write(out.Bytes())
				return err
			})
		},
	}
}
