// Package bundle reads an OCI bundle and says whether it asks for something
// that makes sense and that rung can do.
//
// Nothing is changed and nothing but the bundle is looked at, so that a
// container whose config.json is wrong fails before anything was made. What
// only the kernel can know (is that file system type there? may this limit be
// raised?) is left to the step that asks the kernel.
package bundle

import (
	"errors"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// ConfigFile is the name of the configuration in a bundle's folder
// (bundle.md of the runtime spec).
const ConfigFile = "config.json"

// Bundle is a folder with a configuration and a root filesystem, read and
// found valid.
type Bundle struct {
	// Dir is the absolute path of the folder.
	Dir string
	// Spec is the configuration as read, and perhaps changed by the caller of
	// LoadConfig; nothing is filled in but the mappings that mount options have.
	Spec *specs.Spec
	// Config is the content of config.json that Spec was decoded from, and
	// ConfigPath its absolute path where that is another file; else "".
	Config     []byte
	ConfigPath string
	// Root is the path of the root filesystem: absolute, symlinks resolved.
	Root string
	// Warnings are for the log, one line each.
	Warnings []string
}

// Load reads and validates the bundle in the folder dir. Every error is an
// *errdefs.Error; one about the content names the field of config.json.
func Load(dir string) (*Bundle, error) { return LoadConfig(dir, "", nil) }

// LoadConfig is Load with another configuration than the config.json in dir:
// the file at the path config, unless that is "". change may change what was
// read before it is validated; it may be nil.
func LoadConfig(dir, config string, change func(*specs.Spec) error) (*Bundle, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, errdefs.Doing(err, "find the current folder")
	}
	var data []byte
	other := ""
	if config == "" {
		config = filepath.Join(dir, ConfigFile)
		data, err = readConfig(dir)
	} else {
		if data, err = readFile(config, regularOnly); err == nil {
			other, err = filepath.Abs(config)
		}
	}
	if err != nil {
		return nil, err
	}
	spec, err := Parse(data)
	if err != nil {
		return nil, nameFile(err, config)
	}
	if change != nil {
		if err := change(spec); err != nil {
			return nil, err
		}
	}
	var l specs.Linux
	if spec.Linux != nil {
		l = *spec.Linux
	}
	if err := expandIDMaps(spec.Mounts, l.UIDMappings, l.GIDMappings); err != nil {
		return nil, err
	}
	warnings, err := Validate(spec)
	if err != nil {
		return nil, err
	}
	if err := refuseHostSysctls(spec); err != nil {
		return nil, err
	}
	root, err := resolveRoot(dir, spec.Root.Path)
	if err != nil {
		return nil, err
	}
	return &Bundle{Dir: dir, Spec: spec, Config: data, ConfigPath: other, Root: root, Warnings: warnings}, nil
}

// readConfig returns the content of the config.json in dir.
func readConfig(dir string) ([]byte, error) {
	data, err := readFile(filepath.Join(dir, ConfigFile), regularOnly)
	if err == nil || !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) {
		return data, err
	}
	// Either the file is missing or its folder is: not the same mistake.
	var stat unix.Stat_t
	dirErr := unix.Stat(dir, &stat)
	if dirErr == nil && stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		dirErr = unix.ENOTDIR
	}
	if dirErr != nil {
		return nil, &errdefs.Error{
			Doing: "open the bundle " + dir,
			Hint:  "--bundle names the folder with config.json and the root filesystem; it defaults to the current one",
			Err:   dirErr,
		}
	}
	var e *errdefs.Error
	if errors.As(err, &e) {
		e.Hint = "write one with rung spec, or name another bundle with --bundle"
	}
	return nil, err
}

// resolveRoot returns the absolute path of the root filesystem at path, which
// is relative to the bundle's folder unless absolute.
func resolveRoot(dir, path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	failed := func(err error) error {
		return &errdefs.Error{
			Doing: "open the root filesystem " + path,
			Field: "root.path",
			Hint:  "it names the folder with the unpacked image, relative to the bundle unless absolute",
			Err:   err,
		}
	}
	// The kernel follows the links and says where it came out: three system
	// calls, where resolving by hand takes one for every part of the path.
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", failed(err)
	}
	defer unix.Close(fd)
	resolved, err := readFdLink(fd)
	if err != nil {
		return "", failed(err)
	}
	return resolved, nil
}
