package launch

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/netdev"
)

// mayMoveDevices says at once what the kernel would say later.
func (c *creation) mayMoveDevices() error {
	if len(c.spec.Linux.NetDevices) > 0 && os.Geteuid() != 0 {
		return &errdefs.Error{Doing: "move network devices to the container", Field: "linux.netDevices",
			Err:  errors.New("network devices are not supported for rootless containers"),
			Hint: "they are the host's, and only root may give them away"}
	}
	return nil
}

// moveDevices moves the devices when the init says that it is in its network
// namespace, which it may have made or joined, and lets it go on: sysctls and
// hooks may be about them.
//
// None of this is in the journal. If rung is killed, the init ends, and with a
// namespace of its own the kernel sends physical devices back and removes
// virtual ones, as at the end of any container. A namespace that was joined
// keeps them, for its owner.
func (c *creation) moveDevices() error {
	if err := c.moveDevicesTo(c.process.Pid); err != nil {
		return err
	}
	return c.lost(c.conn.Send(handshake.KindNetwork, nil))
}

// moveDevicesTo moves the devices to the network namespace of process pid.
func (c *creation) moveDevicesTo(pid int) error {
	path := "/proc/" + strconv.Itoa(pid) + "/ns/net"
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return errdefs.Doing(err, "open the network namespace of the container")
	}
	if c.devices, err = netdev.Open(os.NewFile(uintptr(fd), path)); err != nil {
		return err
	}
	devices := c.spec.Linux.NetDevices
	for _, name := range slices.Sorted(maps.Keys(devices)) {
		if err := c.devices.Move(name, devices[name].Name); err != nil {
			return err
		}
	}
	return nil
}

// returnDevices takes them back; the init is gone by then, and its namespace
// is held by the mover.
func (c *creation) returnDevices() {
	if err := c.devices.Return(); err != nil {
		c.Warn("undo of a failed create: " + err.Error())
	}
}
