package bundle

import (
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// checks is everything that is checked, in this order. The first failure ends
// it: one line about one field.
var checks = [...]func(*validator) error{
	(*validator).version,
	(*validator).platforms,
	(*validator).root,
	(*validator).process,
	(*validator).names,
	(*validator).annotations,
	(*validator).mounts,
	(*validator).hooks,
	(*validator).namespaces,
	(*validator).timeOffsets,
	(*validator).userNamespace,
	(*validator).sysctls,
	(*validator).devices,
	(*validator).paths,
	(*validator).personality,
	(*validator).netDevices,
	(*validator).memoryPolicy,
	(*validator).intelRdt,
	(*validator).seccomp,
	(*validator).resources,
}

// Validate says whether spec describes a container that rung can make. It
// looks at spec and at nothing else: no file, no kernel. The error is an
// *errdefs.Error that names the field; the warnings are one line each.
func Validate(spec *specs.Spec) (warnings []string, err error) {
	v := &validator{spec: spec, linux: spec.Linux}
	if v.linux == nil {
		v.linux = &specs.Linux{}
	}
	for _, check := range checks {
		if err := check(v); err != nil {
			return v.warnings, err
		}
	}
	return v.warnings, nil
}

// ValidateProcess is Validate for a process object that stands alone.
func ValidateProcess(process *specs.Process) (warnings []string, err error) {
	v := &validator{}
	err = v.processAt(process, "")
	return v.warnings, err
}

// ValidateResources is Validate for limits that stand alone.
func ValidateResources(r *specs.LinuxResources) (warnings []string, err error) {
	v := &validator{}
	err = v.resourcesAt(r, "")
	return v.warnings, err
}

// validator is one run of Validate.
type validator struct {
	spec *specs.Spec
	// linux is spec.Linux, or an empty section if there is none.
	linux    *specs.Linux
	warnings []string
}

func (v *validator) warn(field, text string) {
	v.warnings = append(v.warnings, field+": "+text)
}

func (v *validator) root() error {
	switch {
	case v.spec.Root == nil:
		return bad("root", "is missing")
	case v.spec.Root.Path == "":
		return bad("root.path", "is missing")
	}
	return noNUL("root.path", v.spec.Root.Path)
}

// maxName is __NEW_UTS_LEN, the length that sethostname(2) and
// setdomainname(2) accept.
const maxName = 64

// names checks the names that live in the UTS namespace.
func (v *validator) names() error {
	for _, name := range [...]struct{ field, value string }{
		{"hostname", v.spec.Hostname},
		{"domainname", v.spec.Domainname},
	} {
		if name.value == "" {
			continue
		}
		if !HasNamespace(v.spec, specs.UTSNamespace) {
			return bad(name.field, "needs a uts namespace in linux.namespaces; without one it would rename the host")
		}
		if len(name.value) > maxName {
			return bad(name.field, "is longer than 64 bytes")
		}
		if err := noNUL(name.field, name.value); err != nil {
			return err
		}
	}
	return nil
}

func (v *validator) annotations() error {
	if _, empty := v.spec.Annotations[""]; empty {
		return bad(jsonfield.Key("annotations", ""), "the key must not be empty")
	}
	return nil
}

// platforms warns of sections that are meant for another platform. A
// configuration may carry them along (config.md, "Platform-specific
// configuration").
func (v *validator) platforms() error {
	for _, section := range [...]struct {
		field string
		there bool
	}{
		{"solaris", v.spec.Solaris != nil},
		{"windows", v.spec.Windows != nil},
		{"vm", v.spec.VM != nil},
		{"zos", v.spec.ZOS != nil},
		{"freebsd", v.spec.FreeBSD != nil},
	} {
		if section.there {
			v.warn(section.field, "is not for Linux and is ignored")
		}
	}
	return nil
}

func (v *validator) hooks() error {
	if v.spec.Hooks == nil {
		return nil
	}
	for _, list := range HookLists(v.spec.Hooks) {
		for i := range list.Hooks {
			if err := checkHook(jsonfield.Index("hooks."+list.Name, i), &list.Hooks[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// HookList is the hooks of one point in the life of a container.
type HookList struct {
	// Name is the field of config.json, such as "createRuntime".
	Name  string
	Hooks []specs.Hook
}

// HookLists returns all hooks in the order in which their points come.
func HookLists(hooks *specs.Hooks) [6]HookList {
	return [...]HookList{
		//lint:ignore SA1019 engines, Docker among them, still use prestart.
		{"prestart", hooks.Prestart},
		{"createRuntime", hooks.CreateRuntime},
		{"createContainer", hooks.CreateContainer},
		{"startContainer", hooks.StartContainer},
		{"poststart", hooks.Poststart},
		{"poststop", hooks.Poststop},
	}
}

func checkHook(field string, hook *specs.Hook) error {
	if err := absolute(field+".path", hook.Path); err != nil {
		return err
	}
	for i, arg := range hook.Args {
		if err := noNUL(jsonfield.Index(field+".args", i), arg); err != nil {
			return err
		}
	}
	if err := environment(field+".env", hook.Env); err != nil {
		return err
	}
	if hook.Timeout != nil && *hook.Timeout <= 0 {
		return outOfRange(field+".timeout", "a number of seconds greater than 0", int64(*hook.Timeout))
	}
	return nil
}

// bad returns an error about a field.
func bad(field, cause string) error {
	return errdefs.Field(field, cause)
}

// absolute says whether path is an absolute path.
func absolute(field, path string) error {
	if !strings.HasPrefix(path, "/") {
		return bad(field, "must be an absolute path, got "+jsonfield.Quote(path))
	}
	return noNUL(field, path)
}

// noNUL refuses a string that the kernel would read only half of: JSON can
// express a NUL byte, a C string cannot.
func noNUL(field, s string) error {
	if strings.IndexByte(s, 0) >= 0 {
		return bad(field, "must not contain a NUL byte, got "+jsonfield.Quote(s))
	}
	return nil
}
