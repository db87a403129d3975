package criu

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rungoci/rung/internal/errdefs"
)

// maxReasons is how many of the last errors in CRIU's log an error quotes: the
// first of them tends to be the cause, and the others what came of it.
const maxReasons = 4

// maxReason is how much is quoted of each, in bytes: file names in them may be as
// long as the container likes.
const maxReason = 500

// explain makes an error for people of err, which a request came to: ended is
// how the worker ended, words the last that it wrote to its standard error, and
// log the path of its log, or "".
func explain(err, ended error, words, log string) error {
	var refused *failure
	hungUp := errors.Is(err, io.EOF)
	switch {
	case hungUp && ended != nil:
		err = ended
	case hungUp:
		err = errors.New("CRIU hung up")
	case errors.As(err, &refused):
	default:
		return err // it is not CRIU's
	}
	reasons, lerr := lastErrors(log)
	switch {
	case len(reasons) > 0:
	case refused != nil && refused.message != "":
		// It has the first error of the log here, too.
		if reasons = []string{errorIn(refused.message)}; reasons[0] == "" {
			reasons[0] = strings.TrimSpace(refused.message)
		}
	case words != "":
		reasons = []string{words}
	}
	for i := range reasons {
		reasons[i] = shorten(reasons[i])
	}
	if len(reasons) > 0 {
		err = fmt.Errorf("%w: %s", err, strings.Join(reasons, "; "))
	}
	e := &errdefs.Error{Err: err}
	switch {
	case log != "" && lerr != nil:
		e.Hint = "CRIU has not come to write its log, " + log
	case log != "":
		e.Hint = "CRIU's log is " + log
	}
	return e
}

// lastErrors returns the messages of the last errors in a log of CRIU.
func lastErrors(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var found []string
	rest := false // what comes next is the rest of a line
	for lines := bufio.NewReaderSize(f, maxLine); ; {
		line, more, err := lines.ReadLine()
		if err != nil {
			return found, nil
		}
		if m := errorIn(string(line)); m != "" && !rest {
			if found = append(found, m); len(found) > maxReasons {
				found = found[1:]
			}
		}
		rest = more
	}
}

// maxLine is how much is looked at of a line of CRIU's log, in bytes.
const maxLine = 4096

// shorten cuts a text off after maxReason bytes, or what of them are whole
// characters.
func shorten(text string) string {
	if len(text) <= maxReason {
		return text
	}
	return strings.ToValidUTF8(text[:maxReason], "") + "…"
}

// errorIn returns the message of a line of a log if that is an error, without
// the time, the process and the place in CRIU's source:
//
//	(00.021734)      1: Error (criu/files-reg.c:2143): Can't open file /x: No such file or directory
func errorIn(line string) string {
	_, rest, ok := strings.Cut(line, "Error (")
	if !ok {
		return ""
	}
	if _, message, ok := strings.Cut(rest, "): "); ok {
		rest = message
	}
	rest = strings.TrimSpace(rest)
	if strings.HasSuffix(rest, " FAILED.") {
		return "" // "Dumping FAILED." is what we know already
	}
	return rest
}
