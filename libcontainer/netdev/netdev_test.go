package netdev

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/thread"
)

// inNewHost calls do on a thread in a new network namespace, which stands for
// the host's, with a Mover to another one.
func inNewHost(t *testing.T, do func(m *Mover) error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	newNamespace := func() (*os.File, error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return nil, err
		}
		return openNamespace("/proc/thread-self/ns/net")
	}
	var target *os.File
	var err error
	thread.Spend(func() { target, err = newNamespace() })
	if err == nil {
		thread.Spend(func() {
			var own *os.File
			if own, err = newNamespace(); err == nil {
				own.Close()
				err = with(target, do)
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// with calls do with a Mover to the namespace target.
func with(target *os.File, do func(m *Mover) error) error {
	m, err := Open(target)
	if err != nil {
		return err
	}
	defer m.Close()
	return do(m)
}

// veth makes a pair of devices.
func (s *socket) veth(a, b string) error { return s.vethWithIndex(a, 0, b) }

// vethWithIndex is veth, and gives a an index, unless that is 0.
func (s *socket) vethWithIndex(a string, index int32, b string) error {
	nested := func(kind uint16, inner ...attribute) attribute {
		return attribute{kind, (&socket{}).encode(0, 0, nil, inner)[unix.SizeofNlMsghdr:]}
	}
	peer := attribute{1, (&socket{}).encode(0, 0, linkHeader(0, 0, 0), []attribute{text(unix.IFLA_IFNAME, b)})[unix.SizeofNlMsghdr:]} // VETH_INFO_PEER
	_, err := s.request(unix.RTM_NEWLINK, unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL, linkHeader(index, 0, 0), text(unix.IFLA_IFNAME, a),
		nested(unix.IFLA_LINKINFO, text(unix.IFLA_INFO_KIND, "veth"), nested(unix.IFLA_INFO_DATA, peer)))
	return err
}

// give gives a device an address; flags are those that the user may set.
func (s *socket) give(device, prefix string, scope uint8, flags uint32, more ...attribute) error {
	d, err := s.link(device)
	if err != nil {
		return err
	}
	p := netip.MustParsePrefix(prefix)
	a := address{family: unix.AF_INET, prefix: uint8(p.Bits()), scope: scope, flags: flags, attributes: more}
	if p.Addr().Is6() {
		a.family = unix.AF_INET6
	}
	a.attributes = append(a.attributes, attribute{unix.IFA_LOCAL, p.Addr().AsSlice()})
	return s.addAddress(d.index, a)
}

// all lists the addresses of a device that stay with it.
func (s *socket) all(device string) (list []string, up bool, err error) {
	d, err := s.link(device)
	if err != nil {
		return nil, false, err
	}
	addresses, err := s.addresses(d.index)
	for i := range addresses {
		if addresses[i].lasting() {
			list = append(list, addresses[i].String())
		}
	}
	slices.Sort(list)
	return list, d.up, err
}

// want returns an error unless the device is there with these addresses.
func (s *socket) want(device string, up bool, addresses ...string) error {
	got, isUp, err := s.all(device)
	if err != nil || isUp != up || !slices.Equal(got, addresses) {
		return fmt.Errorf("%s: %q, up %v, %w; want %q, up %v", device, got, isUp, err, addresses, up)
	}
	return nil
}

func TestMoveAndReturn(t *testing.T) {
	inNewHost(t, func(m *Mover) error {
		host, there := m.host.socket, m.target.socket
		if err := errors.Join(host.veth("a0", "a1"), host.give("a0", "192.0.2.1/24", unix.RT_SCOPE_UNIVERSE, 0, text(unix.IFA_LABEL, "a0:web")),
			host.give("a0", "192.0.2.2/24", unix.RT_SCOPE_UNIVERSE, unix.IFA_F_NOPREFIXROUTE),
			host.give("a0", "169.254.3.4/16", unix.RT_SCOPE_LINK, 0),
			host.give("a0", "2001:db8::1/64", unix.RT_SCOPE_UNIVERSE, unix.IFA_F_NODAD)); err != nil {
			return err
		}
		// Addresses of IPv6 go when a device goes down.
		a0, err := host.link("a0")
		if err != nil {
			return err
		}
		if err := host.setUp(a0.index); err != nil {
			return err
		}
		if err := errors.Join(m.Move("a0", "wan"), m.Move("a1", "")); err != nil {
			return err
		}
		addresses := []string{"192.0.2.1/24", "192.0.2.2/24", "2001:db8::1/64"}
		if err := errors.Join(there.want("wan", true, addresses...), there.want("a1", true)); err != nil {
			return err
		}
		if err := attributesKept(there); err != nil {
			return err
		}
		if _, err := host.link("a0"); err != unix.ENODEV {
			return fmt.Errorf("the device is still on the host: %w", err)
		}
		if err := m.Return(); err != nil {
			return err
		}
		return errors.Join(host.want("a0", true, addresses...), host.want("a1", false))
	})
}

// attributesKept makes sure that more than the number of an address was kept.
func attributesKept(s *socket) error {
	d, err := s.link("wan")
	if err != nil {
		return err
	}
	list, err := s.addresses(d.index)
	if err != nil {
		return err
	}
	for i := range list {
		a := &list[i]
		if a.String() == "192.0.2.2/24" && a.flags&unix.IFA_F_NOPREFIXROUTE == 0 {
			return errors.New("192.0.2.2 has a route to its network")
		}
		for _, at := range a.attributes {
			if label := strings.TrimRight(string(at.value), "\x00"); at.kind == unix.IFA_LABEL && a.String() == "192.0.2.1/24" && label != "wan:web" {
				return errors.New("192.0.2.1 has the label " + label)
			}
		}
	}
	return nil
}

// change changes the device of this index.
func (s *socket) change(index int32, attributes ...attribute) error {
	_, err := s.request(unix.RTM_NEWLINK, unix.NLM_F_ACK, linkHeader(index, 0, 0), attributes...)
	return err
}

// TestReplaced has somebody who is privileged in the target give a device of its own the name and the
// addresses of the one that was moved: what returns is the device, as it was.
func TestReplaced(t *testing.T) {
	inNewHost(t, func(m *Mover) error {
		host, there := m.host.socket, m.target.socket
		if err := errors.Join(host.veth("a0", "a1"), host.give("a0", "192.0.2.1/24", unix.RT_SCOPE_UNIVERSE, 0, text(unix.IFA_LABEL, "a0:web"))); err != nil {
			return err
		}
		if err := m.Move("a0", "eth0"); err != nil {
			return err
		}
		eth0, err := there.link("eth0")
		if err != nil {
			return err
		}
		if err := errors.Join(there.change(eth0.index, text(unix.IFLA_IFNAME, "kept")), there.give("kept", "203.0.113.1/24", unix.RT_SCOPE_UNIVERSE, 0),
			there.veth("eth0", "eth1"), there.give("eth0", "203.0.113.2/24", unix.RT_SCOPE_UNIVERSE, 0)); err != nil {
			return err
		}
		if err := m.Return(); err != nil {
			return err
		}
		if _, err := there.link("kept"); err != unix.ENODEV {
			return fmt.Errorf("the device was not returned: %w", err)
		}
		return errors.Join(host.want("a0", false, "192.0.2.1/24"), there.want("eth0", false, "203.0.113.2/24"))
	})
}

// TestReplacedWithItsIndex has the other device get the index, too.
func TestReplacedWithItsIndex(t *testing.T) {
	for name, give := range map[string]func(m *Mover) error{
		"before the return": (*Mover).Return,
		"during the return": func(m *Mover) error { return m.takeBack(&m.moved[0]) },
	} {
		t.Run(name, func(t *testing.T) {
			inNewHost(t, func(m *Mover) error {
				host, there := m.host.socket, m.target.socket
				if err := errors.Join(host.veth("a0", "a1"), host.give("a0", "192.0.2.1/24", unix.RT_SCOPE_UNIVERSE, 0), m.Move("a0", "")); err != nil {
					return err
				}
				a0, err := there.link("a0")
				if err != nil {
					return err
				}
				var elsewhere *os.File
				thread.Spend(func() {
					if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
						elsewhere, err = openNamespace("/proc/thread-self/ns/net")
					}
				})
				if err != nil {
					return err
				}
				defer elsewhere.Close()
				if err := errors.Join(there.move(a0.index, elsewhere, "x"), there.vethWithIndex("a0", a0.index, "b0")); err != nil {
					return err
				}
				if err := give(m); !errors.Is(err, errLeft) {
					return fmt.Errorf("got %w, want %w", err, errLeft)
				}
				if _, err := host.link("a0"); err != unix.ENODEV {
					return fmt.Errorf("on the host there is a device in its place: %w", err)
				}
				return nil
			})
		})
	}
}

// TestNameTakenMeanwhile has a device of the target take the name just before the move, which
// the kernel notices when the device is there already.
func TestNameTakenMeanwhile(t *testing.T) {
	inNewHost(t, func(m *Mover) error {
		host, there := m.host.socket, m.target.socket
		if err := errors.Join(host.veth("a0", "a1"), there.veth("eth0", "eth1")); err != nil {
			return err
		}
		a0, err := host.link("a0")
		if err != nil {
			return err
		}
		d := move{host: "a0"}
		if err := m.carry(a0.index, "eth0", &d); !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("got %w, want %w", err, unix.EEXIST)
		}
		if d.index != 0 {
			m.moved = append(m.moved, d)
		}
		return errors.Join(m.Return(), host.want("a0", false))
	})
}

func TestNames(t *testing.T) {
	inNewHost(t, func(m *Mover) error {
		host, there := m.host.socket, m.target.socket
		if err := errors.Join(host.veth("a0", "a1"), host.veth("b0", "b1"), there.veth("a0", "eth0")); err != nil {
			return err
		}
		refused := func(err error, parts ...string) error {
			for _, part := range parts {
				if err == nil || !strings.Contains(err.Error(), part) {
					return fmt.Errorf("got %w, want %q", err, part)
				}
			}
			return nil
		}
		return errors.Join(
			refused(m.Move("no", ""), "move the network device no to the container (linux.netDevices.no)", "there is no such device"),
			refused(m.Move("a0", ""), "linux.netDevices.a0", "a network device a0 exists there already"),
			refused(m.Move("a1", "eth0"), "a network device eth0 exists there already"),
			refused(m.Move("lo", "lo1"), "linux.netDevices.lo", "cannot leave their network namespace"),
			host.want("a0", false), host.want("a1", false),
			// The name that it has is taken there, the one that it gets is not.
			m.Move("a0", "eth%d"), there.want("eth1", true),
			m.Move("b0", "eth%d"), there.want("eth2", true),
		)
	})
}

func TestNamespaceOfTheHost(t *testing.T) {
	own, err := openNamespace("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(own)
	if err == nil || !strings.HasPrefix(err.Error(), "get at the network namespace of the container (linux.netDevices): ") ||
		!strings.HasSuffix(err.Error(), "is that of the host") {
		t.Errorf("got %v", err)
	}
	if err := (*Mover)(nil).Return(); err != nil {
		t.Errorf("nothing to return: %v", err)
	}
}
