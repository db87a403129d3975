package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/moby/sys/user"
	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/libcontainer"
)

func listCommand() *cli.Command {
	return &cli.Command{
		Name:            "list",
		HideHelpCommand: true,
		Usage:           "list the containers below --root",
		Description:     "A container whose state folder cannot be read is named on standard error; rung delete --force clears it.",
		Flags: []cli.Flag{
			formatFlag(""),
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print the ids only"},
		},
		Action: func(_ context.Context, cmd *cli.Command) error {
			if _, err := arguments(cmd, 0, 0); err != nil {
				return err
			}
			asJSON, err := jsonFormat(cmd, "list containers")
			if err != nil {
				return err
			}
			ids, err := containers(cmd)
			if err != nil {
				return err
			}
			infos := containerInfos(cmd.String("root"), ids)
			switch {
			case cmd.Bool("quiet"):
				return printIDs(infos)
			case asJSON:
				return json.NewEncoder(os.Stdout).Encode(infos)
			}
			return printTable(infos)
		},
	}
}

// containers returns the ids of the containers below --root.
func containers(cmd *cli.Command) ([]string, error) {
	ids, err := libcontainer.List(cmd.String("root"))
	if errors.Is(err, os.ErrNotExist) && !cmd.IsSet("root") {
		return nil, nil // nobody has made a container yet
	}
	return ids, err
}

// containerInfos returns what can be said of the containers. One that is
// deleted meanwhile is left out, one that cannot be read is warned about.
func containerInfos(root string, ids []string) []*libcontainer.Info {
	var infos []*libcontainer.Info
	for _, id := range ids {
		c, err := libcontainer.Load(root, id)
		if err != nil {
			if !errors.Is(err, libcontainer.ErrNotExist) {
				warn(err.Error())
			}
			continue
		}
		info, err := c.Info()
		c.Close()
		if err != nil {
			warn(err.Error())
			continue
		}
		info.Owner = ownerName(info.Owner)
		info.SystemdScope = "" // crun has it in state alone
		infos = append(infos, info)
	}
	return infos
}

func printIDs(infos []*libcontainer.Info) error {
	var b strings.Builder
	for _, i := range infos {
		b.WriteString(i.ID + "\n")
	}
	_, err := os.Stdout.WriteString(b.String())
	return err
}

func printTable(infos []*libcontainer.Info) error {
	if self == asCrun {
		return printCrunTable(infos)
	}
	w := tabwriter.NewWriter(os.Stdout, 12, 1, 3, ' ', 0)
	fmt.Fprint(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n")
	for _, i := range infos {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", i.ID, i.Pid, i.Status, i.Bundle, i.Created, i.Owner)
	}
	return w.Flush()
}

// printCrunTable prints the columns of crun, which have other names and, all
// but the first, a width of their own.
func printCrunTable(infos []*libcontainer.Info) error {
	width := len("NAME")
	for _, i := range infos {
		width = max(width, len(i.ID))
	}
	var b strings.Builder
	const columns = "%-*s%-10v%-8s %-39s %-30s %s\n"
	fmt.Fprintf(&b, columns, width+1, "NAME", "PID", "STATUS", "BUNDLE PATH", "CREATED", "OWNER")
	for _, i := range infos {
		fmt.Fprintf(&b, columns, width+1, i.ID, i.Pid, i.Status, i.Bundle, i.Created, i.Owner)
	}
	_, err := os.Stdout.WriteString(b.String())
	return err
}

// ownerName turns "#0" into "root", and any other uid into its name where
// there is one.
func ownerName(owner string) string {
	if owner == "#0" {
		return "root"
	}
	uid, err := strconv.Atoi(strings.TrimPrefix(owner, "#"))
	if err != nil {
		return owner
	}
	u, err := user.LookupUid(uid)
	if err != nil {
		return owner
	}
	return u.Name
}
