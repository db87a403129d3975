// Package cmddoc writes manual pages and shell completions for a command line
// that is defined with urfave/cli, from that definition.
//
// It runs when rung is built or installed, and is not part of rung: see
// gendocs.go in the repository's root. What a definition does not hold
// (examples, files, exit statuses) is in pages.go.
package cmddoc

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"
)

// Write writes to the folder dir, by the names under which they are installed:
//
//	man8/rung.8, man8/rung-create.8, …
//	bash/rung, zsh/_rung, fish/rung.fish
//
// The date, as 2006-01-02, and the version are for the pages' margins.
func Write(dir string, root *cli.Command, version, date string) error {
	t := read(root)
	if err := complete(t); err != nil {
		return err
	}
	files := map[string]string{
		"bash/" + t.Name: bash(t), "zsh/_" + t.Name: zsh(t), "fish/" + t.Name + ".fish": fish(t),
		"man8/" + t.Name + ".8": mainPage(t, version, date),
	}
	for _, c := range t.Commands {
		files["man8/"+t.Name+"-"+c.Name+".8"] = commandPage(t, c, version, date)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// complete returns an error where this package and the definition tell of
// different commands or flags.
func complete(t command) error {
	commands, flags := map[string]bool{"": true}, map[string]bool{}
	for _, c := range append(t.Commands, t) {
		if _, ok := pages[c.Name]; !ok && c.Name != t.Name {
			return errors.New("pages.go has nothing about the command " + c.Name)
		}
		commands[c.Name] = true
		for _, f := range c.Flags {
			flags[f.Long[0]] = true
		}
	}
	for name := range pages {
		if !commands[name] {
			return errors.New("pages.go tells of a command " + name + ", which is not there")
		}
	}
	for name := range kinds {
		if !flags[name] {
			return errors.New("kinds tells of a flag --" + name + ", which is not there")
		}
	}
	return nil
}

// command is what is documented of a command.
type command struct {
	Name, Usage, Args, Description string
	Flags                          []flag
	Commands                       []command
}

// flag is what is documented of a flag.
type flag struct {
	// Long names come with two dashes, Short ones with one.
	Long, Short []string
	Usage       string
	// Value names the flag's value; it is "" for a flag without one.
	Value string
	// Default is the value without the flag, if that is worth saying.
	Default string
	// Repeat is true where the flag may be given several times.
	Repeat bool
}

// spellings returns the flag's names as they are typed: "-b", "--bundle".
func (f flag) spellings() []string {
	var out []string
	for _, s := range f.Short {
		out = append(out, "-"+s)
	}
	for _, l := range f.Long {
		out = append(out, "--"+l)
	}
	return out
}

// read reads a definition. Hidden flags and commands are left out.
func read(c *cli.Command) command {
	out := command{Name: c.Name, Usage: c.Usage, Args: c.ArgsUsage, Description: c.Description}
	for _, f := range c.Flags {
		if v, ok := f.(cli.VisibleFlag); !ok || v.IsVisible() {
			out.Flags = append(out.Flags, readFlag(f))
		}
	}
	for _, sub := range c.Commands {
		if !sub.Hidden {
			out.Commands = append(out.Commands, read(sub))
		}
	}
	return out
}

func readFlag(f cli.Flag) flag {
	var out flag
	for _, name := range f.Names() {
		if len(name) == 1 {
			out.Short = append(out.Short, name)
		} else {
			out.Long = append(out.Long, name)
		}
	}
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return out
	}
	out.Usage = strings.ReplaceAll(doc.GetUsage(), "`", "")
	if m, ok := f.(cli.DocGenerationMultiValueFlag); ok {
		out.Repeat = m.IsMultiValueFlag()
	}
	if !doc.TakesValue() {
		return out
	}
	out.Value = valueName(out.Long[0], doc)
	if value := strings.Trim(doc.GetValue(), `"`); value != "" && value != "0" && !out.Repeat {
		out.Default = value
	}
	return out
}

// valueName returns the word in backquotes in a flag's usage, or one that says
// of what kind the value is.
func valueName(name string, doc cli.DocGenerationFlag) string {
	if _, rest, ok := strings.Cut(doc.GetUsage(), "`"); ok {
		word, _, _ := strings.Cut(rest, "`")
		return word
	}
	switch kindOf(name) {
	case folder:
		return "FOLDER"
	case file:
		if strings.HasSuffix(name, "-socket") {
			return "SOCKET"
		}
		return "FILE"
	case "":
	default: // a list of words
		return strings.ReplaceAll(kindOf(name), " ", "|")
	}
	switch doc.TypeName() {
	case "int", "uint":
		return "N"
	case "duration":
		return "DURATION"
	}
	return "VALUE"
}

// Kinds of values, for completion; any other is a list of words.
const (
	folder = "\x00folder"
	file   = "\x00file"
)

// kinds has the kinds of values by the flags' names.
var kinds = map[string]string{
	"root": folder, "bundle": folder, "log": file, "log-format": "text json", "rootless": "auto true false",
	"console-socket": file, "pidfd-socket": file, "pid-file": file, "process": file, "resources": file,
	"format": "table json", "cpu-idle": "0 1", "config": file, "file": file, "log-level": "error warning debug",
	"cgroup-manager": "cgroupfs systemd disabled", "network-lock": "iptables nftables skip",
}

func kindOf(flag string) string { return kinds[flag] }

// What a command's first argument is.
const (
	anyContainer = "of a container"
	newContainer = "of a container that is to be made"
)

// argument tells what a command takes as its first argument: the id of a
// container, a new one, or "".
func (c command) argument() string {
	switch {
	case c.Name == "mounts":
		return anyContainer // after the action
	case !strings.HasPrefix(c.Args, "CONTAINER-ID"):
		return ""
	case c.Name == "create" || c.Name == "run":
		return newContainer
	}
	return anyContainer
}
