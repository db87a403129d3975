package process

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/sys"
)

func TestLookupExecutable(t *testing.T) {
	needRoot(t)
	root := t.TempDir()
	program := func(name string, mode os.FileMode) error {
		return errors.Join(os.WriteFile(root+name, []byte("#!/bin/sh\n"), 0o755), os.Chmod(root+name, mode))
	}
	must(t,
		os.Chmod(root, 0o755),
		os.MkdirAll(root+"/bin/folder", 0o755),
		os.MkdirAll(root+"/usr/bin", 0o755),
		os.Mkdir(root+"/private", 0o700),
		program("/bin/tool", 0o755),
		program("/bin/plain", 0o644),
		program("/usr/bin/plain", 0o755),
		program("/bin/noexec", 0o644),
		program("/bin/rootonly", 0o700),
		program("/bin/with space", 0o755),
		program("/private/tool2", 0o755),
		program("/here", 0o755),
		unix.Mkfifo(root+"/bin/fifo", 0o755),
		os.Symlink("tool", root+"/bin/alias"),
		os.Symlink("/gone", root+"/bin/dangling"))
	const path = "PATH=/nonsense:/bin:/usr/bin"
	const notFound = "executable file not found in $PATH"
	tests := []struct {
		name, arg0 string
		env        []string
		uid        uint32
		want       string
		errno      unix.Errno
		text       []string
	}{
		{name: "by PATH", arg0: "tool", env: []string{path}, want: "/bin/tool"},
		{name: "without PATH", arg0: "tool", want: "/bin/tool"},
		{name: "not by our PATH", arg0: "tool", env: []string{"PATH=/usr/bin"}, errno: unix.ENOENT, text: []string{`exec: "tool": ` + notFound, `searched in "/usr/bin"`}},
		{name: "empty PATH is here", arg0: "here", env: []string{"PATH="}, want: "./here"},
		{name: "empty element is here", arg0: "here", env: []string{"PATH=/bin:"}, want: "./here"},
		{name: "other variables", arg0: "tool", env: []string{"XPATH=/x", "PATHX=/x", "PATH"}, want: "/bin/tool"},
		{name: "symbolic link", arg0: "alias", env: []string{path}, want: "/bin/alias"},
		{name: "passes over what is not executable", arg0: "plain", env: []string{path}, want: "/usr/bin/plain"},
		{name: "with a space", arg0: "with space", env: []string{path}, want: "/bin/with space"},
		{name: "path", arg0: "/bin/tool", want: "/bin/tool"},
		{name: "relative path", arg0: "bin/../here", want: "bin/../here"},
		{name: "missing", arg0: "nope", env: []string{path}, errno: unix.ENOENT, text: []string{`exec: "nope": ` + notFound}},
		{name: "missing without PATH", arg0: "nope", errno: unix.ENOENT, text: []string{notFound, "process.env has no PATH"}},
		{name: "empty", arg0: "", env: []string{path}, errno: unix.ENOENT, text: []string{`exec: "": ` + notFound}},
		{name: "command line", arg0: "sh -c true", env: []string{path}, errno: unix.ENOENT, text: []string{notFound, "whole command line"}},
		{name: "not executable", arg0: "noexec", env: []string{path}, errno: unix.ENOENT, text: []string{notFound, "/bin/noexec is there", "permission denied", "0644"}},
		{name: "folder", arg0: "folder", env: []string{path}, errno: unix.ENOENT, text: []string{notFound, "is a directory"}},
		{name: "user may not", arg0: "rootonly", env: []string{path}, uid: 1000, errno: unix.ENOENT, text: []string{notFound, "user 1000 may not execute it", "0700"}},
		{name: "missing path", arg0: "/bin/nope", errno: unix.ENOENT, text: []string{`exec "/bin/nope"`, "no such file or directory"}},
		{name: "missing folder", arg0: "/opt/app/run", errno: unix.ENOENT, text: []string{"no such file or directory", `no folder "/opt"`}},
		{name: "dangling link", arg0: "/bin/dangling", errno: unix.ENOENT, text: []string{"no such file or directory", `symbolic link to "/gone"`}},
		{name: "below a file", arg0: "/here/x", errno: unix.ENOTDIR, text: []string{"not a directory"}},
		{name: "path of a folder", arg0: "/bin", errno: unix.EISDIR, text: []string{"is a directory"}},
		{name: "path not executable", arg0: "/bin/noexec", errno: unix.EACCES, text: []string{"permission denied", "chmod +x"}},
		{name: "path of a fifo", arg0: "/bin/fifo", errno: unix.EACCES, text: []string{"permission denied", "not a regular file"}},
		{name: "path in a private folder", arg0: "/private/tool2", uid: 1000, errno: unix.EACCES, text: []string{"permission denied", "may not be entered by user 1000"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inRoot(t, root, func() error {
				if err := SetUser(sys.Here(), specs.User{UID: tt.uid}, false); err != nil {
					return err
				}
				got, err := LookupExecutable(tt.arg0, tt.env)
				field := ""
				if tt.errno != 0 {
					field = "process.args[0]"
				}
				if err := check(err, tt.errno, field, tt.text...); err != nil {
					return err
				}
				if got != tt.want {
					return fmt.Errorf("got %q, want %q", got, tt.want)
				}
				return nil
			})
		})
	}
}

func TestNoexecMount(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	onThread(t, unix.CLONE_NEWNS, func() error {
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOEXEC, ""); err != nil {
			return err
		}
		if err := os.WriteFile(dir+"/run", []byte("#!/bin/sh\n"), 0o755); err != nil {
			return err
		}
		return check(CheckExecutable(dir+"/run"), unix.EACCES, "process.args[0]", "permission denied", "mount with the option noexec")
	})
}

func TestExecHints(t *testing.T) {
	if err := DiagnoseExec("/bin/sh", nil); err != nil {
		t.Error(err)
	}
	for errno, text := range map[unix.Errno]string{
		unix.E2BIG:   "RLIMIT_STACK",
		unix.ETXTBSY: "open for writing",
		unix.EAGAIN:  "RLIMIT_NPROC",
		unix.ENOMEM:  "memory limit",
		unix.EPERM:   "security module",
		unix.ELIBBAD: "loader",
		unix.ENOEXEC: "cannot run programs of its kind",
		unix.EACCES:  "AppArmor",
	} {
		err := DiagnoseExec("/bin/sh", errno)
		if err := check(err, errno, "process.args[0]", `exec "/bin/sh"`, errno.Error(), text); err != nil {
			t.Error(err)
		}
	}
	long := "/" + strings.Repeat("x", 300)
	if err := check(DiagnoseExec(long, unix.ENAMETOOLONG), unix.ENAMETOOLONG, "process.args[0]"); err != nil {
		t.Error(err)
	}
}
