// Package vm_test proves what the virtual machine's tests are counted with, without a machine.
package vm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// count returns what count.awk says to the words of a machine, without the last newline, and whether all is well.
func count(t *testing.T, words string) (string, bool) {
	t.Helper()
	cmd := exec.Command("awk", "-f", "count.awk")
	cmd.Stdin = strings.NewReader(words)
	out, err := cmd.Output()
	return strings.TrimSuffix(string(out), "\n"), err == nil
}

func TestCount(t *testing.T) {
	const (
		begin = "rung-vm: Linux 6.1, systemd 252, cgroup cgroup2fs\nrung-vm: pass rootless\n"
		plan  = "rootless/ps.bats: 1..3\n"
		ended = "rootless/3 passed, 0 failed, 0 skipped\nrung-vm: done\n"
	)
	for _, test := range []struct {
		name, words, want string
		well              bool
	}{
		{"all is well", begin + plan + "rootless/ps.bats: ok 1 a in 20ms\nrootless/ps.bats: # a comment\nrootless/ps.bats: ok 2 b # skip why\n" +
			"rootless/ps.bats: ok 3 c\n" + ended, "2 passed, 0 failed, 1 skipped", true},
		{"a test failed", begin + plan + "rootless/ps.bats: ok 1 a\nrootless/ps.bats: not ok 2 b\nrootless/ps.bats: ok 3 c\n" + ended,
			"2 passed, 1 failed, 0 skipped", false},
		{"a dead machine", begin + plan + "rootless/ps.bats: ok 1 a\n",
			"rootless/ps.bats: 2 of the tests have no result\nthe machine did not come to the end of its work: it died, or took too long\n" +
				"1 passed, 2 failed, 0 skipped", false},
		{"dead between two files", begin + "rootless/ps.bats: 1..1\nrootless/ps.bats: ok 1 a\n",
			"the machine did not come to the end of its work: it died, or took too long\n1 passed, 1 failed, 0 skipped", false},
		{"it said nothing", "", "the machine did not come to the end of its work: it died, or took too long\n0 passed, 1 failed, 0 skipped", false},
		{"missing results", begin + plan + "rootless/ps.bats: ok 1 a\nrootless/ps.bats: ok 3 c\n" + ended,
			"rootless/ps.bats: 1 of the tests have no result\n2 passed, 1 failed, 0 skipped", false},
		{"missing results, and another file that has more than its plan", begin + plan + "rootless/ps.bats: ok 1 a\nrootless/list.bats: 1..1\n" +
			"rootless/list.bats: ok 1 d\nrootless/list.bats: ok 2 e\nrootless/list.bats: ok 3 f\n" + ended,
			"rootless/ps.bats: 2 of the tests have no result\n4 passed, 2 failed, 0 skipped", false},
		{"a file that could not start", begin + "rootless/ps.bats: not ok 0 ps.bats ended with status 1\nrootless/list.bats: 1..1\nrootless/list.bats: ok 1 d\n" +
			ended, "1 passed, 1 failed, 0 skipped", false},
		{"a pass that could not start", begin + "rootless/runuser: user alice does not exist\nrootless/pass: not ok 0 ended with status 1\n" +
			"rung-vm: pass unit\nunit/internal/spawn: ok 1 a\nunit/internal/spawn: 1..1\nrung-vm: done\n", "1 passed, 1 failed, 0 skipped", false},
		{"a pass that did nothing", begin + "rung-vm: pass unit\nunit/internal/spawn: ok 1 a\nunit/internal/spawn: 1..1\nrung-vm: done\n",
			"rootless: no test was announced\n1 passed, 1 failed, 0 skipped", false},
		{"a pass none of whose tests has the name", begin + "rootless/ps.bats: 1..0\nrung-vm: pass unit\nunit/internal/spawn: ok 1 a\nunit/internal/spawn: 1..1\n" +
			"rung-vm: done\n", "1 passed, 0 failed, 0 skipped", true},
		{"no test at all", begin + "rootless/ps.bats: 1..0\nrung-vm: done\n", "no test was run\n0 passed, 1 failed, 0 skipped", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, well := count(t, test.words)
			if got != test.want || well != test.well {
				t.Errorf("got\n%s\nwell: %v; want\n%s\nwell: %v", got, well, test.want, test.well)
			}
		})
	}
}

// guest runs passes.bash in a tree with passes of its own (name: script) and the given files, and returns what it
// printed.
func guest(t *testing.T, passes map[string]string, files []string, command, names, tests string) (string, error) {
	t.Helper()
	tree := t.TempDir()
	text, err := os.ReadFile("passes.bash")
	if err != nil {
		t.Fatal(err)
	}
	content := map[string]string{"vm/passes.bash": string(text)}
	for name, script := range passes {
		content["vm/passes/"+name+".sh"] = script
	}
	for _, file := range files {
		content[file] = ""
	}
	for name, text := range content {
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("bash", "-uo", "pipefail", "-c", `source vm/passes.bash; `+command)
	cmd.Dir = tree
	cmd.Env = append(os.Environ(), "PASSES="+names, "TESTS="+tests)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestPasses(t *testing.T) {
	passes := map[string]string{
		"unit":     "echo 'x: ok 1 a'; echo 'x: 1..1'; [ $# -eq 0 ]",
		"rootless": `for file; do echo "$file: 1..1"; echo "$file: not ok 1 a"; done; exit 1`,
		"engines":  `for file; do echo "$file: 1..1"; echo "$file: ok 1 b"; done`,
		"broken":   "echo starting; exec /nowhere",
		"fails":    "echo 'not ok 7 c'; exit 1",
		"silent":   "",
	}
	files := []string{"integration/ps.bats", "integration/list.bats", "engines/podman.bats"}
	for _, test := range []struct{ name, passes, tests, want, counts string }{
		{"a file for one pass, and one for each that has it", "unit rootless engines", "rootless/ps.bats podman.bats list.bats",
			"rung-vm: pass unit\nunit/x: ok 1 a\nunit/x: 1..1\n" +
				"rung-vm: pass rootless\nrootless/ps.bats: 1..1\nrootless/ps.bats: not ok 1 a\nrootless/list.bats: 1..1\nrootless/list.bats: not ok 1 a\n" +
				"rung-vm: pass engines\nengines/podman.bats: 1..1\nengines/podman.bats: ok 1 b\n", "2 passed, 2 failed, 0 skipped"},
		{"a pass without a file", "rootless engines", "podman.bats",
			"rung-vm: pass engines\nengines/podman.bats: 1..1\nengines/podman.bats: ok 1 b\n", "1 passed, 0 failed, 0 skipped"},
		{"a pass that cannot start", "broken", "",
			"rung-vm: pass broken\nbroken/starting\nbroken/PASS.sh: line 1: /nowhere: No such file or directory\nbroken/pass: not ok 0 ended with status 127\n",
			"0 passed, 1 failed, 0 skipped"},
		{"a pass that says what failed", "fails", "", "rung-vm: pass fails\nfails/not ok 7 c\n", "fails: no test was announced\n0 passed, 1 failed, 0 skipped"},
		{"a pass that does nothing", "silent unit", "",
			"rung-vm: pass silent\nrung-vm: pass unit\nunit/x: ok 1 a\nunit/x: 1..1\n", "silent: no test was announced\n1 passed, 1 failed, 0 skipped"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, _ := guest(t, passes, files, "run_passes", test.passes, test.tests)
			lines := strings.SplitAfter(got, "\n")
			for i, line := range lines {
				// bash names its script by the whole path.
				if before, after, found := strings.Cut(line, "/broken.sh: "); found {
					lines[i] = before[:strings.Index(before, "/")+1] + "PASS.sh: " + after
				}
			}
			if got = strings.Join(lines, ""); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			if counts, _ := count(t, got+"rung-vm: done\n"); counts != test.counts {
				t.Errorf("counts: got\n%s\nwant\n%s", counts, test.counts)
			}
		})
	}
}

// TestPassesNames: what no pass has is refused before there is a machine.
func TestPassesNames(t *testing.T) {
	passes := map[string]string{"unit": "", "rootless": "", "root-cgroupfs": "", "engines": ""}
	files := []string{"integration/ps.bats", "engines/podman.bats"}
	for _, test := range []struct{ passes, tests, want string }{
		{"unit rootless engines", "", ""},
		{"unit rootless engines", "ps.bats podman.bats rootless/ps.bats engines/podman.bats", ""},
		{"rootless nosuch", "", "there is no pass nosuch; there are: engines root-cgroupfs rootless unit \n"},
		{"unit rootless engines", "ps.bats pss.bats", "TESTS: none of these passes has pss.bats: unit rootless engines\n"},
		{"unit rootless", "podman.bats", "TESTS: none of these passes has podman.bats: unit rootless\n"},
		{"rootless", "root-cgroupfs/ps.bats", "TESTS: none of these passes has root-cgroupfs/ps.bats: rootless\n"},
		{"rootless engines", "rootless/podman.bats", "TESTS: none of these passes has rootless/podman.bats: rootless engines\n"},
		{"unit rootless", "unit/ps.bats", "TESTS: none of these passes has unit/ps.bats: unit rootless\n"},
	} {
		got, err := guest(t, passes, files, "check_passes", test.passes, test.tests)
		if got != test.want || (err == nil) != (test.want == "") {
			t.Errorf("PASS=%q TESTS=%q: got %q, %v; want %q", test.passes, test.tests, got, err, test.want)
		}
	}
}
