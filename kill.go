package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer"
)

func killCommand() *cli.Command {
	return &cli.Command{
		Name:            "kill",
		HideHelpCommand: true,
		Usage:           "send a signal to a container's init process",
		ArgsUsage:       "CONTAINER-ID [SIGNAL]",
		Description:     "SIGNAL is a name, with or without SIG, or a number; SIGTERM if there is none.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "send it to all processes of the container, and succeed where there are none"},
			regexFlag("send it to each"),
		},
		Action: func(_ context.Context, cmd *cli.Command) error {
			args, err := arguments(cmd, 1, 2)
			if err != nil {
				return err
			}
			name := "SIGTERM"
			if len(args) == 2 && args[1] != "" {
				name = args[1]
			}
			sig, err := parseSignal(name)
			if err != nil {
				return err
			}
			return onEach(cmd, args[0], func(id string) error {
				return onContainer(cmd, id, func(c *libcontainer.Container) error { return signal(c, sig, cmd.Bool("all")) })
			})
		},
	}
}

// signal sends sig to the init process of c, or to all of its processes, of
// which there may be none.
func signal(c *libcontainer.Container, sig unix.Signal, all bool) error {
	if !all {
		return c.Signal(sig)
	}
	if err := c.SignalAll(sig); err != nil && !errors.Is(err, libcontainer.ErrNotRunning) {
		return err
	}
	return nil
}

// parseSignal reads a signal by number or name: 9, KILL, sigkill, RTMIN+3.
func parseSignal(text string) (unix.Signal, error) {
	const maxSignal = 64 // _NSIG, the same on all architectures of rung
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n <= maxSignal {
		return unix.Signal(n), nil
	}
	name := strings.ToUpper(text)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if sig := unix.SignalNum(name); sig != 0 {
		return sig, nil
	}
	if sig, ok := realtimeSignal(name); ok {
		return sig, nil
	}
	return 0, &errdefs.Error{Doing: "send a signal", Err: fmt.Errorf("unknown signal %q", text), Hint: "a name such as TERM, or a number from 0 to 64"}
}

// realtimeSignal reads SIGRTMIN, SIGRTMIN+N, SIGRTMAX and SIGRTMAX-N as the C
// library numbers them: it keeps the first two of the kernel for itself.
func realtimeSignal(name string) (unix.Signal, bool) {
	const first, last = 34, 64
	n, sign := first, "+"
	offset, ok := strings.CutPrefix(name, "SIGRTMIN")
	if !ok {
		n, sign = last, "-"
		if offset, ok = strings.CutPrefix(name, "SIGRTMAX"); !ok {
			return 0, false
		}
	}
	if offset == "" {
		return unix.Signal(n), true
	}
	distance, err := strconv.ParseUint(strings.TrimPrefix(offset, sign), 10, 6)
	if !strings.HasPrefix(offset, sign) || err != nil || distance > last-first {
		return 0, false
	}
	if sign == "-" {
		return unix.Signal(n - int(distance)), true
	}
	return unix.Signal(n + int(distance)), true
}
