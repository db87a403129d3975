// rung is an OCI container runtime: a command that containerd, CRI-O, Docker
// and Podman call to create, start and delete containers.
//
// This file is the command line: global options, logging and exit codes. Each
// command has a file of its own, which turns flags into one call of package
// libcontainer and prints the result.
//
// The Go runtime need not ask the cgroup for a CPU limit: rung has hardly
// anything to do in parallel.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/sysmon"
	"github.com/rungoci/rung/libcontainer"
)

// version and gitCommit are stamped in by the Makefile.
var (
	version   = "0.1.0-dev"
	gitCommit = ""
)

const description = `rung runs containers from OCI bundles: a bundle is a folder with a config.json
and the root filesystem that it names. It takes runc's commands and flags.

To run a container in a bundle whose config.json asks for a terminal:

    # mkdir -p bundle/rootfs && cd bundle   (and fill rootfs)
    # rung spec
    # rung run mycontainer`

func init() {
	// rung lives for milliseconds; the collector has work only where a
	// config is huge.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(64 << 20)
}

func main() {
	sysmon.Calm()
	self = calledAs(os.Args[0])
	root, args := app(called(os.Args)), os.Args
	if self == asCrun {
		args = getopt(root, args)
	}
	err := root.Run(context.Background(), args)
	var code exitCode
	var failed *failure
	switch {
	case err == nil:
	case errors.As(err, &code):
		os.Exit(int(code))
	case errors.As(err, &failed):
		logError(failed.err)
		os.Exit(failed.code)
	default:
		logError(err)
		os.Exit(1)
	}
}

// exitCode ends rung with the exit status of the container's program.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }

// programEnded returns what ends rung as the container's program has ended: the
// exitCode status, or nil for 0.
func programEnded(status int) error {
	if status == 0 {
		return nil
	}
	return exitCode(status)
}

// failure is an error of a command that does not end rung with 1.
type failure struct {
	err  error
	code int
}

func (f *failure) Error() string { return f.err.Error() }

// commands are all of rung's, by name.
var commands = []struct {
	name string
	make func() *cli.Command
}{
	{"checkpoint", checkpointCommand}, {"create", createCommand}, {"delete", deleteCommand}, {"doctor", doctorCommand}, {"events", eventsCommand},
	{"exec", execCommand}, {"features", featuresCommand}, {"kill", killCommand}, {"list", listCommand}, {"mounts", mountsCommand},
	{"pause", pauseCommand}, {"ps", psCommand}, {"restore", restoreCommand}, {"resume", resumeCommand}, {"run", runCommand},
	{"spec", specCommand}, {"start", startCommand}, {"state", stateCommand},
	{"update", updateCommand},
}

// called returns the name of the command that args call, or "" where more than
// a look is needed to tell.
func called(args []string) string {
	for i := 1; i < len(args); i++ {
		switch arg := args[i]; arg {
		case "--debug", "--systemd-cgroup":
		case "--root", "--log", "--log-format", "--log-level", "--cgroup-manager", "--rootless":
			i++
		default:
			if strings.HasPrefix(arg, "--") && strings.IndexByte(arg, '=') > 0 {
				continue
			}
			for _, c := range commands {
				if c.name == arg {
					return arg
				}
			}
			return ""
		}
	}
	return ""
}

// app returns the command line: all of it, or with the command named only
// alone. To build the others takes 40 µs, of a millisecond that rung needs to
// start.
func app(only string) *cli.Command {
	root := &cli.Command{
		Name:            string(self),
		Usage:           "Open Container Initiative runtime: runs containers from bundles",
		Description:     description,
		Version:         version,
		HideVersion:     false,
		HideHelpCommand: false,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "root", Value: defaultRoot(), Usage: "folder that keeps the containers' state (should be on a tmpfs)"},
			&cli.StringFlag{Name: "log", Usage: "write the log to `DEST` instead of standard error, where errors still go, too: a file, as [file:]PATH, or journald:NAME or syslog:NAME"},
			&cli.StringFlag{Name: "log-format", Value: "text", Usage: "format of the log: text or json"},
			&cli.StringFlag{Name: "log-level", Value: self.logLevel(), Usage: "lowest level that is logged: error, warning or debug"},
			&cli.BoolFlag{Name: "debug", Usage: "log each step and how long it took, as --log-level debug does"},
			&cli.BoolFlag{Name: "systemd-cgroup", Usage: "let systemd make the cgroups; cgroupsPath is then slice:prefix:name"},
			&cli.StringFlag{Name: "cgroup-manager", Usage: "who makes the cgroups: cgroupfs, systemd, or disabled for none; goes before --systemd-cgroup"},
			&cli.StringFlag{Name: "rootless", Value: "auto", Usage: "go on where cgroups are out of reach: true, false or auto"},
		},
		Before: func(ctx context.Context, cmd *cli.Command) (context.Context, error) {
			if err := setupLog(cmd); err != nil {
				return ctx, err
			}
			return ctx, checkRoot(cmd.String("root"))
		},
		// Without a command rung says what there is.
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				return fmt.Errorf("no such command: %q (hint: rung help lists the commands)", cmd.Args().First())
			}
			return cli.ShowAppHelp(cmd)
		},
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
	root.OnUsageError = usageError
	for _, c := range commands {
		if only == "" || only == c.name {
			cmd := c.make()
			cmd.OnUsageError = usageError
			root.Commands = append(root.Commands, cmd)
		}
	}
	return root
}

// usageError is one line, where cli would print the whole help.
func usageError(_ context.Context, cmd *cli.Command, err error, _ bool) error {
	help := string(self) + " help"
	if cmd.Name != string(self) {
		help += " " + cmd.Name
	}
	err = &errdefs.Error{Err: err, Hint: help + " shows what there is"}
	if status := self.usageStatus(); status != 1 {
		return &failure{err, status}
	}
	return err
}

func init() {
	cli.VersionPrinter = func(*cli.Command) { printVersion(os.Stdout) }
}

// checkRoot refuses the root of the host: every folder in it would be taken
// for a container's.
func checkRoot(root string) error {
	abs, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	if abs == "/" {
		return &errdefs.Error{Doing: "keep state (--root)", Err: errors.New("the root folder of the host is no place for it"), Hint: "leave --root away, or name a folder of its own"}
	}
	return nil
}

// anyNumber is a bound of arguments that there is none.
const anyNumber = math.MaxInt

// arguments returns the command's arguments, or an error unless there are
// between least and most of them.
func arguments(cmd *cli.Command, least, most int) ([]string, error) {
	args := cmd.Args().Slice()
	if len(args) >= least && len(args) <= most {
		return args, nil
	}
	want := fmt.Sprintf("%d to %d", least, most)
	switch most {
	case least:
		want = fmt.Sprint("exactly ", least)
	case anyNumber:
		want = fmt.Sprint("at least ", least)
	}
	return nil, fmt.Errorf("%s needs %s argument(s), not %d (hint: rung help %s)", cmd.Name, want, len(args), cmd.Name)
}

// withContainer calls do with the container that the only argument names.
func withContainer(cmd *cli.Command, do func(*libcontainer.Container) error) error {
	args, err := arguments(cmd, 1, 1)
	if err != nil {
		return err
	}
	return onContainer(cmd, args[0], do)
}

// onContainer calls do with the container id.
func onContainer(cmd *cli.Command, id string, do func(*libcontainer.Container) error) error {
	c, err := libcontainer.Load(cmd.String("root"), id)
	if err != nil {
		return err
	}
	defer c.Close()
	return do(c)
}
