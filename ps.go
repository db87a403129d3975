package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer"
)

func psCommand() *cli.Command {
	// What follows the id is for ps, even where it looks like a flag.
	flagsEnd := 1
	return &cli.Command{
		Name:            "ps",
		HideHelpCommand: true,
		Usage:           "list the processes of a container",
		ArgsUsage:       "CONTAINER-ID [PS-OPTION...]",
		Description: `The table is what ps(1) of the host prints with the options, -ef if there are
none, reduced to the processes of the container; it must have a column PID. The
processes are numbered as the host sees them.`,
		StopOnNthArg: &flagsEnd,
		Flags: []cli.Flag{
			formatFlag(", which is an array of pids"),
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			args, err := arguments(cmd, 1, anyNumber)
			if err != nil {
				return err
			}
			asJSON, err := jsonFormat(cmd, "list processes")
			if err != nil {
				return err
			}
			return onContainer(cmd, args[0], func(c *libcontainer.Container) error { return printProcesses(ctx, c, asJSON, args[1:]) })
		},
	}
}

// printProcesses prints the pids of the processes of c as JSON, or what ps(1) tells
// of them with the options.
func printProcesses(ctx context.Context, c *libcontainer.Container, asJSON bool, options []string) error {
	pids, err := c.Processes()
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(os.Stdout).Encode(pids)
	}
	if self == asCrun && len(options) == 0 {
		return printPids(pids)
	}
	table, err := runPS(ctx, options)
	if err != nil {
		return err
	}
	if table, err = onlyPids(table, pids); err != nil {
		return err
	}
	_, err = os.Stdout.Write(table)
	return err
}

// runPS returns what the host's ps prints with the options.
func runPS(ctx context.Context, options []string) ([]byte, error) {
	if len(options) == 0 {
		options = []string{"-ef"}
	}
	var stdout, stderr bytes.Buffer
	ps := exec.CommandContext(ctx, "ps", options...)
	ps.Stdout, ps.Stderr = &stdout, &stderr
	err := ps.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, &errdefs.Error{Doing: "list processes", Err: err, Hint: "install procps, or use --format json, which needs no ps"}
	}
	if err != nil {
		// ps explains a wrong option at length; the first line has the news.
		said, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		if said != "" {
			err = fmt.Errorf("%w: %s", err, said)
		}
		return nil, errdefs.Doing(err, "run ps "+strings.Join(options, " "))
	}
	return stdout.Bytes(), nil
}

// onlyPids reduces the table that ps printed to its header and the rows of the
// processes pids.
func onlyPids(table []byte, pids []int) ([]byte, error) {
	wanted := make(map[int]bool, len(pids))
	for _, pid := range pids {
		wanted[pid] = true
	}
	column := -1
	out := make([]byte, 0, 4096)
	for line := range bytes.Lines(table) {
		fields := strings.Fields(string(line))
		if column < 0 {
			if column = indexOf(fields, "PID"); column < 0 {
				return nil, &errdefs.Error{Doing: "read the output of ps", Err: errors.New("it has no column PID"), Hint: "use options that show one"}
			}
			out = append(out, line...)
			continue
		}
		if len(fields) == 0 {
			continue
		}
		if column >= len(fields) {
			return nil, notAPid(line)
		}
		pid, err := strconv.Atoi(fields[column])
		if err != nil {
			return nil, notAPid(line)
		}
		if wanted[pid] {
			out = append(out, line...)
		}
	}
	return out, nil
}

// printPids prints the table of crun, which has no other column.
func printPids(pids []int) error {
	out := []byte("PID\n")
	for _, pid := range pids {
		out = append(strconv.AppendInt(out, int64(pid), 10), '\n')
	}
	_, err := os.Stdout.Write(out)
	return err
}

func notAPid(line []byte) error {
	return &errdefs.Error{Doing: "read the output of ps", Err: fmt.Errorf("no pid in the column PID of %q", bytes.TrimSpace(line)),
		Hint: "name the column pid before those that may contain spaces"}
}

func indexOf(words []string, word string) int {
	for i, w := range words {
		if w == word {
			return i
		}
	}
	return -1
}
