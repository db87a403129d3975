package netdev

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// address is an address of a device.
type address struct {
	// family, prefix and scope are those of struct ifaddrmsg.
	family, prefix, scope uint8
	flags                 uint32
	// attributes are the others that are to be kept.
	attributes []attribute
}

// kept are the flags of an address that say how it is to be used. The others
// tell of its state.
const kept = unix.IFA_F_NODAD | unix.IFA_F_HOMEADDRESS | unix.IFA_F_MANAGETEMPADDR | unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_MCAUTOJOIN

// addresses lists the addresses of a device.
func (s *socket) addresses(index int32) ([]address, error) {
	answer, err := s.request(unix.RTM_GETADDR, unix.NLM_F_DUMP, make([]byte, unix.SizeofIfAddrmsg))
	if err != nil {
		return nil, err
	}
	var out []address
	for i := range answer {
		m := &answer[i]
		if m.Header.Type != unix.RTM_NEWADDR || len(m.Data) < unix.SizeofIfAddrmsg || int32(binary.NativeEndian.Uint32(m.Data[4:])) != index {
			continue
		}
		a, err := parseAddress(m)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

func parseAddress(m *syscall.NetlinkMessage) (address, error) {
	a := address{family: m.Data[0], prefix: m.Data[1], flags: uint32(m.Data[2]), scope: m.Data[3]}
	attributes, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return a, fmt.Errorf("rtnetlink: an address: %w", err)
	}
	for _, r := range attributes {
		switch r.Attr.Type {
		case unix.IFA_FLAGS: // all of them; the header has room for eight
			if len(r.Value) == 4 {
				a.flags = binary.NativeEndian.Uint32(r.Value)
			}
		case unix.IFA_LOCAL, unix.IFA_ADDRESS, unix.IFA_BROADCAST, unix.IFA_LABEL, unix.IFA_CACHEINFO, unix.IFA_RT_PRIORITY:
			a.attributes = append(a.attributes, attribute{r.Attr.Type, r.Value})
		}
	}
	return a, nil
}

// lasting tells whether the address goes with the device: it does not if it was
// configured automatically, for a time, or means something in its place only
// (config-linux.md, "Network Devices").
func (a *address) lasting() bool {
	return a.flags&unix.IFA_F_PERMANENT != 0 && a.scope == unix.RT_SCOPE_UNIVERSE
}

// renamed returns the address with its label, which begins with the name of the
// device, changed for a device of another name.
func (a *address) renamed(oldName, newName string) address {
	out := *a
	out.attributes = nil
	for _, at := range a.attributes {
		if at.kind == unix.IFA_LABEL {
			label := strings.TrimRight(string(at.value), "\x00")
			rest, found := strings.CutPrefix(label, oldName)
			if found {
				label = newName + rest
			}
			if len(label) >= unix.IFNAMSIZ {
				continue // without one it is the device's name
			}
			at = text(unix.IFA_LABEL, label)
		}
		out.attributes = append(out.attributes, at)
	}
	return out
}

// String returns the address as ip-address(8) has it.
func (a *address) String() string {
	var best []byte
	for _, at := range a.attributes {
		if at.kind == unix.IFA_LOCAL || at.kind == unix.IFA_ADDRESS && best == nil {
			best = at.value
		}
	}
	ip, _ := netip.AddrFromSlice(best)
	return fmt.Sprintf("%s/%d", ip, a.prefix)
}

// addAddress gives a device an address.
func (s *socket) addAddress(index int32, a address) error {
	header := []byte{a.family, a.prefix, 0, a.scope}
	header = binary.NativeEndian.AppendUint32(header, uint32(index))
	attributes := append([]attribute{number(unix.IFA_FLAGS, a.flags&kept)}, a.attributes...)
	_, err := s.request(unix.RTM_NEWADDR, unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_REPLACE, header, attributes...)
	return err
}
