package main

import (
	"context"
	"encoding/json"
	"os"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/doctor"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:            "doctor",
		HideHelpCommand: true,
		Usage:           "look at the host and say what rung can do on it",
		Description:     "Nothing on the host is changed, and no privileges are needed; root is told more.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print JSON, for programs"},
			&cli.BoolFlag{Name: "inside", Hidden: true, Usage: "be the process that looks around in a user namespace"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if _, err := arguments(cmd, 0, 0); err != nil {
				return err
			}
			if cmd.Bool("inside") {
				return doctor.Inside(os.Stdin, os.Stdout)
			}
			report := doctor.Examine(ctx, doctor.Options{Version: version, Commit: gitCommit, StateRoot: cmd.String("root")})
			if err := printReport(report, cmd.Bool("json")); err != nil {
				return err
			}
			if !report.Usable {
				return exitCode(1)
			}
			return nil
		},
	}
}

// printReport prints to standard output, in colour if that is a terminal and
// NO_COLOR (https://no-color.org) is not set.
func printReport(report *doctor.Report, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(report)
	}
	width, colour := 100, false
	if size, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ); err == nil {
		colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		if size.Col > 0 {
			width = min(int(size.Col), 120)
		}
	}
	return report.Print(os.Stdout, width, colour)
}
