//go:build fakeresctrl

package rdt

import (
	"os"

	"github.com/rungoci/rung/libcontainer/rdt/fakeresctrl"
)

// Of a binary that was built for the tests, with the tag fakeresctrl, the
// environment says where a resctrl filesystem is that is none.
func init() {
	if root := os.Getenv("RUNG_FAKE_RESCTRL"); root != "" {
		resctrl = fakeTree(root)
	}
}

func fakeTree(root string) kernel {
	return kernel{
		find:  func() (string, error) { return root, nil },
		mkdir: fakeresctrl.Mkdir, rmdir: fakeresctrl.Rmdir, read: fakeresctrl.Read, write: fakeresctrl.Write,
	}
}
