// Package netdev moves network devices of the host into a container's network
// namespace (linux.netDevices; config-linux.md, "Network Devices").
//
// What becomes of them afterwards is the kernel's to decide, and the
// specification forbids a runtime to meddle with it: when the namespace ends,
// physical devices go to the initial one, and virtual ones are destroyed.
package netdev

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/thread"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// Mover moves devices from the network namespace of this process to another
// one, and knows how to take them back.
type Mover struct {
	host, target end
	moved        []move
}

// end is one of the two namespaces.
type end struct {
	file   *os.File
	socket *socket
}

// move is a device that is in the target namespace.
type move struct {
	// host and target are its names there.
	host, target string
	up           bool
}

// Open returns a mover of devices to the network namespace whose file target
// is, which it takes over.
func Open(target *os.File) (*Mover, error) {
	m := &Mover{target: end{file: target}}
	var err error
	if m.host.file, err = openNamespace("/proc/thread-self/ns/net"); err == nil {
		err = m.distinct()
	}
	if err == nil {
		m.host.socket, err = openSocket()
	}
	if err == nil {
		// A socket belongs to the namespace in which it was made, for good.
		thread.Spend(func() {
			if err = unix.Setns(int(target.Fd()), unix.CLONE_NEWNET); err == nil {
				m.target.socket, err = openSocket()
			}
		})
	}
	if err != nil {
		m.Close()
		return nil, &errdefs.Error{Doing: "get at the network namespace of the container", Field: "linux.netDevices", Err: err}
	}
	return m, nil
}

func openNamespace(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// distinct makes sure that there are two namespaces: config.json may name the
// one of the host.
func (m *Mover) distinct() error {
	var a, b unix.Stat_t
	if err := unix.Fstat(int(m.host.file.Fd()), &a); err != nil {
		return err
	}
	if err := unix.Fstat(int(m.target.file.Fd()), &b); err != nil {
		return err
	}
	if a.Ino == b.Ino && a.Dev == b.Dev {
		return errors.New("the container's network namespace is that of the host")
	}
	return nil
}

// Close lets go of the namespaces.
func (m *Mover) Close() {
	for _, e := range []end{m.host, m.target} {
		if e.file != nil {
			e.file.Close()
		}
		if e.socket != nil {
			e.socket.close()
		}
	}
}

// Move moves the device that the host knows as name, with the addresses that
// are not bound to their place, and brings it up. In the container its name is
// newName, or the same if that is "", or with "%d" in newName the first that is
// free.
func (m *Mover) Move(name, newName string) error {
	fail := func(err error, hint string) error {
		return &errdefs.Error{Doing: "move the network device " + name + " to the container", Field: jsonfield.Key("linux.netDevices", name), Err: err, Hint: hint}
	}
	device, err := m.host.socket.link(name)
	if err == unix.ENODEV {
		return fail(errors.New("there is no such device"), "")
	}
	if err != nil {
		return fail(err, "")
	}
	if newName == "" {
		newName = name
	}
	if newName, err = m.target.socket.free(newName); err != nil {
		return fail(err, "give it another one with "+jsonfield.Key("linux.netDevices", name)+".name")
	}
	// Addresses are listed before: the kernel drops those of IPv6 as soon as a
	// device goes down, and all of them when it moves.
	addresses, err := m.host.socket.addresses(device.index)
	if err != nil {
		return fail(err, "")
	}
	if err := m.host.socket.move(device.index, m.target.file, newName); err != nil {
		return fail(err, hint(err))
	}
	m.moved = append(m.moved, move{host: name, target: newName, up: device.up})
	if err := m.target.socket.settle(newName, addresses, name, true); err != nil {
		return fail(err, hint(err))
	}
	return nil
}

func hint(err error) string {
	switch {
	case errors.Is(err, unix.EPERM):
		return "it takes CAP_NET_ADMIN on the host and in the container's namespace"
	case errors.Is(err, unix.EINVAL):
		return "there are devices that cannot leave their network namespace: loopback, bridges with a local port, some tunnels"
	case errors.Is(err, unix.EACCES):
		return "IPv6 is switched off in the container (net.ipv6.conf.*.disable_ipv6), and the device has addresses"
	}
	return ""
}

// Return moves back what Move has moved, the last one first. It is for a
// container that does not come to be; what fails does not keep the rest from
// being returned.
func (m *Mover) Return() error {
	if m == nil {
		return nil
	}
	var errs []error
	for i := len(m.moved) - 1; i >= 0; i-- {
		d := m.moved[i]
		err := m.target.giveBack(m.host, d)
		errs = append(errs, errdefs.Doing(err, "return the network device "+d.host))
	}
	m.moved = nil
	return errors.Join(errs...)
}

func (e end) giveBack(to end, d move) error {
	device, err := e.socket.link(d.target)
	if err != nil {
		return err
	}
	addresses, err := e.socket.addresses(device.index)
	if err != nil {
		return err
	}
	if err := e.socket.move(device.index, to.file, d.host); err != nil {
		return err
	}
	return to.socket.settle(d.host, addresses, d.target, d.up)
}

// free returns name, or, if there is a "%d" in it, the first name of this kind
// that is free. A name that is in use is an error.
func (s *socket) free(name string) (string, error) {
	const anyNumber = "%d"
	for n := 0; ; n++ {
		candidate := strings.Replace(name, anyNumber, strconv.Itoa(n), 1)
		if len(candidate) >= unix.IFNAMSIZ {
			return "", errors.New("no name like " + name + " is free there")
		}
		_, err := s.link(candidate)
		if err == unix.ENODEV {
			return candidate, nil
		}
		if err != nil {
			return "", err
		}
		if candidate == name {
			return "", errors.New("a network device " + name + " exists there already")
		}
	}
}

// settle gives a device that has just come its addresses, and brings it up.
func (s *socket) settle(name string, addresses []address, oldName string, up bool) error {
	device, err := s.link(name)
	if err != nil {
		return err
	}
	for i := range addresses {
		if !addresses[i].lasting() {
			continue
		}
		if err := s.addAddress(device.index, addresses[i].renamed(oldName, name)); err != nil {
			return errdefs.Doing(err, "give it the address "+addresses[i].String())
		}
	}
	if !up {
		return nil
	}
	return errdefs.Doing(s.setUp(device.index), "bring it up")
}
