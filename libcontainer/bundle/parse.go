package bundle

import (
	"errors"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// Parse decodes the content of a config.json and does not validate it. Unknown
// fields are ignored, as the spec wants ("Extensibility" in spec.md).
func Parse(data []byte) (*specs.Spec, error) {
	var spec *specs.Spec
	if err := jsonfield.Unmarshal(data, &spec); err != nil {
		return nil, err
	}
	if spec == nil {
		return nil, nothing()
	}
	return spec, nil
}

// ParseProcess decodes the content of a file with a process object, such as
// engines hand to exec, and validates it as Validate does; field names are
// those of the process object, without "process." before them.
func ParseProcess(data []byte) (process *specs.Process, warnings []string, err error) {
	if err := jsonfield.Unmarshal(data, &process); err != nil {
		return nil, nil, err
	}
	if process == nil {
		return nil, nil, nothing()
	}
	warnings, err = ValidateProcess(process)
	if err != nil {
		return nil, nil, err
	}
	return process, warnings, nil
}

// LoadProcess is ParseProcess for the content of the file at path, which may
// be a pipe.
func LoadProcess(path string) (process *specs.Process, warnings []string, err error) {
	data, err := readFile(path, pipeToo)
	if err != nil {
		return nil, nil, err
	}
	process, warnings, err = ParseProcess(data)
	return process, warnings, nameFile(err, path)
}

// ParseResources decodes the content of a file with limits, such as engines
// hand to update, and validates it as Validate does; field names are those of
// linux.resources, without that before them.
func ParseResources(data []byte) (r *specs.LinuxResources, warnings []string, err error) {
	if err := jsonfield.Unmarshal(data, &r); err != nil {
		return nil, nil, err
	}
	if r == nil {
		return nil, nil, nothing()
	}
	warnings, err = ValidateResources(r)
	if err != nil {
		return nil, nil, err
	}
	return r, warnings, nil
}

// LoadResources is ParseResources for the content of the file at path, which
// may be a pipe, or for that of standard input if path is "-".
func LoadResources(path string) (r *specs.LinuxResources, warnings []string, err error) {
	data, path, err := readInput(path)
	if err != nil {
		return nil, nil, err
	}
	r, warnings, err = ParseResources(data)
	return r, warnings, nameFile(err, path)
}

// LoadMounts reads a list of mounts from the file at path, which may be a pipe,
// or from standard input if path is "-", and validates it as Validate does the
// field mounts. userns says that there is a user namespace that an id-mapped
// mount may take its mappings from. With destinations the mounts are there, and
// nothing else of them is looked at.
func LoadMounts(path string, userns, destinations bool) (mounts []specs.Mount, warnings []string, err error) {
	data, path, err := readInput(path)
	if err != nil {
		return nil, nil, err
	}
	if err := jsonfield.Unmarshal(data, &mounts); err != nil {
		return nil, nil, nameFile(err, path)
	}
	spec := &specs.Spec{Mounts: mounts, Linux: new(specs.Linux)}
	v := &validator{spec: spec, linux: spec.Linux}
	if destinations {
		for i := range mounts {
			field := jsonfield.Index("mounts", i) + ".destination"
			if mounts[i].Destination == "" {
				return nil, nil, bad(field, "is missing")
			}
			if err := noNUL(field, mounts[i].Destination); err != nil {
				return nil, nil, err
			}
		}
		return mounts, nil, nil
	}
	if err := expandIDMaps(mounts, nil, nil); err != nil {
		return nil, nil, err
	}
	if userns {
		v.linux.Namespaces = []specs.LinuxNamespace{{Type: specs.UserNamespace}}
	}
	err = v.mounts()
	return mounts, v.warnings, err
}

// readInput returns what the file at path holds, or standard input if path is
// "-", and what to call it in errors.
func readInput(path string) (data []byte, name string, err error) {
	if path == "-" {
		name = "standard input"
		data, err = readAll(unix.Stdin, 0)
		return data, name, errdefs.Doing(err, "read "+name)
	}
	data, err = readFile(path, pipeToo)
	return data, path, err
}

// nothing is the error for a document that is JSON and says nothing.
func nothing() error {
	return &errdefs.Error{Doing: parsing, Err: errors.New("expected object, got null")}
}

// parsing is what jsonfield says it was doing when a document is not JSON.
const parsing = "parse JSON"

// nameFile completes an error with the file's name where it is about the
// document and not about one of its fields.
func nameFile(err error, path string) error {
	var e *errdefs.Error
	if errors.As(err, &e) && (e.Doing == parsing || e.Doing == "" && e.Field == "") {
		named := *e
		named.Doing = "parse " + path
		return &named
	}
	return err
}
