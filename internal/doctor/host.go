package doctor

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/sys"
	"github.com/rungoci/rung/libcontainer"
	"github.com/rungoci/rung/libcontainer/cgroup"
)

// host is all that the checks look at. Tests have a folder in the place of the
// root, and say what the tries came to.
type host struct {
	// root is the folder below which the host's files are.
	root string
	rung Program
	// stateRoot is the folder of --root.
	stateRoot string
	uid       int
	// privileged is whether this process may do what rung needs to do as the
	// host's root: it has CAP_SYS_ADMIN, be it in a container.
	privileged bool
	// inUserNamespace is whether root is another than the machine's.
	inUserNamespace bool
	// kernel is the release, as uname -r prints it.
	kernel string
	cgroup cgroup.Version
	// path are the folders in which programs are looked for.
	path []string
	// home, and config for XDG_CONFIG_HOME, are the user's.
	home, config string
	// tries is what was tried as this user, inside in a user namespace, with
	// insideError if there was none.
	tries, inside tries
	insideError   error
	// run runs a program and returns what it printed, on both its outputs.
	run func(ctx context.Context, path string, args ...string) (string, error)
}

func thisHost(o Options) *host {
	h := &host{
		root: "/", stateRoot: o.StateRoot, uid: os.Geteuid(), inUserNamespace: libcontainer.InUserNamespace(),
		privileged: sys.Capable(unix.CAP_SYS_ADMIN), cgroup: cgroup.Mode(), home: os.Getenv("HOME"), config: os.Getenv("XDG_CONFIG_HOME"),
		path: filepath.SplitList(os.Getenv("PATH")), run: runProgram,
	}
	if h.config == "" {
		h.config = h.home + "/.config"
	}
	// A user's PATH has no sbin, where criu and newuidmap may be.
	h.path = append(h.path, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		exe = os.Args[0]
	}
	h.rung = Program{Version: o.Version, Commit: o.Commit, Path: exe}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		h.kernel = unix.ByteSliceToString(u.Release[:])
	}
	return h
}

// machine describes the host.
func (h *host) machine() Machine {
	m := Machine{Kernel: h.kernel, Architecture: runtime.GOARCH, UID: h.uid, User: strconv.Itoa(h.uid)}
	for line := range strings.Lines(h.read("/etc/os-release")) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			m.Distribution = strings.Trim(v, `"'`)
		}
	}
	if name := h.userName(); name != "" {
		m.User = name
	}
	return m
}

// userName returns the caller's name, or "" where he has none.
func (h *host) userName() string {
	users, err := user.ParsePasswdFileFilter(h.at("/etc/passwd"), func(u user.User) bool { return u.Uid == h.uid })
	if err != nil || len(users) == 0 {
		return ""
	}
	return users[0].Name
}

// at returns where a file of the host is.
func (h *host) at(path string) string { return filepath.Join(h.root, path) }

// read returns the content of a file, without the white space around it. ""
// stands for a file that cannot be read, too: most files looked at may be
// missing.
func (h *host) read(path string) string {
	data, err := os.ReadFile(h.at(path))
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(data))
}

func (h *host) exists(path string) bool {
	_, err := os.Stat(h.at(path))
	return err == nil
}

// writable tells whether the caller may write to a file, or make one in a
// folder.
func (h *host) writable(path string) bool {
	return unix.Faccessat(unix.AT_FDCWD, h.at(path), unix.W_OK, unix.AT_EACCESS) == nil
}

// program returns the path of a program, or "".
func (h *host) program(name string) string {
	for _, dir := range h.path {
		path := filepath.Join(dir, name)
		if filepath.IsAbs(path) && h.executable(path) {
			return path
		}
	}
	return ""
}

// executable tells whether somebody may execute the file.
func (h *host) executable(path string) bool {
	st, err := os.Stat(h.at(path))
	return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
}

// version asks a program for its version: the first word of the first line it
// prints that begins with a digit, with a v before it or not.
func (h *host) version(ctx context.Context, path string) string {
	out, err := h.run(ctx, path, "--version")
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(out, "\n")
	for word := range strings.FieldsSeq(line) {
		word = strings.Trim(strings.TrimPrefix(word, "v"), ",")
		if word != "" && word[0] >= '0' && word[0] <= '9' {
			return word
		}
	}
	return ""
}

// patience is how long a program may take: an engine's client may wait for a
// daemon, criu for a lock.
const patience = 20 * time.Second

func runProgram(ctx context.Context, path string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = errors.New("no answer within " + patience.String())
	}
	return string(out), err
}
