package main

import (
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/internal/errdefs"
)

// This file has the flags that several commands share. Those of create that run has
// as well are createFlags, those of checkpoint and restore criuFlags.

func bundleFlag() cli.Flag {
	return &cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Usage: "folder of the bundle (default: the current one)"}
}

// consoleSocketFlag is --console-socket for terminal, such as "the terminal".
func consoleSocketFlag(terminal string) cli.Flag {
	return &cli.StringFlag{Name: "console-socket", Usage: "unix socket that is sent the master of " + terminal}
}

// pidFileFlag is --pid-file for process, such as "the process".
func pidFileFlag(process string) cli.Flag {
	return &cli.StringFlag{Name: "pid-file", Usage: "file that the pid of " + process + " is written to"}
}

// pidfdSocketFlag is --pidfd-socket for process, such as "the process".
func pidfdSocketFlag(process string) cli.Flag {
	return &cli.StringFlag{Name: "pidfd-socket", Usage: "unix socket that is sent a pidfd of " + process}
}

// detachFlag is --detach of a command that returns when something has happened, such
// as "the program runs".
func detachFlag(happened string) cli.Flag {
	return &cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "return when " + happened}
}

func noSubreaperFlag() cli.Flag {
	return &cli.BoolFlag{Name: "no-subreaper", Usage: "do not reap what the container leaves behind"}
}

func preserveFDsFlag() cli.Flag {
	return &cli.IntFlag{Name: "preserve-fds", Usage: "pass `N` more descriptors, from 3 on, to the program"}
}

// formatFlag is --format of a command that prints a table or JSON; more says what
// the JSON is.
func formatFlag(more string) cli.Flag {
	return &cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "table", Usage: "table or json" + more}
}

// jsonFormat reads --format, and tells whether JSON is asked for. doing says what
// the command does.
func jsonFormat(cmd *cli.Command, doing string) (bool, error) {
	switch format := cmd.String("format"); format {
	case "table", "json":
		return format == "json", nil
	default:
		return false, &errdefs.Error{Doing: doing, Err: fmt.Errorf("invalid format option %q", format), Hint: "--format is table or json"}
	}
}
