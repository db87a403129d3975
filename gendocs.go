//go:build docs

package main

import (
	"fmt"
	"os"

	"github.com/rungoci/rung/internal/cmddoc"
)

// With the tag "docs" the program writes rung's manual pages and completions,
// and is not rung: go run -tags docs . FOLDER VERSION DATE. Without it nothing
// of that is linked in.
func init() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: go run -tags docs . FOLDER VERSION DATE")
		os.Exit(2)
	}
	// The default of --root is to be that of root.
	os.Unsetenv("XDG_RUNTIME_DIR")
	if err := cmddoc.Write(os.Args[1], app(""), os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "write the documentation:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
