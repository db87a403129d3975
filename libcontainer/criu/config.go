package criu

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// ConfigAnnotation is the annotation that names a file with options of CRIU.
const ConfigAnnotation = "org.criu.config"

// ConfigFile returns the file with options that CRIU is to be given, and whether
// the annotation org.criu.config names it (nothing where that is empty). By default
// it is rung's or else runc's, which engines write (Podman: /etc/criu/runc.conf).
func ConfigFile(annotations map[string]string) (path string, annotated bool) {
	if path, ok := annotations[ConfigAnnotation]; ok {
		return path, true
	}
	const own, others = "/etc/criu/rung.conf", "/etc/criu/runc.conf"
	if _, err := os.Stat(own); err == nil {
		return own, false
	}
	return others, false
}

// openConfig opens a file with options that config.json names, or returns nil where
// there is none, of which CRIU makes nothing either. Among the options is one that
// names a program, action-script, which CRIU runs with the caller's rights: what
// others than root and the caller can write is an error.
func openConfig(path string) (*os.File, error) {
	refuse := func(err error) error {
		return &errdefs.Error{Doing: "read the options for CRIU in " + path, Field: "annotations." + ConfigAnnotation, Err: err}
	}
	// If it is a fifo, nobody is waited for.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil, nil
	} else if err != nil {
		return nil, refuse(err)
	}
	f := os.NewFile(uintptr(fd), path)
	if err := trusted(fd); err != nil {
		f.Close()
		return nil, refuse(err)
	}
	return f, nil
}

// trusted returns an error for a file that others than root and the caller could
// have written.
func trusted(fd int) error {
	var st unix.Stat_t
	switch err := unix.Fstat(fd, &st); {
	case err != nil:
		return os.NewSyscallError("fstat", err)
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return errors.New("it is not a regular file")
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return fmt.Errorf("it belongs to user %d, who could have CRIU run any program: it must be root's or the caller's", st.Uid)
	case st.Mode&0o022 != 0:
		return fmt.Errorf("others may write to it (mode %#o), and could have CRIU run any program", st.Mode&0o7777)
	}
	return nil
}
