package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v3"
)

// crun reads its command line with argp(3), which takes more spellings of a
// flag than package cli: several letters behind one dash, the value right behind
// the letter, and names cut short as far as they are unique. Its callers may use
// any of them.

// getopt rewrites the command line args of crun to what package cli reads:
// every flag before the command, and every one between that and its first
// argument, as --name=value. What it does not know is left for cli to refuse.
func getopt(root *cli.Command, args []string) []string {
	out := args[:1:1]
	flags, rest := spell(root.Flags, args[1:])
	out = append(out, flags...)
	if len(rest) == 0 || rest[0] == "--" {
		return append(out, rest...)
	}
	out = append(out, rest[0])
	rest = rest[1:]
	if cmd := root.Command(out[len(out)-1]); cmd != nil {
		flags, rest = spell(cmd.Flags, rest)
		out = append(out, flags...)
	}
	return append(out, rest...)
}

// spell returns the flags at the beginning of args as cli reads them, and what
// follows them.
func spell(known []cli.Flag, args []string) (flags, rest []string) {
	for len(args) > 0 {
		arg := args[0]
		if len(arg) < 2 || arg[0] != '-' || arg == "--" {
			break
		}
		args = args[1:]
		if name, long := strings.CutPrefix(arg, "--"); long {
			name, value, hasValue := strings.Cut(name, "=")
			flag := longFlag(known, name)
			switch {
			case flag == "":
				flags = append(flags, arg)
			case hasValue:
				flags = append(flags, "--"+flag+"="+truth(flag, value))
			case takesValue(known, flag) && len(args) > 0:
				flags = append(flags, "--"+flag+"="+args[0])
				args = args[1:]
			default:
				flags = append(flags, "--"+flag)
			}
			continue
		}
		flags, args = spellLetters(flags, known, arg[1:], args)
	}
	return flags, args
}

// spellLetters appends to flags those of an argument of one dash. The last of
// its letters may have its value in the argument, or in the one after it.
func spellLetters(flags []string, known []cli.Flag, letters string, args []string) (more, rest []string) {
	for i := range len(letters) {
		letter := letters[i : i+1]
		flag, after := shortFlag(known, letter), letters[i+1:]
		switch {
		case flag == "":
			return append(flags, "-"+letters[i:]), args
		case flag == "tty" && after != "":
			// The one flag of crun whose value may be left out.
			return append(flags, "--tty="+truth(flag, after)), args
		case !takesValue(known, flag):
			flags = append(flags, "--"+flag)
		case after != "":
			return append(flags, "--"+flag+"="+after), args
		case len(args) > 0:
			return append(flags, "--"+flag+"="+args[0]), args[1:]
		default:
			return append(flags, "--"+flag), args
		}
	}
	return flags, args
}

// truth returns the value of --tty, which crun takes for true unless it is "no"
// or "false". Other values are what they are.
func truth(flag, value string) string {
	switch {
	case flag != "tty":
		return value
	case value == "no" || value == "false":
		return "false"
	}
	return "true"
}

// longFlag returns the name of the only flag that name is, or is the beginning
// of, or "".
func longFlag(known []cli.Flag, name string) string {
	// Those that cli and argp have of themselves.
	names := []string{"help", "usage", "version"}
	for _, f := range known {
		names = append(names, f.Names()[0])
	}
	if !slices.Contains(names, name) {
		names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, name) })
		if len(names) != 1 {
			return ""
		}
		name = names[0]
	}
	if name == "usage" {
		return "help"
	}
	return name
}

// shortFlag returns the name of the flag with that letter, or "".
func shortFlag(known []cli.Flag, letter string) string {
	for _, f := range known {
		if slices.Contains(f.Names(), letter) {
			return f.Names()[0]
		}
	}
	switch letter {
	case "?", "h":
		return "help"
	case "v", "V":
		return "version"
	}
	return ""
}

// takesValue tells whether the flag of that name has a value.
func takesValue(known []cli.Flag, name string) bool {
	for _, f := range known {
		if f.Names()[0] == name {
			d, ok := f.(cli.DocGenerationFlag)
			return ok && d.TakesValue()
		}
	}
	return false
}
