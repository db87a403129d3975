package errdefs

import (
	"errors"
	"testing"
)

func TestPrintable(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"mount tmpfs on /dev/shm", "mount tmpfs on /dev/shm"},
		{`a \x1b that is text, and "quotes"`, `a \x1b that is text, and "quotes"`},
		{"Größe, 容器, \u00a0, \ufffd", "Größe, 容器, \u00a0, \ufffd"},
		{"two\nlines\n", "two lines "},
		{"\x1b[2J\x1b]0;title\x07", `\x1b[2J\x1b]0;title\x07`},
		{"a\rb\tc\x00d\x7f", `a\x0db\x09c\x00d\x7f`},
		{"\u0080\u009b31m\u009f", `\u0080\u009b31m\u009f`},
		{"\x9b31m \xff \xc3", `\x9b31m \xff \xc3`},
	} {
		if got := Printable(tt.text); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestErrorIsPrintable(t *testing.T) {
	err := &Error{Doing: "mount on \x1b[2J", Field: "mounts[0]\r", Hint: "see \u009b", Err: errors.New("\x9b\n")}
	const want = `mount on \x1b[2J (mounts[0]\x0d): \x9b  (hint: see \u009b)`
	if got := err.Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
