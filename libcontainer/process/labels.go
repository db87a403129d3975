package process

import (
	"bytes"
	"os"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// What config.json may ask of security modules: an AppArmor profile and an
// SELinux label for the program, and an SELinux label for files. A process
// asks for either by writing to a file of its own in /proc (proc_pid_attr(5)),
// so a Proc is what makes sure that it is that file (CVE-2019-19921).
//
// The module's policy answers twice: at the write, whether there is such a
// profile or label, and at execve, whether the program may begin with it.

// The files, below /proc/thread-self. AppArmor has had a folder of its own
// since Linux 5.8; attr/exec is that of whichever module came first.
const (
	apparmorExec     = "attr/apparmor/exec"
	selinuxExec      = "attr/exec"
	selinuxKeyCreate = "attr/keycreate"
)

// host is where a host tells which security modules are in force.
type host struct {
	// apparmor is a file that begins with Y if AppArmor is.
	apparmor string
	// selinuxfs is where a host with SELinux has its filesystem.
	selinuxfs string
	statfs    func(path string, buf *unix.Statfs_t) error
	// current is the file with the label of this process.
	current string
}

var thisHost = host{
	apparmor:  "/sys/module/apparmor/parameters/enabled",
	selinuxfs: "/sys/fs/selinux",
	statfs:    unix.Statfs,
	current:   "/proc/thread-self/attr/current",
}

// CheckLabels says whether the security modules are in force that p and
// mountLabel (linux.mountLabel) ask for, and names the field if one is not. It
// looks at the host only for what is asked for.
func CheckLabels(p *specs.Process, mountLabel string) error {
	return thisHost.checkLabels(p, mountLabel)
}

func (h *host) checkLabels(p *specs.Process, mountLabel string) error {
	if p.ApparmorProfile != "" && !h.hasAppArmor() {
		return errdefs.Field("process.apparmorProfile", "AppArmor is not enabled on this host").
			WithHint("leave the profile out; with Docker or Podman, --security-opt apparmor=unconfined")
	}
	field := "linux.mountLabel"
	switch {
	case p.SelinuxLabel != "":
		field = "process.selinuxLabel"
	case mountLabel == "":
		return nil
	}
	if !h.hasSELinux() {
		return errdefs.Field(field, "SELinux is not enabled on this host").
			WithHint("leave the label out; with Docker or Podman, --security-opt label=disable")
	}
	return nil
}

func (h *host) hasAppArmor() bool {
	enabled, err := os.ReadFile(h.apparmor)
	return err == nil && bytes.HasPrefix(enabled, []byte("Y"))
}

// hasSELinux tells whether SELinux is in force, by the signs that libselinux
// goes by: its filesystem, which is read-only where a container is to believe
// that there is none; and a policy, without which all labels are "kernel".
func (h *host) hasSELinux() bool {
	var fs unix.Statfs_t
	if err := h.statfs(h.selinuxfs, &fs); err != nil {
		return false
	}
	if uint32(fs.Type) != unix.SELINUX_MAGIC || fs.Flags&unix.ST_RDONLY != 0 {
		return false
	}
	label, err := os.ReadFile(h.current)
	return err == nil && string(bytes.TrimRight(label, "\x00\n")) != "kernel"
}

// Attr is a file of a thread in /proc, below /proc/thread-self, and what to write
// to it.
type Attr struct{ File, Value string }

// LabelAttrs returns what SetLabels writes.
func LabelAttrs(p *specs.Process) []Attr {
	var attrs []Attr
	if p.ApparmorProfile != "" {
		attrs = append(attrs, Attr{apparmorExec, "exec " + p.ApparmorProfile})
	}
	if p.SelinuxLabel != "" {
		attrs = append(attrs, Attr{selinuxExec, p.SelinuxLabel})
	}
	return attrs
}

// KeyLabelAttrs returns what SetKeyLabel writes.
func KeyLabelAttrs(p *specs.Process) []Attr {
	if p.SelinuxLabel == "" {
		return nil
	}
	return []Attr{{selinuxKeyCreate, p.SelinuxLabel}}
}

// SetLabels has the next program that the calling thread executes begin with
// the AppArmor profile and the SELinux label of p. Programs that processes
// cloned from the thread execute begin with them too. proc may be nil if p asks
// for neither.
func SetLabels(proc *Proc, p *specs.Process) error {
	for _, a := range LabelAttrs(p) {
		err := proc.writeAttr(a)
		switch {
		case err == nil:
		case a.File == apparmorExec:
			return err.because("process.apparmorProfile", "change to the AppArmor profile "+strconv.Quote(p.ApparmorProfile), apparmorHint(err.errno))
		default:
			return err.because("process.selinuxLabel", "set the SELinux label "+strconv.Quote(p.SelinuxLabel), selinuxHint(err.errno))
		}
	}
	return nil
}

// SetKeyLabel gives the keys that the calling thread makes from now on, up to
// its next execve(2), the SELinux label of p; the session keyring first of all,
// which the program could not use otherwise. proc may be nil if there is none.
func SetKeyLabel(proc *Proc, p *specs.Process) error {
	for _, a := range KeyLabelAttrs(p) {
		if err := proc.writeAttr(a); err != nil {
			return err.because("process.selinuxLabel", "set the SELinux label "+strconv.Quote(a.Value)+" of the session keyring", selinuxHint(err.errno))
		}
	}
	return nil
}

// attrError is why an attribute was not written.
type attrError struct {
	// opening is true if the file was not even opened, for which config.json
	// is not to blame.
	opening bool
	name    string
	errno   error
}

// because makes an error about a field of it; the hint is for a refused write.
func (e *attrError) because(field, doing, hint string) error {
	if e.opening {
		return &errdefs.Error{Doing: "open /proc/thread-self/" + e.name, Field: field, Err: e.errno, Hint: coveredHint(e.errno)}
	}
	if field == "process.apparmorProfile" && e.errno == unix.ENOENT {
		// "No such file or directory" would send people looking for a file.
		return &errdefs.Error{Doing: doing, Field: field, Err: notLoaded{}, Hint: hint}
	}
	return &errdefs.Error{Doing: doing, Field: field, Err: e.errno, Hint: hint}
}

// notLoaded is what AppArmor means by ENOENT.
type notLoaded struct{}

func (notLoaded) Error() string { return "it is not loaded" }
func (notLoaded) Unwrap() error { return unix.ENOENT }

func apparmorHint(errno error) string {
	switch errno {
	case unix.ENOENT:
		return "load it with apparmor_parser -r FILE; aa-status lists the profiles that are"
	case unix.EACCES, unix.EPERM:
		return "the profile that rung itself runs under has to allow it, with a change_profile rule"
	}
	return ""
}

func selinuxHint(errno error) string {
	switch errno {
	case unix.EINVAL:
		return "the policy of this host does not know it"
	case unix.EACCES, unix.EPERM:
		return "the policy of this host does not let rung; ausearch -m avc shows which rule is missing"
	}
	return ""
}

// writeAttr writes value to a file of the calling thread, with one write(2). The
// kernel has it that whoever writes has opened the file, and not changed its
// credentials in between.
func (p *Proc) writeAttr(a Attr) *attrError {
	fd, err := p.open("thread-self/"+a.File, unix.O_WRONLY)
	if err != nil {
		return &attrError{opening: true, name: a.File, errno: err}
	}
	if err := writeOnce(fd, a.Value); err != nil {
		return &attrError{name: a.File, errno: err}
	}
	return nil
}
