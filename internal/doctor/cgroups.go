package doctor

import (
	"context"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/rungoci/rung/libcontainer/cgroup"
)

const cgroupRoot = "/sys/fs/cgroup"

func cgroupMode(_ context.Context, h *host) *Check {
	var c *Check
	switch h.cgroup {
	case cgroup.V2:
		c = &Check{Level: Green, Text: "v2"}
	case cgroup.Hybrid:
		c = &Check{Level: Green, Text: "hybrid: v1 controllers, and a v2 hierarchy beside them"}
	default:
		if len(h.hierarchies()) == 0 {
			return &Check{Level: Red, Text: "none is mounted at " + cgroupRoot, Hint: "mount -t cgroup2 cgroup2 " + cgroupRoot}
		}
		c = &Check{Level: Green, Text: "v1"}
	}
	c.Have = []string{string(h.cgroup)}
	if h.uid != 0 || h.inUserNamespace {
		return c
	}
	if where := h.readOnlyCgroup(); where != "" {
		c.Level, c.Text = Red, c.Text+"; "+where+" cannot be written to"
		c.Hint = "mount -o remount,rw " + where + "; if this is a container, it needs a cgroup namespace and writable cgroups"
	}
	return c
}

// readOnlyCgroup returns the first hierarchy in which no cgroup can be made.
func (h *host) readOnlyCgroup() string {
	dirs := []string{cgroupRoot}
	if h.cgroup != cgroup.V2 {
		dirs = nil
		for _, name := range h.hierarchies() {
			dirs = append(dirs, cgroupRoot+"/"+name)
		}
	}
	for _, dir := range dirs {
		if !h.writable(dir) {
			return dir
		}
	}
	return ""
}

// controllersV1 are those of version 1 that engines set limits of, and
// controllersV2 those of version 2.
var (
	controllersV1 = []string{"cpu", "cpuset", "blkio", "memory", "pids"}
	controllersV2 = []string{"cpu", "cpuset", "io", "memory", "pids"}
)

// optional controllers are told of where they are, and not missed.
var optional = []string{"hugetlb", "rdma", "misc", "freezer", "devices", "perf_event", "net_cls", "net_prio", "cpuacct"}

func (h *host) expected() []string {
	if h.cgroup == cgroup.V2 {
		return controllersV2
	}
	return controllersV1
}

func controllers(_ context.Context, h *host) *Check {
	have := strings.Fields(h.read(cgroupRoot + "/cgroup.controllers"))
	if h.cgroup != cgroup.V2 {
		have = h.hierarchies()
	}
	c := &Check{Level: Green}
	for _, name := range h.expected() {
		if slices.Contains(have, name) {
			c.Have = append(c.Have, name)
		} else {
			c.Missing = append(c.Missing, name)
		}
	}
	for _, name := range optional {
		if slices.Contains(have, name) {
			c.Have = append(c.Have, name)
		}
	}
	c.Text = c.summary(nil)
	if len(c.Missing) > 0 {
		c.Level, c.Hint = Yellow, "limits of these fail. "+h.enable(c.Missing)
	}
	return c
}

// enable says how the controllers are brought up.
func (h *host) enable(missing []string) string {
	if slices.Contains(missing, "memory") && strings.Contains(h.read("/proc/cmdline"), "cgroup_disable=memory") {
		return "The kernel's command line has cgroup_disable=memory; boot with cgroup_enable=memory instead"
	}
	if h.cgroup == cgroup.V2 {
		return "They are not in " + cgroupRoot + "/cgroup.controllers: is a v1 hierarchy mounted that has them, or is this a container?"
	}
	return "Mount them: mount -t cgroup -o " + missing[0] + " cgroup " + cgroupRoot + "/" + missing[0]
}

// hierarchies returns the controllers of version 1 that are mounted below
// /sys/fs/cgroup, where each has a folder or a link of its name.
func (h *host) hierarchies() []string {
	var names []string
	for line := range strings.Lines(h.read("/proc/cgroups")) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if !strings.HasPrefix(name, "#") && h.exists(cgroupRoot+"/"+name+"/cgroup.procs") {
			names = append(names, name)
		}
	}
	return names
}

func devices(_ context.Context, h *host) *Check {
	if h.cgroup != cgroup.V2 {
		if !slices.Contains(h.hierarchies(), "devices") {
			return &Check{Level: Yellow, Text: "the controller devices is missing: containers may open all devices",
				Hint: "mount -t cgroup -o devices cgroup " + cgroupRoot + "/devices"}
		}
		if h.uid != 0 {
			return &Check{Level: Grey, Text: "by the controller devices, which root only may use; without it the owner of a device decides"}
		}
		return &Check{Level: Green, Text: "by the controller devices"}
	}
	said, tried := h.tries[triedDevices]
	switch {
	case !tried:
		return &Check{Level: Grey, Text: "by BPF programs, which root only may load; without them the owner of a device decides"}
	case said == "":
		return &Check{Level: Green, Text: "by a BPF program"}
	}
	return &Check{Level: Red, Text: "the kernel takes no BPF program for them: " + said,
		Hint: "boot a kernel with CONFIG_CGROUP_BPF; if this is a container, it needs CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN"}
}

// delegated is about the cgroups that a user without privileges has.
func delegated(_ context.Context, h *host) *Check {
	if h.uid == 0 && !h.inUserNamespace {
		return nil
	}
	if h.cgroup != cgroup.V2 {
		return &Check{Level: Yellow, Text: "none: that takes cgroup v2. Containers run without limits",
			Hint: "boot with systemd.unified_cgroup_hierarchy=1"}
	}
	where, here := h.delegatedCgroup()
	if where == "" {
		return &Check{Level: Yellow, Text: "none: containers run without limits",
			Hint: "start rung in a cgroup of your own: systemd-run --user --scope -p Delegate=yes COMMAND"}
	}
	c := &Check{Level: Green}
	have := strings.Fields(h.read(where + "/cgroup.controllers"))
	for _, name := range controllersV2 {
		if slices.Contains(have, name) {
			c.Have = append(c.Have, name)
		} else {
			c.Missing = append(c.Missing, name)
		}
	}
	c.Text = c.summary(nil) + ", in " + path.Base(where)
	if !here {
		c.Level, c.Text = Yellow, c.Text+", in which this session is not"
		c.Hint = "let systemd make the cgroups (--systemd-cgroup; Podman does), or start rung in there: systemd-run --user --scope -p Delegate=yes COMMAND"
	}
	if len(c.Missing) > 0 {
		c.Level = Yellow
		c.Hint = "for the others put “[Service]” and “Delegate=" + strings.Join(controllersV2, " ") +
			"” into /etc/systemd/system/user@.service.d/delegate.conf, and log in anew"
	}
	return c
}

// delegatedCgroup returns the cgroup in which the caller may make others, and
// whether this process is in it.
func (h *host) delegatedCgroup() (dir string, here bool) {
	own := cgroupRoot + path.Clean("/"+unifiedPath(h.read("/proc/self/cgroup")))
	if h.delegates(own) {
		return own, true
	}
	uid := strconv.Itoa(h.uid)
	users := cgroupRoot + "/user.slice/user-" + uid + ".slice/user@" + uid + ".service"
	if h.delegates(users) {
		return users, strings.HasPrefix(own, users+"/")
	}
	return "", false
}

func (h *host) delegates(dir string) bool {
	return h.exists(dir+"/cgroup.procs") && h.writable(dir) && h.writable(dir+"/cgroup.procs") && h.writable(dir+"/cgroup.subtree_control")
}

// systemd is about the manager that makes cgroups with --systemd-cgroup.
func systemd(_ context.Context, h *host) *Check {
	if !h.exists("/run/systemd/system") {
		return &Check{Level: Grey, Text: "does not run here: engines need their cgroupfs driver"}
	}
	if h.cgroup != cgroup.V2 {
		return &Check{Level: Yellow, Text: "runs; rung asks it for cgroups on hosts with cgroup v2 only",
			Hint: "use the engine's cgroupfs driver, or boot with systemd.unified_cgroup_hierarchy=1"}
	}
	// As root systemd's own socket serves, too.
	sockets := []string{"/run/dbus/system_bus_socket", "/run/systemd/private"}
	if h.uid != 0 {
		sockets = []string{"/run/user/" + strconv.Itoa(h.uid) + "/bus"}
	}
	if !slices.ContainsFunc(sockets, h.exists) {
		return &Check{Level: Yellow, Text: "runs, and cannot be asked for cgroups: there is no " + sockets[0],
			Hint: "apt-get install dbus (for users: dbus-user-session), or use the engine's cgroupfs driver"}
	}
	return &Check{Level: Green, Text: "runs, and can be asked for cgroups"}
}
