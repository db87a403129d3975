package rootfs

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/mountopt"
)

const fileLabel = "system_u:object_r:container_file_t:s0:c1,c2"

// TestLabel says which filesystems get linux.mountLabel.
func TestLabel(t *testing.T) {
	const context = `context="` + fileLabel + `"`
	for _, tt := range []struct{ kind, options, label, want string }{
		{"tmpfs", "mode=755", "", "mode=755"},
		{"tmpfs", "", fileLabel, context},
		{"tmpfs", "mode=755", fileLabel, "mode=755," + context},
		{"devpts", "newinstance", fileLabel, "newinstance," + context},
		{"overlay", "lowerdir=/a", fileLabel, "lowerdir=/a," + context},
		{"proc", "", fileLabel, ""},
		{"sysfs", "", fileLabel, ""},
		{"mqueue", "", fileLabel, ""},
		{"cgroup", "memory", fileLabel, "memory"},
		{"cgroup2", "", fileLabel, ""},
		// The mount's own label is the more particular one.
		{"tmpfs", `context="u:object_r:t:s0"`, fileLabel, `context="u:object_r:t:s0"`},
		{"tmpfs", "rootcontext=u:object_r:t:s0", fileLabel, "rootcontext=u:object_r:t:s0"},
	} {
		spec := newSpec()
		spec.Linux.MountLabel = tt.label
		r := &Rootfs{o: Options{Spec: spec}}
		opt, err := mountopt.Parse([]string{tt.options})
		if err != nil {
			t.Fatal(err)
		}
		fs := filesystem{kind: tt.kind, data: opt.Data}
		r.label(&fs)
		if got := joinData(fs.data); got != tt.want {
			t.Errorf("%s with %q and label %q: got %q, want %q", tt.kind, tt.options, tt.label, got, tt.want)
		}
	}
	spec := newSpec()
	spec.Linux.MountLabel = fileLabel
	fs := filesystem{kind: "tmpfs"}
	(&Rootfs{o: Options{Spec: spec, LabelOption: "rootcontext"}}).label(&fs)
	if got, want := joinData(fs.data), `rootcontext="`+fileLabel+`"`; got != want {
		t.Errorf("with another option: got %q, want %q", got, want)
	}
	(&Rootfs{o: Options{Spec: &specs.Spec{}}}).label(&filesystem{kind: "tmpfs"}) // without a linux section
}

// TestLabelIsAsked: where there is no SELinux the kernel refuses the option,
// which shows where it was given, and that nothing is mounted without it.
func TestLabelIsAsked(t *testing.T) {
	if selinuxHere() {
		t.Skip("this host has SELinux")
	}
	for _, tt := range []struct {
		name  string
		mount specs.Mount
		field string // "" where the label does not go
	}{
		{"tmpfs", specs.Mount{Type: "tmpfs"}, "mounts[0].options"},
		{"ramfs", specs.Mount{Type: "ramfs"}, ""}, // ignores what it does not know
		{"devpts", specs.Mount{Type: "devpts", Options: []string{"newinstance"}}, "mounts[0].options"},
		{"mqueue", specs.Mount{Type: "mqueue"}, "linux.mountLabel"}, // an attribute of its root
		{"proc", specs.Mount{Type: "proc"}, ""},
		{"sysfs", specs.Mount{Type: "sysfs"}, ""},
		{"bind", specs.Mount{Source: "/proc/sys", Options: []string{"bind"}}, ""},
	} {
		sub(t, tt.name, func(t *testing.T) {
			tt.mount.Destination = "/mnt"
			if tt.mount.Type == "proc" || tt.mount.Type == "sysfs" || tt.mount.Options != nil && tt.mount.Options[0] == "bind" {
				tt.mount.Destination = "/elsewhere"
			}
			spec := newSpec(tt.mount)
			spec.Linux.MountLabel = fileLabel
			_, err := prepare(t, Options{Spec: spec})
			if tt.field == "" {
				must(t, err)
				return
			}
			var e *errdefs.Error
			if !errors.As(err, &e) || e.Field != tt.field || !strings.Contains(err.Error(), "linux.mountLabel") {
				t.Errorf("got %v, want an error of %s", err, tt.field)
			}
		})
	}
}

func selinuxHere() bool {
	var st unix.Statfs_t
	return unix.Statfs("/sys/fs/selinux", &st) == nil && uint32(st.Type) == unix.SELINUX_MAGIC
}
