package doctor

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// The CRI plugin's names in containerd's configuration, which has the runtimes for
// Kubernetes in its table.
const (
	// criShort is that of version 1, of which a file is that says no version.
	criShort = "cri"
	// criFirst is that of version 2, for containerd 2.x too.
	criFirst = "io.containerd.grpc.v1.cri"
	// criSecond is that of version 3. containerd 2.x reads it in every file.
	criSecond = "io.containerd.cri.v1.runtime"
)

// containerdConfig is where containerd's configuration begins.
const containerdConfig = "/etc/containerd/config.toml"

func containerd(ctx context.Context, h *host) *Check {
	path := h.program("containerd")
	if path == "" {
		return &Check{Level: Grey, Text: notFound}
	}
	c, err := h.containerdRuntimes(containerdConfig)
	check := h.registration("containerd", h.version(ctx, path), c.runtimes, c.standard, err,
		"add a runtime to "+containerdConfig+" for Kubernetes (docs/engines/containerd.md); ctr works with --runc-binary "+h.rung.Path)
	if err == nil {
		h.judgeCRI(check, &c, containerdConfig)
	}
	return check
}

// judgeCRI puts into check for what reason containerd, with the configuration c in the
// file config, does not start or has no rung for Kubernetes, though the file names it.
func (h *host) judgeCRI(check *Check, c *criConfig, config string) {
	label := strings.TrimSpace("containerd " + check.Version)
	off := strings.Join(c.disabled, ", ")
	switch {
	case c.lacksStandard():
		check.Level = Red
		check.Text = label + fmt.Sprintf(": its CRI plugin does not start, as %q, the default runtime, is none of its runtimes", c.standard)
		check.Hint = fmt.Sprintf("add the table runtimes.%s with runtime_type = \"io.containerd.runc.v2\" to %s: one that is written there replaces those that are built in",
			c.standard, config)
	case c.version >= 2 && slices.Contains(c.disabled, criShort):
		check.Level = Red
		check.Text = label + fmt.Sprintf(": it does not start, as disabled_plugins has %q, which is no name in a file of version %d", criShort, c.version)
		check.Hint = fmt.Sprintf("take %q out of disabled_plugins in %s, or write %q, and restart containerd", criShort, config, criFirst)
	case len(check.Have) == 0 && h.anyRung(c.ignored) && c.version >= 3:
		check.Text = label + fmt.Sprintf(": rung is not registered: its table is of version 2, and the file says version = %d", c.version)
		check.Hint = fmt.Sprintf("name the table plugins.'%s' in %s (docs/engines/containerd.md) and restart containerd", criSecond, config)
	case len(check.Have) == 0 && h.anyRung(c.ignored):
		check.Text = label + ": rung is not registered: its table is of version 2, and the file does not say so"
		check.Hint = "begin " + config + " with version = 2"
		if off != "" {
			check.Hint += ", take " + off + " out of disabled_plugins"
		}
		check.Hint += " and restart containerd"
	case check.Level == Green && off != "":
		check.Level = Yellow
		check.Text += ", but its CRI plugin is switched off: disabled_plugins has " + off
		check.Hint = "take it out of disabled_plugins in " + config + " and restart containerd: Kubernetes needs it"
	}
}

// anyRung tells whether one of the runtimes is rung.
func (h *host) anyRung(found runtimes) bool {
	for _, path := range found {
		if h.isRung(path) {
			return true
		}
	}
	return false
}

// criConfig is what containerd's configuration says of runtimes for Kubernetes.
type criConfig struct {
	// runtimes have "" in the place of a path if they name none.
	runtimes runtimes
	// bySystemd are those of runtimes that are told to have systemd make cgroups.
	bySystemd map[string]bool
	// ignored are those in tables that containerd passes over, as they are not of the
	// version that the configuration says (seen with 1.6 and 2.2).
	ignored runtimes
	// standard is the name of the default.
	standard string
	// first is whether one of the runtimes is in the table of version 2.
	first bool
	// version is that of the configuration's format, 0 where no file says it.
	version int64
	// disabled are the names of the CRI plugin in disabled_plugins.
	disabled []string
}

// lacksStandard tells whether containerd 1.x will refuse the configuration: one
// runtime in the file, and those that are built in are gone, runc among them
// (seen with 1.6).
func (c *criConfig) lacksStandard() bool {
	_, ok := c.runtimes[c.standard]
	return c.first && len(c.runtimes) > 0 && !ok
}

// containerdRuntimes reads a configuration with those that it imports.
func (h *host) containerdRuntimes(path string) (criConfig, error) {
	c := criConfig{runtimes: runtimes{}, bySystemd: map[string]bool{}, ignored: runtimes{}, standard: "runc"}
	var read []table
	files := []string{path}
	for i := 0; i < len(files) && i < 100; i++ { // imports may go in a circle
		t, err := h.readTOML(files[i])
		if err != nil {
			return c, err
		}
		read = append(read, t)
		for _, pattern := range t.texts("imports") {
			if !filepath.IsAbs(pattern) {
				pattern = filepath.Join(filepath.Dir(files[i]), pattern)
			}
			files = append(files, h.glob(pattern)...)
		}
		// The last file that says a version says it for all.
		if version, _ := t["version"].(int64); version != 0 {
			c.version = version
		}
		for _, name := range t.texts("disabled_plugins") {
			if (name == criShort || name == criFirst || name == criSecond) && !slices.Contains(c.disabled, name) {
				c.disabled = append(c.disabled, name)
			}
		}
	}
	for _, t := range read {
		c.add(t)
	}
	return c, nil
}

// add takes the runtimes from a file of the configuration.
func (c *criConfig) add(t table) {
	for _, plugin := range [...]string{criSecond, criFirst} {
		part := t.at("plugins", plugin, "containerd")
		found := c.runtimes
		if plugin == criFirst && c.version != 2 {
			found = c.ignored
		} else if name := part.text("default_runtime_name"); name != "" {
			c.standard = name
		}
		for name := range part.at("runtimes") {
			options := part.at("runtimes", name, "options")
			found[name] = options.text("BinaryName")
			if plugin == criSecond || c.version == 2 {
				c.bySystemd[name], _ = options["SystemdCgroup"].(bool)
			}
			c.first = c.first || plugin == criFirst && c.version == 2
		}
	}
}
