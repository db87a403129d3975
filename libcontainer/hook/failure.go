package hook

import (
	"bytes"
	"context"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/sys"
)

// Failure is a hook that ran and failed.
type Failure struct {
	// Cause is why the hook was killed: its timeout (which is
	// context.DeadlineExceeded) or what ended the context. It is nil if the
	// hook ended by itself.
	Cause error
	// Status is how the hook ended by itself.
	Status syscall.WaitStatus
	// Stdout and Stderr are the last lines that the hook wrote, and bounded.
	Stdout, Stderr string
}

// Error says how the hook ended, and the last that it wrote: to its standard
// error or, if that is nothing, to its standard output.
func (f *Failure) Error() string {
	text := sys.Ending(unix.WaitStatus(f.Status))
	if f.Cause != nil {
		text = f.Cause.Error()
	}
	switch {
	case f.Stderr != "":
		text += ", stderr: " + strconv.Quote(f.Stderr)
	case f.Stdout != "":
		text += ", stdout: " + strconv.Quote(f.Stdout)
	}
	return text
}

// Unwrap returns why the hook was killed.
func (f *Failure) Unwrap() error { return f.Cause }

// timeoutError is the end of a hook by its timeout.
type timeoutError struct{ after time.Duration }

func (e *timeoutError) Error() string {
	return "killed after its timeout of " + e.after.String()
}

func (*timeoutError) Unwrap() error { return context.DeadlineExceeded }

// What of a hook's output an error shows.
const (
	maxTail  = 1024
	maxLines = 5
)

// tail keeps the end of what is written to it.
type tail struct{ buf []byte }

func (t *tail) write(p []byte) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - maxTail; over > 0 {
		t.buf = t.buf[:copy(t.buf, t.buf[over:])]
	}
}

// lines returns the last lines, without blank space around them.
func (t *tail) lines() string {
	text := bytes.TrimSpace(t.buf)
	start := len(text)
	for range maxLines {
		start = bytes.LastIndexByte(text[:start], '\n')
		if start < 0 {
			return string(text)
		}
	}
	return string(text[start+1:])
}
