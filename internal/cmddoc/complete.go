package cmddoc

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// signals are those that the completion of kill offers.
const signals = "TERM KILL INT HUP QUIT USR1 USR2 STOP CONT WINCH"

// words returns all spellings of flags, --help among them.
func words(flags []flag) string {
	var out []string
	for _, f := range append(flags, helpFlag) {
		out = append(out, f.spellings()...)
	}
	return strings.Join(out, " ")
}

func commandNames(t command) string {
	var out []string
	for _, c := range t.Commands {
		out = append(out, c.Name)
	}
	return strings.Join(append(out, "help"), " ")
}

// bashScript is the completion for bash, of the command %[1]s: %[2]s are the cases of
// the flags' values, %[3]s and %[4]s the flags with a value and all flags that come
// before a command, %[5]s the same by command, %[6]s the commands, %[7]s those whose
// argument is a container, and %[8]s the signals.
const bashScript = `# bash completion for %[1]s

# Completes the value of a flag: FLAG WORD COMMAND.
_%[1]s_value() {
	local words
	case $3:$1 in
%[2]s	*) return ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$2")
}

# The ids of the containers below the --root that was given.
_%[1]s_ids() {
	"${COMP_WORDS[0]}" "${root[@]}" list --quiet 2>/dev/null
}

_%[1]s() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' values flags i word=0
	local root=()
	COMPREPLY=()
	# "--flag=value" arrives as three words.
	if [[ $cur == = ]]; then
		cur='' && prev=${COMP_WORDS[COMP_CWORD - 1]}
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	values=' %[3]s ' flags='%[4]s'
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		=) ((i++)) ;;
		-*)
			if [[ $values == *" ${COMP_WORDS[i]} "* && ${COMP_WORDS[i + 1]-} != = ]]; then
				[[ ${COMP_WORDS[i]} != --root ]] || root=(--root "${COMP_WORDS[i + 1]-}")
				((i++))
			elif [[ ${COMP_WORDS[i]} == --root ]]; then
				root=(--root "${COMP_WORDS[i + 2]-}")
			fi
			;;
		*)
			if [[ -n $command ]]; then
				((word++))
				continue
			fi
			command=${COMP_WORDS[i]}
			case $command in
%[5]s			*) values='' flags='' ;;
			esac
			;;
		esac
	done
	if [[ $values == *" $prev "* ]]; then
		_%[1]s_value "$prev" "$cur" "$command"
	elif [[ $cur == -* && $word == 0 || $cur == -* && $command != exec && $command != ps ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
	elif [[ -z $command || $command == help && $word == 0 ]]; then
		mapfile -t COMPREPLY < <(compgen -W '%[6]s' -- "$cur")
	elif [[ $command == mounts && $word == 0 ]]; then
		mapfile -t COMPREPLY < <(compgen -W 'add remove' -- "$cur")
	elif [[ $command == mounts && $word == 2 ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	elif [[ $word == 0 || $command == mounts && $word == 1 ]]; then
		case $command in
		%[7]s) mapfile -t COMPREPLY < <(compgen -W "$(_%[1]s_ids)" -- "$cur") ;;
		esac
	elif [[ $word == 1 && $command == kill ]]; then
		mapfile -t COMPREPLY < <(compgen -W '%[8]s' -- "$cur")
	fi
}

complete -F _%[1]s %[1]s
`

// bash returns a completion that needs bash alone.
func bash(t command) string {
	return fmt.Sprintf(bashScript, t.Name, bashValues(t), strings.Join(valueFlags(t.Flags), " "), words(append(t.Flags, versionFlag)),
		bashCommands(t), commandNames(t), strings.Join(withContainer(t), " | "), signals)
}

var versionFlag = flag{Long: []string{"version"}, Short: []string{"v"}, Usage: "print versions, and end"}

// withContainer returns the commands whose argument is a container that exists.
func withContainer(t command) []string {
	var out []string
	for _, c := range t.Commands {
		if c.argument() == anyContainer {
			out = append(out, c.Name)
		}
	}
	return out
}

// valueFlags returns the spellings of the flags that take a value.
func valueFlags(flags []flag) []string {
	var out []string
	for _, f := range flags {
		if f.Value != "" {
			out = append(out, f.spellings()...)
		}
	}
	return out
}

// bashValues returns the cases of _rung_value: COMMAND:FLAG, since a short flag
// may mean different things to different commands.
func bashValues(t command) string {
	byKind := map[string][]string{}
	for _, c := range append([]command{t}, t.Commands...) {
		name := c.Name
		if name == t.Name {
			name = ""
		}
		for _, f := range c.Flags {
			if kind := kindOf(f.Long[0]); f.Value != "" && kind != "" {
				for _, s := range f.spellings() {
					byKind[kind] = append(byKind[kind], name+":"+s)
				}
			}
		}
	}
	var b strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		pattern := strings.Join(byKind[kind], " | ")
		switch kind {
		case folder:
			fmt.Fprintf(&b, "\t%s)\n\t\tcompopt -o filenames 2>/dev/null\n\t\tmapfile -t COMPREPLY < <(compgen -d -- \"$2\")\n\t\treturn\n\t\t;;\n", pattern)
		case file:
			fmt.Fprintf(&b, "\t%s)\n\t\tcompopt -o filenames 2>/dev/null\n\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$2\")\n\t\treturn\n\t\t;;\n", pattern)
		default:
			fmt.Fprintf(&b, "\t%s) words='%s' ;;\n", pattern, kind)
		}
	}
	return b.String()
}

func bashCommands(t command) string {
	var b strings.Builder
	for _, c := range t.Commands {
		fmt.Fprintf(&b, "\t\t\t%s) values=' %s ' flags='%s' ;;\n", c.Name, strings.Join(valueFlags(c.Flags), " "), words(c.Flags))
	}
	return b.String()
}

// zsh returns a completion for zsh's compsys.
func zsh(t command) string {
	var b strings.Builder
	n := t.Name
	fmt.Fprintf(&b, "#compdef %s\n\n", n)
	fmt.Fprintf(&b, "_%s_ids() {\n\tlocal -a ids root\n\t[[ -z $opt_args[--root] ]] || root=(--root $opt_args[--root])\n", n)
	fmt.Fprintf(&b, "\tids=(${(f)\"$(_call_program ids %s $root list --quiet 2>/dev/null)\"})\n\tcompadd -a ids\n}\n\n", n)
	fmt.Fprintf(&b, "_%s() {\n\tlocal -a commands\n\tlocal context state line\n\ttypeset -A opt_args\n\tcommands=(\n", n)
	for _, c := range t.Commands {
		fmt.Fprintf(&b, "\t\t%s\n", single(c.Name+":"+c.Usage))
	}
	fmt.Fprintf(&b, "\t\t'help:print a summary'\n\t)\n\t_arguments -C \\\n%s\t\t'1: :->command' '*:: :->arguments'\n", zshFlags(append(t.Flags, versionFlag)))
	fmt.Fprintf(&b, "\tcase $state in\n\tcommand) _describe -t commands command commands ;;\n\targuments)\n\t\tcase $words[1] in\n")
	for _, c := range t.Commands {
		rest := ""
		switch {
		case c.Name == "kill":
			rest = fmt.Sprintf("'1:container:_%s_ids' '2:signal:(%s)'", n, signals)
		case c.Name == "exec":
			rest = fmt.Sprintf("'1:container:_%s_ids' '*:: :_normal'", n)
		case c.Name == "mounts":
			rest = fmt.Sprintf("'1:action:(add remove)' '2:container:_%s_ids' '3:file:_files'", n)
		case c.Name == "ps":
			rest = fmt.Sprintf("'1:container:_%s_ids' '*:: : '", n)
		case c.argument() == anyContainer:
			rest = fmt.Sprintf("'1:container:_%s_ids'", n)
		case c.argument() == newContainer:
			rest = "'1:new container:'"
		}
		stop := ""
		if c.Name == "exec" || c.Name == "ps" {
			stop = "-A '-*' "
		}
		fmt.Fprintf(&b, "\t\t%s)\n\t\t\t_arguments %s\\\n%s\t\t\t%s\n\t\t\t;;\n", c.Name, stop, zshFlags(c.Flags), rest)
	}
	fmt.Fprintf(&b, "\t\thelp) _describe -t commands command commands ;;\n\t\tesac\n\t\t;;\n\tesac\n}\n\n_%s \"$@\"\n", n)
	return b.String()
}

// zshFlags returns the specifications of flags, a line each.
func zshFlags(flags []flag) string {
	var b strings.Builder
	clean := strings.NewReplacer("[", "(", "]", ")", ":", ",", "\\", "")
	for _, f := range append(flags, helpFlag) {
		value := ""
		if f.Value != "" {
			value = ":" + clean.Replace(f.Value) + ":"
			switch kind := kindOf(f.Long[0]); kind {
			case folder:
				value += "_files -/"
			case file:
				value += "_files"
			case "":
			default:
				value += "(" + kind + ")"
			}
		}
		others := "(" + strings.Join(f.spellings(), " ") + ")"
		if f.Repeat {
			others = "*"
		}
		for _, s := range f.spellings() {
			if f.Value != "" && strings.HasPrefix(s, "--") {
				s += "="
			}
			b.WriteString("\t\t\t" + single(others+s+"["+clean.Replace(f.Usage)+"]"+value) + " \\\n")
		}
	}
	return b.String()
}

// single quotes s for a shell.
func single(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// fish returns a completion for fish.
func fish(t command) string {
	var b strings.Builder
	n := t.Name
	fmt.Fprintf(&b, "# fish completion for %s\n\n", n)
	fmt.Fprintf(&b, `function __%[1]s_ids
    set -l words (commandline -opc)
    set -l root
    set -l at (contains -i -- --root $words)
    and set root --root $words[(math $at + 1)]
    %[1]s $root list --quiet 2>/dev/null
end

function __%[1]s_no_command
    not __fish_seen_subcommand_from %[2]s
end

complete -c %[1]s -f
`, n, commandNames(t))
	for _, f := range append(t.Flags, versionFlag, helpFlag) {
		b.WriteString(fishFlag(n, "__"+n+"_no_command", f))
	}
	for _, c := range append(t.Commands, command{Name: "help", Usage: "print a summary"}) {
		fmt.Fprintf(&b, "complete -c %s -n __%s_no_command -a %s -d %s\n", n, n, c.Name, fishQuote(c.Usage))
	}
	for _, c := range t.Commands {
		seen := fishQuote("__fish_seen_subcommand_from " + c.Name)
		for _, f := range append(c.Flags, helpFlag) {
			b.WriteString(fishFlag(n, seen, f))
		}
		if c.argument() == anyContainer {
			fmt.Fprintf(&b, "complete -c %s -n %s -a '(__%s_ids)' -d container\n", n, seen, n)
		}
	}
	fmt.Fprintf(&b, "complete -c %s -n '__fish_seen_subcommand_from mounts' -a 'add remove' -d action\n", n)
	fmt.Fprintf(&b, "complete -c %s -n '__fish_seen_subcommand_from mounts' -F\n", n)
	fmt.Fprintf(&b, "complete -c %s -n '__fish_seen_subcommand_from kill' -a '%s' -d signal\n", n, signals)
	return b.String()
}

func fishFlag(n, condition string, f flag) string {
	line := "complete -c " + n + " -n " + condition
	for _, s := range f.Short {
		line += " -s " + s
	}
	for _, l := range f.Long {
		line += " -l " + l
	}
	if f.Value != "" {
		switch kind := kindOf(f.Long[0]); kind {
		case folder:
			line += " -x -a '(__fish_complete_directories)'"
		case file:
			line += " -r -F"
		case "":
			line += " -x"
		default:
			line += " -x -a '" + kind + "'"
		}
	}
	return line + " -d " + fishQuote(f.Usage) + "\n"
}

// fishQuote quotes s for fish, in whose quotes a backslash escapes.
func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
