package doctor

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// sealing is about what keeps a container from writing to rung's binary
// (CVE-2019-5736).
func sealing(_ context.Context, h *host) *Check {
	for _, name := range []string{triedSeal, triedSealMemory} {
		if said := h.tries[name]; said != "" {
			return &Check{Level: Red, Text: said,
				Hint: "rung needs memory that can be executed: sysctl -w vm.memfd_noexec=0, and a kernel with CONFIG_MEMFD_CREATE"}
		}
	}
	c := &Check{Level: Green, Have: []string{"memory"}, Text: "a copy in memory, which nobody can write to (2 ms a container)"}
	if h.tries.works(sealedInOverlay) {
		c.Have = []string{"overlay", "memory"}
		c.Text = "a read-only overlay; a copy in memory for user namespaces"
	}
	return c
}

// program is about who may replace rung, which root runs.
func program(_ context.Context, h *host) *Check {
	if strings.HasSuffix(h.rung.Path, " (deleted)") {
		return &Check{Level: Red, Text: h.rung.Path + ": it was replaced while it ran", Hint: "run rung doctor again"}
	}
	for path := h.rung.Path; ; path = filepath.Dir(path) {
		if who := h.othersWrite(path); who != "" {
			return &Check{Level: Yellow, Text: path + " can be written to by " + who + ", and root runs what is there",
				Hint: "install rung where only root can write, such as /usr/local/bin: make install"}
		}
		if path == filepath.Dir(path) {
			break
		}
	}
	return &Check{Level: Green, Text: h.rung.Path + ", which only its owner can write to"}
}

// othersWrite says who but root and the caller can write to a file, or put
// another one in a folder's files' place. "" stands for nobody.
func (h *host) othersWrite(path string) string {
	st, err := os.Stat(h.at(path))
	if err != nil {
		return ""
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	switch {
	case ok && sys.Uid != 0 && int(sys.Uid) != h.uid && h.root == "/":
		return "its owner"
	case st.Mode()&os.ModeSticky != 0:
		return ""
	case st.Mode()&0o002 != 0:
		return "everybody"
	case st.Mode()&0o020 != 0 && ok && sys.Gid != 0 && int(sys.Gid) != os.Getegid():
		return "its group"
	}
	return ""
}

func modules(_ context.Context, h *host) *Check {
	c := &Check{Level: Green}
	if list := h.read("/sys/kernel/security/lsm"); list != "" {
		c.Have = strings.Split(list, ",")
	} else {
		// Without securityfs, as in many containers.
		if strings.HasPrefix(h.read("/sys/module/apparmor/parameters/enabled"), "Y") {
			c.Have = append(c.Have, "apparmor")
		}
		if h.exists("/sys/fs/selinux/enforce") {
			c.Have = append(c.Have, "selinux")
		}
	}
	c.Text = strings.Join(c.Have, ", ")
	if h.read("/sys/fs/selinux/enforce") == "0" {
		c.Text += " (SELinux is permissive)"
	}
	if !slices.Contains(c.Have, "apparmor") && !slices.Contains(c.Have, "selinux") {
		c.Missing = []string{"apparmor", "selinux"}
		c.Level, c.Text = Yellow, strings.TrimPrefix(c.Text+"; neither AppArmor nor SELinux", "; ")
		c.Hint = "containers that ask for a profile or label fail; what confines the others are namespaces, capabilities and seccomp"
	}
	return c
}

func stateFolder(_ context.Context, h *host) *Check {
	dir := h.stateRoot
	for !h.exists(dir) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
	}
	if !h.writable(dir) {
		return &Check{Level: Red, Text: h.stateRoot + ": " + dir + " cannot be written to",
			Hint: "name another folder with --root; users other than root get one with XDG_RUNTIME_DIR, which a login with systemd sets"}
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(h.at(dir), &fs); err == nil && uint32(fs.Type) != unix.TMPFS_MAGIC && uint32(fs.Type) != unix.RAMFS_MAGIC {
		return &Check{Level: Yellow, Text: h.stateRoot + " is on a disk: records of containers outlive a reboot",
			Hint: "mount a tmpfs at " + filepath.Dir(h.stateRoot) + ", or name a folder on one with --root"}
	}
	return &Check{Level: Green, Text: h.stateRoot + ", on a tmpfs"}
}

func criu(ctx context.Context, h *host) *Check {
	path := h.program("criu")
	if path == "" {
		return &Check{Level: Grey, Text: "not found; it is for checkpoints alone"}
	}
	c := &Check{Level: Green, Version: h.version(ctx, path)}
	name := strings.TrimSpace(path + " " + c.Version)
	if out, err := h.run(ctx, path, "--version"); c.Version == "" && err == nil {
		// "Version: 3.17.1"
		c.Version = strings.TrimSpace(strings.TrimPrefix(strings.SplitN(out, "\n", 2)[0], "Version:"))
	}
	if h.uid != 0 {
		c.Level, c.Text = Grey, name+"; only root can check what it can do here"
		return c
	}
	out, err := h.run(ctx, path, "check")
	c.Text = name + ", criu check: " + criuSays(out)
	if err != nil {
		c.Level, c.Hint = Yellow, "there are no checkpoints without it: criu check --all tells more"
	}
	return c
}

// criuSays returns the first error in what criu prints, or its last line.
func criuSays(out string) string {
	last := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		last = line
		if _, text, ok := strings.Cut(line, "Error "); ok {
			// "Error (criu/vdso.c:704): vdso: no symbols"
			if _, rest, ok := strings.Cut(text, "): "); ok {
				text = rest
			}
			return text
		}
	}
	return last
}
