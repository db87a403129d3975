package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer"
)

func execCommand() *cli.Command {
	flagsEnd := 1
	return &cli.Command{
		Name:            "exec",
		HideHelpCommand: true,
		Usage:           "run another program in a container",
		ArgsUsage:       "CONTAINER-ID COMMAND [ARG...]",
		Description: `The program gets what config.json gives the container's own one (user,
environment, working folder, capabilities, limits), without the terminal,
unless flags say otherwise. With --process it is what a file with a process
object says, and there is no COMMAND.

rung passes signals and the terminal on and exits with the program's exit
status, 128 and the number of the signal that ended it, or 255 if it did not
run.`,
		// What follows the container's id is the program's.
		StopOnNthArg: &flagsEnd,
		// A comma in a value is part of it: cpu,cpuacct:sub.
		DisableSliceFlagSeparator: true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "process", Aliases: []string{"p"}, Usage: "file with the process object (JSON) to run; all flags of the process are ignored then"},
			&cli.StringFlag{Name: "cwd", Usage: "working folder of the program in the container"},
			&cli.StringFlag{Name: "user", Aliases: []string{"u"}, Usage: "user of the program, as `UID[:GID]`"},
			&cli.StringSliceFlag{Name: "additional-gids", Aliases: []string{"g"}, Usage: "one more group `GID` of the program (repeatable)"},
			&cli.StringSliceFlag{Name: "env", Aliases: []string{"e"}, Usage: "one more variable `NAME=VALUE` (repeatable)"},
			&cli.BoolFlag{Name: "tty", Aliases: []string{"t"}, Usage: "give the program a terminal"},
			&cli.StringSliceFlag{Name: "cap", Aliases: []string{"c"}, Usage: "one more capability `NAME` (repeatable)"},
			&cli.BoolFlag{Name: "no-new-privs", Usage: "set no_new_privs"},
			&cli.StringFlag{Name: "process-label", Usage: "SELinux `LABEL` of the program, in place of the container's"},
			&cli.StringFlag{Name: "apparmor", Usage: "AppArmor `PROFILE` of the program, in place of the container's; unconfined for none"},
			detachFlag("the program runs"),
			pidFileFlag("the process"),
			consoleSocketFlag("the terminal"),
			pidfdSocketFlag("the process"),
			preserveFDsFlag(),
			&cli.StringSliceFlag{Name: "cgroup", Usage: "run in the cgroup `[CONTROLLER[,CONTROLLER]:]PATH` below the container's, which must exist (repeatable)"},
			&cli.BoolFlag{Name: "ignore-paused", Usage: "enter a paused container too, and wait there"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			args, err := arguments(cmd, 1, anyNumber)
			if err != nil {
				return err
			}
			status, err := execIn(ctx, cmd, args[0], args[1:])
			if err != nil {
				return &failure{err, self.execFailed()}
			}
			return programEnded(status)
		},
	}
}

// execIn runs the program of the command line args in the container id.
func execIn(ctx context.Context, cmd *cli.Command, id string, args []string) (int, error) {
	o := libcontainer.ExecOptions{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		PreserveFDs: cmd.Int("preserve-fds"), ConsoleSocket: cmd.String("console-socket"),
		PidFile: cmd.String("pid-file"), PidfdSocket: cmd.String("pidfd-socket"),
		Detach: cmd.Bool("detach"), IgnorePaused: cmd.Bool("ignore-paused"), KeepSignals: true,
		Warn: warn, Trace: trace(),
	}
	err := checkDescriptors(o.PreserveFDs)
	if err != nil {
		return -1, err
	}
	if o.Cgroups, err = parseCgroups(cmd.StringSlice("cgroup")); err != nil {
		return -1, err
	}
	c, err := libcontainer.Load(cmd.String("root"), id)
	if err != nil {
		return -1, err
	}
	defer c.Close()
	// Before anything is read that could not be read twice.
	if err := c.HideExec(); err != nil {
		return -1, err
	}
	if path := cmd.String("process"); path != "" {
		o.Process, err = c.LoadProcess(path)
	} else if o.Process, err = c.Process(); err == nil {
		err = changeProcess(o.Process, cmd, args)
	}
	if err != nil {
		return -1, err
	}
	return c.Exec(ctx, o)
}

// changeProcess makes the settings of the container's own program those of the
// one that the command line asks for.
func changeProcess(p *specs.Process, cmd *cli.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("exec needs a command to run (hint: or a process object, with --process)")
	}
	p.Args = args
	p.Terminal = cmd.Bool("tty")
	if cwd := cmd.String("cwd"); cwd != "" {
		p.Cwd = cwd
	}
	p.Env = append(p.Env, cmd.StringSlice("env")...)
	if label := cmd.String("process-label"); label != "" {
		p.SelinuxLabel = label
	}
	if profile := cmd.String("apparmor"); profile != "" {
		p.ApparmorProfile = profile
	}
	if cmd.IsSet("no-new-privs") {
		p.NoNewPrivileges = cmd.Bool("no-new-privs")
	}
	addCapabilities(p, cmd.StringSlice("cap"))
	return setUser(&p.User, cmd.String("user"), cmd.StringSlice("additional-gids"))
}

// addCapabilities adds names to the sets that give them to the program. Ambient
// ones must be inheritable too, and what is inheritable stays as config.json
// has it; so they are added only where it has any, as by runc.
func addCapabilities(p *specs.Process, names []string) {
	if len(names) == 0 {
		return
	}
	if p.Capabilities == nil {
		p.Capabilities = &specs.LinuxCapabilities{}
	}
	c := p.Capabilities
	c.Bounding = append(c.Bounding, names...)
	c.Effective = append(c.Effective, names...)
	c.Permitted = append(c.Permitted, names...)
	if c.Inheritable != nil {
		c.Ambient = append(c.Ambient, names...)
	}
}

// setUser reads --user and --additional-gids. Names of users would have to be
// looked up in the container's files, which is the engine's business.
func setUser(u *specs.User, user string, groups []string) (err error) {
	if user != "" {
		uid, gid, both := strings.Cut(user, ":")
		if u.UID, err = parseID("user", uid); err != nil {
			return err
		}
		if both {
			if u.GID, err = parseID("user", gid); err != nil {
				return err
			}
		}
	}
	for _, g := range groups {
		gid, err := parseID("additional-gids", g)
		if err != nil {
			return err
		}
		u.AdditionalGids = append(u.AdditionalGids, gid)
	}
	return nil
}

// parseID reads a user or group id of the flag.
func parseID(flag, text string) (uint32, error) {
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, &errdefs.Error{Doing: "read --" + flag, Err: fmt.Errorf("%q is no id", text), Hint: "ids are numbers from 0 to 4294967294"}
	}
	return uint32(id), nil
}

// parseCgroups reads --cgroup: PATH, or any number of CONTROLLER[,...]:PATH. It
// returns the paths by controller, the first form's by "".
func parseCgroups(values []string) (map[string]string, error) {
	paths := make(map[string]string, len(values))
	bad := func(cause string) (map[string]string, error) {
		return nil, &errdefs.Error{Doing: "read --cgroup", Err: errors.New(cause), Hint: "it is PATH, or CONTROLLER[,CONTROLLER]:PATH"}
	}
	for _, value := range values {
		controllers, path, named := strings.Cut(value, ":")
		if !named {
			if len(values) > 1 {
				return bad(fmt.Sprintf("%q names no controller, and is not the only one", value))
			}
			paths[""] = value
			continue
		}
		for controller := range strings.SplitSeq(controllers, ",") {
			if controller == "" {
				return bad(fmt.Sprintf("%q has an empty controller", value))
			}
			if _, twice := paths[controller]; twice {
				return bad(fmt.Sprintf("controller %s is there twice", controller))
			}
			paths[controller] = path
		}
	}
	return paths, nil
}
