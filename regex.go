package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/internal/ere"
	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer"
)

// regexFlag is --regex of a command that does something to a container.
func regexFlag(does string) cli.Flag {
	return &cli.BoolFlag{Name: "regex", Aliases: []string{"r"},
		Usage: does + " container whose id matches CONTAINER-ID, an extended regular expression (regex(7))"}
}

// onEach calls do with id, or with --regex with the id of each container that
// it matches. There is no error where none does, and one that fails does not
// keep do from the others. crun tells of it and succeeds.
func onEach(cmd *cli.Command, id string, do func(id string) error) error {
	if !cmd.Bool("regex") {
		return do(id)
	}
	pattern, err := ere.Compile(id)
	if err != nil {
		return &errdefs.Error{Doing: "read the regular expression", Err: err, Hint: "with --regex, the container's id is one"}
	}
	ids, err := containers(cmd)
	if err != nil {
		return err
	}
	failed := 0
	for _, id := range ids {
		if !pattern.MatchString(id) {
			continue
		}
		switch err := do(id); {
		case err == nil, errors.Is(err, libcontainer.ErrNotExist):
		case self == asCrun:
			logError(fmt.Errorf("%s: %w", id, err)) // a warning it would not show by default
		default:
			failed++
			warn(id + ": " + err.Error())
		}
	}
	if failed > 0 {
		return &errdefs.Error{Doing: cmd.Name + " all containers that match " + id, Err: fmt.Errorf("%d failed", failed)}
	}
	return nil
}
