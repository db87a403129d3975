package launch

import (
	"errors"

	"golang.org/x/sys/unix"
)

// makeRdt makes the container's class of service.
func (c *creation) makeRdt() error {
	err := c.rdt.Make()
	c.state.Rdt = c.rdt.Record()
	return err
}

func (c *creation) removeRdt() {
	if err := c.rdt.Undo(); err != nil {
		c.Warn("undo of a failed create: " + err.Error())
	}
}

// joinRdt has the process join the class, before it does anything: what it
// starts inherits the class.
func (c *creation) joinRdt() error {
	err := c.state.Rdt.Join(c.process.Pid)
	if c.Into != nil && errors.Is(err, unix.ENOENT) {
		// Somebody has removed the class, and with that put all that was in it
		// into the default one. There the new process is, too.
		c.Warn("the container is no longer in its class of service: " + err.Error())
		return nil
	}
	return c.gone(err)
}
