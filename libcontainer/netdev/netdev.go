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
	// gone hears what leaves the target.
	gone  *departures
	moved []move
}

// end is one of the two namespaces.
type end struct {
	file   *os.File
	socket *socket
}

// move is a device that is in the target namespace.
type move struct {
	// host is its name there.
	host string
	// index is the one that it has in the target. Its name there may be given to
	// another device, by whoever is privileged in that namespace.
	index int32
	// since is how many departures from the target there were before it came.
	since int
	// addresses are those that it had on the host, and up is whether it was.
	addresses []address
	up        bool
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
			if err == nil {
				m.gone, err = openDepartures(0)
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
	if m.gone != nil {
		m.gone.close()
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
	there := move{host: name, addresses: addresses, up: device.up}
	err = m.carry(device.index, newName, &there)
	if there.index != 0 {
		m.moved = append(m.moved, there)
	}
	if err == nil {
		err = m.target.socket.settle(there.index, addresses, name, newName, true)
	}
	if err != nil {
		return fail(err, hint(err))
	}
	return nil
}

// errNotTold is that a device has left, and the kernel does not say as what. It
// does since Linux 4.16.
var errNotTold = errors.New("rtnetlink: the kernel does not say what index the device has in the container's network namespace")

// carry moves the device index of the host to the target, as name, and notes in there
// which one it is then, also with an error: the kernel moves a device before it gives it
// the name, which another may have taken.
func (m *Mover) carry(index int32, name string, there *move) error {
	left, err := openDepartures(index)
	if err != nil {
		return err
	}
	defer left.close()
	if there.since, err = m.gone.now(); err != nil {
		return err
	}
	err = m.host.socket.move(index, m.target.file, name)
	if errors.Is(err, unix.ENODEV) {
		return err // it went elsewhere, or nowhere
	}
	known, lerr := left.of(index, 0)
	if len(known) > 0 {
		there.index = known[0].newIndex
	}
	if err == nil && there.index == 0 {
		err = errNotTold
	}
	return errors.Join(err, lerr)
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
		err := m.giveBack(&m.moved[i])
		errs = append(errs, errdefs.Doing(err, "return the network device "+m.moved[i].host))
	}
	m.moved = nil
	return errors.Join(errs...)
}

// errLeft is that whoever is privileged in the target has moved or removed a device.
var errLeft = errors.New("it has left the container's network namespace")

// giveBack returns a device, with the addresses that it had.
func (m *Mover) giveBack(d *move) error {
	left, err := m.gone.of(d.index, d.since)
	if err == nil && len(left) > 0 {
		err = errLeft
	}
	if err != nil {
		return err
	}
	return m.takeBack(d)
}

// takeBack moves what has the device's index in the target to the host. Only afterwards is it
// certain that this was the device. What was not goes back to where it came from, without
// having been up.
func (m *Mover) takeBack(d *move) error {
	if err := m.target.socket.move(d.index, m.host.file, d.host); err != nil {
		return err
	}
	// Names on the host are not those privileged in the target's to give.
	device, err := m.host.socket.link(d.host)
	if err != nil {
		return err
	}
	left, err := m.gone.of(d.index, d.since)
	if err == nil && len(left) != 1 {
		err = errLeft
	}
	if err != nil {
		return errors.Join(err, m.host.socket.move(device.index, m.target.file, "dev%d"))
	}
	return m.host.socket.settle(device.index, d.addresses, d.host, d.host, d.up)
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

// settle gives a device that has just come, from where it had oldName, its addresses, and
// brings it up.
func (s *socket) settle(index int32, addresses []address, oldName, newName string, up bool) error {
	for i := range addresses {
		if !addresses[i].lasting() {
			continue
		}
		if err := s.addAddress(index, addresses[i].renamed(oldName, newName)); err != nil {
			return errdefs.Doing(err, "give it the address "+addresses[i].String())
		}
	}
	if !up {
		return nil
	}
	return errdefs.Doing(s.setUp(index), "bring it up")
}
