package process

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// helperEnv names the function of helpers that a re-executed test binary runs
// in place of the tests.
const helperEnv = "RUNG_PROCESS_TEST_HELPER"

// helpers change what belongs to a whole process. What they return is printed.
var helpers = map[string]func() error{
	"argv":     helperArgv,
	"limits":   helperLimits,
	"terminal": helperTerminal,
	"switch":   helperSwitch,
}

func TestMain(m *testing.M) {
	if name := os.Getenv(helperEnv); name != "" {
		runtime.LockOSThread()
		if err := helpers[name](); err != nil {
			os.Stdout.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runHelper runs a helper in a process of its own and returns its output.
func runHelper(t *testing.T, name string, configure func(*exec.Cmd)) (string, error) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), helperEnv+"="+name)
	if configure != nil {
		configure(cmd)
	}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// onThread runs f on a thread of its own, which ends with it: what f does to
// the thread touches nobody else. Failures are f's result, as the methods of
// testing.T that end a test belong to its goroutine. unshare holds the
// namespaces that the thread gets new ones of.
func onThread(t *testing.T, unshare int, f func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		// Without unlocking, the thread dies with the goroutine.
		runtime.LockOSThread()
		if unshare != 0 {
			if err := unix.Unshare(unshare); err != nil {
				done <- os.NewSyscallError("unshare", err)
				return
			}
		}
		if unshare&unix.CLONE_NEWNS != 0 {
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				done <- os.NewSyscallError("mount", err)
				return
			}
		}
		done <- f()
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// check holds an error against the parts it should have; no parts means no
// error.
func check(err error, errno syscall.Errno, field string, parts ...string) error {
	if errno == 0 && field == "" && len(parts) == 0 {
		if err != nil {
			return errors.New("unexpected error: " + err.Error())
		}
		return nil
	}
	if err == nil {
		return errors.New("no error")
	}
	if errno != 0 && !errors.Is(err, errno) {
		return errors.New("error " + err.Error() + " is not " + errno.Error())
	}
	var e *errdefs.Error
	if !errors.As(err, &e) {
		return errors.New("not an errdefs.Error: " + err.Error())
	}
	if e.Field != field {
		return errors.New("field " + e.Field + ", want " + field + " in: " + err.Error())
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			return errors.New("error " + err.Error() + " does not contain " + part)
		}
	}
	return nil
}

// status returns the value of a line of /proc/thread-self/status.
func status(key string) string {
	data, _ := os.ReadFile("/proc/thread-self/status")
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(line, ":"); ok && name == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
