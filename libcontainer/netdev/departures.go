package netdev

import (
	"encoding/binary"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// departures hears which devices leave a network namespace. Neither the name nor
// the index is a device's identity where others are privileged, too: they can rename
// it, or move it away and make another one with its index (ip-link(8), "index"). But an
// index is that of the same device as long as none of that index has left, and the
// kernel announces each to RTNLGRP_LINK before it goes on.
type departures struct {
	socket *socket
	known  []departure
	// lost is why not all are known.
	lost error
}

// departure is one of them.
type departure struct {
	// index is the one that the device had, and newIndex that in the namespace to
	// which it went, or 0.
	index, newIndex int32
}

// openDepartures returns what hears of devices that leave the network namespace of the
// calling thread: of index, or of all if that is 0.
func openDepartures(index int32) (*departures, error) {
	s, err := openSocket()
	if err != nil {
		return nil, err
	}
	// Hosts may be full of news, and a socket has room for few.
	filter := departuresOf(index)
	err = unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	if err == nil {
		err = unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, unix.RTNLGRP_LINK)
	}
	if err != nil {
		s.close()
		return nil, os.NewSyscallError("setsockopt", err)
	}
	return &departures{socket: s}, nil
}

// departuresOf returns a filter for RTM_DELLINK of index, or of all if that is 0.
func departuresOf(index int32) []unix.SockFilter {
	const typeAt, indexAt = 4, unix.SizeofNlMsghdr + 4 // in struct nlmsghdr, and in the struct ifinfomsg after it
	// The filter's machine takes numbers in the network's order of bytes.
	kind := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.RTM_DELLINK))
	wanted := binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, uint32(index)))
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: typeAt},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(kind), Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	if index != 0 {
		filter = append(filter,
			unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: indexAt},
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: wanted, Jt: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0})
	}
	return append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1})
}

func (d *departures) close() { d.socket.close() }

// now returns how many there were.
func (d *departures) now() (int, error) {
	err := d.read()
	return len(d.known), err
}

// of returns those of index, but for the first ones, of which now has told the number.
func (d *departures) of(index int32, since int) (out []departure, err error) {
	err = d.read()
	for _, known := range d.known[since:] {
		if known.index == index {
			out = append(out, known)
		}
	}
	return out, err
}

// read takes note of all that has been announced.
func (d *departures) read() error {
	for d.lost == nil {
		b := make([]byte, 1<<16)
		n, from, err := unix.Recvfrom(d.socket.fd, b, unix.MSG_DONTWAIT|unix.MSG_TRUNC)
		switch sender, ok := from.(*unix.SockaddrNetlink); {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return nil
		case err != nil: // ENOBUFS: there were too many
			d.lost = os.NewSyscallError("recvfrom", err)
		case n > len(b):
			d.lost = errors.New("rtnetlink: a message of the kernel is too long")
		case ok && sender.Pid == 0: // from the kernel
			d.lost = d.note(b[:n])
		}
	}
	return d.lost
}

func (d *departures) note(b []byte) error {
	messages, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return err
	}
	for i := range messages {
		m := &messages[i]
		// With AF_BRIDGE it is a port that leaves its bridge.
		if m.Header.Type != unix.RTM_DELLINK || len(m.Data) < unix.SizeofIfInfomsg || m.Data[0] != unix.AF_UNSPEC {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(m)
		if err != nil {
			return err
		}
		known := departure{index: int32(binary.NativeEndian.Uint32(m.Data[4:]))}
		for _, a := range attributes {
			if a.Attr.Type == unix.IFLA_NEW_IFINDEX && len(a.Value) == 4 {
				known.newIndex = int32(binary.NativeEndian.Uint32(a.Value))
			}
		}
		d.known = append(d.known, known)
	}
	return nil
}
