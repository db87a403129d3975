package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle"
	"github.com/rungoci/rung/libcontainer/specgen"
)

func specCommand() *cli.Command {
	return &cli.Command{
		Name:            "spec",
		HideHelpCommand: true,
		Usage:           "write an example config.json",
		Description:     "The example runs sh on a terminal in the root filesystem \"rootfs\" beside it. A file that is there is not overwritten.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Usage: "folder to write to (default: the current one)"},
			&cli.BoolFlag{Name: "rootless", Usage: "an example for a user without privileges"},
		},
		Action: func(_ context.Context, cmd *cli.Command) error {
			if _, err := arguments(cmd, 0, 0); err != nil {
				return err
			}
			spec := specgen.Example()
			if cmd.Bool("rootless") {
				specgen.Rootless(spec)
			}
			out, err := json.MarshalIndent(spec, "", "\t")
			if err != nil {
				return err
			}
			path := filepath.Join(cmd.String("bundle"), bundle.ConfigFile)
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
			if errors.Is(err, os.ErrExist) {
				return &errdefs.Error{Doing: "write an example", Err: errors.New(path + " exists"), Hint: "remove it first, or name another folder with --bundle"}
			}
			if err != nil {
				return errdefs.Doing(err, "write an example")
			}
			_, err = f.Write(append(out, '\n'))
			if cerr := f.Close(); err == nil {
				err = cerr
			}
			return errdefs.Doing(err, "write "+path)
		},
	}
}
