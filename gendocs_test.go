package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/internal/cmddoc"
)

// writeDocs writes the pages and completions of the real command line.
func writeDocs(t *testing.T) string {
	t.Helper()
	t.Setenv("XDG_RUNTIME_DIR", "")
	dir := t.TempDir()
	if err := cmddoc.Write(dir, app(""), "1.2.3", "2026-01-31"); err != nil {
		t.Fatal(err)
	}
	return dir
}

// needProgram returns the path of a program, or skips the test.
func needProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// visible returns the flags of a command that are shown.
func visible(flags []cli.Flag) []cli.Flag {
	return slices.DeleteFunc(slices.Clone(flags), func(f cli.Flag) bool {
		v, ok := f.(cli.VisibleFlag)
		return ok && !v.IsVisible()
	})
}

func TestManPages(t *testing.T) {
	dir := writeDocs(t)
	root := app("")
	pages := map[string][]cli.Flag{"rung": root.Flags}
	for _, c := range root.Commands {
		pages["rung-"+c.Name] = c.Flags
	}
	for name, flags := range pages {
		data, err := os.ReadFile(filepath.Join(dir, "man8", name+".8"))
		if err != nil {
			t.Error(err)
			continue
		}
		text := string(data)
		for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES", "SEE ALSO"} {
			if !strings.Contains(text, "\n.SH "+section+"\n") {
				t.Errorf("%s has no %s", name, section)
			}
		}
		for _, f := range visible(flags) {
			for _, flag := range f.Names() {
				dashes := "--"
				if len(flag) == 1 {
					dashes = "-"
				}
				if roff := `\fB` + strings.ReplaceAll(dashes+flag, "-", `\-`) + `\fR`; !strings.Contains(text, roff) {
					t.Errorf("%s says nothing of %s%s", name, dashes, flag)
				}
			}
		}
		if strings.Contains(text, `kernel\-memory`) {
			t.Errorf("%s tells of hidden flags", name)
		}
		for line := range strings.Lines(text) {
			if page, ok := strings.CutPrefix(line, ".BR rung"); ok {
				page, _, _ = strings.Cut(strings.ReplaceAll("rung"+page, `\-`, "-"), " ")
				if _, ok := pages[page]; !ok {
					t.Errorf("%s refers to %s, which is not there", name, page)
				}
			}
		}
	}
	t.Run("mandoc", func(t *testing.T) {
		mandoc := needProgram(t, "mandoc")
		for name := range pages {
			if out, err := exec.Command(mandoc, "-T", "lint", "-W", "warning", filepath.Join(dir, "man8", name+".8")).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s: %v: %s", name, err, out)
			}
		}
	})
	t.Run("groff", func(t *testing.T) {
		groff := needProgram(t, "groff")
		for name := range pages {
			cmd := exec.Command(groff, "-man", "-Tutf8", "-ww", "-z", filepath.Join(dir, "man8", name+".8"))
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s: %v: %s", name, err, out)
			}
		}
	})
}

// TestBashCompletion has bash complete command lines, whose last word is the
// one to be completed. A stand-in for rung lists two containers.
func TestBashCompletion(t *testing.T) {
	bash := needProgram(t, "bash")
	dir := writeDocs(t)
	t.Chdir(t.TempDir())
	for _, name := range []string{"bundle dir", "other"} {
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"file.json": "", "rung": "#!/bin/sh\n[ \"$*\" = 'list --quiet' ] && printf 'alpha\\nbeta\\n'\n[ \"$*\" = '--root /r list --quiet' ] && echo gamma\n"} {
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const script = `source "$0/bash/rung"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _rung; printf '%s\n' "${COMPREPLY[@]}"`
	complete := func(words ...string) []string {
		out, err := exec.Command(bash, append([]string{"-c", script, dir, "./rung"}, words...)...).CombinedOutput()
		if err != nil {
			t.Errorf("%q: %v: %s", words, err, out)
		}
		got := strings.Split(strings.TrimSpace(string(out)), "\n")
		slices.Sort(got)
		return got
	}
	var names []string
	for _, c := range app("").Commands {
		names = append(names, c.Name)
		flags := []string{"--help", "-h"}
		for _, f := range visible(c.Flags) {
			for _, n := range f.Names() {
				flags = append(flags, strings.Repeat("-", min(len(n), 2))+n)
			}
		}
		slices.Sort(flags)
		if got := complete(c.Name, "-"); !slices.Equal(got, flags) {
			t.Errorf("the flags of %s are completed to %q, want %q", c.Name, got, flags)
		}
	}
	names = append(names, "help")
	slices.Sort(names)
	for _, tt := range []struct {
		line string
		want []string
	}{
		{"", names},
		{"help ", names},
		{"--debug ", names},
		{"--log x ", names},
		{"--log = x ", names},
		{"up", []string{"update"}},
		{"--sys", []string{"--systemd-cgroup"}},
		{"--log-format ", []string{"json", "text"}},
		{"--log-format = j", []string{"json"}},
		{"--rootless ", []string{"auto", "false", "true"}},
		{"list --format ", []string{"json", "table"}},
		{"list --format = t", []string{"table"}},
		{"ps -f ", []string{"json", "table"}},
		{"state ", []string{"alpha", "beta"}},
		{"delete --force a", []string{"alpha"}},
		{"--root /r state ", []string{"gamma"}},
		{"--root = /r state ", []string{"gamma"}},
		{"create ", []string{""}},
		{"run ", []string{""}},
		{"list ", []string{""}},
		{"create --bundle ", []string{"bundle dir", "other"}},
		{"create -b o", []string{"other"}},
		{"update -r f", []string{"file.json"}},
		{"update --memory ", []string{""}},
		{"create -f f", []string{"file.json"}},
		{"mounts ", []string{"add", "remove"}},
		{"mounts add ", []string{"alpha", "beta"}},
		{"mounts add alpha f", []string{"file.json"}},
		{"kill alpha K", []string{"KILL"}},
		{"exec --user 0 ", []string{"alpha", "beta"}},
		{"exec alpha -", []string{""}},
		{"exec -", complete("exec", "-")},
		{"exec -u ", []string{""}},
		{"nonsense ", []string{""}},
	} {
		if got := complete(strings.Split(tt.line, " ")...); !slices.Equal(got, tt.want) {
			t.Errorf("rung %s: %q, want %q", tt.line, got, tt.want)
		}
	}
}

// TestOtherShells has zsh and fish read their completions, and fish complete.
func TestOtherShells(t *testing.T) {
	dir := writeDocs(t)
	t.Run("zsh", func(t *testing.T) {
		zsh := needProgram(t, "zsh")
		if out, err := exec.Command(zsh, "-n", dir+"/zsh/_rung").CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("fish", func(t *testing.T) {
		fish := needProgram(t, "fish")
		for line, want := range map[string]string{
			"rung upd": "update\tchange the limits of a container", "rung update --pids": "--pids-limit\tnumber of processes and threads; -1 for no limit",
			"rung list --format j": "json\ttable or json", "rung kill x KI": "KILL\tsignal",
		} {
			cmd := exec.Command(fish, "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", dir+"/fish/rung.fish", line)
			cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
			out, err := cmd.CombinedOutput()
			if err != nil || !slices.Contains(strings.Split(string(out), "\n"), want) {
				t.Errorf("%s: %v: %q, want %q", line, err, out, want)
			}
		}
	})
}
