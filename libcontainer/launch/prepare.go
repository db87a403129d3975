package launch

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/internal/spawn"
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/network"
)

// makeNetwork begins to make the network namespace, which takes the kernel
// long, while the init starts up. It is a file without a name, so it needs no
// entry in the journal: it is gone with the last process that has it open.
//
// In a user namespace it would be the host's, so there it is made with all
// others.
func (c *creation) makeNetwork() error {
	if c.hasNew(specs.NetworkNamespace) && !c.userns {
		c.network = network.Begin()
	}
	return nil
}

// sendNetwork hands the namespace to the init, which enters it.
func (c *creation) sendNetwork() error {
	if c.network == nil {
		return nil
	}
	f, err := c.network.File()
	if err != nil {
		return err
	}
	return c.lost(c.conn.SendFile(handshake.KindNetwork, f))
}

// closeNetwork closes it here.
func (c *creation) closeNetwork() {
	if c.network != nil {
		c.network.Close()
	}
}

// seal makes the file that the init is executed from.
func (c *creation) seal() (err error) {
	if c.userns {
		c.exe, err = spawn.SealUnreadable()
	} else {
		c.exe, err = spawn.Seal(c.Dir.Path())
	}
	return err
}
