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

// TestOriginal runs this test binary with a soft limit below the hard one, and
// has it tell what it was started with.
func TestOriginal(t *testing.T) {
	if os.Getenv("NOFILE_CHILD") != "" {
		var now syscall.Rlimit
		err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now)
		soft, hard, ok := nofile.Original()
		if err != nil || !ok || now.Cur == soft || now.Max != hard {
			t.Fatalf("now %d and %d, originally %d and %d: %v", now.Cur, now.Max, soft, hard, err)
		}
		os.Stdout.WriteString("soft=" + strconv.FormatUint(soft, 10) + "\n")
		return
	}
	cmd := exec.Command("sh", "-c", `ulimit -S -n 123; exec "$0" -test.run TestOriginal -test.v`, os.Args[0])
	cmd.Env = append(os.Environ(), "NOFILE_CHILD=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.Contains(string(out), "soft=123\n") {
		t.Fatalf("package os raised the limit before package nofile saw it:\n%s", out)
	}
}
