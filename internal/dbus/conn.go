// Package dbus speaks D-Bus with one peer over a socket: as much of it as it
// takes to call systemd and to wait for its signals.
//
// github.com/godbus/dbus would do that and much more. It is the oracle of this
// package's tests, and not linked in: it brings package net and 19 others along, 1.1
// MB in a binary of 5.7 MB, which is copied at the start of a container with a
// user namespace, and initialises them (0.07 to 0.1 ms of processor time) in
// each of rung's processes, of which most never see a bus.
//
// The wire format is that of the D-Bus specification
// (https://dbus.freedesktop.org/doc/dbus-specification.html), version 0.43.
package dbus

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// Conn is a connection. It is not for concurrent use. Every wait on it ends
// with its deadline.
type Conn struct {
	fd       int
	deadline time.Time
	serial   uint32
	in       []byte
	// signals are those that came while a reply was waited for.
	signals []*Message
}

// Error is the reply of a peer that did not do what it was called for.
type Error struct {
	// Name is the kind of error, as "org.freedesktop.systemd1.NoSuchUnit".
	Name string
	// Text is for people.
	Text string
}

func (e *Error) Error() string {
	if e.Text == "" {
		return e.Name
	}
	return e.Text
}

// IsError reports whether err is, or wraps, an Error of that name.
func IsError(err error, name string) bool {
	var e *Error
	return errors.As(err, &e) && e.Name == name
}

// Dial connects to the first of the addresses in list that answers, and shows
// who it is by the credentials of the socket. An address is as in the
// specification, "unix:path=/run/dbus/system_bus_socket" or
// "unix:abstract=NAME", several with semicolons between them. All that is done
// with the connection has to be done before the deadline.
func Dial(list string, deadline time.Time) (*Conn, error) {
	var first error
	for address := range strings.SplitSeq(list, ";") {
		c, err := dial(address, deadline)
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = errdefs.Doing(err, "connect to "+address)
		}
	}
	return nil, first
}

func dial(address string, deadline time.Time) (*Conn, error) {
	name, err := socketName(address)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	c := &Conn{fd: fd, deadline: deadline}
	if err = c.connect(name); err == nil {
		err = c.authenticate()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// socketName returns the name of a socket as unix(7) has it, "@" for an
// abstract one.
func socketName(address string) (string, error) {
	transport, rest, _ := strings.Cut(address, ":")
	if transport == "unix" {
		for pair := range strings.SplitSeq(rest, ",") {
			key, value, _ := strings.Cut(pair, "=")
			value, err := unescape(value)
			switch {
			case err != nil:
				return "", err
			case key == "path" && value != "":
				return value, nil
			case key == "abstract":
				return "@" + value, nil
			}
		}
	}
	return "", errors.New("not the address of a unix socket")
}

// unescape undoes the escapes of an address: "%2f".
func unescape(s string) (string, error) {
	if !strings.Contains(s, "%") {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", errors.New("a malformed escape in the address")
		}
		n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", errors.New("a malformed escape in the address")
		}
		b.WriteByte(byte(n))
		i += 2
	}
	return b.String(), nil
}

// connect connects the socket. Where the peer has no room for one more that
// waits, connect(2) of a socket that does not block is EAGAIN, and nothing
// tells when there is.
func (c *Conn) connect(name string) error {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := unix.Connect(c.fd, &unix.SockaddrUnix{Name: name})
		if err == nil {
			return nil
		}
		if err != unix.EINTR && (err != unix.EAGAIN || time.Now().After(c.deadline)) {
			return os.NewSyscallError("connect", err)
		}
		time.Sleep(pause)
	}
}

// authenticate does what comes before the first message, in one go. EXTERNAL
// without an identity has the peer take the one that the socket shows: the
// user id that this process has for itself may be another one, in a user
// namespace.
func (c *Conn) authenticate() error {
	if err := c.write([]byte("\x00AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")); err != nil {
		return err
	}
	for {
		line, err := c.line()
		switch {
		case err != nil:
			return errdefs.Doing(err, "authenticate")
		case line == "DATA":
		case strings.HasPrefix(line, "OK"):
			return nil
		default:
			return errdefs.Doing(errors.New("the peer says "+strconv.Quote(line)), "authenticate")
		}
	}
}

// line reads a line that ends in CR LF.
func (c *Conn) line() (string, error) {
	for {
		if line, rest, ok := strings.Cut(string(c.in), "\r\n"); ok {
			c.in = []byte(rest)
			return line, nil
		}
		if len(c.in) > 1<<14 {
			return "", errMessage
		}
		if err := c.read(); err != nil {
			return "", err
		}
	}
}

// Close ends the connection.
func (c *Conn) Close() {
	if c.fd >= 0 {
		_ = unix.Close(c.fd)
		c.fd = -1
	}
}

// SetDeadline moves the deadline.
func (c *Conn) SetDeadline(t time.Time) { c.deadline = t }

// wait waits until the socket can be read from or written to.
func (c *Conn) wait(events int16) error {
	for {
		left := time.Until(c.deadline)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		timeout := unix.NsecToTimespec(int64(left))
		n, err := unix.Ppoll([]unix.PollFd{{Fd: int32(c.fd), Events: events}}, &timeout, nil)
		if n > 0 {
			return nil
		}
		if err != nil && err != unix.EINTR {
			return os.NewSyscallError("ppoll", err)
		}
	}
}

func (c *Conn) write(data []byte) error {
	for len(data) > 0 {
		n, err := unix.SendmsgN(c.fd, data, nil, nil, unix.MSG_NOSIGNAL)
		switch err {
		case nil:
			data = data[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			if err := c.wait(unix.POLLOUT); err != nil {
				return err
			}
		default:
			return os.NewSyscallError("send", err)
		}
	}
	return nil
}

// read reads what there is, at least a byte.
func (c *Conn) read() error {
	var buf [4096]byte
	for {
		n, err := unix.Read(c.fd, buf[:])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			if err := c.wait(unix.POLLIN); err != nil {
				return err
			}
		case err != nil:
			return os.NewSyscallError("read", err)
		case n == 0:
			return io.ErrUnexpectedEOF
		default:
			c.in = append(c.in, buf[:n]...)
			return nil
		}
	}
}

// Send sends m, and returns the serial number that it gave it.
func (c *Conn) Send(m *Message) (serial uint32, err error) {
	c.serial++
	m.Serial = c.serial
	data, err := m.encode()
	if err != nil {
		return 0, err
	}
	return m.Serial, c.write(data)
}

// Receive waits for the next message.
func (c *Conn) Receive() (*Message, error) {
	for len(c.in) < fixedSize {
		if err := c.read(); err != nil {
			return nil, err
		}
	}
	n, err := size(c.in)
	if err != nil {
		return nil, err
	}
	for len(c.in) < n {
		if err := c.read(); err != nil {
			return nil, err
		}
	}
	m, err := decode(c.in[:n])
	c.in = c.in[n:]
	return m, err
}

// Reply waits for the reply to the call with that serial number. Replies to
// others are dropped, signals kept for WaitSignal.
func (c *Conn) Reply(serial uint32) ([]any, error) {
	for {
		m, err := c.Receive()
		switch {
		case err != nil:
			return nil, err
		case m.Kind == Signal:
			c.signals = append(c.signals, m)
		case m.ReplyTo != serial:
		case m.Kind == ErrorReply:
			e := &Error{Name: m.ErrorName}
			if len(m.Body) > 0 {
				e.Text, _ = m.Body[0].(string)
			}
			return nil, e
		case m.Kind == MethodReturn:
			return m.Body, nil
		}
	}
}

// Call is Send and Reply.
func (c *Conn) Call(m *Message) ([]any, error) {
	serial, err := c.Send(m)
	if err != nil {
		return nil, err
	}
	return c.Reply(serial)
}

// WaitSignal waits for a signal that match wants, or returns one that came
// already. Those that it does not want are dropped.
func (c *Conn) WaitSignal(match func(*Message) bool) (*Message, error) {
	for {
		for len(c.signals) > 0 {
			m := c.signals[0]
			c.signals = c.signals[1:]
			if match(m) {
				return m, nil
			}
		}
		m, err := c.Receive()
		if err != nil {
			return nil, err
		}
		if m.Kind == Signal && match(m) {
			return m, nil
		}
	}
}
