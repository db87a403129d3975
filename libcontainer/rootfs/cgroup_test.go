package rootfs

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func cgroupSpec() *specs.Spec {
	return newSpec(specs.Mount{
		Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup",
		Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro", "rprivate"},
	})
}

// skipOnUnified skips tests of cgroup v1 on hosts without it.
func skipOnUnified(t *testing.T) CgroupView {
	t.Helper()
	v := hostCgroups(t)
	if v.Unified {
		t.Skip("the host has no cgroup v1")
	}
	return v
}

// Without a cgroup namespace, each folder shows the container's cgroup.
func TestCgroup1Bind(t *testing.T) {
	inNamespace(t)
	v := skipOnUnified(t)
	for i := range v.Mountpoints {
		v.Mountpoints[i].Path = bundleDir + "/cgroups/" + v.Mountpoints[i].Dir
		write(t, v.Mountpoints[i].Path+"/tasks", v.Mountpoints[i].Dir)
	}
	v.Mountpoints[0].Dir = "one,two"
	v.Mountpoints[0].Links = []string{"one", "two"}
	first := filepath.Base(v.Mountpoints[0].Path)
	_, err := prepare(t, Options{Spec: cgroupSpec(), Cgroup: v})
	must(t, err)
	top := root + "/sys/fs/cgroup"
	for _, h := range v.Mountpoints {
		wantFile(t, top+"/"+h.Dir+"/tasks", filepath.Base(h.Path))
		if m := mountAt(t, top+"/"+h.Dir); m.options != "ro,nosuid,nodev,noexec,relatime" || m.optional != "" {
			t.Errorf("got %+v", m)
		}
	}
	wantFile(t, top+"/one/tasks", first)
	if to, err := os.Readlink(top + "/two"); to != "one,two" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if m := mountAt(t, top); m.kind != "tmpfs" || m.options != "ro,nosuid,nodev,noexec,relatime" {
		t.Errorf("got %+v", m)
	}
}

// In a cgroup namespace, each folder has the hierarchy, which begins at the
// container's cgroup.
func TestCgroup1Namespace(t *testing.T) {
	inNamespace(t)
	v := skipOnUnified(t)
	var dir string
	for _, h := range v.Mountpoints {
		if h.Dir == "pids" {
			dir = filepath.Join(h.Mountpoint, "rung-test-"+strconv.Itoa(os.Getpid()))
		}
	}
	if dir == "" {
		t.Skip("the host has no pids hierarchy")
	}
	tid := []byte(strconv.Itoa(unix.Gettid()))
	must(t, os.Mkdir(dir, 0o755))
	t.Cleanup(func() {
		must(t, os.WriteFile(filepath.Dir(dir)+"/tasks", tid, 0))
		must(t, os.Remove(dir))
	})
	must(t, os.WriteFile(dir+"/tasks", tid, 0))
	must(t, unix.Unshare(unix.CLONE_NEWCGROUP))
	_, err := prepare(t, Options{Spec: cgroupSpec(), Cgroup: v, CgroupNamespace: true})
	must(t, err)
	top := root + "/sys/fs/cgroup"
	for _, h := range v.Mountpoints {
		m := mountAt(t, top+"/"+h.Dir)
		if m.kind != h.Type || m.top != "/" || !strings.Contains(m.super, h.Data) || m.options != "ro,nosuid,nodev,noexec,relatime" {
			t.Errorf("%s: got %+v", h.Dir, m)
		}
	}
	b, err := os.ReadFile(top + "/pids/tasks")
	if strings.TrimSpace(string(b)) != string(tid) {
		t.Errorf("the top of the hierarchy is not the container's cgroup: %q, %v", b, err)
	}
}

func TestCgroup2(t *testing.T) {
	view := CgroupView{Unified: true, Path: bundleDir + "/own"}
	sub(t, "namespace", func(t *testing.T) {
		must(t, unix.Unshare(unix.CLONE_NEWCGROUP))
		_, err := prepare(t, Options{Spec: cgroupSpec(), Cgroup: view, CgroupNamespace: true})
		must(t, err)
		if m := mountAt(t, root+"/sys/fs/cgroup"); m.kind != "cgroup2" || m.options != "ro,nosuid,nodev,noexec,relatime" {
			t.Errorf("got %+v", m)
		}
	})
	sub(t, "not allowed", func(t *testing.T) {
		must(t, unix.Unshare(unix.CLONE_NEWCGROUP))
		write(t, bundleDir+"/own/cgroup.procs", "own")
		failSyscall(t, unix.SYS_FSMOUNT, unix.EPERM)
		_, err := prepare(t, Options{Spec: cgroupSpec(), Cgroup: view, CgroupNamespace: true})
		must(t, err)
		wantFile(t, root+"/sys/fs/cgroup/cgroup.procs", "own")
		if m := mountAt(t, root+"/sys/fs/cgroup"); m.options != "ro,nosuid,nodev,noexec,relatime" {
			t.Errorf("got %+v", m)
		}
	})
	sub(t, "no namespace", func(t *testing.T) {
		if !inHostCgroupNamespace() {
			t.Skip("this is not the host's cgroup namespace")
		}
		_, err := prepare(t, Options{Spec: cgroupSpec(), Cgroup: view})
		must(t, err)
		var host, got unix.Stat_t
		must(t, unix.Stat(cgroupRoot, &host))
		must(t, unix.Stat(root+"/sys/fs/cgroup", &got))
		if host.Dev != got.Dev || host.Ino != got.Ino {
			t.Error("it is not the host's")
		}
	})
}

// TestCgroup2Options: a mount of type cgroup2 leaves the options of the host's
// as they are, which a new mount in its cgroup namespace would not.
func TestCgroup2Options(t *testing.T) {
	inNamespace(t)
	if !inHostCgroupNamespace() {
		t.Skip("this is not the host's cgroup namespace")
	}
	v := hostCgroups(t)
	r := Rootfs{o: Options{Cgroup: v}}
	host := r.unifiedRoot()
	if host == "" {
		t.Skip("the host has no cgroup v2")
	}
	before := mountAt(t, host).super
	spec := cgroupSpec()
	spec.Mounts[0].Type = "cgroup2"
	_, err := prepare(t, Options{Spec: spec, Cgroup: v})
	must(t, err)
	if got := mountAt(t, root+"/sys/fs/cgroup"); got.kind != "cgroup2" || got.options != "ro,nosuid,nodev,noexec,relatime" {
		t.Errorf("got %+v", got)
	}
	if after := mountAt(t, host).super; after != before {
		t.Errorf("the host's options were %q and are %q", before, after)
	}
}

func TestCgroupErrors(t *testing.T) {
	inNamespace(t)
	v := CgroupView{Mountpoints: []CgroupMount{{Dir: "memory", Type: "cgroup", Data: "memory", Path: "/nowhere"}}}
	_, err := prepare(t, Options{Spec: cgroupSpec(), Cgroup: v})
	wantError(t, err, "mounts[0]", "mount the cgroup hierarchy memory on /sys/fs/cgroup/memory (mounts[0]): no such file")
	v.Mountpoints[0].Data = "nosuchcontroller"
	_, err = prepare(t, Options{Spec: cgroupSpec(), Cgroup: v, CgroupNamespace: true})
	wantError(t, err, "mounts[0]", "(mounts[0]): cgroup: Unknown subsys name 'nosuchcontroller'")
}
