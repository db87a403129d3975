package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/libcontainer"
	"github.com/rungoci/rung/libcontainer/bundle"
	"github.com/rungoci/rung/libcontainer/state"
)

// descriptorsEnv has a re-executed test binary say what checkDescriptors makes
// of that many descriptors, in place of the tests.
const descriptorsEnv = "RUNG_MAIN_TEST_DESCRIPTORS"

func TestMain(m *testing.M) {
	if n, err := strconv.Atoi(os.Getenv(descriptorsEnv)); err == nil {
		if err := checkDescriptors(n); err != nil {
			os.Stdout.WriteString(err.Error())
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// rung runs a command line and returns what it printed.
func rung(t *testing.T, args ...string) (string, error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	printed := make(chan string)
	go func() {
		out, _ := io.ReadAll(r)
		printed <- string(out)
	}()
	stdout := os.Stdout
	os.Stdout = w
	err = app("").Run(context.Background(), append([]string{"rung"}, args...))
	os.Stdout = stdout
	w.Close()
	return <-printed, err
}

// wantError checks that an error contains all of the parts, and is one line.
func wantError(t *testing.T, what string, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want %q", what, parts)
		return
	}
	for _, part := range append(parts, "") {
		if !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error %q does not say %q on one line", what, err, part)
		}
	}
}

// TestCommandLine holds the commands and flags to what a user may expect of
// all of them.
func TestCommandLine(t *testing.T) {
	t.Chdir(t.TempDir()) // for spec, which writes a file
	a := app("")
	global := flagNames(t, "rung", a.Flags)
	var names []string
	for _, c := range a.Commands {
		names = append(names, c.Name)
		if c.Usage == "" || strings.HasSuffix(c.Usage, ".") || c.Usage[:1] != strings.ToLower(c.Usage[:1]) {
			t.Errorf("%s: the usage %q", c.Name, c.Usage)
		}
		if c.Action == nil {
			t.Errorf("%s does nothing", c.Name)
		}
		// Else "rung state help" would print a help text instead of a
		// container's state.
		if !c.HideHelpCommand {
			t.Errorf("%s has a command help of its own", c.Name)
		}
		for _, name := range flagNames(t, c.Name, c.Flags) {
			if name != "rootless" && slices.Contains(global, name) {
				t.Errorf("%s: --%s means something else in front of the command", c.Name, name)
			}
		}
		_, err := rung(t, "--root", t.TempDir(), c.Name)
		needs := err != nil && strings.Contains(err.Error(), " argument(s), not 0 (hint: rung help "+c.Name+")")
		if needs != (c.ArgsUsage != "") {
			t.Errorf("%s: says that its arguments are %q, and without any: %v", c.Name, c.ArgsUsage, err)
		}
		if strings.HasSuffix(c.ArgsUsage, "...]") {
			continue // takes any number
		}
		_, err = rung(t, "--root", t.TempDir(), c.Name, "a", "b", "c", "d")
		wantError(t, c.Name+" a b c d", err, c.Name+" needs ", " argument(s), not 4 (hint: rung help "+c.Name+")")
	}
	if !slices.IsSorted(names) {
		t.Errorf("the commands are not in order: %v", names)
	}
	// What containerd, CRI-O, Docker and Podman call.
	for _, name := range []string{"create", "start", "run", "exec", "state", "kill", "delete", "list", "pause", "resume", "ps", "update", "events", "spec", "features"} {
		if !slices.Contains(names, name) {
			t.Errorf("there is no command %s", name)
		}
	}
}

// flagNames returns the names of flags, which must be unique and explained.
func flagNames(t *testing.T, command string, flags []cli.Flag) []string {
	t.Helper()
	var names []string
	for _, f := range flags {
		for _, name := range f.Names() {
			if slices.Contains(names, name) {
				t.Errorf("%s: --%s is there twice", command, name)
			}
			names = append(names, name)
		}
		if doc, ok := f.(cli.DocGenerationFlag); !ok || doc.GetUsage() == "" {
			t.Errorf("%s: --%s is not explained", command, f.Names()[0])
		}
	}
	return names
}

// TestIDsLikeCommands uses ids that mean something to command lines.
func TestIDsLikeCommands(t *testing.T) {
	root := t.TempDir()
	for _, id := range []string{"h", "help", "list", "version", "completion"} {
		for _, args := range [][]string{{"state", id}, {"start", id}, {"kill", id}, {"kill", id, "KILL"}, {"pause", id}, {"resume", id}, {"delete", id}} {
			out, err := rung(t, append([]string{"--root", root}, args...)...)
			if !errors.Is(err, libcontainer.ErrNotExist) || out != "" {
				t.Errorf("rung %q: %v, prints %q", args, err, out)
			}
		}
		if out, err := rung(t, "--root", root, "delete", "--force", id); err != nil || out != "" {
			t.Errorf("delete --force %s: %v, prints %q", id, err, out)
		}
		_, err := rung(t, "--root", root, "create", "--bundle", "/nonexistent", id)
		wantError(t, "create "+id, err, "open the bundle /nonexistent")
	}
}

func TestNoCommand(t *testing.T) {
	out, err := rung(t)
	if err != nil || !strings.Contains(out, "create a container; its program waits for start") {
		t.Errorf("rung without arguments: %v, prints %q", err, out)
	}
	_, err = rung(t, "strat")
	wantError(t, "strat", err, `no such command: "strat" (hint: rung help lists the commands)`)
	_, err = rung(t, "--nonsense")
	wantError(t, "--nonsense", err, "nonsense")
	_, err = rung(t, "delete", "--nonsense", "c")
	wantError(t, "delete --nonsense", err, "nonsense")
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"help", "kill"}, {"kill", "--help"}, {"kill", "-h"}} {
		out, err := rung(t, args...)
		if err != nil || !strings.Contains(out, "CONTAINER-ID [SIGNAL]") || !strings.Contains(out, "send it to all processes") {
			t.Errorf("%q: %v, prints %q", args, err, out)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, arg := range []string{"--version", "-v"} {
		out, err := rung(t, arg)
		// Engines read the first line and the one with the specification.
		if err != nil || !strings.HasPrefix(out, "rung version "+version+"\n") || !strings.Contains(out, "\nspec: 1.") || !strings.Contains(out, "\ngo: go1.") {
			t.Errorf("%s: %v, prints %q", arg, err, out)
		}
	}
}

func TestRootless(t *testing.T) {
	auto := os.Geteuid() != 0
	for value, want := range map[string]bool{"": auto, "auto": auto, "AUTO": auto, "true": true, "1": true, "T": true, "false": false, "0": false, "False": false} {
		if got, err := rootless(value); got != want || err != nil {
			t.Errorf("%q: %v, %v, want %v", value, got, err, want)
		}
	}
	for _, value := range []string{"yes", "maybe", " true", "2"} {
		_, err := rootless(value)
		wantError(t, value, err, "read --rootless: unknown value "+strconv.Quote(value)+" (hint: it is true, false or auto)")
	}
}

func TestListenFDs(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	for _, tt := range []struct {
		fds, pid, want string
	}{
		{"", self, "0"}, {"0", self, "0"}, {"3", self, "3"},
		{"3", "", "0"}, {"3", "1", "0"}, {"3", "0" + self, "0"}, {"x", "1", "0"},
		{"-1", self, "error"}, {"x", self, "error"}, {" 1", self, "error"}, {"1.5", self, "error"}, {"99999999999999999999", self, "error"},
	} {
		t.Setenv("LISTEN_FDS", tt.fds)
		t.Setenv("LISTEN_PID", tt.pid)
		n, err := listenFDs()
		got := strconv.Itoa(n)
		if err != nil {
			wantError(t, tt.fds, err, "read LISTEN_FDS: "+strconv.Quote(tt.fds)+" is no number of descriptors")
			got = "error"
		}
		if got != tt.want {
			t.Errorf("LISTEN_FDS=%s LISTEN_PID=%s: %s, want %s", tt.fds, tt.pid, got, tt.want)
		}
	}
}

// TestCheckDescriptors gives a process the descriptors 3 and 4.
func TestCheckDescriptors(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for n, want := range map[string]string{
		"0": "", "1": "", "2": "",
		// What is at 5, if anything, is the Go runtime's own.
		"3":       "pass 3 descriptors on (--preserve-fds, LISTEN_FDS): descriptor 5 is not open",
		"1000000": "pass 1000000 descriptors on (--preserve-fds, LISTEN_FDS): descriptor 5 is not open",
		"-1":      "read --preserve-fds: -1 is less than zero",
	} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), descriptorsEnv+"="+n)
		cmd.ExtraFiles = []*os.File{null, null}
		if got, err := cmd.Output(); string(got) != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", n, got, err, want)
		}
	}
}

func TestCheckRoot(t *testing.T) {
	for _, root := range []string{"/", "//", "/..", "/tmp/../", "/."} {
		wantError(t, root, checkRoot(root), "keep state (--root): the root folder of the host is no place for it")
		_, err := rung(t, "--root", root, "list")
		wantError(t, "--root "+root, err, "the root folder of the host is no place for it")
	}
	for _, root := range []string{"/run/rung", "rung", "/x/"} {
		if err := checkRoot(root); err != nil {
			t.Errorf("%s: %v", root, err)
		}
	}
	t.Chdir("/")
	wantError(t, ". in /", checkRoot("."), "the root folder of the host")
}

func TestDefaultRoot(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	want := "/run/rung"
	if os.Geteuid() != 0 {
		want = "/run/user/7/rung"
	}
	if got := defaultRoot(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	if got := defaultRoot(); got != "/run/rung" {
		t.Errorf("without XDG_RUNTIME_DIR: %s", got)
	}
}

// logTo directs the log to a file, by way of the command line, until the test
// ends.
func logTo(t *testing.T, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	level, formatter := logrus.GetLevel(), logrus.StandardLogger().Formatter
	t.Cleanup(func() {
		logrus.StandardLogger().Out.(*os.File).Close()
		logging = false
		logrus.SetOutput(os.Stderr)
		logrus.SetLevel(level)
		logrus.SetFormatter(formatter)
	})
	args = append([]string{"--log", path}, args...)
	if _, err := rung(t, append(args, "--root", t.TempDir(), "list")...); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestLog is about the last line of the log, which engines show to their users.
func TestLog(t *testing.T) {
	path := logTo(t, "--log-format", "json")
	data, err := os.ReadFile(path)
	if err != nil || len(data) > 0 {
		t.Errorf("a command that succeeds logs %q, %v", data, err)
	}
	warn("worth saying")
	stderr := os.Stderr
	os.Stderr, err = os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	logError(errors.New("a \"cause\""))
	os.Stderr.Close()
	os.Stderr = stderr
	data, err = os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range bytes.Lines(data) {
		var entry struct{ Level, Msg, Time string }
		if err := json.Unmarshal(line, &entry); err != nil || entry.Time == "" {
			t.Errorf("%s: %v", line, err)
		}
		got = append(got, entry.Level+": "+entry.Msg)
	}
	if want := []string{"warning: worth saying", `error: a "cause"`}; !slices.Equal(got, want) {
		t.Errorf("logged %q, want %q", got, want)
	}
}

// TestControlCharacters is about names that the container has chosen.
func TestControlCharacters(t *testing.T) {
	path := logTo(t, "--log-format", "json", "--debug")
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	defer func(old *os.File) { os.Stderr = old }(os.Stderr)
	os.Stderr = stderr
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const text, want = "a\x1b[2J\rb\nc\u009b", `a\x1b[2J\x0db c\u009b`
	explain(text)
	warn(text)
	logError(fmt.Errorf("wrapped: %w", errors.New(text)))
	logging = false
	warn(text)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range bytes.Lines(data[len(before):]) {
		var entry struct{ Msg string }
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		got = append(got, entry.Msg)
	}
	if want := []string{want, want, "wrapped: " + want}; !slices.Equal(got, want) {
		t.Errorf("logged %q, want %q", got, want)
	}
	data, err = os.ReadFile(stderr.Name())
	if want := "rung: wrapped: " + want + "\nrung: warning: " + want + "\n"; err != nil || string(data) != want {
		t.Errorf("printed %q, %v, want %q", data, err, want)
	}
}

func TestLogErrors(t *testing.T) {
	_, err := rung(t, "--log-format", "xml", "list")
	wantError(t, "--log-format xml", err, `set the log format: unknown format "xml" (hint: --log-format is text or json)`)
	_, err = rung(t, "--log", "/nonexistent/log", "list")
	wantError(t, "--log /nonexistent/log", err, "open the log (--log): open /nonexistent/log: no such file or directory")
}

func TestSpec(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "rootfs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := rung(t, "spec", "--bundle", dir); err != nil || out != "" {
		t.Fatalf("%v, prints %q", err, out)
	}
	b, err := bundle.Load(dir)
	if err != nil || len(b.Warnings) > 0 {
		t.Errorf("the example is not accepted: %v, %q", err, b.Warnings)
	}
	before, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil || !bytes.HasSuffix(before, []byte("\n}\n")) {
		t.Errorf("%v, ends with %q", err, before[max(0, len(before)-10):])
	}
	_, err = rung(t, "spec", "-b", dir, "--rootless")
	wantError(t, "spec", err, "write an example: "+dir+"/config.json exists", "hint")
	if after, err := os.ReadFile(filepath.Join(dir, "config.json")); !bytes.Equal(before, after) || err != nil {
		t.Errorf("it was overwritten: %v", err)
	}
	_, err = rung(t, "spec", "--bundle", "/nonexistent")
	wantError(t, "spec", err, "write an example: open /nonexistent/config.json: no such file or directory")
}

func TestFeatures(t *testing.T) {
	out, err := rung(t, "features")
	var got struct {
		OCIVersionMin, OCIVersionMax string
		MountOptions                 []string
		Annotations                  map[string]string
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.OCIVersionMin == "" || got.OCIVersionMax == "" || len(got.MountOptions) < 30 {
		t.Errorf("%+v, %v", got, err)
	}
	if got.Annotations["com.github.rungoci.rung.stateVersion"] != strconv.Itoa(state.Version) {
		t.Errorf("the annotations are %v", got.Annotations)
	}
}

// TestCalled holds the look at the arguments to what the command line makes of
// them, and the names to the commands.
func TestCalled(t *testing.T) {
	for _, c := range commands {
		if name := c.make().Name; name != c.name {
			t.Errorf("command %q is listed as %q", name, c.name)
		}
	}
	for _, tt := range []struct{ args, want string }{
		{"", ""}, {"run x", "run"}, {"--root run state x", "state"}, {"--debug --systemd-cgroup --log l --log-format json exec x", "exec"},
		{"--rootless true list", "list"}, {"--root=/r list", "list"}, {"--log-level debug --cgroup-manager disabled --log-format=json kill x", "kill"}, {"-d list", ""}, {"help run", ""}, {"--help", ""}, {"nothing", ""}, {"--root", ""}, {"-h run", ""},
	} {
		if got := called(strings.Fields("rung " + tt.args)); got != tt.want {
			t.Errorf("rung %s calls %q, want %q", tt.args, got, tt.want)
		}
	}
	for _, flag := range app("").Flags {
		switch flag.(type) {
		case *cli.BoolFlag, *cli.StringFlag:
			if got := called([]string{"rung", "--" + flag.Names()[0], "run", "state"}); got == "run" != isBool(flag) {
				t.Errorf("after --%s the command is %q", flag.Names()[0], got)
			}
		default:
			t.Errorf("the look at the arguments does not know flags like --%s", flag.Names()[0])
		}
	}
}

func isBool(flag cli.Flag) bool {
	_, is := flag.(*cli.BoolFlag)
	return is
}
