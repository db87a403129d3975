package bundle

import (
	"errors"
	"strconv"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// maxID is the length that a container's id may have. The id becomes the name
// of a folder, which the kernel limits to 255 bytes on nearly all file
// systems; the bound here keeps error messages and paths sane.
const maxID = 1024

// ValidateID says whether id may be the name of a container: letters, digits
// and _ + - . of ASCII, as in runc, and not a name of the file system's own.
func ValidateID(id string) error {
	invalid := func(cause string) error {
		return &errdefs.Error{Doing: "check the container id " + jsonfield.Quote(id), Err: errors.New(cause)}
	}
	switch {
	case id == "":
		return invalid("must not be empty")
	case id == "." || id == "..":
		return invalid("stands for a folder")
	case len(id) > maxID:
		return invalid("is longer than " + strconv.Itoa(maxID) + " bytes")
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '_', c == '+', c == '-', c == '.':
		default:
			return invalid("may contain letters, digits and _ + - . only")
		}
	}
	return nil
}
