package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestJoinHost has a process enter as the spawner's child does.
func TestJoinHost(t *testing.T) {
	m := newManager(t, nil)
	j, err := m.Join()
	if err != nil {
		t.Fatal(err)
	}
	script := ""
	cmd := exec.Command("sh", "-c", "")
	for i, fd := range j.Tasks {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(dup), "tasks")
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		script += fmt.Sprintf("echo 0 > /proc/self/fd/%d; ", 3+i)
	}
	cmd.Args[2] = script + "exec cat /proc/self/cgroup"
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if j.CgroupFD >= 0 {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, j.CgroupFD
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, f := range m.rec.Folders {
		if !strings.Contains(string(out), ":"+f.Controllers+":"+f.Path+"\n") {
			t.Errorf("the process is not in %+v:\n%s", f, out)
		}
	}
	if err := j.Close(); err != nil || j.CgroupFD != -1 || len(j.Tasks) != 0 {
		t.Errorf("after Close: %+v, %v", j, err)
	}
}

func TestJoinGoneHost(t *testing.T) {
	m := newManager(t, nil)
	if err := m.Destroy(); err != nil {
		t.Fatal(err)
	}
	_, err := m.Join()
	wantError(t, err, fieldPath, "no such file")
	wantError(t, m.AddProcess(os.Getpid()), fieldPath, "no such file")
}

func TestJoinBelowHost(t *testing.T) {
	m := newManager(t, nil)
	for _, dir := range m.dirs {
		if err := unix.Mkdir(dir+"/sub", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		below map[string]string
		where func(f Folder) string
	}{
		{nil, func(f Folder) string { return f.Path }},
		{map[string]string{"": "sub"}, func(f Folder) string { return f.Path + "/sub" }},
		{map[string]string{"": "/x/../sub/"}, func(f Folder) string { return f.Path + "/sub" }},
		{map[string]string{"pids": "sub"}, func(f Folder) string {
			if f.Controllers == "pids" {
				return f.Path + "/sub"
			}
			return f.Path
		}},
	} {
		if _, ok := m.dir("pids"); !ok && tc.below["pids"] != "" {
			continue
		}
		j, err := m.JoinBelow(tc.below)
		if err != nil {
			t.Errorf("%v: %v", tc.below, err)
			continue
		}
		opened := slices.Clone(j.Tasks)
		if j.CgroupFD >= 0 {
			opened = append(opened, j.CgroupFD)
		}
		for i, fd := range opened {
			got, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
			f := m.rec.Folders[i]
			want := f.Mount + tc.where(f)
			if f.Controllers != "" {
				want += "/tasks"
			}
			if err != nil || got != want {
				t.Errorf("%v: %s is open (%v), want %s", tc.below, got, err, want)
			}
		}
		j.Close()
	}
	for _, below := range []map[string]string{
		{"": "../other"}, {"": "sub/../../.."}, {"": "nothing"}, {"magic": "sub"}, {"": "sub", "magic": "sub"},
	} {
		if j, err := m.JoinBelow(below); err == nil {
			j.Close()
			t.Errorf("%v is joined", below)
		}
	}
}
