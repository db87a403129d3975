package doctor

import (
	"os"
	"testing"
)

// TestNamespacesMainThread checks that what is tried leaves the main thread, which
// cannot end, in its namespaces, where /proc/PID/ns shows them.
func TestNamespacesMainThread(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to make namespaces")
	}
	namespaces := func() (all string) {
		for _, name := range []string{"mnt", "net", "uts", "ipc", "cgroup"} {
			link, err := os.Readlink("/proc/self/ns/" + name)
			if err != nil {
				t.Fatal(err)
			}
			all += link + " "
		}
		return all
	}
	before := namespaces()
	for range 20 {
		tryNamespaces(tries{}, -1)
		if after := namespaces(); after != before {
			t.Fatalf("the process was in %sand is in %s", before, after)
		}
	}
}
