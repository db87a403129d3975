package rootfs

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/libcontainer/mountopt"
)

// The option of SELinux that gives all files of a filesystem one label, and all
// that are about labels, which do not go together (mount(8), "context").
const labelOption = "context"

var labelOptions = []string{labelOption, "fscontext", "defcontext", "rootcontext"}

// mountLabel returns linux.mountLabel.
func (r *Rootfs) mountLabel() string {
	if r.o.Spec.Linux == nil {
		return ""
	}
	return r.o.Spec.Linux.MountLabel
}

// label gives a filesystem that is made for the container the label
// linux.mountLabel, unless its options have labels of their own. Left alone are
// those with files of the kernel's, which the policy has labels for, and of
// which there may be one superblock for all; and mqueue (see labelRoot).
func (r *Rootfs) label(fs *filesystem) {
	label := r.mountLabel()
	if label == "" {
		return
	}
	switch fs.kind {
	case "proc", "sysfs", "mqueue", "cgroup", "cgroup2":
		return
	}
	if slices.ContainsFunc(fs.data, func(d mountopt.Datum) bool { return slices.Contains(labelOptions, d.Key) }) {
		return
	}
	// In quotes for mount(2), for which a comma would end it.
	key := r.o.LabelOption
	if key == "" {
		key = labelOption
	}
	d := mountopt.Datum{Option: -1, Key: key, Value: `"` + label + `"`, HasValue: true}
	fs.data = append(slices.Clip(fs.data), d)
}

// labelRoot gives the root folder of the new mount fd the label
// linux.mountLabel: mqueue is mounted by the kernel, when the ipc namespace is
// made, so that options come too late.
func (r *Rootfs) labelRoot(fd int) error {
	label := r.mountLabel()
	if label == "" {
		return nil
	}
	// fsetxattr(2) takes no O_PATH.
	dir, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return errField(err, "open the new mount", "linux.mountLabel")
	}
	defer unix.Close(dir)
	if err := unix.Fsetxattr(dir, "security.selinux", []byte(label), 0); err != nil {
		return errField(err, "label the new mount", "linux.mountLabel")
	}
	return nil
}

// labelHint says where the option comes from that config.json does not have.
func labelHint(d mountopt.Datum) string {
	if d.Option < 0 && slices.Contains(labelOptions, d.Key) {
		return "it is about linux.mountLabel, which the policy of this host may not know"
	}
	return ""
}
