package netdev

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The few requests of rtnetlink(7) that it takes to move a device. Reading the
// answers is left to package syscall. github.com/vishvananda/netlink would do
// all of it; linked in, it adds 0.08 ms to the start of every process of rung,
// of which most have nothing to do with it, and 0.3 MB to the binary.

// socket is a rtnetlink socket. It is used for one request after the other.
type socket struct {
	fd  int
	seq uint32
}

func openSocket() (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	// Errors then come with the kernel's reason, and without the request. Both
	// are there since Linux 4.12, and nothing depends on them.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	return &socket{fd: fd}, nil
}

func (s *socket) close() { unix.Close(s.fd) }

// attribute is one of a request.
type attribute struct {
	kind  uint16
	value []byte
}

func text(kind uint16, s string) attribute { return attribute{kind, append([]byte(s), 0)} }

func number(kind uint16, n uint32) attribute {
	return attribute{kind, binary.NativeEndian.AppendUint32(nil, n)}
}

// encode puts a request together: the header of the message, that of its kind,
// and the attributes.
func (s *socket) encode(kind, flags uint16, header []byte, attributes []attribute) []byte {
	s.seq++
	b := make([]byte, unix.SizeofNlMsghdr, 256)
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint16(b[6:], flags|unix.NLM_F_REQUEST)
	binary.NativeEndian.PutUint32(b[8:], s.seq)
	b = append(b, header...)
	for _, a := range attributes {
		b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(a.value)))
		b = binary.NativeEndian.AppendUint16(b, a.kind)
		b = append(b, a.value...)
		for len(b)%unix.RTA_ALIGNTO != 0 {
			b = append(b, 0)
		}
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	return b
}

// errChanged is that what was listed changed meanwhile.
var errChanged = errors.New("the list has changed while it was read")

// request sends a request and returns what the kernel answers.
func (s *socket) request(kind, flags uint16, header []byte, attributes ...attribute) ([]syscall.NetlinkMessage, error) {
	for tries := 0; ; tries++ {
		err := unix.Sendto(s.fd, s.encode(kind, flags, header, attributes), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		if err != nil {
			return nil, os.NewSyscallError("sendto", err)
		}
		answer, err := s.answer(flags)
		if !errors.Is(err, errChanged) || tries == 10 {
			return answer, err
		}
	}
}

// answer reads until the end of the answer to the last request.
func (s *socket) answer(flags uint16) (out []syscall.NetlinkMessage, err error) {
	changed := false
	for {
		b := make([]byte, 1<<16)
		n, from, err := unix.Recvfrom(s.fd, b, unix.MSG_TRUNC)
		switch sender, ok := from.(*unix.SockaddrNetlink); {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, os.NewSyscallError("recvfrom", err)
		case n > len(b):
			return nil, errors.New("rtnetlink: a message of the kernel is too long")
		case !ok || sender.Pid != 0:
			continue // not from the kernel
		}
		messages, err := syscall.ParseNetlinkMessage(b[:n])
		if err != nil {
			return nil, fmt.Errorf("rtnetlink: %w", err)
		}
		for _, m := range messages {
			if m.Header.Seq != s.seq {
				continue
			}
			changed = changed || m.Header.Flags&unix.NLM_F_DUMP_INTR != 0
			switch m.Header.Type {
			case unix.NLMSG_ERROR:
				return out, kernelError(&m)
			case unix.NLMSG_DONE:
				if changed {
					return nil, errChanged
				}
				return out, nil
			}
			out = append(out, m)
			if flags&(unix.NLM_F_DUMP|unix.NLM_F_ACK) == 0 {
				return out, nil
			}
		}
	}
}

// kernelError returns the error that a message carries: the error number, and
// perhaps a text after it. The number 0 is an acknowledgement.
func kernelError(m *syscall.NetlinkMessage) error {
	if len(m.Data) < unix.SizeofNlMsgerr {
		return errors.New("rtnetlink: an error is cut short")
	}
	errno := unix.Errno(-int32(binary.NativeEndian.Uint32(m.Data)))
	if errno == 0 {
		return nil
	}
	const hasText, isText = 0x200, 1 // NLM_F_ACK_TLVS, NLMSGERR_ATTR_MSG
	rest := m.Data[unix.SizeofNlMsgerr:]
	for m.Header.Flags&hasText != 0 && len(rest) >= unix.SizeofRtAttr {
		length, kind := int(binary.NativeEndian.Uint16(rest)), binary.NativeEndian.Uint16(rest[2:])
		if length < unix.SizeofRtAttr || length > len(rest) {
			break
		}
		if kind == isText {
			return fmt.Errorf("%w: %s", errno, strings.TrimRight(string(rest[unix.SizeofRtAttr:length]), "\x00."))
		}
		rest = rest[min(len(rest), (length+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1)):]
	}
	return errno
}

// linkHeader is a struct ifinfomsg.
func linkHeader(index int32, flags, change uint32) []byte {
	b := make([]byte, 4, unix.SizeofIfInfomsg)
	b = binary.NativeEndian.AppendUint32(b, uint32(index))
	b = binary.NativeEndian.AppendUint32(b, flags)
	return binary.NativeEndian.AppendUint32(b, change)
}

// link is a network device.
type link struct {
	index int32
	up    bool
}

// link finds a device by its name. It returns ENODEV where there is none.
func (s *socket) link(name string) (link, error) {
	answer, err := s.request(unix.RTM_GETLINK, 0, linkHeader(0, 0, 0), text(unix.IFLA_IFNAME, name))
	if err != nil {
		if errors.Is(err, unix.ENODEV) {
			err = unix.ENODEV
		}
		return link{}, err
	}
	if len(answer) != 1 || len(answer[0].Data) < unix.SizeofIfInfomsg {
		return link{}, errors.New("rtnetlink: the kernel does not describe the device")
	}
	b := answer[0].Data
	return link{int32(binary.NativeEndian.Uint32(b[4:])), binary.NativeEndian.Uint32(b[8:])&unix.IFF_UP != 0}, nil
}

// move moves a device to another namespace, under another name, at once: its
// present name may be taken there.
func (s *socket) move(index int32, namespace *os.File, name string) error {
	_, err := s.request(unix.RTM_NEWLINK, unix.NLM_F_ACK, linkHeader(index, 0, 0),
		number(unix.IFLA_NET_NS_FD, uint32(namespace.Fd())), text(unix.IFLA_IFNAME, name))
	return err
}

// setUp brings a device up.
func (s *socket) setUp(index int32) error {
	_, err := s.request(unix.RTM_NEWLINK, unix.NLM_F_ACK, linkHeader(index, unix.IFF_UP, unix.IFF_UP))
	return err
}
