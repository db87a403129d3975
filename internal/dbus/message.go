package dbus

import "errors"

// Kind is what a message is.
type Kind byte

// The kinds.
const (
	MethodCall Kind = iota + 1
	MethodReturn
	ErrorReply
	Signal
)

// Message is a message of the bus (D-Bus specification, "Message Format").
type Message struct {
	Kind   Kind
	Serial uint32
	// ReplyTo is the serial number of the call that a reply is to.
	ReplyTo     uint32
	Path        ObjectPath
	Interface   string
	Member      string
	ErrorName   string
	Destination string
	Sender      string
	Body        []any
}

// The fields of a message's header.
const (
	fieldPath = iota + 1
	fieldInterface
	fieldMember
	fieldErrorName
	fieldReplySerial
	fieldDestination
	fieldSender
	fieldSignature
)

const (
	protocolVersion = 1
	// fixedSize is the size of a header's fixed part, with the length of the
	// array of fields behind it.
	fixedSize = 16
	// maxMessage bounds what is read of a peer. The specification allows 128
	// MiB; nothing that rung waits for comes near to this.
	maxMessage = 8 << 20
)

var errMessage = errors.New("dbus: malformed message")

// encode returns m as it is sent.
func (m *Message) encode() ([]byte, error) {
	body := encoder{}
	for _, v := range m.Body {
		body.value(v)
	}
	signature, err := signatureOfAll(m.Body)
	if err != nil {
		return nil, err
	}
	fields := Array{Of: "(yv)"}
	field := func(code byte, v any) { fields.Items = append(fields.Items, Struct{code, Variant{v}}) }
	text := func(code byte, s string) {
		if s != "" {
			field(code, s)
		}
	}
	if m.Path != "" {
		field(fieldPath, m.Path)
	}
	text(fieldInterface, m.Interface)
	text(fieldMember, m.Member)
	text(fieldErrorName, m.ErrorName)
	if m.ReplyTo != 0 {
		field(fieldReplySerial, m.ReplyTo)
	}
	text(fieldDestination, m.Destination)
	text(fieldSender, m.Sender)
	if signature != "" {
		field(fieldSignature, signature)
	}
	head := encoder{}
	for _, b := range [...]byte{'l', byte(m.Kind), 0, protocolVersion} {
		head.value(b)
	}
	head.value(uint32(len(body.buf)))
	head.value(m.Serial)
	head.value(fields)
	head.align(8)
	return append(head.buf, body.buf...), errors.Join(head.err, body.err)
}

// size returns how long the message is that begins with the fixed part head.
func size(head []byte) (int, error) {
	d := decoder{buf: head, big: head[0] == 'B'}
	if head[0] != 'l' && head[0] != 'B' || head[3] != protocolVersion {
		return 0, errMessage
	}
	d.at = 4
	body := d.number(4)
	d.at = 12
	fields := d.number(4)
	total := fixedSize + (fields+7)&^7 + body
	if total > maxMessage {
		return 0, errors.New("dbus: a message is too large")
	}
	return int(total), nil
}

// decode reads a whole message.
func decode(buf []byte) (*Message, error) {
	if len(buf) < fixedSize {
		return nil, errShort
	}
	d := decoder{buf: buf, big: buf[0] == 'B', at: 4}
	bodySize := d.number(4)
	m := &Message{Kind: Kind(buf[1]), Serial: uint32(d.number(4))}
	fields, _ := d.value("a(yv)", 0).(Array)
	if d.err != nil {
		return nil, d.err
	}
	signature := m.setFields(fields.Items)
	d.align(8)
	if d.at > len(buf) || uint64(len(buf)-d.at) != bodySize {
		return nil, errMessage
	}
	// The body counts from its own start, which is aligned.
	body := decoder{buf: buf[d.at:], big: d.big}
	m.Body = body.values(signature, 0)
	return m, body.err
}

// setFields takes the fields of a header over, and returns the body's type.
// Fields of another type than they should be are left empty.
func (m *Message) setFields(fields []any) (signature Signature) {
	for _, f := range fields {
		pair := f.(Struct)
		code, v := pair[0].(byte), pair[1].(Variant).Value
		switch code {
		case fieldPath:
			m.Path, _ = v.(ObjectPath)
		case fieldInterface:
			m.Interface, _ = v.(string)
		case fieldMember:
			m.Member, _ = v.(string)
		case fieldErrorName:
			m.ErrorName, _ = v.(string)
		case fieldReplySerial:
			m.ReplyTo, _ = v.(uint32)
		case fieldDestination:
			m.Destination, _ = v.(string)
		case fieldSender:
			m.Sender, _ = v.(string)
		case fieldSignature:
			signature, _ = v.(Signature)
		}
	}
	return signature
}
