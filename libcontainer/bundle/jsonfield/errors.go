package jsonfield

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rungoci/rung/internal/errdefs"
)

// step is one step of a path: the element index of an array, or the member
// key of an object.
type step struct {
	key     string
	index   int
	element bool
}

// Key returns path followed by the member called key, as in linux.sysctl, or
// linux.sysctl["net.ipv4.ip_forward"] where the key is not a plain name.
func Key(path, key string) string {
	if !plain(key) {
		return path + "[" + Quote(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// Index returns path followed by the element i, as in process.args[0].
func Index(path string, i int) string {
	return path + "[" + strconv.Itoa(i) + "]"
}

// plain says whether key can be read in a path without quotes.
func plain(key string) bool {
	for _, c := range []byte(key) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return key != "" && len(key) <= maxQuoted
}

// field returns the path of the value that was being read.
func (d *decoder) field() string {
	path := ""
	for _, s := range d.path {
		if s.element {
			path = Index(path, s.index)
		} else {
			path = Key(path, s.key)
		}
	}
	return path
}

// typeError says that the value at the position is JSON, but not what the
// field holds. If it is not even JSON, it says that.
func (d *decoder) typeError(want string) error {
	got := ""
	switch c := d.peek(); {
	case c == '{':
		got = "object"
	case c == '[':
		got = "array"
	case c == '"':
		got = "string"
	case c == 't' || c == 'f':
		got = "boolean"
	case c == '-' || c >= '0' && c <= '9':
		got = "number"
	default:
		return d.syntaxError("expected a value")
	}
	return d.wrong("expected " + want + ", got " + got)
}

// wrong returns an error about the value at the position.
func (d *decoder) wrong(cause string) error {
	return &errdefs.Error{Field: d.field(), Err: errors.New(cause + d.place())}
}

// syntaxError returns an error about a document that is not JSON. It shows
// the piece at the position.
func (d *decoder) syntaxError(want string) error {
	return &errdefs.Error{
		Doing: "parse JSON",
		Field: d.field(),
		Err:   errors.New(want + ", got " + d.piece() + d.place()),
	}
}

// tooDeep does not show the path, which is as long as the nesting is deep.
func (d *decoder) tooDeep() error {
	return &errdefs.Error{
		Doing: "parse JSON",
		Err:   errors.New("arrays and objects are nested more than " + strconv.Itoa(MaxDepth) + " deep" + d.place()),
	}
}

// tooMany is about the whole document.
func (d *decoder) tooMany() error {
	return &errdefs.Error{
		Doing: "parse JSON",
		Err:   errors.New("arrays and objects have more than " + strconv.Itoa(MaxValues) + " values" + d.place()),
	}
}

// piece returns what is at the position, as it would be read aloud: a word, a
// quoted string, or one character.
func (d *decoder) piece() string {
	rest := d.src[d.pos:]
	if rest == "" {
		return "the end of the file"
	}
	end := 0
	for end < len(rest) && end <= maxQuoted && plain(rest[end:end+1]) {
		end++
	}
	if end == 0 {
		_, end = utf8.DecodeRuneInString(rest)
	}
	return Quote(rest[:end])
}

// place returns the position as line and column. Both count from 1, the
// column in characters.
func (d *decoder) place() string {
	before := d.src[:d.pos]
	line := 1 + strings.Count(before, "\n")
	column := 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return " at line " + strconv.Itoa(line) + " column " + strconv.Itoa(column)
}

// maxQuoted is how many bytes of the document an error shows at most.
const maxQuoted = 40

// Quote quotes s for an error message: cut to a length that fits on a line, and
// without control characters.
func Quote(s string) string {
	return strconv.Quote(clip(s))
}

// clip cuts s to a length that fits on a line.
func clip(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	return strings.ToValidUTF8(s[:maxQuoted], "") + "..."
}
