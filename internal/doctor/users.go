package doctor

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func userNamespaces(_ context.Context, h *host) *Check {
	c := &Check{Level: Green, Text: "for everybody"}
	if h.uid == 0 {
		c.Text = "for root and for other users"
	}
	worse := Yellow
	if !h.privileged {
		worse = Red
	}
	switch {
	case h.read("/proc/sys/user/max_user_namespaces") == "0":
		c.Level, c.Text, c.Hint = worse, "switched off: user.max_user_namespaces is 0", "sysctl -w user.max_user_namespaces=15000"
	case h.insideError != nil:
		c.Level, c.Text, c.Hint = worse, h.insideError.Error(), confined
		if h.read("/proc/sys/kernel/unprivileged_userns_clone") == "0" && h.uid != 0 {
			c.Text, c.Hint = "for root only: kernel.unprivileged_userns_clone is 0", "sysctl -w kernel.unprivileged_userns_clone=1"
		}
	case !h.inside.works("mount"):
		// The namespace is there, and gives no rights.
		c.Level, c.Text, c.Hint = worse, "give no rights: a mount namespace in one: "+h.inside["mount"], confined
		if h.apparmorRestricts() {
			c.Text, c.Hint = "AppArmor takes the rights in them from other users than root", allowUserns(h.rung.Path)
		}
	case h.uid == 0 && h.read("/proc/sys/kernel/unprivileged_userns_clone") == "0":
		c.Level, c.Text, c.Hint = Yellow, "for root only: kernel.unprivileged_userns_clone is 0", "sysctl -w kernel.unprivileged_userns_clone=1"
	case h.uid == 0 && h.apparmorRestricts():
		c.Level, c.Text, c.Hint = Yellow, "for root; AppArmor takes the rights in them from other users", allowUserns(h.rung.Path)
	}
	return c
}

// apparmorRestricts is what Ubuntu has since 23.10.
func (h *host) apparmorRestricts() bool {
	return h.read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1"
}

func allowUserns(path string) string {
	return "write “abi <abi/4.0>, profile rung " + path + " flags=(unconfined) { userns, }” to /etc/apparmor.d/rung and load it with apparmor_parser -r, " +
		"or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
}

// wholeRange is how many ids an image may use.
const wholeRange = 65536

func subordinateIDs(_ context.Context, h *host) *Check {
	helper := h.mappingHelper()
	if h.uid == 0 {
		return rangesForUsers(h, helper)
	}
	name := h.userName()
	uids, gids := subordinate(h.read("/etc/subuid"), name, h.uid), subordinate(h.read("/etc/subgid"), name, h.uid)
	c := &Check{Level: Green, Text: fmt.Sprintf("%d uids, %d gids; newuidmap is installed", uids, gids)}
	if name == "" {
		name = strconv.Itoa(h.uid)
	}
	switch {
	case uids < wholeRange || gids < wholeRange:
		c.Level, c.Text = Yellow, fmt.Sprintf("%d uids, %d gids: images whose files have other owners than root need %d", uids, gids, wholeRange)
		c.Hint = "as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 " + name + " (ids that nobody else has)"
	case helper != "":
		c.Level, c.Text, c.Hint = Yellow, fmt.Sprintf("%d uids, %d gids, of no use: %s", uids, gids, helper), helperHint
	}
	return c
}

// rangesForUsers is for root, who needs none of it himself.
func rangesForUsers(h *host, helper string) *Check {
	users := 0
	for line := range strings.Lines(h.read("/etc/subuid")) {
		if strings.Count(line, ":") == 2 {
			users++
		}
	}
	switch {
	case users == 0:
		return &Check{Level: Grey, Text: "nobody has any in /etc/subuid; containers of root need none"}
	case helper != "":
		return &Check{Level: Yellow, Text: fmt.Sprintf("%s in /etc/subuid, of no use: %s", plural(users, "range"), helper), Hint: helperHint}
	}
	return &Check{Level: Green, Text: plural(users, "range") + " in /etc/subuid; newuidmap is installed"}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

const helperHint = "install newuidmap and newgidmap with their privileges: apt-get install --reinstall uidmap (Fedora: shadow-utils)"

// mappingHelper returns what is wrong with newuidmap and newgidmap, or "".
func (h *host) mappingHelper() string {
	for _, name := range []string{"newuidmap", "newgidmap"} {
		path := h.program(name)
		if path == "" {
			return name + " is not installed"
		}
		st, err := os.Stat(h.at(path))
		if err != nil {
			return err.Error()
		}
		// Distributions give them the set-user-ID bit or file capabilities.
		size, err := unix.Getxattr(h.at(path), "security.capability", nil)
		if st.Mode()&os.ModeSetuid == 0 && (err != nil || size == 0) {
			return path + " has neither the set-user-ID bit nor capabilities"
		}
	}
	return ""
}

// subordinate returns how many ids the text of /etc/subuid or /etc/subgid gives
// a user, who stands there by name or number (subuid(5)).
func subordinate(text, name string, uid int) int {
	sum := 0
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) != 3 || fields[0] != strconv.Itoa(uid) && (name == "" || fields[0] != name) {
			continue
		}
		if n, err := strconv.Atoi(fields[2]); err == nil && n > 0 {
			sum += n
		}
	}
	return sum
}
