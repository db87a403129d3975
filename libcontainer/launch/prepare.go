package launch

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/internal/spawn"
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/network"
)

// begin begins, on a thread aside, what takes the kernel long: the file that
// the init is executed from, and the network namespace. Both are files without
// a name, so they need no entry in the journal: they are gone with the last
// process that has them open.
//
// In a user namespace the network namespace would be the host's, so there it is
// made with all others.
func (c *creation) begin() error {
	if c.alongside() {
		c.ahead.worker = beginWorker(func() error { return again(enterNamespaces(c.spec.Linux.Namespaces)) })
		return nil
	}
	if c.hasNew(specs.NetworkNamespace) && !c.userns {
		c.sealed = make(chan error, 1)
		c.network = network.Begin(func() { c.sealed <- c.sealNow() })
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

// seal waits for the file that the init is executed from, or makes it.
func (c *creation) seal() error {
	if c.ahead != nil {
		return c.writeAhead()
	}
	if c.sealed != nil {
		return <-c.sealed
	}
	return c.sealNow()
}

func (c *creation) sealNow() (err error) {
	if c.userns {
		c.exe, err = spawn.SealUnreadable()
	} else {
		c.exe, err = spawn.Seal(c.Dir.Path())
	}
	return err
}
