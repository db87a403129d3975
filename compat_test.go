package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/libcontainer/annotation"
	"github.com/rungoci/rung/libcontainer/mountopt"
)

// row is a row of one of the tables of docs/compatibility.md that compare runc,
// crun and rung.
type row struct {
	// words are those in backquotes of the first column.
	words []string
	// runc, crun and rung are the other columns.
	runc, crun, rung string
}

var quoted = regexp.MustCompile("`([^`]+)`")

// compatibility returns the rows of the table whose first column has the title.
func compatibility(t *testing.T, title string) []row {
	t.Helper()
	data, err := os.ReadFile("docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(data), "\n| "+title+" | runc | crun | rung | note |\n| --- | --- | --- | --- | --- |\n")
	if !ok {
		t.Fatalf("docs/compatibility.md has no table of %ss", title)
	}
	var rows []row
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if !strings.HasPrefix(line, "| ") {
			break
		}
		if len(cells) < 4 {
			t.Fatalf("a row of %d cells: %s", len(cells), line)
		}
		r := row{runc: cells[1], crun: cells[2], rung: cells[3]}
		if strings.HasPrefix(cells[0], "| global") {
			r.words = append(r.words, "global")
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[0], -1) {
			r.words = append(r.words, m[1])
		}
		rows = append(rows, r)
	}
	return rows
}

// TestCompatibilityOfFlags holds what docs/compatibility.md says of rung's flags to
// the command line, and the other way round.
func TestCompatibilityOfFlags(t *testing.T) {
	told := map[string]bool{}
	rows := compatibility(t, "flag")
	for _, r := range rows {
		command, flags := r.words[0], r.words[1:]
		told[command] = true
		for _, flag := range flags {
			told[command+" "+flag] = true
			switch r.rung {
			case "yes", "ignored":
				if err := takes(t, command, flag); err != nil {
					t.Errorf("%s %s: the page says %s, and rung: %v", command, flag, r.rung, err)
				}
			case "no":
				if takes(t, command, flag) == nil {
					t.Errorf("%s %s: the page says no, and rung takes it", command, flag)
				}
			case "as crun":
				as(t, asCrun)
				if got := getopt(app(""), []string{"crun", flag}); len(got) != 2 || got[1] == flag {
					t.Errorf("%s is not rewritten: %q", flag, got)
				}
				self = asRung
			default:
				t.Errorf("%s %s: the page says %q", command, flag, r.rung)
			}
			if r.rung == "no" && (r.runc == "yes" || r.crun == "yes") {
				t.Errorf("%s %s: runc or crun takes it, and rung does not", command, flag)
			}
		}
	}
	root := app("")
	for _, c := range append(slices.Clone(root.Commands), root) {
		name := c.Name
		if c == root {
			name = "global"
		}
		if !told[name] {
			t.Errorf("the page has no row for %s", name)
		}
		for _, f := range visible(c.Flags) {
			for _, spelling := range f.Names() {
				flag := strings.Repeat("-", min(len(spelling), 2)) + spelling
				if !told[name+" "+flag] {
					t.Errorf("the page says nothing of %s %s", name, flag)
				}
			}
		}
	}
}

// takes has the command line read the flag, and returns what it has against
// it. With --help at the end nothing is done.
func takes(t *testing.T, command, flag string) error {
	t.Helper()
	if flag == "--version" || flag == "-v" || flag == "--help" || flag == "-h" {
		_, err := rung(t, flag)
		return err
	}
	root := app("")
	var args []string
	known := root.Flags
	if command != "global" {
		args = append(args, command)
		if c := root.Command(command); c != nil {
			known = c.Flags
		}
	}
	for _, f := range known {
		if !slices.Contains(f.Names(), strings.TrimLeft(flag, "-")) {
			continue
		}
		switch f.(type) {
		case *cli.BoolFlag:
		case *cli.DurationFlag:
			flag += "=1s"
		default:
			flag += "=1"
		}
		break
	}
	_, err := rung(t, append(args, flag, "--help")...)
	return err
}

// TestCompatibilityOfAnnotations holds what the page says of annotations to what
// is read.
func TestCompatibilityOfAnnotations(t *testing.T) {
	values := map[string]string{"seccomp_bpf_data": "AAAA", "mount_context_type": "context", "delegate-cgroup": "sub", "systemd.subgroup": "sub"}
	var told []string
	for _, r := range compatibility(t, "annotation") {
		name := r.words[0]
		told = append(told, name)
		short, crun := strings.CutPrefix(name, annotation.Prefix)
		if !crun {
			unsafe := slices.Contains(allFeatures().PotentiallyUnsafeConfigAnnotations, strings.TrimSuffix(name, "*"))
			if unsafe != (r.rung == "yes") {
				t.Errorf("%s: the page says %s; features names it as potentially unsafe: %v", name, r.rung, unsafe)
			}
			if r.rung != "yes" && r.rung != "ignored" {
				t.Errorf("%s: the page says %q", name, r.rung)
			}
			continue
		}
		value, ok := values[short]
		if !ok {
			value = "/path"
		}
		got, err := annotation.Read(map[string]string{name: value}, func(string) string { return "" })
		switch {
		case r.rung == "refused" && err == nil:
			t.Errorf("%s: the page says refused, and it is read", name)
		case (r.rung == "yes" || r.rung == "ignored") && (err != nil || !slices.Contains(annotation.Names(), name)):
			t.Errorf("%s: the page says %s, and rung: %+v, %v", name, r.rung, got, err)
		case r.rung != "yes" && r.rung != "ignored" && r.rung != "refused":
			t.Errorf("%s: the page says %q", name, r.rung)
		}
	}
	for _, name := range annotation.Names() {
		if !slices.Contains(told, name) {
			t.Errorf("the page says nothing of %s", name)
		}
	}
}

// TestCompatibilityOfMountOptions holds what the page says of mount options to
// how they are read.
func TestCompatibilityOfMountOptions(t *testing.T) {
	for _, r := range compatibility(t, "mount option") {
		for _, option := range r.words {
			// For a bind mount an option that nobody knows is an error.
			options := []string{"bind", option}
			if option == "tmpcopyup" {
				options = options[1:]
			}
			p, err := mountopt.Parse(options)
			if taken := err == nil && len(p.Data) == 0; taken != (r.rung == "yes" || r.rung == "ignored") {
				t.Errorf("%s: the page says %s, and it is taken: %v (%v)", option, r.rung, taken, err)
			}
		}
	}
}
