package rootfs

import (
	"os"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func ptr[T any](v T) *T { return &v }

// devTmpfs is a /dev as engines ask for it.
func devTmpfs() specs.Mount {
	return specs.Mount{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"mode=755"}}
}

func TestDevices(t *testing.T) {
	inNamespace(t)
	unix.Umask(0o077)
	s := newSpec(devTmpfs())
	s.Linux.Devices = []specs.LinuxDevice{
		{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, FileMode: ptr(os.FileMode(0o664)), UID: ptr(uint32(7)), GID: ptr(uint32(8))},
		{Path: "/dev/blk", Type: "b", Major: 8, Minor: 1, FileMode: ptr(os.FileMode(0o660))},
		{Path: "/dev/u", Type: "u", Major: 1, Minor: 11},
		{Path: "/dev/pipe", Type: "p", UID: ptr(uint32(9))},
		{Path: "/dev/mapper/deep/x", Type: "c", Major: 1, Minor: 5},
		{Path: "/opt/elsewhere", Type: "c", Major: 1, Minor: 7},
		{Path: "/dev/null", Type: "c", Major: 1, Minor: 3, FileMode: ptr(os.FileMode(0o622))},
		{Path: "/dev/ptmx", Type: "c", Major: 5, Minor: 2},
		{Path: "/dev/setuid", Type: "c", Major: 1, Minor: 3, FileMode: ptr(os.FileMode(0o4711)), UID: ptr(uint32(1))},
		{Path: "/dev/big", Type: "b", Major: 4095, Minor: 1048575},
	}
	_, err := prepare(t, Options{Spec: s})
	must(t, err)
	for name, want := range map[string]unix.Stat_t{
		"/dev/fuse":          {Mode: unix.S_IFCHR | 0o664, Rdev: unix.Mkdev(10, 229), Uid: 7, Gid: 8},
		"/dev/blk":           {Mode: unix.S_IFBLK | 0o660, Rdev: unix.Mkdev(8, 1)},
		"/dev/u":             {Mode: unix.S_IFCHR | 0o666, Rdev: unix.Mkdev(1, 11)},
		"/dev/pipe":          {Mode: unix.S_IFIFO | 0o666, Uid: 9},
		"/dev/mapper/deep/x": {Mode: unix.S_IFCHR | 0o666, Rdev: unix.Mkdev(1, 5)},
		"/opt/elsewhere":     {Mode: unix.S_IFCHR | 0o666, Rdev: unix.Mkdev(1, 7)},
		"/dev/null":          {Mode: unix.S_IFCHR | 0o622, Rdev: unix.Mkdev(1, 3)},
		"/dev/zero":          {Mode: unix.S_IFCHR | 0o666, Rdev: unix.Mkdev(1, 5)},
		"/dev/setuid":        {Mode: unix.S_IFCHR | 0o4711, Rdev: unix.Mkdev(1, 3), Uid: 1},
		"/dev/big":           {Mode: unix.S_IFBLK | 0o666, Rdev: unix.Mkdev(4095, 1048575)},
	} {
		checkNode(t, root+name, want)
	}
	if to, err := os.Readlink(root + "/dev/ptmx"); to != "pts/ptmx" {
		t.Errorf("/dev/ptmx leads to %q, %v", to, err)
	}
}

func checkNode(t *testing.T, name string, want unix.Stat_t) {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Lstat(name, &st))
	if st.Mode != want.Mode || st.Rdev != want.Rdev || st.Uid != want.Uid || st.Gid != want.Gid {
		t.Errorf("%s: mode %o, device %#x, owner %d:%d; want %o, %#x, %d:%d", name,
			st.Mode, st.Rdev, st.Uid, st.Gid, want.Mode, want.Rdev, want.Uid, want.Gid)
	}
}

// Nodes that are in the image already are kept if they are the right ones.
func TestExistingDevices(t *testing.T) {
	inNamespace(t)
	must(t, os.MkdirAll(root+"/dev", 0o755))
	must(t, unix.Mknod(root+"/dev/null", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
	must(t, unix.Mknod(root+"/dev/fuse", unix.S_IFCHR|0o600, int(unix.Mkdev(10, 229))))
	must(t, unix.Mknod(root+"/dev/kept", unix.S_IFCHR|0o640, int(unix.Mkdev(1, 5))))
	must(t, os.Symlink("/elsewhere", root+"/dev/fd"))
	write(t, root+"/dev/ptmx", "old")
	s := newSpec()
	s.Linux.Devices = []specs.LinuxDevice{
		{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, FileMode: ptr(os.FileMode(0o666)), GID: ptr(uint32(3))},
		{Path: "/dev/kept", Type: "c", Major: 1, Minor: 5},
	}
	_, err := prepare(t, Options{Spec: s})
	must(t, err)
	checkNode(t, root+"/dev/null", unix.Stat_t{Mode: unix.S_IFCHR | 0o600, Rdev: unix.Mkdev(1, 3)})
	checkNode(t, root+"/dev/fuse", unix.Stat_t{Mode: unix.S_IFCHR | 0o666, Rdev: unix.Mkdev(10, 229), Gid: 3})
	checkNode(t, root+"/dev/kept", unix.Stat_t{Mode: unix.S_IFCHR | 0o640, Rdev: unix.Mkdev(1, 5)})
	for name, want := range map[string]string{"fd": "/elsewhere", "ptmx": "pts/ptmx"} {
		if to, err := os.Readlink(root + "/dev/" + name); to != want {
			t.Errorf("/dev/%s leads to %q, %v", name, to, err)
		}
	}
}

// A folder that gives its group to what is made in it does not give it to the
// devices.
func TestDevicesInSetgidFolder(t *testing.T) {
	inNamespace(t)
	must(t, os.MkdirAll(root+"/dev", 0o755))
	must(t, os.Chown(root+"/dev", 5, 5))
	must(t, os.Chmod(root+"/dev", 0o755|os.ModeSetgid))
	_, err := prepare(t, Options{Spec: newSpec()})
	must(t, err)
	checkNode(t, root+"/dev/null", unix.Stat_t{Mode: unix.S_IFCHR | 0o666, Rdev: unix.Mkdev(1, 3)})
}

func TestDeviceErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		device specs.LinuxDevice
		setup  func(t *testing.T)
		field  string
		text   string
	}{
		{name: "type", device: specs.LinuxDevice{Path: "/dev/x", Type: "q"}, field: "linux.devices[0].type", text: "not a type"},
		{name: "negative", device: specs.LinuxDevice{Path: "/dev/x", Type: "c", Major: -1}, field: "linux.devices[0]", text: "-1:0"},
		{name: "too big", device: specs.LinuxDevice{Path: "/dev/x", Type: "c", Minor: 1 << 20}, field: "linux.devices[0]", text: "0:1048576"},
		{name: "the root", device: specs.LinuxDevice{Path: "/", Type: "c"}, field: "linux.devices[0]", text: "must be that of a file"},
		{
			name: "another device", device: specs.LinuxDevice{Path: "/dev/x", Type: "c", Major: 1, Minor: 3}, field: "linux.devices[0]",
			text:  "already another file",
			setup: func(t *testing.T) { write(t, root+"/dev/y", ""); mknod(t, root+"/dev/x", unix.S_IFCHR, 1, 5) },
		},
		{
			name: "another type", device: specs.LinuxDevice{Path: "/dev/x", Type: "b", Major: 1, Minor: 3}, field: "linux.devices[0]",
			text:  "already another file",
			setup: func(t *testing.T) { write(t, root+"/dev/y", ""); mknod(t, root+"/dev/x", unix.S_IFCHR, 1, 3) },
		},
		{
			name: "a symlink", device: specs.LinuxDevice{Path: "/dev/x", Type: "c", Major: 1, Minor: 3}, field: "linux.devices[0]",
			text:  "already another file",
			setup: func(t *testing.T) { link(t, "/dev/x", "/dev/null") },
		},
		{
			name: "a file in place of a default device", device: specs.LinuxDevice{Path: "/dev/x", Type: "p"}, field: "",
			text:  "make the device /dev/zero",
			setup: func(t *testing.T) { write(t, root+"/dev/zero", "") },
		},
		{
			name: "a folder that is a file", device: specs.LinuxDevice{Path: "/etc/x/y", Type: "p"}, field: "linux.devices[0]",
			text:  "not a directory",
			setup: func(t *testing.T) { write(t, root+"/etc/x", "") },
		},
	} {
		sub(t, c.name, func(t *testing.T) {
			if c.setup != nil {
				c.setup(t)
			}
			s := newSpec()
			s.Linux.Devices = []specs.LinuxDevice{c.device}
			_, err := prepare(t, Options{Spec: s})
			wantError(t, err, c.field, c.text)
		})
	}
}

func mknod(t *testing.T, name string, kind uint32, major, minor uint32) {
	t.Helper()
	must(t, unix.Mknod(name, kind|0o666, int(unix.Mkdev(major, minor))))
}

// Symlinks in place of /dev or of a device's folder lead nowhere but into the
// root.
func TestHostileDev(t *testing.T) {
	inNamespace(t)
	must(t, os.Mkdir(bundleDir+"/victim", 0o755))
	link(t, "/dev", "/../../victim")
	link(t, "/sub", bundleDir+"/victim")
	s := newSpec()
	s.Linux.Devices = []specs.LinuxDevice{{Path: "/sub/x", Type: "p"}}
	_, err := prepare(t, Options{Spec: s})
	must(t, err)
	if l, _ := os.ReadDir(bundleDir + "/victim"); len(l) > 0 {
		t.Errorf("there is %v on the host", l)
	}
	checkNode(t, root+"/victim/null", unix.Stat_t{Mode: unix.S_IFCHR | 0o666, Rdev: unix.Mkdev(1, 3)})
	checkNode(t, root+bundleDir+"/victim/x", unix.Stat_t{Mode: unix.S_IFIFO | 0o666})
}

// A /dev from the host is left alone.
func TestBoundDev(t *testing.T) {
	inNamespace(t)
	must(t, os.Mkdir(bundleDir+"/dev", 0o755))
	_, err := prepare(t, Options{Spec: newSpec(bindMount("dev", "/dev/", "rbind"))})
	must(t, err)
	if l, _ := os.ReadDir(bundleDir + "/dev"); len(l) > 0 {
		t.Errorf("there is %v in the host's /dev", l)
	}
}

// Where device nodes cannot be made, the host's are shown.
func TestDevicesWithoutMknod(t *testing.T) {
	inNamespace(t)
	failMknod(t)
	s := newSpec(devTmpfs())
	_, err := prepare(t, Options{Spec: s})
	must(t, err)
	checkNode(t, root+"/dev/null", unix.Stat_t{Mode: unix.S_IFCHR | 0o666, Rdev: unix.Mkdev(1, 3)})
	if m := mountAt(t, root+"/dev/zero"); m.kind != "devtmpfs" && m.kind != "tmpfs" {
		t.Errorf("got %+v", m)
	}
	s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/zero", Type: "c", Major: 1, Minor: 3}}
	must(t, os.Mkdir(root+"2", 0o755))
	_, err = prepare(t, Options{Spec: s, Root: root + "2"})
	wantError(t, err, "linux.devices[0]", "another device")
}
