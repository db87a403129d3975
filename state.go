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
				var out bytes.Buffer
				if err := json.Indent(&out, jsonfield.Marshal(self.state(info)), "", "  "); err != nil {
					return err
				}
				out.WriteByte('\n')
				_, err = os.Stdout.Write(out.Bytes())
				return err
			})
		},
	}
}

// state returns of info what the persona's state has.
func (p persona) state(info *libcontainer.Info) *libcontainer.Info {
	if p == asRunc {
		info.Owner = "" // which runc's list alone fills in
	} else {
		info.Owner = ownerName(info.Owner)
	}
	if p == asCrun {
		info.OCIVersion = "1.0.0" // which crun says of all
	} else {
		info.SystemdScope = "" // which is crun's own
	}
	return info
}
