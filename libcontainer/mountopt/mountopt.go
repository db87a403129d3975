// Package mountopt reads the options of a mount in config.json.
//
// It is pure: it makes no system calls, so that validation and the `features`
// command can use it as well as the code that mounts. The names and their
// meaning are those of config.md, "Linux mount options", which in turn are
// those of mount(8).
package mountopt

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// Parsed is what the options of one mount ask for.
type Parsed struct {
	// Bind is true for a bind mount (bind or rbind), Recursive for rbind.
	Bind, Recursive bool
	// Remount changes the mount that is already at the destination.
	Remount bool

	// Set holds the attributes (MOUNT_ATTR_*) that the mount must have.
	// Clear holds those that an option took away explicitly, such as rw or
	// dev. They never overlap, but for the access-time setting, which is a
	// number and not a flag: when an option chose one, Clear has all of
	// MOUNT_ATTR__ATIME, as mount_setattr(2) wants it, and Set the choice.
	Set, Clear uint64
	// RecSet and RecClear are the same for the whole tree of mounts (the
	// options that begin with r, such as rro). Linux 5.12.
	RecSet, RecClear uint64

	// Propagation holds the propagation types to apply, in order.
	Propagation []Propagation

	// SuperSet and SuperClear are flags of the filesystem rather than of the
	// mount, as MS_*: MS_SYNCHRONOUS, MS_DIRSYNC, MS_MANDLOCK, MS_LAZYTIME,
	// MS_SILENT, MS_I_VERSION. A bind mount cannot change them.
	SuperSet, SuperClear uint64

	// CopyUp (tmpcopyup) fills a tmpfs with what its destination held.
	CopyUp bool
	// SrcNoFollow (src-nofollow) shows a source that is a symlink as one, and
	// DestNoFollow (dest-nofollow) hides a destination that is one, where both
	// would be followed. CopySymlink (copy-symlink) makes a symlink like the
	// source where that is one, and mounts nothing then. They are crun's.
	SrcNoFollow, DestNoFollow, CopySymlink bool
	// IDMap (idmap or ridmap) asks for an idmapped mount, RecursiveIDMap
	// (ridmap) for the whole tree of mounts. IDMapOption is the index of the
	// option that asked for it.
	IDMap, RecursiveIDMap bool
	IDMapOption           int

	// Data are the options for the filesystem itself, in order.
	Data []Datum

	// undidAtime is true where an option such as atime took a setting back
	// without choosing another.
	undidAtime bool
}

// Propagation is one change of the propagation type of a mount.
type Propagation struct {
	// Type is MS_PRIVATE, MS_SHARED, MS_SLAVE or MS_UNBINDABLE.
	Type uint64
	// Recursive changes the mounts below as well.
	Recursive bool
}

// Datum is one option for the filesystem.
type Datum struct {
	// Option is the index of the option in config.json.
	Option int
	// Key and Value are "size" and "64k" for "size=64k". HasValue is false
	// where there was no "=".
	Key, Value string
	HasValue   bool
}

// String returns d as mount(2) takes it.
func (d Datum) String() string {
	if d.HasValue {
		return d.Key + "=" + d.Value
	}
	return d.Key
}

// SetsAttributes reports whether any option was about the attributes of the
// mount itself. A bind mount without one keeps the attributes of its source.
func (p *Parsed) SetsAttributes() bool {
	return p.Set != 0 || p.Clear != 0 || p.SuperSet != 0 || p.SuperClear != 0 || p.undidAtime
}

// Key returns the last datum with the given key, and whether there is one.
func (p *Parsed) Key(key string) (Datum, bool) {
	for i := len(p.Data) - 1; i >= 0; i-- {
		if p.Data[i].Key == key {
			return p.Data[i], true
		}
	}
	return Datum{}, false
}

// Parse reads the options of one mount. Where two options contradict each
// other, the later one wins. An option that is not known is one for the
// filesystem and becomes part of Data; for a bind mount, which has no
// filesystem to give it to, it is an error.
//
// Errors are of type *errdefs.Error with a Field of the form "options[2]",
// relative to the mount.
func Parse(options []string) (Parsed, error) {
	var p parser
	for i, option := range options {
		if strings.IndexByte(option, 0) >= 0 {
			return Parsed{}, errdefs.Field(optionField(i), "contains a null byte")
		}
		if !p.flag(option) && !p.recursive(option) && !p.propagation(option) && !p.extension(i, option) {
			p.data(i, option)
		}
	}
	p.finish()
	if p.CopySymlink && (p.SrcNoFollow || p.DestNoFollow) {
		return Parsed{}, errdefs.Field("options", "copy-symlink does not go together with src-nofollow and dest-nofollow")
	}
	if p.Bind && len(p.Data) > 0 {
		d := p.Data[0]
		return Parsed{}, errdefs.Field(optionField(d.Option), "unknown option "+strconv.Quote(d.String())+" for a bind mount").
			WithHint("a bind mount shows a filesystem that is mounted already, and takes no options for it")
	}
	return p.Parsed, nil
}

// optionField names option i of a mount.
func optionField(i int) string { return "options[" + strconv.Itoa(i) + "]" }

// parser is a Parsed in the making. The access-time setting is collected
// apart, because options change it as flags while the kernel takes a number.
type parser struct {
	Parsed
	atime, recAtime atime
}

// atime is the choice among noatime, relatime and strictatime.
type atime struct {
	value  uint64 // MOUNT_ATTR_NOATIME, _RELATIME or _STRICTATIME
	chosen bool
}

// choose takes v as the setting.
func (a *atime) choose(v uint64) bool {
	*a = atime{value: v, chosen: true}
	return true
}

// undoAtime takes back an earlier choice of v. It chooses nothing instead: on
// a bind mount the source's setting stays, as with mount(8).
func (p *parser) undoAtime(v uint64) bool {
	p.undidAtime = true
	if p.atime.chosen && p.atime.value == v {
		p.atime = atime{}
	}
	return true
}

// attr sets or clears attribute a of the mount itself.
func (p *parser) attr(a uint64, set bool) bool {
	toggle(&p.Set, &p.Clear, a, set)
	return true
}

// super sets or clears flag f of the filesystem.
func (p *parser) super(f uint64, set bool) bool {
	toggle(&p.SuperSet, &p.SuperClear, f, set)
	return true
}

// recAttr sets or clears attribute a of the whole tree.
func (p *parser) recAttr(a uint64, set bool) bool {
	toggle(&p.RecSet, &p.RecClear, a, set)
	return true
}

// toggle moves bit to the set on or to the set off.
func toggle(on, off *uint64, bit uint64, set bool) {
	if !set {
		on, off = off, on
	}
	*on |= bit
	*off &^= bit
}

// flag handles the options that mount(8) calls filesystem-independent. It
// reports whether option is one of them.
func (p *parser) flag(option string) bool {
	switch option {
	case "defaults", "":
		return true
	case "bind":
		p.Bind = true
		return true
	case "rbind":
		p.Bind, p.Recursive = true, true
		return true
	case "remount":
		p.Remount = true
		return true
	case "ro", "rw":
		return p.attr(unix.MOUNT_ATTR_RDONLY, option == "ro")
	case "nosuid", "suid":
		return p.attr(unix.MOUNT_ATTR_NOSUID, option == "nosuid")
	case "nodev", "dev":
		return p.attr(unix.MOUNT_ATTR_NODEV, option == "nodev")
	case "noexec", "exec":
		return p.attr(unix.MOUNT_ATTR_NOEXEC, option == "noexec")
	case "nosymfollow", "symfollow":
		return p.attr(unix.MOUNT_ATTR_NOSYMFOLLOW, option == "nosymfollow")
	case "nodiratime", "diratime":
		return p.attr(unix.MOUNT_ATTR_NODIRATIME, option == "nodiratime")
	case "noatime":
		return p.atime.choose(unix.MOUNT_ATTR_NOATIME)
	case "relatime":
		return p.atime.choose(unix.MOUNT_ATTR_RELATIME)
	case "strictatime":
		return p.atime.choose(unix.MOUNT_ATTR_STRICTATIME)
	case "atime":
		return p.undoAtime(unix.MOUNT_ATTR_NOATIME)
	case "norelatime":
		return p.undoAtime(unix.MOUNT_ATTR_RELATIME)
	case "nostrictatime":
		return p.undoAtime(unix.MOUNT_ATTR_STRICTATIME)
	case "sync", "async":
		return p.super(unix.MS_SYNCHRONOUS, option == "sync")
	case "dirsync":
		return p.super(unix.MS_DIRSYNC, true)
	case "mand", "nomand":
		return p.super(unix.MS_MANDLOCK, option == "mand")
	case "lazytime", "nolazytime":
		return p.super(unix.MS_LAZYTIME, option == "lazytime")
	case "silent", "loud":
		return p.super(unix.MS_SILENT, option == "silent")
	case "iversion", "noiversion":
		return p.super(unix.MS_I_VERSION, option == "iversion")
	}
	return false
}

// recursive handles the options for the whole tree of mounts. The opposite of
// an access-time setting is the kernel's default, relatime.
func (p *parser) recursive(option string) bool {
	switch option {
	case "rro", "rrw":
		return p.recAttr(unix.MOUNT_ATTR_RDONLY, option == "rro")
	case "rnosuid", "rsuid":
		return p.recAttr(unix.MOUNT_ATTR_NOSUID, option == "rnosuid")
	case "rnodev", "rdev":
		return p.recAttr(unix.MOUNT_ATTR_NODEV, option == "rnodev")
	case "rnoexec", "rexec":
		return p.recAttr(unix.MOUNT_ATTR_NOEXEC, option == "rnoexec")
	case "rnosymfollow", "rsymfollow":
		return p.recAttr(unix.MOUNT_ATTR_NOSYMFOLLOW, option == "rnosymfollow")
	case "rnodiratime", "rdiratime":
		return p.recAttr(unix.MOUNT_ATTR_NODIRATIME, option == "rnodiratime")
	case "rnoatime":
		return p.recAtime.choose(unix.MOUNT_ATTR_NOATIME)
	case "rstrictatime":
		return p.recAtime.choose(unix.MOUNT_ATTR_STRICTATIME)
	case "rrelatime", "ratime", "rnorelatime", "rnostrictatime":
		return p.recAtime.choose(unix.MOUNT_ATTR_RELATIME)
	}
	return false
}

// propagation handles the options about shared subtrees.
func (p *parser) propagation(option string) bool {
	c, ok := ParsePropagation(option)
	if ok {
		p.Propagation = append(p.Propagation, c)
	}
	return ok
}

// ParsePropagation reads the name of a propagation type, such as "rslave", as
// mount options and linux.rootfsPropagation have them. It reports whether
// name is one.
func ParsePropagation(name string) (c Propagation, ok bool) {
	switch name {
	case "private", "rprivate":
		c.Type = unix.MS_PRIVATE
	case "shared", "rshared":
		c.Type = unix.MS_SHARED
	case "slave", "rslave":
		c.Type = unix.MS_SLAVE
	case "unbindable", "runbindable":
		c.Type = unix.MS_UNBINDABLE
	default:
		return c, false
	}
	c.Recursive = name[0] == 'r'
	return c, true
}

// extension handles the options that no kernel knows: those of the OCI, and
// those that mount(8) keeps for itself, which config.md wants treated as
// mount(8) does.
func (p *parser) extension(i int, option string) bool {
	switch option {
	case "tmpcopyup":
		p.CopyUp = true
	case "src-nofollow":
		p.SrcNoFollow = true
	case "dest-nofollow":
		p.DestNoFollow = true
	case "copy-symlink":
		p.CopySymlink = true
	case "idmap", "ridmap":
		p.IDMap, p.RecursiveIDMap, p.IDMapOption = true, option == "ridmap", i
	case "auto", "noauto", "nofail", "_netdev":
	case "rsync", "rasync", "rdirsync", "rmand", "rnomand":
		// crun takes them, and does nothing: mount_setattr(2) has no such
		// attributes.
	default:
		// crun's form has the mappings in it, which package bundle reads.
		if strings.HasPrefix(option, "idmap=") {
			p.IDMap, p.IDMapOption = true, i
			return true
		}
		return strings.HasPrefix(option, "x-")
	}
	return true
}

// data takes option i as one or more options for the filesystem, separated by
// commas. A comma within double quotes or behind a backslash is part of the
// value, as in SELinux contexts and overlay's folder names.
func (p *parser) data(i int, option string) {
	quoted, start := false, 0
	for j := 0; j < len(option); j++ {
		switch option[j] {
		case '\\':
			j++
		case '"':
			quoted = !quoted
		case ',':
			if !quoted {
				p.datum(i, option[start:j])
				start = j + 1
			}
		}
	}
	p.datum(i, option[start:])
}

// datum appends one option for the filesystem.
func (p *parser) datum(i int, text string) {
	if text == "" {
		return
	}
	d := Datum{Option: i}
	d.Key, d.Value, d.HasValue = strings.Cut(text, "=")
	p.Data = append(p.Data, d)
}

// finish turns the access-time choices into attributes. A mount that is told
// nodiratime but no setting of its own gets the default one, as mount(2)
// does it.
func (p *parser) finish() {
	if p.Set&unix.MOUNT_ATTR_NODIRATIME != 0 && !p.atime.chosen {
		p.atime.choose(unix.MOUNT_ATTR_RELATIME)
	}
	if p.atime.chosen {
		p.Set |= p.atime.value
		p.Clear |= unix.MOUNT_ATTR__ATIME
		if p.Set&unix.MOUNT_ATTR_NODIRATIME == 0 {
			p.Clear |= unix.MOUNT_ATTR_NODIRATIME
		}
	}
	if p.recAtime.chosen {
		p.RecSet |= p.recAtime.value
		p.RecClear |= unix.MOUNT_ATTR__ATIME
	}
}

// Known returns the names of all options that Parse gives a meaning to and
// that are supported, sorted, for the `features` command.
func Known() []string {
	return []string{
		"async", "atime", "bind", "copy-symlink", "defaults", "dest-nofollow", "dev", "diratime", "dirsync", "exec", "idmap", "iversion", "lazytime", "loud",
		"mand", "noatime", "nodev", "nodiratime", "noexec", "noiversion", "nolazytime", "nomand", "norelatime",
		"nostrictatime", "nosuid", "nosymfollow", "private", "ratime", "rbind", "rdev", "rdiratime", "relatime",
		"remount", "rexec", "ridmap", "rnoatime", "rnodev", "rnodiratime", "rnoexec", "rnorelatime", "rnostrictatime",
		"rnosuid", "rnosymfollow", "ro", "rprivate", "rrelatime", "rro", "rrw", "rshared", "rslave", "rstrictatime",
		"rsuid", "rsymfollow", "runbindable", "rw", "shared", "silent", "slave", "src-nofollow", "strictatime", "suid", "symfollow",
		"sync", "tmpcopyup", "unbindable",
	}
}
