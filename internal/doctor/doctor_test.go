package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rungoci/rung/libcontainer/cgroup"
)

// fake returns a host with all that it should have: a root, asked by root, with
// cgroup v2 and no engine. files are put below it; a path that ends in / is a
// folder, one that ends in * a program.
func fake(t *testing.T, files map[string]string) *host {
	t.Helper()
	h := &host{
		root: t.TempDir(), stateRoot: "/run/rung", privileged: true, kernel: "6.1.0-test", cgroup: cgroup.V2,
		path: []string{"/usr/bin"}, home: "/root", config: "/root/.config",
		rung:  Program{Version: "1.2.3", Path: "/usr/local/bin/rung"},
		tries: tries{}, inside: tries{"mount": ""},
		run: func(_ context.Context, path string, _ ...string) (string, error) {
			return filepath.Base(path) + " version v7.8.9, build x\n", nil
		},
	}
	for _, ns := range namespaceFlags {
		h.tries[ns.name] = ""
	}
	for _, name := range []string{"clone3", "pidfd", "memfd", cloneIntoCgroup, triedPrivate, "new mount API", "mount_setattr", "openat2", triedOverlay,
		imagesFolder, "tmpfs", triedFilter, "notify", "log", "spec_allow", "wait_killable_recv", triedDevices, triedSeal, triedSealMemory, sealedInOverlay} {
		h.tries[name] = ""
	}
	put(t, h, map[string]string{
		"/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc", "/run/": "", "/usr/local/bin/rung*": "rung",
		"/sys/kernel/security/lsm": "lockdown,capability,landlock,yama,apparmor,bpf", "/etc/passwd": "root:x:0:0::/root:/bin/sh\n",
		"/etc/os-release": "NAME=x\nPRETTY_NAME=\"Test OS 1\"\n",
	})
	put(t, h, files)
	return h
}

func put(t *testing.T, h *host, files map[string]string) {
	t.Helper()
	for path, text := range files {
		mode := os.FileMode(0o644)
		if p, ok := strings.CutSuffix(path, "*"); ok {
			path, mode = p, 0o755
		}
		dir := filepath.Dir(h.at(path))
		if strings.HasSuffix(path, "/") {
			dir = h.at(path)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "/") {
			continue
		}
		if err := os.WriteFile(h.at(path), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
}

// get returns the check of that name.
func get(t *testing.T, r *Report, id string) Check {
	t.Helper()
	for _, c := range r.Checks {
		if c.ID == id {
			return c
		}
	}
	t.Fatalf("there is no check %s", id)
	return Check{}
}

func TestGoodHost(t *testing.T) {
	r := fake(t, map[string]string{}).examine(t.Context())
	for _, c := range r.Checks {
		// The test's folder is on whatever disk it is on.
		if c.Level != Green && c.Level != Grey && c.ID != "state.folder" {
			t.Errorf("%s is %s: %s", c.ID, c.Level, c.Text)
		}
	}
	if !r.Usable || r.Host.Distribution != "Test OS 1" || r.Host.User != "root" {
		t.Errorf("%+v", r)
	}
}

// TestFindings has for each check the hosts on which it is not green.
func TestFindings(t *testing.T) {
	asUser := func(h *host) { h.uid, h.privileged = 1000, false }
	for _, tt := range []struct {
		name  string
		files map[string]string
		is    func(*host)
		id    string
		level Level
		// said is in the text or the hint.
		said string
	}{
		{name: "old kernel", is: func(h *host) { h.kernel = "4.19.0-27-amd64" }, id: "kernel.version", level: Red, said: "5.10"},
		{name: "kernel that is old enough", is: func(h *host) { h.kernel = "5.10.0" }, id: "kernel.version", level: Green, said: "5.10.0"},
		{name: "odd kernel", is: func(h *host) { h.kernel = "next" }, id: "kernel.version", level: Yellow, said: "next"},
		{name: "no network namespace", is: func(h *host) { h.tries["network"] = "no space left on device" }, id: "kernel.namespaces", level: Red, said: "missing: network (no space left on device)"},
		{name: "no time namespace", is: func(h *host) { h.tries["time"] = "invalid argument" }, id: "kernel.namespaces", level: Yellow, said: "time"},
		{name: "root without rights", is: func(h *host) { h.privileged, h.insideError = false, errors.New("operation not permitted") }, id: "kernel.namespaces", level: Red, said: "CAP_SYS_ADMIN"},
		{name: "user without a user namespace", is: func(h *host) { asUser(h); h.insideError = errors.New("x") }, id: "kernel.namespaces", level: Grey},
		{name: "no clone3", is: func(h *host) { h.tries["clone3"] = "function not implemented" }, id: "kernel.processes", level: Red, said: "seccomp"},
		{name: "no clone into a cgroup", is: func(h *host) { h.tries[cloneIntoCgroup] = "invalid argument" }, id: "kernel.processes", level: Yellow},
		{name: "chroot", is: func(h *host) { h.tries[triedPrivate] = "invalid argument" }, id: "kernel.mounts", level: Red, said: "bind-mount"},
		{name: "no openat2", is: func(h *host) { h.tries["openat2"] = "function not implemented" }, id: "kernel.mounts", level: Red, said: "openat2"},
		{name: "no mount_setattr", is: func(h *host) { h.tries["mount_setattr"] = "function not implemented" }, id: "kernel.mounts", level: Yellow, said: "5.12"},
		{name: "no overlay", is: func(h *host) { delete(h.tries, triedOverlay) }, id: "kernel.mounts", level: Yellow, said: "missing: overlay"},
		{name: "overlay to be loaded", is: func(h *host) { delete(h.tries, triedOverlay) }, id: "kernel.mounts", level: Green, said: "not loaded yet",
			files: map[string]string{"/lib/modules/6.1.0-test/modules.dep": "kernel/fs/overlayfs/overlay.ko.xz: x"}},
		{name: "no id-mapped mounts", is: func(h *host) { h.tries[imagesFolder] = "invalid argument" }, id: "kernel.idmapped", level: Yellow, said: "ext4"},
		{name: "no id-mapped tmpfs", is: func(h *host) { h.tries["tmpfs"] = "invalid argument" }, id: "kernel.idmapped", level: Green, said: "not: tmpfs"},
		{name: "no seccomp", is: func(h *host) { h.tries[triedFilter] = "invalid argument" }, id: "kernel.seccomp", level: Red},
		{name: "no notify", is: func(h *host) { h.tries["notify"] = "invalid argument" }, id: "kernel.seccomp", level: Yellow},
		{name: "no cgroups", is: func(h *host) { h.cgroup = cgroup.V1 }, id: "cgroups.mode", level: Red, said: "mount -t cgroup2"},
		{name: "no io", files: map[string]string{"/sys/fs/cgroup/cgroup.controllers": "cpuset cpu memory pids"}, id: "cgroups.controllers", level: Yellow, said: "missing: io"},
		{name: "no memory, as on a Raspberry Pi", id: "cgroups.controllers", level: Yellow, said: "cgroup_enable=memory",
			files: map[string]string{"/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io pids", "/proc/cmdline": "quiet cgroup_disable=memory"}},
		{name: "v1 without blkio", is: func(h *host) { h.cgroup = cgroup.V1 }, id: "cgroups.controllers", level: Yellow, said: "mount -t cgroup -o blkio",
			files: map[string]string{"/proc/cgroups": "#subsys_name\thierarchy\ncpu\t1\ncpuset\t1\nmemory\t2\npids\t3\nblkio\t4\n",
				"/sys/fs/cgroup/cpu/cgroup.procs": "", "/sys/fs/cgroup/cpuset/cgroup.procs": "", "/sys/fs/cgroup/memory/cgroup.procs": "", "/sys/fs/cgroup/pids/cgroup.procs": ""}},
		{name: "v1 without devices", is: func(h *host) { h.cgroup = cgroup.V1 }, id: "cgroups.devices", level: Yellow},
		{name: "no BPF", is: func(h *host) { h.tries[triedDevices] = "operation not permitted" }, id: "cgroups.devices", level: Red, said: "CAP_BPF"},
		{name: "nothing delegated", is: asUser, id: "cgroups.delegated", level: Yellow, said: "systemd-run --user", files: map[string]string{"/proc/self/cgroup": "0::/a\n"}},
		{name: "nothing to delegate", is: func(h *host) { asUser(h); h.cgroup = cgroup.Hybrid }, id: "cgroups.delegated", level: Yellow, said: "unified"},
		{name: "all delegated", is: asUser, id: "cgroups.delegated", level: Green, files: map[string]string{"/proc/self/cgroup": "0::/a/b\n",
			"/sys/fs/cgroup/a/b/cgroup.procs": "", "/sys/fs/cgroup/a/b/cgroup.subtree_control": "", "/sys/fs/cgroup/a/b/cgroup.controllers": "cpu cpuset io memory pids"}},
		{name: "too little delegated", is: asUser, id: "cgroups.delegated", level: Yellow, said: "Delegate=cpu cpuset", files: map[string]string{"/proc/self/cgroup": "0::/a/b\n",
			"/sys/fs/cgroup/a/b/cgroup.procs": "", "/sys/fs/cgroup/a/b/cgroup.subtree_control": "", "/sys/fs/cgroup/a/b/cgroup.controllers": "memory pids"}},
		{name: "delegated elsewhere", is: asUser, id: "cgroups.delegated", level: Yellow, said: "this session is not", files: map[string]string{
			"/proc/self/cgroup": "0::/user.slice/user-1000.slice/session-1.scope\n",
			"/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.procs":           "",
			"/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.subtree_control": "",
			"/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers":     "cpu cpuset io memory pids"}},
		{name: "systemd without D-Bus", files: map[string]string{"/run/systemd/system/": ""}, id: "cgroups.systemd", level: Yellow, said: "dbus"},
		{name: "systemd and v1", is: func(h *host) { h.cgroup = cgroup.V1 }, files: map[string]string{"/run/systemd/system/": "", "/run/dbus/system_bus_socket": ""}, id: "cgroups.systemd", level: Yellow, said: "cgroupfs"},
		{name: "systemd", files: map[string]string{"/run/systemd/system/": "", "/run/dbus/system_bus_socket": ""}, id: "cgroups.systemd", level: Green},
		{name: "no user namespaces, root", files: map[string]string{"/proc/sys/user/max_user_namespaces": "0\n"}, id: "users.namespaces", level: Yellow, said: "sysctl -w user.max"},
		{name: "no user namespaces, user", is: asUser, files: map[string]string{"/proc/sys/user/max_user_namespaces": "0\n"}, id: "users.namespaces", level: Red},
		{name: "Debian's sysctl, root", files: map[string]string{"/proc/sys/kernel/unprivileged_userns_clone": "0\n"}, id: "users.namespaces", level: Yellow, said: "unprivileged_userns_clone=1"},
		{name: "Debian's sysctl, user", is: func(h *host) { asUser(h); h.insideError = errors.New("operation not permitted") },
			files: map[string]string{"/proc/sys/kernel/unprivileged_userns_clone": "0\n"}, id: "users.namespaces", level: Red, said: "unprivileged_userns_clone=1"},
		{name: "Ubuntu's AppArmor, root", files: map[string]string{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"}, id: "users.namespaces", level: Yellow, said: "apparmor_parser"},
		{name: "Ubuntu's AppArmor, user", is: func(h *host) { asUser(h); h.inside = tries{"mount": "permission denied"} },
			files: map[string]string{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"}, id: "users.namespaces", level: Red, said: "/usr/local/bin/rung flags=(unconfined)"},
		{name: "no ids", is: asUser, id: "users.ids", level: Yellow, said: "usermod"},
		{name: "ids, no helper", is: func(h *host) { asUser(h) }, id: "users.ids", level: Yellow, said: "newuidmap is not installed",
			files: map[string]string{"/etc/passwd": "joe:x:1000:1000::/:\n", "/etc/subuid": "joe:100000:65536\n", "/etc/subgid": "1000:100000:65536\n"}},
		{name: "helper without privileges", id: "users.ids", level: Yellow, said: "set-user-ID",
			files: map[string]string{"/etc/subuid": "joe:100000:65536\n", "/usr/bin/newuidmap*": "", "/usr/bin/newgidmap*": ""}},
		{name: "no memfd", is: func(h *host) { h.tries[triedSealMemory] = "permission denied" }, id: "security.sealing", level: Red, said: "vm.memfd_noexec"},
		{name: "no overlay for the seal", is: func(h *host) { delete(h.tries, sealedInOverlay) }, id: "security.sealing", level: Green, said: "memory"},
		{name: "rung replaced", is: func(h *host) { h.rung.Path += " (deleted)" }, id: "security.program", level: Red},
		{name: "rung that everybody may replace", is: func(h *host) { _ = os.Chmod(h.at("/usr/local/bin"), 0o777) }, id: "security.program", level: Yellow, said: "/usr/local/bin can be written to by everybody"},
		{name: "a sticky folder", is: func(h *host) { _ = os.Chmod(h.at("/usr/local/bin"), 0o777|os.ModeSticky) }, id: "security.program", level: Green},
		{name: "no modules", files: map[string]string{"/sys/kernel/security/lsm": "capability,landlock"}, id: "security.modules", level: Yellow, said: "landlock; neither"},
		{name: "SELinux, permissive", files: map[string]string{"/sys/kernel/security/lsm": "capability,selinux", "/sys/fs/selinux/enforce": "0"}, id: "security.modules", level: Green, said: "permissive"},
		{name: "no /run", is: func(h *host) { h.stateRoot = "/proc/x/rung" }, files: map[string]string{"/proc": "a file"}, id: "state.folder", level: Yellow},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := fake(t, tt.files)
			if tt.is != nil {
				tt.is(h)
			}
			c := get(t, h.examine(t.Context()), tt.id)
			if c.Level != tt.level {
				t.Errorf("%s is %s, want %s: %s", tt.id, c.Level, tt.level, c.Text)
			}
			if !strings.Contains(c.Text+" "+c.Hint, tt.said) {
				t.Errorf("%s: %q, hint %q; want to read %q", tt.id, c.Text, c.Hint, tt.said)
			}
			if c.Level == Red && c.Hint == "" {
				t.Errorf("%s is red, and says not what to do", tt.id)
			}
		})
	}
}

// tableOf returns the tables of rung and runc in containerd's configuration.
func tableOf(plugin string) string {
	table := "[plugins.\"" + plugin + "\".containerd.runtimes."
	return table + "runc]\nruntime_type = \"x\"\n" + table + "rung.options]\nBinaryName = \"/usr/local/bin/rung\"\n"
}

func TestEngines(t *testing.T) {
	for _, tt := range []struct {
		name  string
		id    string
		files map[string]string
		level Level
		have  []string
		said  string
		hint  string
	}{
		{name: "containerd 1.x", id: "engines.containerd", level: Green, have: []string{"rung"}, said: "7.8.9", files: map[string]string{"/usr/bin/containerd*": "",
			"/etc/containerd/config.toml": "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\nruntime_type = \"x\"\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.rung.options]\nBinaryName = \"/usr/local/bin/rung\"\n"}},
		{name: "containerd 1.x, without the default", id: "engines.containerd", level: Red, have: []string{"rung"}, said: "runtimes.runc", files: map[string]string{"/usr/bin/containerd*": "",
			"/etc/containerd/config.toml": "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.rung.options]\nBinaryName = \"/usr/local/bin/rung\"\n"}},
		{name: "containerd 2.x, imported, as default", id: "engines.containerd", level: Green, have: []string{"fast"}, said: "the default", files: map[string]string{"/usr/bin/containerd*": "",
			"/etc/containerd/config.toml":   "version = 3\nimports = [\"conf.d/*.toml\"]\n",
			"/etc/containerd/conf.d/a.toml": "[plugins.'io.containerd.cri.v1.runtime'.containerd]\ndefault_runtime_name = 'fast'\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.fast.options]\nBinaryName = '/usr/local/bin/rung'\n"}},
		{name: "containerd with runc", id: "engines.containerd", level: Yellow, said: "not registered", files: map[string]string{"/usr/bin/containerd*": "",
			"/etc/containerd/config.toml": "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\nBinaryName = \"/usr/sbin/runc\"\n"}},
		{name: "containerd, imports that go in a circle", id: "engines.containerd", level: Yellow, said: "not registered", files: map[string]string{"/usr/bin/containerd*": "",
			"/etc/containerd/config.toml": "imports = [\"/etc/containerd/config.toml\"]\n"}},
		{name: "containerd, broken file", id: "engines.containerd", level: Yellow, said: "config.toml", files: map[string]string{"/usr/bin/containerd*": "", "/etc/containerd/config.toml": "version ="}},
		{name: "containerd, runtime that is gone", id: "engines.containerd", level: Red, have: []string{"rung"}, said: "/opt/rung, which is not there", files: map[string]string{"/usr/bin/containerd*": "",
			"/etc/containerd/config.toml": "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\nruntime_type = \"x\"\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.rung.options]\nBinaryName = \"/opt/rung\"\n"}},
		{name: "containerd, a table of version 2 and no version", id: "engines.containerd", level: Yellow, said: "the file does not say so", hint: "begin /etc/containerd/config.toml with version = 2 and",
			files: map[string]string{"/usr/bin/containerd*": "", "/etc/containerd/config.toml": tableOf("io.containerd.grpc.v1.cri")}},
		{name: "containerd, a table of version 2 in a file of version 1 without the CRI", id: "engines.containerd", level: Yellow, said: "the file does not say so", hint: "with version = 2, take cri out of disabled_plugins and",
			files: map[string]string{"/usr/bin/containerd*": "", "/etc/containerd/config.toml": "version = 1\ndisabled_plugins = [\"cri\"]\n" + tableOf("io.containerd.grpc.v1.cri")}},
		{name: "containerd, a table of version 2 in a file of version 3", id: "engines.containerd", level: Yellow, said: "says version = 3", hint: "plugins.'io.containerd.cri.v1.runtime'",
			files: map[string]string{"/usr/bin/containerd*": "", "/etc/containerd/config.toml": "version = 3\n" + tableOf("io.containerd.grpc.v1.cri")}},
		{name: "containerd, a table of version 2, imported", id: "engines.containerd", level: Green, have: []string{"rung"}, files: map[string]string{"/usr/bin/containerd*": "",
			"/etc/containerd/config.toml": "version = 2\nimports = [\"a.toml\"]\n", "/etc/containerd/a.toml": tableOf("io.containerd.grpc.v1.cri")}},
		{name: "containerd 2.x, a table of version 3 and no version", id: "engines.containerd", level: Green, have: []string{"rung"},
			files: map[string]string{"/usr/bin/containerd*": "", "/etc/containerd/config.toml": tableOf("io.containerd.cri.v1.runtime")}},
		{name: "containerd, the CRI is disabled", id: "engines.containerd", level: Yellow, have: []string{"rung"}, said: "switched off: disabled_plugins has io.containerd.grpc.v1.cri", hint: "take it out",
			files: map[string]string{"/usr/bin/containerd*": "", "/etc/containerd/config.toml": "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n" + tableOf("io.containerd.grpc.v1.cri")}},
		{name: "containerd, the CRI is disabled by a name of version 1", id: "engines.containerd", level: Red, have: []string{"rung"}, said: "does not start", hint: "take \"cri\" out",
			files: map[string]string{"/usr/bin/containerd*": "", "/etc/containerd/config.toml": "version = 2\ndisabled_plugins = [\"cri\"]\n" + tableOf("io.containerd.grpc.v1.cri")}},
		{name: "containerd for Docker alone, as it is packaged", id: "engines.containerd", level: Yellow, said: "not registered", hint: "add a runtime",
			files: map[string]string{"/usr/bin/containerd*": "", "/etc/containerd/config.toml": "disabled_plugins = [\"cri\"]\n"}},
		{name: "Docker", id: "engines.docker", level: Green, have: []string{"r"}, files: map[string]string{"/usr/bin/dockerd*": "",
			"/etc/docker/daemon.json": `{"runtimes": {"r": {"path": "/usr/local/bin/rung"}, "kata": {"runtimeType": "io.containerd.kata.v2"}}}`}},
		{name: "Docker since 23", id: "engines.docker", level: Green, have: []string{"r"}, said: "the default", files: map[string]string{"/usr/bin/dockerd*": "",
			"/etc/docker/daemon.json": `{"default-runtime": "r", "runtimes": {"r": {"runtimeType": "io.containerd.runc.v2", "options": {"BinaryName": "/usr/local/bin/rung"}}}}`}},
		{name: "Docker's flags", id: "engines.docker", level: Green, have: []string{"r"}, said: "the default", files: map[string]string{"/usr/bin/dockerd*": "",
			"/run/docker.pid": "77\n", "/proc/77/cmdline": "dockerd\x00--add-runtime\x00r=/usr/local/bin/rung\x00--default-runtime=r\x00"}},
		{name: "Docker, broken file", id: "engines.docker", level: Yellow, said: "daemon.json", files: map[string]string{"/usr/bin/dockerd*": "", "/etc/docker/daemon.json": "{"}},
		{name: "Docker, another rung", id: "engines.docker", level: Yellow, have: []string{"rung"}, said: "/opt/rung, not the rung that you called", files: map[string]string{"/usr/bin/dockerd*": "", "/opt/rung*": "",
			"/etc/docker/daemon.json": `{"runtimes": {"rung": {"path": "/opt/rung"}}}`}},
		{name: "Docker without a file", id: "engines.docker", level: Yellow, said: `{"runtimes": {"rung": {"path": "/usr/local/bin/rung"}}}`, files: map[string]string{"/usr/bin/dockerd*": ""}},
		{name: "Podman", id: "engines.podman", level: Green, have: []string{"rung"}, said: "the default", files: map[string]string{"/usr/bin/podman*": "",
			"/usr/share/containers/containers.conf": "[engine]\nruntime = \"crun\"\n", "/etc/containers/containers.conf.d/rung.conf": "[engine]\nruntime = \"rung\"\n[engine.runtimes]\nrung = [\"/nowhere/rung\",\n \"/usr/local/bin/rung\"]\n"}},
		{name: "Podman, a path", id: "engines.podman", level: Green, have: []string{"/usr/local/bin/rung"}, files: map[string]string{"/usr/bin/podman*": "",
			"/etc/containers/containers.conf": "[engine]\nruntime = \"/usr/local/bin/rung\"\n"}},
		{name: "Podman without a file", id: "engines.podman", level: Grey, said: "--runtime /usr/local/bin/rung", files: map[string]string{"/usr/bin/podman*": ""}},
		{name: "CRI-O", id: "engines.cri-o", level: Green, have: []string{"rung"}, said: "the default", files: map[string]string{"/usr/bin/crio*": "",
			"/etc/crio/crio.conf.d/50-rung.conf": "[crio.runtime]\ndefault_runtime = \"rung\"\n[crio.runtime.runtimes.rung]\nruntime_path = \"/usr/local/bin/rung\"\n"}},
		{name: "CRI-O, not in PATH", id: "engines.cri-o", level: Red, have: []string{"rung"}, files: map[string]string{"/usr/bin/crio*": "", "/etc/crio/crio.conf": "[crio.runtime.runtimes.rung]\n"}},
		{name: "k3s", id: "engines.kubernetes", level: Green, have: []string{"rung"}, files: map[string]string{"/usr/bin/k3s*": "",
			"/var/lib/rancher/k3s/agent/etc/containerd/config.toml": "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.rung.options]\nBinaryName = '/usr/local/bin/rung'\n"}},
		{name: "kubelet", id: "engines.kubernetes", level: Green, said: "engine at /run/crio/crio.sock, cgroup driver systemd", files: map[string]string{"/usr/bin/kubelet*": "",
			"/var/lib/kubelet/config.yaml": "kind: KubeletConfiguration\ncontainerRuntimeEndpoint: \"unix:///run/crio/crio.sock\"\ncgroupDriver: systemd\n"}},
		{name: "kubelet and containerd, both by systemd", id: "engines.kubernetes", level: Green, said: "by a RuntimeClass", files: map[string]string{"/usr/bin/kubelet*": "",
			"/var/lib/kubelet/config.yaml": "cgroupDriver: systemd\n",
			"/etc/containerd/config.toml":  tableOf("io.containerd.cri.v1.runtime") + "SystemdCgroup = true\n"}},
		{name: "kubelet by systemd, containerd not", id: "engines.kubernetes", level: Yellow, said: "SystemdCgroup = false", hint: "write SystemdCgroup = true into", files: map[string]string{"/usr/bin/kubelet*": "",
			"/var/lib/kubelet/config.yaml": "containerRuntimeEndpoint: unix:///run/containerd/containerd.sock\ncgroupDriver: systemd\n",
			"/etc/containerd/config.toml":  tableOf("io.containerd.cri.v1.runtime")}},
		{name: "kubelet not by systemd, containerd is", id: "engines.kubernetes", level: Yellow, said: "SystemdCgroup = true", hint: "write SystemdCgroup = false into", files: map[string]string{"/usr/bin/kubelet*": "",
			"/var/lib/kubelet/config.yaml": "cgroupDriver: cgroupfs\n",
			"/etc/containerd/config.toml":  "version = 2\n" + tableOf("io.containerd.grpc.v1.cri") + "SystemdCgroup = true\n"}},
		{name: "kubelet that does not say its driver", id: "engines.kubernetes", level: Green, said: "by a RuntimeClass", files: map[string]string{"/usr/bin/kubelet*": "",
			"/etc/containerd/config.toml": tableOf("io.containerd.cri.v1.runtime") + "SystemdCgroup = true\n"}},
		{name: "kubelet with another engine than containerd", id: "engines.kubernetes", level: Green, said: "by a RuntimeClass", files: map[string]string{"/usr/bin/kubelet*": "",
			"/var/lib/kubelet/config.yaml": "containerRuntimeEndpoint: unix:///run/crio/crio.sock\ncgroupDriver: systemd\n",
			"/etc/containerd/config.toml":  tableOf("io.containerd.cri.v1.runtime")}},
		{name: "none", id: "engines.docker", level: Grey, said: notFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := get(t, fake(t, tt.files).examine(t.Context()), tt.id)
			if c.Level != tt.level || !slices.Equal(c.Have, tt.have) || !strings.Contains(c.Text+" "+c.Hint, tt.said) {
				t.Errorf("%s, %q: %s (hint %s); want %s, %q, %q", c.Level, c.Have, c.Text, c.Hint, tt.level, tt.have, tt.said)
			}
			if (c.Level == Red || c.Level == Yellow) && c.Hint == "" {
				t.Error("there is no hint")
			}
			if !strings.Contains(c.Hint, tt.hint) {
				t.Errorf("the hint is %q, and has no %q", c.Hint, tt.hint)
			}
		})
	}
}

func TestCRIU(t *testing.T) {
	for _, tt := range []struct {
		name, check string
		err         error
		level       Level
		said        string
	}{
		{"works", "Looks good.\n", nil, Green, "/usr/bin/criu 3.17.1, criu check: Looks good."},
		{"does not", "Warn  (criu/x.c:1): no\nError (criu/vdso.c:704): vdso: no symbols\n", errors.New("exit status 1"), Yellow, "vdso: no symbols"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := fake(t, map[string]string{"/usr/bin/criu*": ""})
			h.run = func(_ context.Context, _ string, args ...string) (string, error) {
				if args[0] == "--version" {
					return "Version: 3.17.1\nGitID: x\n", nil
				}
				return tt.check, tt.err
			}
			c := get(t, h.examine(t.Context()), "checkpoint.criu")
			if c.Level != tt.level || c.Version != "3.17.1" || !strings.Contains(c.Text, tt.said) {
				t.Errorf("%+v", c)
			}
		})
	}
}

// TestThisHost examines the host for what it is: nothing to be judged, but each
// kind of try has to have been made.
func TestThisHost(t *testing.T) {
	h := thisHost(Options{StateRoot: "/run/rung"})
	h.tries = tries{}
	tryCalls(h.tries)
	for _, name := range []string{"clone3", "pidfd", "memfd", "openat2", triedFilter} {
		if !h.tries.works(name) {
			t.Errorf("%s: %q", name, h.tries[name])
		}
	}
	if !h.privileged {
		t.Skip("needs root: makes namespaces")
	}
	before, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	tryNamespaces(h.tries, -1)
	if !h.tries.works("mount") || !h.tries.works("new mount API") {
		t.Errorf("%v", h.tries)
	}
	if after, _ := os.Readlink("/proc/thread-self/ns/net"); after != before {
		t.Error("the test is in another namespace now")
	}
}

func TestPrint(t *testing.T) {
	h := fake(t, map[string]string{"/usr/bin/dockerd*": ""})
	h.tries["network"] = "evil \x1b[31m text\nin two lines"
	r := h.examine(t.Context())
	var plain, colour bytes.Buffer
	if err := errors.Join(r.Print(&plain, 80, false), r.Print(&colour, 80, true)); err != nil {
		t.Fatal(err)
	}
	text := plain.String()
	for _, want := range []string{"rung 1.2.3 on Test OS 1, Linux 6.1.0-test", "kernel      ok    version       6.1.0-test\n", "            FAIL  namespaces",
		"-> see the sysctls", "-     not found     containerd, podman, cri-o, kubernetes", "not usable: see the line that says FAIL"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(line); n > 81 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Error("there are escape sequences without colour")
	}
	if !strings.Contains(colour.String(), "\x1b[32mok") || !strings.Contains(colour.String(), "\x1b[31;1mFAIL") || strings.Contains(colour.String(), "\x1b[31m text") {
		t.Errorf("the colours are wrong: %q", colour.String())
	}
}

// TestKeys holds the JSON to what the manual page promises.
func TestKeys(t *testing.T) {
	data, err := json.Marshal(fake(t, nil).examine(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"format", "level", "usable", "rung", "host", "checks"} {
		if _, ok := got[key]; !ok {
			t.Errorf("%s is missing", key)
		}
	}
	ids := map[string]bool{}
	for _, c := range checks {
		if strings.Count(c.id, ".") != 1 || ids[c.id] {
			t.Errorf("%q is no name for a check", c.id)
		}
		ids[c.id] = true
	}
}
