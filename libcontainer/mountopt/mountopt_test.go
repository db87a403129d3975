package mountopt

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

const (
	ro     = unix.MOUNT_ATTR_RDONLY
	nosuid = unix.MOUNT_ATTR_NOSUID
	nodev  = unix.MOUNT_ATTR_NODEV
	noexec = unix.MOUNT_ATTR_NOEXEC
	nosym  = unix.MOUNT_ATTR_NOSYMFOLLOW
	noatim = unix.MOUNT_ATTR_NOATIME
	strict = unix.MOUNT_ATTR_STRICTATIME
	nodira = unix.MOUNT_ATTR_NODIRATIME
	atimes = unix.MOUNT_ATTR__ATIME
)

// parseCase is a list of options, separated by spaces, and what they mean.
type parseCase struct {
	options string
	want    Parsed
}

func (c parseCase) check(t *testing.T) {
	t.Helper()
	got, err := Parse(strings.Split(c.options, " "))
	if err != nil {
		t.Errorf("%q: %v", c.options, err)
	}
	if !reflect.DeepEqual(got, c.want) {
		t.Errorf("%q:\n got %+v\nwant %+v", c.options, got, c.want)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []parseCase{
		{"", Parsed{}},
		{"defaults", Parsed{}},
		{"auto noauto nofail _netdev x-systemd.automount", Parsed{}},
		{"bind", Parsed{Bind: true}},
		{"rbind", Parsed{Bind: true, Recursive: true}},
		{"bind rbind", Parsed{Bind: true, Recursive: true}},
		{"remount", Parsed{Remount: true}},

		{"ro", Parsed{Set: ro}},
		{"rw", Parsed{Clear: ro}},
		{"ro rw", Parsed{Clear: ro}},
		{"rw ro", Parsed{Set: ro}},
		{"nosuid nodev noexec nosymfollow", Parsed{Set: nosuid | nodev | noexec | nosym}},
		{"suid dev exec symfollow", Parsed{Clear: nosuid | nodev | noexec | nosym}},

		// The access-time setting is a number, of which 0 is relatime.
		{"relatime", Parsed{Clear: atimes | nodira}},
		{"noatime", Parsed{Set: noatim, Clear: atimes | nodira}},
		{"strictatime", Parsed{Set: strict, Clear: atimes | nodira}},
		{"noatime strictatime", Parsed{Set: strict, Clear: atimes | nodira}},
		{"strictatime noatime", Parsed{Set: noatim, Clear: atimes | nodira}},
		{"noatime relatime", Parsed{Clear: atimes | nodira}},
		{"atime", Parsed{undidAtime: true}},
		{"noatime atime", Parsed{undidAtime: true}},
		{"strictatime atime", Parsed{Set: strict, Clear: atimes | nodira, undidAtime: true}},
		{"relatime norelatime", Parsed{undidAtime: true}},
		{"strictatime nostrictatime", Parsed{undidAtime: true}},
		{"nodiratime", Parsed{Set: nodira, Clear: atimes}},
		{"nodiratime noatime", Parsed{Set: nodira | noatim, Clear: atimes}},
		{"diratime", Parsed{Clear: nodira}},
		{"nodiratime diratime", Parsed{Clear: nodira}},

		{"rro", Parsed{RecSet: ro}},
		{"rrw", Parsed{RecClear: ro}},
		{"rro rrw", Parsed{RecClear: ro}},
		{"rnosuid rnodev rnoexec rnosymfollow rnodiratime", Parsed{RecSet: nosuid | nodev | noexec | nosym | nodira}},
		{"rsuid rdev rexec rsymfollow rdiratime", Parsed{RecClear: nosuid | nodev | noexec | nosym | nodira}},
		{"rnoatime", Parsed{RecSet: noatim, RecClear: atimes}},
		{"rstrictatime", Parsed{RecSet: strict, RecClear: atimes}},
		{"rrelatime", Parsed{RecClear: atimes}},
		{"ratime", Parsed{RecClear: atimes}},
		{"rnorelatime", Parsed{RecClear: atimes}},
		{"rnostrictatime", Parsed{RecClear: atimes}},
		{"rnoatime rstrictatime", Parsed{RecSet: strict, RecClear: atimes}},
		{"ro rrw", Parsed{Set: ro, RecClear: ro}},

		{"private rslave shared runbindable", Parsed{Propagation: []Propagation{
			{unix.MS_PRIVATE, false}, {unix.MS_SLAVE, true}, {unix.MS_SHARED, false}, {unix.MS_UNBINDABLE, true},
		}}},
		{"rprivate slave rshared unbindable", Parsed{Propagation: []Propagation{
			{unix.MS_PRIVATE, true}, {unix.MS_SLAVE, false}, {unix.MS_SHARED, true}, {unix.MS_UNBINDABLE, false},
		}}},

		{"sync dirsync mand lazytime silent iversion", Parsed{SuperSet: unix.MS_SYNCHRONOUS | unix.MS_DIRSYNC |
			unix.MS_MANDLOCK | unix.MS_LAZYTIME | unix.MS_SILENT | unix.MS_I_VERSION}},
		{"async nomand nolazytime loud noiversion", Parsed{SuperClear: unix.MS_SYNCHRONOUS |
			unix.MS_MANDLOCK | unix.MS_LAZYTIME | unix.MS_SILENT | unix.MS_I_VERSION}},
		{"sync async", Parsed{SuperClear: unix.MS_SYNCHRONOUS}},

		{"tmpcopyup", Parsed{CopyUp: true}},
		{"src-nofollow dest-nofollow", Parsed{SrcNoFollow: true, DestNoFollow: true}},
		{"copy-symlink", Parsed{CopySymlink: true}},
		{"idmap=uids=0-1-2;gids=0-1-2", Parsed{IDMap: true}},
		{"ro idmap", Parsed{Set: ro, IDMap: true, IDMapOption: 1}},
		{"ridmap", Parsed{IDMap: true, RecursiveIDMap: true}},
	} {
		c.check(t)
	}
}

// What is not known is for the filesystem.
func TestParseData(t *testing.T) {
	flag := func(option int, key string) Datum { return Datum{Option: option, Key: key} }
	kv := func(option int, key, value string) Datum {
		return Datum{Option: option, Key: key, Value: value, HasValue: true}
	}
	for _, c := range []parseCase{
		{"nosuid mode=755 size=64k newinstance", Parsed{Set: nosuid, Data: []Datum{
			kv(1, "mode", "755"), kv(2, "size", "64k"), flag(3, "newinstance"),
		}}},
		{"a=1,b,c=", Parsed{Data: []Datum{kv(0, "a", "1"), flag(0, "b"), kv(0, "c", "")}}},
		{",,a,", Parsed{Data: []Datum{flag(0, "a")}}},
		{`context="u:r:t:s0:c1,c2",size=1`, Parsed{Data: []Datum{kv(0, "context", `"u:r:t:s0:c1,c2"`), kv(0, "size", "1")}}},
		{`lowerdir=/a\,b:/c,x`, Parsed{Data: []Datum{kv(0, "lowerdir", `/a\,b:/c`), flag(0, "x")}}},
		{`a\`, Parsed{Data: []Datum{flag(0, `a\`)}}},
		{"RO", Parsed{Data: []Datum{flag(0, "RO")}}},
		{"ro=1", Parsed{Data: []Datum{kv(0, "ro", "1")}}},
		// The filesystem's own options may contain the names of others.
		{"ro,nosuid", Parsed{Data: []Datum{flag(0, "ro"), flag(0, "nosuid")}}},
		{"r", Parsed{Data: []Datum{flag(0, "r")}}},
		{"x", Parsed{Data: []Datum{flag(0, "x")}}},
	} {
		c.check(t)
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		options     []string
		field, text string
	}{
		{[]string{"ro", "a\x00b"}, "options[1]", "null byte"},
		{[]string{"bind", "ro", "size=1"}, "options[2]", `unknown option "size=1" for a bind mount`},
		{[]string{"nosiud", "rbind"}, "options[0]", `unknown option "nosiud"`},
		{[]string{"bind", "ro,nosuid"}, "options[1]", `unknown option "ro"`},
	} {
		_, err := Parse(c.options)
		var e *errdefs.Error
		if !errors.As(err, &e) || e.Field != c.field || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%q: got %v, want %s: %s", c.options, err, c.field, c.text)
		}
	}
}

func TestSetsAttributes(t *testing.T) {
	for options, want := range map[string]bool{
		"bind": false, "rbind rprivate": false, "bind rro": false, "bind defaults": false,
		"bind ro": true, "bind rw": true, "bind dev": true, "bind relatime": true, "bind atime": true, "bind async": true,
	} {
		p, err := Parse(strings.Split(options, " "))
		if err != nil || p.SetsAttributes() != want {
			t.Errorf("%q: got %v, %v, want %v", options, p.SetsAttributes(), err, want)
		}
	}
}

func TestKey(t *testing.T) {
	p, _ := Parse([]string{"mode=755", "uid=1", "mode=700"})
	if d, ok := p.Key("mode"); !ok || d.Value != "700" || d.String() != "mode=700" {
		t.Errorf("got %+v, %v, want the last one", d, ok)
	}
	if d, ok := p.Key("gid"); ok {
		t.Errorf("got %+v, want none", d)
	}
}

// Every known option has a meaning, so it is not passed on to a filesystem.
func TestKnown(t *testing.T) {
	known := Known()
	if !slices.IsSorted(known) {
		t.Error("not sorted")
	}
	for _, o := range known {
		if p, err := Parse([]string{o}); err != nil || len(p.Data) > 0 {
			t.Errorf("%s: %+v, %v", o, p, err)
		}
	}
	// All of config.md that is a MUST or SHOULD, but for idmapped mounts.
	for _, o := range strings.Fields(`async atime bind defaults dev diratime dirsync exec iversion lazytime loud noatime
		nodev nodiratime noexec noiversion nolazytime norelatime nostrictatime nosuid nosymfollow private ratime rbind
		rdev rdiratime relatime remount rexec rnoatime rnodiratime rnoexec rnorelatime rnostrictatime rnosuid
		rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared
		silent slave strictatime suid symfollow sync unbindable`) {
		if !slices.Contains(known, o) {
			t.Errorf("%s is missing", o)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("ro nosuid mode=755")
	f.Add("bind rprivate rnoatime")
	f.Add(`lowerdir=/a\,b,"x,y" strictatime`)
	f.Add("size= , =, \\ \"")
	f.Fuzz(func(t *testing.T, s string) {
		options := strings.Split(s, " ")
		p, err := Parse(options)
		if err != nil {
			var e *errdefs.Error
			if !errors.As(err, &e) || !strings.HasPrefix(e.Field, "options[") {
				t.Fatalf("%q: error %v without a field", options, err)
			}
			return
		}
		if over := p.Set & p.Clear &^ atimes; over != 0 {
			t.Errorf("%q: %#x is both set and cleared", options, over)
		}
		if p.Set&atimes != 0 && p.Clear&atimes != atimes || p.RecSet&atimes != 0 && p.RecClear&atimes != atimes {
			t.Errorf("%q: mount_setattr(2) would refuse %+v", options, p)
		}
		if s := p.Set & atimes; s != 0 && s != noatim && s != strict {
			t.Errorf("%q: no such access-time setting: %#x", options, s)
		}
		if p.Bind && len(p.Data) > 0 {
			t.Errorf("%q: a bind mount has data %v", options, p.Data)
		}
		for _, d := range p.Data {
			if d.Option < 0 || d.Option >= len(options) || !strings.Contains(options[d.Option], d.String()) {
				t.Errorf("%q: %+v is not from there", options, d)
			}
		}
	})
}
