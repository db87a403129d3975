package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// oldest is the oldest kernel that rung is written for.
var oldest = [2]int{5, 10}

func kernelVersion(_ context.Context, h *host) *Check {
	c := &Check{Level: Green, Version: h.kernel, Text: h.kernel}
	var v [2]int
	if _, err := fmt.Sscanf(h.kernel, "%d.%d", &v[0], &v[1]); err != nil {
		return &Check{Level: Yellow, Version: h.kernel, Text: fmt.Sprintf("%q is no version that is known", h.kernel), Hint: "rung needs Linux 5.10 or newer"}
	}
	if slices.Compare(v[:], oldest[:]) < 0 {
		c.Level, c.Text = Red, h.kernel+" is older than 5.10"
		c.Hint = "upgrade the kernel: rung needs system calls that came with Linux 5.10"
	}
	return c
}

// parts sorts what was tried into what works and what does not.
func (c *Check) parts(t tries, names ...string) {
	for _, name := range names {
		switch said, tried := t[name]; {
		case !tried:
		case said == "":
			c.Have = append(c.Have, name)
		default:
			c.Missing = append(c.Missing, name)
		}
	}
}

// summary is the parts as a text: "a, b; missing: c (no such device)".
func (c *Check) summary(t tries) string {
	text := strings.Join(c.Have, ", ")
	if len(c.Missing) == 0 {
		return text
	}
	missing := make([]string, len(c.Missing))
	for i, name := range c.Missing {
		missing[i] = name
		if said := t[name]; said != "" {
			missing[i] += " (" + said + ")"
		}
	}
	text += "; missing: " + strings.Join(missing, ", ")
	return strings.TrimPrefix(text, "; ")
}

// missesAny tells whether one of the names is missing.
func (c *Check) missesAny(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(c.Missing, name) })
}

// confined is the way out where the kernel could, and does not let rung.
const confined = "does rung run in a container itself? Then that needs to be privileged (CAP_SYS_ADMIN, no seccomp profile)"

// inNamespaces returns what was tried by whoever may make namespaces here, and
// false if nobody may.
func (h *host) inNamespaces() (tries, bool) {
	if h.privileged {
		return h.tries, true
	}
	return h.inside, h.insideError == nil
}

func namespaces(_ context.Context, h *host) *Check {
	if h.uid == 0 && !h.privileged {
		return &Check{Level: Red, Text: "may not be made: CAP_SYS_ADMIN is missing", Hint: confined}
	}
	t, ok := h.inNamespaces()
	if !ok {
		return &Check{Level: Grey, Text: "not known: there is no user namespace to try them in"}
	}
	c := &Check{Level: Green}
	for _, ns := range namespaceFlags {
		c.parts(t, ns.name)
	}
	c.parts(tries{"user": userTried(h)}, "user")
	c.Text = c.summary(t)
	switch {
	case c.missesAny("mount", "pid", "network", "ipc", "uts"):
		c.Level, c.Hint = Red, "see the sysctls user.max_*_namespaces, or boot a kernel that has them (CONFIG_NAMESPACES)"
	case len(c.Missing) > 0:
		c.Level, c.Hint = Yellow, "containers that ask for these fail, others run"
	}
	return c
}

func userTried(h *host) string {
	if h.insideError != nil {
		return h.insideError.Error()
	}
	return ""
}

func processes(_ context.Context, h *host) *Check {
	c := &Check{Level: Green}
	c.parts(h.tries, "clone3", cloneIntoCgroup, "pidfd", "memfd")
	c.Text = c.summary(h.tries)
	switch {
	case c.missesAny("clone3", "pidfd", "memfd"):
		c.Level, c.Hint = Red, "Linux 5.10 has them; a seccomp profile may hide them: "+confined
	case len(c.Missing) > 0:
		c.Level, c.Hint = Yellow, "containers start a little slower"
	}
	return c
}

func mounts(_ context.Context, h *host) *Check {
	t, ok := h.inNamespaces()
	if !ok {
		t = tries{}
	}
	c := &Check{Level: Green}
	c.parts(t, triedPrivate, "new mount API", "mount_setattr")
	c.parts(h.tries, "openat2")
	c.parts(t, triedOverlay)
	_, overlayTried := t[triedOverlay]
	c.Text = c.summary(t)
	if !overlayTried && h.hasModule("overlay") {
		c.Text += "; overlay is a module that is not loaded yet"
	} else if !overlayTried && ok {
		c.Missing = append(c.Missing, triedOverlay)
		c.Text = c.summary(t)
	}
	switch {
	case c.missesAny("new mount API", "openat2"):
		c.Level, c.Hint = Red, "Linux 5.10 has them; a seccomp profile may hide them: "+confined
	case c.missesAny(triedPrivate):
		c.Level, c.Hint = Red, "does rung run in a chroot whose root is no mount point? Then bind-mount that folder onto itself, and chroot anew"
	case c.missesAny("mount_setattr"):
		c.Level, c.Hint = Yellow, "it is there from Linux 5.12 on; recursive read-only mounts and id-mapped mounts need it"
	case len(c.Missing) > 0:
		c.Level, c.Hint = Yellow, "engines keep images in overlays, and rung seals its binary in one: boot a kernel with CONFIG_OVERLAY_FS"
	}
	return c
}

// hasModule tells whether there is a module of that name to load.
func (h *host) hasModule(name string) bool {
	return strings.Contains(h.read("/lib/modules/"+h.kernel+"/modules.dep"), "/"+name+".ko")
}

func idmapped(_ context.Context, h *host) *Check {
	if !h.privileged || h.inUserNamespace {
		return &Check{Level: Grey, Text: "to be had by root only"}
	}
	c := &Check{Level: Green}
	c.parts(h.tries, imagesFolder, "tmpfs")
	c.Text = c.summary(h.tries)
	switch {
	case len(c.Have)+len(c.Missing) == 0:
		return &Check{Level: Grey, Text: "not known: there is no user namespace to try them with"}
	case c.missesAny(imagesFolder):
		c.Level, c.Hint = Yellow, "mounts from there with uidMappings fail: keep images and volumes on ext4, xfs or btrfs, with Linux 5.12 or newer"
	case len(c.Missing) > 0:
		// Linux 6.3 brought them to tmpfs, where few look for them.
		c.Text = strings.ReplaceAll(c.Text, "missing", "not")
	}
	return c
}

func seccompFilters(_ context.Context, h *host) *Check {
	c := &Check{Level: Green}
	c.parts(h.tries, triedFilter, "notify", "log", "spec_allow", "wait_killable_recv")
	c.Text = c.summary(tries{})
	switch {
	case c.missesAny(triedFilter):
		c.Level, c.Hint = Red, "every engine's default profile needs them: boot a kernel with CONFIG_SECCOMP_FILTER"
	case c.missesAny("notify", "log", "spec_allow"):
		c.Level, c.Hint = Yellow, "profiles that ask for these fail"
	}
	return c
}
