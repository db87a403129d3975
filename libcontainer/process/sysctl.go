package process

import (
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// SetSysctls sets the kernel parameters of the field linux.sysctl, in the
// order of their names: the same config fails at the same one each time.
func SetSysctls(p *Proc, m map[string]string) error {
	if len(m) == 0 {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if err := p.Sysctl(key, m[key]); err != nil {
			return errdefs.AtField(err, jsonfield.Key("linux.sysctl", key))
		}
	}
	return nil
}

// Sysctl sets the kernel parameter called key, written with dots or slashes
// (see bundle.SysctlPath), to value. Parameters of a namespace are those of
// the namespaces of the calling thread, whoever mounted the procfs. The error
// is without a field of config.json.
func (p *Proc) Sysctl(key, value string) error {
	path, ok := bundle.SysctlPath(key)
	if !ok {
		return &errdefs.Error{
			Doing: "set the kernel parameter " + jsonfield.Quote(key),
			Err:   unix.EINVAL,
			Hint:  "write it as in net.ipv4.ip_forward",
		}
	}
	// write(2) of nothing is nothing: only a line that is empty empties a
	// parameter that is text.
	if value == "" {
		value = "\n"
	}
	fd, err := p.open("sys/"+path, unix.O_WRONLY)
	if err == nil {
		err = writeOnce(fd, value)
	}
	if err == nil {
		return nil
	}
	return &errdefs.Error{
		Doing: "set the kernel parameter " + path + " to " + jsonfield.Quote(value),
		Err:   err,
		Hint:  sysctlHint(err),
	}
}

func sysctlHint(err error) string {
	switch err {
	case unix.ENOENT:
		return "this kernel has no such parameter in the container's namespaces; a module that has to be loaded may bring it"
	case unix.EACCES, unix.EPERM:
		return "it cannot be changed from within the container's namespaces; some parameters are the host's alone"
	case unix.EROFS:
		return "/proc/sys is read-only here, as in an unprivileged container"
	case unix.EINVAL, unix.ERANGE:
		return "the kernel does not accept this value"
	}
	return coveredHint(err)
}
