package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// notFound is the text for an engine that is not there.
const notFound = "not found"

// An engine's runtimes, by name; the values are paths or names of programs.
type runtimes map[string]string

// registration judges an engine by the runtimes that its configuration names.
// broken is the error of a file that could not be read, hint what is to be done
// where rung is not among them.
func (h *host) registration(name, version string, found runtimes, standard string, broken error, hint string) *Check {
	c := &Check{Level: Green, Version: version}
	label := strings.TrimSpace(name + " " + version)
	if broken != nil {
		c.Level, c.Text, c.Hint = Yellow, label+": "+broken.Error(), "mend the file: the engine cannot read it either"
		return c
	}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		path := found[key]
		if !h.isRung(path) {
			continue
		}
		c.Have = append(c.Have, key)
		if full := h.resolve(path); full == "" {
			c.Level, c.Text = Red, fmt.Sprintf("%s: its runtime %q is %s, which is not there", label, key, path)
			c.Hint = "install rung there, or name " + h.rung.Path + " in its configuration"
			return c
		} else if !h.isThisProgram(full) {
			c.Level = Yellow
			c.Text = fmt.Sprintf("%s: its runtime %q is %s, not the rung that you called", label, key, full)
			c.Hint = "run " + full + " doctor to check that one"
		}
	}
	switch {
	case len(c.Have) == 0:
		c.Level, c.Text, c.Hint = Yellow, label+": rung is not registered", hint
	case c.Text == "":
		c.Text = label + ": registered as " + strings.Join(c.Have, ", ")
		if slices.Contains(c.Have, standard) {
			c.Text += ", the default"
		}
	}
	return c
}

// resolve returns the absolute path of a program that an engine's configuration
// names, or "" where it is not there.
func (h *host) resolve(path string) string {
	if !strings.Contains(path, "/") {
		return h.program(path)
	}
	if h.executable(path) {
		return path
	}
	return ""
}

// isRung tells whether an engine's runtime is rung: by its name, or by what it is.
func (h *host) isRung(path string) bool {
	return path != "" && (filepath.Base(path) == "rung" || h.isThisProgram(path))
}

func (h *host) isThisProgram(path string) bool {
	a, errA := os.Stat(h.at(path))
	b, errB := os.Stat(h.at(h.rung.Path))
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// table is a part of a TOML or JSON document.
type table map[string]any

// at follows keys to a part of the document; nil stands for none.
func (t table) at(keys ...string) table {
	for _, key := range keys {
		next, ok := t[key].(map[string]any)
		if !ok {
			return nil
		}
		t = next
	}
	return t
}

func (t table) text(key string) string { s, _ := t[key].(string); return s }

// texts returns the strings in an array.
func (t table) texts(key string) []string {
	var texts []string
	values, _ := t[key].([]any)
	for _, v := range values {
		if s, ok := v.(string); ok {
			texts = append(texts, s)
		}
	}
	return texts
}

// readTOML reads a file; one that is not there is empty.
func (h *host) readTOML(path string) (table, error) {
	data, err := os.ReadFile(h.at(path))
	if err != nil {
		if os.IsNotExist(err) {
			err = nil
		}
		return nil, err
	}
	var t table
	if err := toml.Unmarshal(data, &t); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// glob returns the files that match, as the host knows them, in the order in
// which engines read them.
func (h *host) glob(pattern string) []string {
	found, _ := filepath.Glob(h.at(pattern)) // the pattern is a good one, or an administrator's
	for i, path := range found {
		found[i] = "/" + strings.TrimLeft(strings.TrimPrefix(path, filepath.Clean(h.root)), "/")
	}
	return found
}

func docker(ctx context.Context, h *host) *Check {
	path := h.program("dockerd")
	if path == "" {
		return &Check{Level: Grey, Text: notFound}
	}
	config := "/etc/docker/daemon.json"
	if h.uid != 0 && h.exists(h.config+"/docker/daemon.json") {
		config = h.config + "/docker/daemon.json"
	}
	found, standard, err := h.dockerRuntimes(config)
	return h.registration("Docker", h.version(ctx, path), found, standard, err,
		fmt.Sprintf(`put {"runtimes": {"rung": {"path": %q}}} into %s and reload Docker (systemctl reload docker)`, h.rung.Path, config))
}

// dockerRuntimes reads a daemon.json, and the flags of a daemon that runs.
func (h *host) dockerRuntimes(config string) (found runtimes, standard string, err error) {
	found = runtimes{}
	if data, err := os.ReadFile(h.at(config)); err == nil && len(data) > 0 {
		var t table
		if err := json.Unmarshal(data, &t); err != nil {
			return nil, "", fmt.Errorf("%s: %w", config, err)
		}
		standard = t.text("default-runtime")
		for name := range t.at("runtimes") {
			runtime := t.at("runtimes", name)
			if path := cmp.Or(runtime.text("path"), runtime.at("options").text("BinaryName")); path != "" {
				found[name] = path // by a runtimeType and its options since Docker 23
			}
		}
	}
	args := strings.Split(h.read("/proc/"+h.read("/run/docker.pid")+"/cmdline"), "\x00")
	for i, arg := range args {
		flag, value, joined := strings.Cut(arg, "=")
		if !joined && i+1 < len(args) {
			value = args[i+1]
		}
		switch strings.TrimLeft(flag, "-") {
		case "add-runtime":
			if name, path, ok := strings.Cut(value, "="); ok {
				found[name] = path
			}
		case "default-runtime":
			standard = value
		}
	}
	return found, standard, nil
}

func podman(ctx context.Context, h *host) *Check {
	path := h.program("podman")
	if path == "" {
		return &Check{Level: Grey, Text: notFound}
	}
	// containers.conf(5): later files win.
	files := []string{"/usr/share/containers/containers.conf", "/etc/containers/containers.conf"}
	files = append(files, h.glob("/etc/containers/containers.conf.d/*.conf")...)
	if h.uid != 0 {
		files = append(files, h.config+"/containers/containers.conf")
		files = append(files, h.glob(h.config+"/containers/containers.conf.d/*.conf")...)
	}
	found, standard := runtimes{}, ""
	var broken error
	for _, file := range files {
		t, err := h.readTOML(file)
		if err != nil && broken == nil {
			broken = err
		}
		engine := t.at("engine")
		if name := engine.text("runtime"); name != "" {
			standard = name
		}
		for name, value := range engine.at("runtimes") {
			paths, _ := value.([]any)
			for _, p := range paths {
				// The first that is there counts; if none is, the first.
				if text, ok := p.(string); ok && (found[name] == "" || h.resolve(found[name]) == "") {
					found[name] = text
				}
			}
		}
	}
	if filepath.IsAbs(standard) {
		found[standard] = standard
	}
	c := h.registration("Podman", h.version(ctx, path), found, standard, broken, "")
	if len(c.Have) == 0 && broken == nil {
		c.Level, c.Text = Grey, c.Text+"; it works with --runtime "+h.rung.Path
	}
	return c
}

func crio(ctx context.Context, h *host) *Check {
	path := h.program("crio")
	if path == "" {
		return &Check{Level: Grey, Text: notFound}
	}
	found, standard := runtimes{}, ""
	var broken error
	for _, file := range append([]string{"/etc/crio/crio.conf"}, h.glob("/etc/crio/crio.conf.d/*")...) {
		t, err := h.readTOML(file)
		if err != nil && broken == nil {
			broken = err
		}
		part := t.at("crio", "runtime")
		if name := part.text("default_runtime"); name != "" {
			standard = name
		}
		for name := range part.at("runtimes") {
			// Without a path CRI-O looks for the runtime's name in PATH.
			found[name] = name
			if p := part.at("runtimes", name).text("runtime_path"); p != "" {
				found[name] = p
			}
		}
	}
	return h.registration("CRI-O", h.version(ctx, path), found, standard, broken,
		"add [crio.runtime.runtimes.rung] with runtime_path = \""+h.rung.Path+"\" to /etc/crio/crio.conf.d/50-rung.conf and restart crio")
}

// rancher is where k3s and RKE2 keep the configuration of the containerd that is
// built into them.
func rancher(name string) string { return "/var/lib/rancher/" + name + "/agent/etc/containerd" }

// kubernetes is about the node: k3s and RKE2 have an engine of their own, the
// kubelet uses one of the others.
func kubernetes(ctx context.Context, h *host) *Check {
	for _, name := range []string{"k3s", "rke2"} {
		path := h.program(name)
		if path == "" {
			continue
		}
		c, err := h.containerdRuntimes(rancher(name) + "/config.toml")
		return h.registration(name, h.version(ctx, path), c.runtimes, c.standard, err,
			"add a runtime to "+rancher(name)+"/config.toml.tmpl (docs/engines/kubernetes.md) and restart "+name)
	}
	path := h.program("kubelet")
	if path == "" {
		return &Check{Level: Grey, Text: notFound}
	}
	version := h.version(ctx, path)
	c := &Check{Level: Green, Version: version, Text: strings.TrimSpace("kubelet " + version)}
	// YAML; these two are lines of their own at its top level.
	engine, driver := "", ""
	for line := range strings.Lines(h.read("/var/lib/kubelet/config.yaml")) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.Trim(strings.TrimSpace(value), `"'`)
		switch key {
		case "containerRuntimeEndpoint":
			engine = value
			c.Text += ", engine at " + strings.TrimPrefix(value, "unix://")
		case "cgroupDriver":
			driver = value
			c.Text += ", cgroup driver " + value
		}
	}
	if engine == "" || strings.Contains(engine, "containerd") {
		h.compareDrivers(c, driver)
	}
	if c.Level == Green {
		c.Text += ": pods get rung by a RuntimeClass"
	}
	return c
}

// compareDrivers puts into check whether the containerd of the kubelet has rung use another
// cgroup driver than the kubelet, "" where its configuration names none. Pods would be in
// other cgroups than those that the kubelet makes and limits.
func (h *host) compareDrivers(check *Check, driver string) {
	config, err := h.containerdRuntimes(containerdConfig)
	if err != nil || driver == "" {
		return // containerd's own check tells of a file that it cannot read
	}
	for _, name := range slices.Sorted(maps.Keys(config.runtimes)) {
		bySystemd := config.bySystemd[name]
		if !h.isRung(config.runtimes[name]) || bySystemd == (driver == "systemd") {
			continue
		}
		check.Level = Yellow
		check.Text += fmt.Sprintf(", but containerd's runtime %q has SystemdCgroup = %t", name, bySystemd)
		check.Hint = fmt.Sprintf("write SystemdCgroup = %t into the options of runtimes.%s in %s and restart containerd", !bySystemd, name, containerdConfig)
		return
	}
}
