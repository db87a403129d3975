package process

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/sys"
)

// inRoot runs f on a thread whose root is root.
func inRoot(t *testing.T, root string, f func() error) {
	t.Helper()
	onThread(t, unix.CLONE_FS, func() error {
		if err := unix.Chroot(root); err != nil {
			return err
		}
		if err := unix.Chdir("/"); err != nil {
			return err
		}
		return f()
	})
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestChdir(t *testing.T) {
	needRoot(t)
	root := t.TempDir()
	must(t,
		os.MkdirAll(root+"/app/data", 0o755),
		os.Mkdir(root+"/secret", 0o700),
		os.Chmod(root, 0o755),
		os.WriteFile(root+"/file", nil, 0o644),
		os.Symlink("/app", root+"/link"),
		os.Symlink("loop", root+"/loop"))
	tests := []struct {
		cwd   string
		uid   uint32
		errno unix.Errno
		text  string
	}{
		{cwd: "/"},
		{cwd: "/app/data"},
		{cwd: "/link/data"},
		{cwd: "/../../../app"},
		{cwd: "/secret"},
		{cwd: "/secret", uid: 1000, errno: unix.EACCES, text: "may not enter"},
		{cwd: "/missing", errno: unix.ENOENT, text: "create it in the image"},
		{cwd: "/file", errno: unix.ENOTDIR, text: "not a folder"},
		{cwd: "/loop", errno: unix.ELOOP},
		{cwd: "/" + strings.Repeat("x", 5000), errno: unix.ENAMETOOLONG},
	}
	for _, tt := range tests {
		t.Run(tt.cwd[:min(20, len(tt.cwd))]+strconv.Itoa(int(tt.uid)), func(t *testing.T) {
			inRoot(t, root, func() error {
				if err := SetUser(sys.Here(), specs.User{UID: tt.uid}, false); err != nil {
					return err
				}
				field := ""
				if tt.errno != 0 {
					field = "process.cwd"
				}
				return check(Chdir(sys.Here(), tt.cwd), tt.errno, field, strings.Fields(tt.text)...)
			})
		})
	}
}

// CVE-2024-21626: a descriptor of a folder of the host, reached through the
// container's own procfs.
func TestChdirOutside(t *testing.T) {
	needRoot(t)
	root := t.TempDir()
	must(t, os.Mkdir(root+"/proc", 0o755))
	host, err := os.Open("/")
	must(t, err)
	defer host.Close()
	inside, err := os.Open(root + "/proc")
	must(t, err)
	defer inside.Close()
	onThread(t, unix.CLONE_NEWNS|unix.CLONE_FS, func() error {
		if err := unix.Mount("proc", root+"/proc", "proc", 0, ""); err != nil {
			return err
		}
		if err := errors.Join(unix.Chroot(root), unix.Chdir("/")); err != nil {
			return err
		}
		leaked := func(f *os.File) string { return "/proc/thread-self/fd/" + strconv.Itoa(int(f.Fd())) }
		return errors.Join(
			check(Chdir(sys.Here(), leaked(host)), 0, "process.cwd", "outside of the container's root", "break out"),
			check(Chdir(sys.Here(), leaked(host)+"/etc"), 0, "process.cwd", "outside of the container's root"),
			check(MakeCwd(leaked(host)+"/rung-must-not-exist"), unix.ELOOP, "process.cwd"),
			check(Chdir(sys.Here(), "/"), 0, ""))
	})
	if _, err := os.Stat("/rung-must-not-exist"); err == nil {
		t.Error("a folder was made outside of the root")
		_ = os.Remove("/rung-must-not-exist")
	}
}

func TestMakeCwd(t *testing.T) {
	needRoot(t)
	root := t.TempDir()
	must(t,
		os.Mkdir(root+"/have", 0o700),
		os.Symlink("/have", root+"/abs"),
		os.Symlink("../../../have", root+"/up"),
		os.Symlink("/nowhere", root+"/dangling"),
		os.WriteFile(root+"/file", nil, 0o644))
	for cwd, want := range map[string]string{
		"/":                  "",
		"/have":              "have",
		"/a/b/c":             "a/b/c",
		"/../../d/./e//f/":   "d/e/f",
		"/abs/in":            "have/in",
		"/up/out":            "have/out",
		"/have/x/../y":       "have/y",
		"relative/../rel/to": "rel/to",
	} {
		inRoot(t, root, func() error {
			unix.Umask(0o022)
			if err := MakeCwd(cwd); err != nil {
				return err
			}
			return check(Chdir(sys.Here(), filepath.Clean("/"+cwd)), 0, "")
		})
		info, err := os.Stat(filepath.Join(root, want))
		if err != nil || !info.IsDir() || want != "" && want != "have" && info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v, %v", cwd, info, err)
		}
	}
	inRoot(t, root, func() error {
		return errors.Join(
			check(MakeCwd("/dangling/x"), unix.ENOENT, "process.cwd"),
			// What is there and no folder is for Chdir to refuse.
			check(MakeCwd("/file/x"), 0, ""))
	})
	onThread(t, unix.CLONE_NEWNS|unix.CLONE_FS, func() error {
		if err := errors.Join(
			unix.Mount(root, root, "", unix.MS_BIND, ""),
			unix.Mount("", root, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""),
			unix.Chroot(root)); err != nil {
			return err
		}
		return check(MakeCwd("/new"), unix.EROFS, "process.cwd", "read-only")
	})
}
