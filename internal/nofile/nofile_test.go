// The test is a package of its own: a test inside package nofile would make
// that import os, and so be initialised after it.
package nofile_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rungoci/rung/internal/nofile"
)

// TestRestore runs this test binary with a soft limit below the hard one, and
// has it tell what limit Restore brings back.
func TestRestore(t *testing.T) {
	if os.Getenv("NOFILE_CHILD") != "" {
		var before, after syscall.Rlimit
		err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before)
		if err == nil {
			if !nofile.Restore() {
				err = syscall.EPERM
			}
		}
		if err == nil {
			err = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &after)
		}
		if err != nil || before.Cur == after.Cur {
			t.Fatalf("before %d, after %d: %v", before.Cur, after.Cur, err)
		}
		os.Stdout.WriteString("soft=" + strconv.FormatUint(uint64(after.Cur), 10) + "\n")
		return
	}
	cmd := exec.Command("sh", "-c", `ulimit -S -n 123; exec "$0" -test.run TestRestore -test.v`, os.Args[0])
	cmd.Env = append(os.Environ(), "NOFILE_CHILD=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.Contains(string(out), "soft=123\n") {
		t.Fatalf("package os raised the limit before package nofile saw it:\n%s", out)
	}
}
