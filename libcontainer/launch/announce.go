package launch

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rungoci/rung/internal/errdefs"
)

// What tells the engine of the process: its pidfd, sent to sockets, and the pid file.

func (c *creation) sendPidfd() error {
	if receiver := c.Annotated.PidfdReceiver; receiver != "" {
		if err := SendFile(c.ctx, receiver, c.process.PidFD); err != nil {
			return errdefs.Doing(err, "send the pidfd of "+c.who()+" (annotation run.oci.pidfd_receiver)")
		}
	}
	if c.PidfdSocket == "" {
		return nil
	}
	return errdefs.Doing(SendFile(c.ctx, c.PidfdSocket, c.process.PidFD), "send the pidfd of "+c.who()+" (--pidfd-socket)")
}

func (c *creation) writePidFile() error {
	if c.PidFile == "" {
		return nil
	}
	return errdefs.Doing(writeAtomically(c.PidFile, strconv.Itoa(c.process.Pid)), "write the pid file (--pid-file)")
}

// writeAtomically writes text so that a reader sees all of it or nothing: an
// engine may wait for the file to appear.
func writeAtomically(path, text string) error {
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	// Not what somebody else has put there, such as a link to another file.
	const flags = os.O_CREATE | os.O_EXCL | os.O_WRONLY
	f, err := os.OpenFile(tmp, flags, 0o644)
	if errors.Is(err, os.ErrExist) && os.Remove(tmp) == nil {
		f, err = os.OpenFile(tmp, flags, 0o644)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
	}
	return err
}

func (c *creation) removePidFile() {
	if c.PidFile != "" {
		os.Remove(c.PidFile)
	}
}
