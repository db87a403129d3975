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
		Description:     "The example runs sh on a terminal in the root filesystem \"rootfs\" beside it. A config.json that is there is not overwritten; the file of --file is.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Usage: "folder to write to (default: the current one)"},
			&cli.StringFlag{Name: "file", Aliases: []string{"f"}, Usage: "write to this file, relative to the folder of --bundle (default: config.json)"},
			&cli.BoolFlag{Name: "rootless", Usage: "an example for a user without privileges"},
			&cli.BoolFlag{Name: "init", Usage: "an example whose program is systemd, the init of a system in the root filesystem"},
		},
		Action: func(_ context.Context, cmd *cli.Command) error {
			if _, err := arguments(cmd, 0, 0); err != nil {
				return err
			}
			spec := specgen.Example()
			spec.Hostname = string(self)
			switch {
			case cmd.Bool("init") && cmd.Bool("rootless"):
				return &errdefs.Error{Doing: "write an example", Err: errors.New("--init and --rootless exclude each other"),
					Hint: "the services of a system have users of their own, and --rootless maps one"}
			case cmd.Bool("init"):
				specgen.Init(spec)
			case cmd.Bool("rootless"):
				specgen.Rootless(spec)
			}
			out, err := json.MarshalIndent(spec, "", "\t")
			if err != nil {
				return err
			}
			f, err := createSpec(cmd.String("bundle"), cmd.String("file"))
			if err != nil {
				return err
			}
			_, err = f.Write(append(out, '\n'))
			if cerr := f.Close(); err == nil {
				err = cerr
			}
			return errdefs.Doing(err, "write "+f.Name())
		},
	}
}

// createSpec opens the file to write the example to: config.json in the folder
// dir, which must not be there, or file, which may.
func createSpec(dir, file string) (*os.File, error) {
	path, exclusive := filepath.Join(dir, bundle.ConfigFile), os.O_EXCL
	if file != "" {
		path, exclusive = file, os.O_TRUNC
		if !filepath.IsAbs(file) {
			path = filepath.Join(dir, file)
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|exclusive, 0o666)
	if errors.Is(err, os.ErrExist) {
		return nil, &errdefs.Error{Doing: "write an example", Err: errors.New(path + " exists"),
			Hint: "remove it first, or name another folder with --bundle, or another file with --file"}
	}
	return f, errdefs.Doing(err, "write an example")
}
