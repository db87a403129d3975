package launch

import (
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/process"
)

// labels makes sure that the host has the security modules that config.json
// asks for, before anything is made. For a process that joins a container it
// opens the host's /proc, through which that asks for its labels: the
// container's may be anything.
func (c *creation) labels() error {
	p, mountLabel := c.spec.Process, ""
	if c.spec.Linux != nil {
		mountLabel = c.spec.Linux.MountLabel
	}
	if err := process.CheckLabels(p, mountLabel); err != nil {
		return err
	}
	if c.Into == nil && c.ahead == nil || p.ApparmorProfile == "" && p.SelinuxLabel == "" {
		return nil
	}
	proc, err := process.OpenProc()
	if err != nil {
		return err
	}
	c.proc = proc.File()
	return nil
}

// sendProc hands /proc to the process that joins.
func (c *creation) sendProc() error {
	if c.proc == nil {
		return nil
	}
	return c.lost(c.conn.SendFile(handshake.KindProc, c.proc))
}
