// Package errdefs holds the one error type of rung.
//
// An Error is written for the person who reads it at 3 a.m.: what was being
// done, which field of config.json asked for it, the cause, and the way out
// where one is known. It prints as one line and survives the trip from the
// container's init process to the command that the user called (see Wire).
package errdefs

import (
	"errors"
	"strings"
	"syscall"
	"unicode/utf8"
)

// Error says what failed. Every part but Err may be empty.
type Error struct {
	// Step is the row of the launch table that was running, such as
	// "mounts". It is filled in by the table's runner, not by the step.
	Step string
	// Doing is what was being tried, as a phrase that begins with a verb in
	// the infinitive: "mount tmpfs on /dev/shm".
	Doing string
	// Field is the path of the field in config.json that asked for it, such
	// as "mounts[3].options[1]".
	Field string
	// Hint is what the reader can do about it: "load the module with
	// modprobe overlay".
	Hint string
	// Err is the cause.
	Err error
}

// Error formats e as one line:
//
//	mount tmpfs on /dev/shm (mounts[3]): no space left on device (hint: ...)
func (e *Error) Error() string {
	var b strings.Builder
	switch {
	case e.Doing != "" && e.Field != "":
		b.WriteString(e.Doing + " (" + e.Field + "): ")
	case e.Doing != "":
		b.WriteString(e.Doing + ": ")
	case e.Field != "":
		b.WriteString(e.Field + ": ")
	}
	if e.Err != nil {
		b.WriteString(e.Err.Error())
	} else {
		b.WriteString("failed")
	}
	if e.Hint != "" {
		b.WriteString(" (hint: " + e.Hint + ")")
	}
	return Printable(b.String())
}

// Printable returns text as one line that does nothing to the terminal that it is
// shown on. Names of files, and what other programs have said, are the container's
// to choose: line feeds become blanks, and the other control characters, of ASCII
// and of ISO 6429's C1 (U+0080 to U+009F), and bytes that are not UTF-8, become
// visible: \x1b, \u009b, \xff.
func Printable(text string) string {
	var b strings.Builder
	done := 0 // the bytes of text that are in b
	for i, n := 0, 0; i < len(text); i += n {
		var r rune
		if r, n = utf8.DecodeRuneInString(text[i:]); !harmful(r, n) {
			continue
		}
		b.WriteString(text[done:i])
		const digits = "0123456789abcdef"
		switch {
		case r == '\n':
			b.WriteByte(' ')
		case n == 1:
			b.Write([]byte{'\\', 'x', digits[text[i]>>4], digits[text[i]&15]})
		default:
			b.Write([]byte{'\\', 'u', '0', '0', digits[r>>4], digits[r&15]})
		}
		done = i + n
	}
	if done == 0 {
		return text
	}
	b.WriteString(text[done:])
	return b.String()
}

// harmful tells whether Printable replaces r, which is encoded in n bytes.
func harmful(r rune, n int) bool {
	return r < 0x20 || r >= 0x7f && r <= 0x9f || r == utf8.RuneError && n == 1
}

// Unwrap returns the cause, so that errors.Is(err, unix.ENOENT) works.
func (e *Error) Unwrap() error { return e.Err }

// Doing wraps err with what was being tried. It returns nil if err is nil.
func Doing(err error, doing string) error {
	if err == nil {
		return nil
	}
	return &Error{Doing: doing, Err: err}
}

// Field returns an error about the field of config.json at path, with the
// given cause as text: Field("process.cwd", "must be an absolute path").
func Field(path, cause string) *Error {
	return &Error{Field: path, Err: errors.New(cause)}
}

// WithHint sets the hint of e and returns e.
func (e *Error) WithHint(hint string) *Error {
	e.Hint = hint
	return e
}

// AtField sets the field of an error that a lower floor returned without
// knowing which part of config.json it served. An error that names a field
// already keeps it. It returns nil if err is nil.
func AtField(err error, path string) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		if e.Field == "" {
			e.Field = path
		}
		return err
	}
	return &Error{Field: path, Err: err}
}

// AtStep sets the step of err, keeping the innermost one where it is set. It
// returns nil if err is nil.
func AtStep(err error, step string) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		if e.Step == "" {
			e.Step = step
		}
		return err
	}
	return &Error{Step: step, Err: err}
}

// Wire is an Error as it crosses from one process to another. Errno keeps
// errors.Is working on the far side.
type Wire struct {
	Step  string `json:"step,omitempty"`
	Doing string `json:"doing,omitempty"`
	Field string `json:"field,omitempty"`
	Hint  string `json:"hint,omitempty"`
	Cause string `json:"cause"`
	Errno int    `json:"errno,omitempty"`
}

// ToWire flattens err. Text that wraps an Error from outside becomes part of
// Doing only where the Error has none.
func ToWire(err error) Wire {
	var w Wire
	cause := err
	var e *Error
	if errors.As(err, &e) {
		w = Wire{Step: e.Step, Doing: e.Doing, Field: e.Field, Hint: e.Hint}
		cause = e.Err
	}
	if cause != nil {
		w.Cause = cause.Error()
		var errno syscall.Errno
		if errors.As(cause, &errno) {
			w.Errno = int(errno)
		}
	}
	return w
}

// Err returns w as an Error.
func (w Wire) Err() error {
	cause := error(&remote{w.Cause, syscall.Errno(w.Errno)})
	if w.Errno != 0 && syscall.Errno(w.Errno).Error() == w.Cause {
		cause = syscall.Errno(w.Errno)
	}
	return &Error{Step: w.Step, Doing: w.Doing, Field: w.Field, Hint: w.Hint, Err: cause}
}

// remote is a cause from another process: its text, and the errno within it.
type remote struct {
	text  string
	errno syscall.Errno
}

func (r *remote) Error() string { return r.text }

func (r *remote) Unwrap() error {
	if r.errno == 0 {
		return nil
	}
	return r.errno
}
