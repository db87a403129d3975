package rootfs

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// childOptions is set in a copy of the test program that runs in a user
// namespace: to the options with which it binds "src" onto /mnt.
const childOptions = "RUNG_TEST_BIND_OPTIONS"

func TestMain(m *testing.M) {
	if options, ok := os.LookupEnv(childOptions); ok {
		if err := bindInUserns(options); err != nil {
			fmt.Print("error: ", err)
		}
		os.Exit(0)
	}
	if pair, ok := os.LookupEnv(racePair); ok {
		race(pair)
	}
	os.Exit(m.Run())
}

// bindInUserns makes the bind mount and prints its attributes.
func bindInUserns(options string) error {
	r, err := New(Options{Root: root, Spec: newSpec(bindMount("src", "/mnt", strings.Split(options, ",")...))})
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Open(); err != nil {
		return err
	}
	if err := r.Mounts(); err != nil {
		return err
	}
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); len(f) > 5 && f[4] == root+"/mnt" {
			fmt.Print(f[5])
		}
	}
	return nil
}

// In a user namespace, the attributes of mounts from outside are locked. They
// stay, unless an option asks for something else: then it must fail.
func TestLockedAttributes(t *testing.T) {
	for _, c := range []struct{ host, options, want string }{
		{"ro,noexec,nosymfollow,nodiratime", "bind", "ro,noexec,nodiratime,relatime,nosymfollow"},
		{"ro,noexec,nosymfollow,nodiratime", "bind,dev", "ro,noexec,nodiratime,relatime"},
		{"ro", "bind,nosuid,nodev", "ro,nosuid,nodev,relatime"},
		{"ro", "bind,rw,nosuid", "error: the source's ro cannot be taken away"},
		{"nosuid,nodev,noatime", "bind,dev,suid,exec,atime", "error: the source's nosuid,nodev cannot be taken away"},
		{"nodev,nosuid,noexec,noatime", "bind,ro", "ro,nosuid,nodev,noexec,noatime"},
		{"nodev,nosymfollow", "bind,ro,symfollow", "ro,nodev,relatime"},
		{"nodev,nosuid,noatime", "bind,ro,exec", "ro,nosuid,nodev,noatime"},
		{"noatime", "bind,relatime", "error: access-time"},
		{"nodiratime", "bind,strictatime", "error: access-time"},
		{"relatime", "bind,noatime", "error: access-time"},
		{"relatime", "bind,nodiratime", "error: access-time"},
		{"nodiratime", "bind,diratime", "rw,nodiratime,relatime"},
		{"noatime", "bind,atime", "rw,noatime"},
		{"noatime,ro", "bind,noatime,nosuid", "ro,nosuid,noatime"},
	} {
		sub(t, c.host+" "+c.options, func(t *testing.T) {
			makeHostMount(t, c.host)
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = []string{childOptions + "=" + c.options}
			ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1000}}
			cmd.SysProcAttr = &syscall.SysProcAttr{
				Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS, UidMappings: ids, GidMappings: ids,
			}
			out, err := cmd.Output()
			must(t, err)
			got := string(out)
			if text, ok := strings.CutPrefix(c.want, "error: "); ok {
				if !strings.HasPrefix(got, "error: ") || !strings.Contains(got, text) || !strings.Contains(got, "mounts[0].options") {
					t.Errorf("got %q, want an error with %q", got, text)
				}
			} else if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
