package main

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
)

// as makes the test's program another one until it ends.
func as(t *testing.T, p persona) {
	t.Helper()
	before := self
	self = p
	t.Cleanup(func() { self = before })
}

func TestCalledAs(t *testing.T) {
	for argv0, want := range map[string]persona{
		"rung": asRung, "/usr/bin/runc": asRunc, "crun": asCrun, "./crun": asCrun, "crun-static": asRung, "": asRung, "/usr/bin/docker-runc": asRung,
	} {
		if got := calledAs(argv0); got != want {
			t.Errorf("%q is %s, want %s", argv0, got, want)
		}
	}
}

// TestVersion holds --version to what engines read of it.
func TestVersions(t *testing.T) {
	for p, first := range map[persona]string{asRung: "rung version " + version, asRunc: "runc version 1.5.0+rung.", asCrun: "crun version 1.27+rung."} {
		as(t, p)
		var out bytes.Buffer
		printVersion(&out)
		lines := strings.Split(out.String(), "\n")
		if !strings.HasPrefix(lines[0], first) {
			t.Errorf("%s: the first line is %q", p, lines[0])
		}
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "spec: 1.") }) {
			t.Errorf("%s: no version of the specification in %q", p, lines)
		}
		if crun := strings.Contains(out.String(), "+SECCOMP"); crun != (p == asCrun) {
			t.Errorf("%s: features of crun: %v", p, crun)
		}
	}
}

func TestGetopt(t *testing.T) {
	as(t, asCrun)
	for _, tt := range []struct{ args, want string }{
		{"list", "list"},
		{"--cgroup-manager disabled list", "--cgroup-manager=disabled list"},
		{"--cgroup-m=disabled --log-l debug --root /r list", "--cgroup-manager=disabled --log-level=debug --root=/r list"},
		{"--log x --log-format json list", "--log=x --log-format=json list"}, // an exact name goes before longer ones
		{"--lo x list", "--lo x list"}, // log, log-format or log-level
		{"-V", "--version"},
		{"-v", "--version"},
		{"-?", "--help"},
		{"--usage", "--help"},
		{"list -qfjson", "list --quiet --format=json"},
		{"list -qf json", "list --quiet --format=json"},
		{"run -db /b -f/c ct", "run --detach --bundle=/b --config=/c ct"},
		{"run --no-p --det ct", "run --no-pivot --detach ct"},
		{"exec -t ct sh -c -x", "exec --tty ct sh -c -x"},
		{"exec --tty=no ct sh", "exec --tty=false ct sh"},
		{"exec --tty=yes -u1:2 ct sh", "exec --tty=true --user=1:2 ct sh"},
		{"exec -tno ct sh", "exec --tty=false ct sh"},
		{"exec -e A=-b -e B= -- ct", "exec --env=A=-b --env=B= -- ct"},
		{"kill -a ct KILL", "kill --all ct KILL"},
		{"list -z", "list -z"},
		{"list -qz", "list --quiet -z"},
		{"nothing -q", "nothing -q"},
		{"run -b", "run --bundle"},
		{"--", "--"},
	} {
		got := getopt(app(""), strings.Fields("crun "+tt.args))
		if want := strings.Fields("crun " + tt.want); !slices.Equal(got, want) {
			t.Errorf("%s becomes %q, want %q", tt.args, got, want)
		}
	}
}

func TestUsageStatus(t *testing.T) {
	for p, want := range map[persona]int{asRung: 1, asRunc: 1, asCrun: 64} {
		as(t, p)
		err := app("").Run(context.Background(), []string{string(p), "list", "--nothing"})
		got := 1
		if f, ok := err.(*failure); ok {
			got = f.code
		}
		if err == nil || got != want {
			t.Errorf("%s: %v with exit status %d, want %d", p, err, got, want)
		}
	}
}
