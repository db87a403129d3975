package dbus

import (
	"errors"
	"fmt"
	"math"
)

// The types of values that have no Go type of their own. The others are bool
// (b), byte (y), int16 (n), uint16 (q), int32 (i), uint32 (u), int64 (x),
// uint64 (t), float64 (d) and string (s).
type (
	// ObjectPath is an "o".
	ObjectPath string
	// Signature is a "g": the type of one value, or of several.
	Signature string
	// Variant is a "v": a value that brings its type along.
	Variant struct{ Value any }
	// Array is an "a": values of one type, which has to be said as there may
	// be none of them.
	Array struct {
		Of    Signature
		Items []any
	}
	// Struct is a "(...)".
	Struct []any
)

// SignatureOf returns the type of a value of the types above.
func SignatureOf(v any) (Signature, error) {
	switch v := v.(type) {
	case byte:
		return "y", nil
	case bool:
		return "b", nil
	case int16:
		return "n", nil
	case uint16:
		return "q", nil
	case int32:
		return "i", nil
	case uint32:
		return "u", nil
	case int64:
		return "x", nil
	case uint64:
		return "t", nil
	case float64:
		return "d", nil
	case string:
		return "s", nil
	case ObjectPath:
		return "o", nil
	case Signature:
		return "g", nil
	case Variant:
		return "v", nil
	case Array:
		return "a" + v.Of, nil
	case Struct:
		inner, err := signatureOfAll(v)
		return "(" + inner + ")", err
	}
	return "", fmt.Errorf("dbus: no type for a %T", v)
}

func signatureOfAll(values []any) (Signature, error) {
	var all Signature
	for _, v := range values {
		s, err := SignatureOf(v)
		if err != nil {
			return "", err
		}
		all += s
	}
	return all, nil
}

// alignment returns where a value of the type begins: at a multiple of this,
// counted from the start of the message (D-Bus specification, "Marshaling").
func alignment(s Signature) int {
	switch s[0] {
	case 'n', 'q':
		return 2
	case 'b', 'i', 'u', 's', 'o', 'a':
		return 4
	case 'x', 't', 'd', '(', '{':
		return 8
	}
	return 1
}

// maxDepth is how deep arrays and structs may be nested in all (D-Bus
// specification, "Valid Signatures": 32 of each); variants are counted in.
const maxDepth = 64

var errSignature = errors.New("dbus: malformed signature")

// first splits s after its first complete type.
func (s Signature) first() (one, rest Signature, err error) {
	n, err := s.length(0)
	if err != nil {
		return "", "", err
	}
	return s[:n], s[n:], nil
}

// Valid reports whether s is the type of one value.
func (s Signature) Valid() bool {
	n, err := s.length(0)
	return err == nil && n == len(s)
}

// length returns how long the first complete type of s is.
func (s Signature) length(depth int) (int, error) {
	if s == "" || depth > maxDepth {
		return 0, errSignature
	}
	switch s[0] {
	case 'y', 'b', 'n', 'q', 'i', 'u', 'x', 't', 'd', 's', 'o', 'g', 'v', 'h':
		return 1, nil
	case 'a':
		n, err := s[1:].length(depth + 1)
		return n + 1, err
	case '(', '{':
		end := byte(')')
		if s[0] == '{' {
			end = '}'
		}
		n := 1
		for {
			one, err := s[n:].length(depth + 1)
			if err != nil {
				return 0, err
			}
			n += one
			if n < len(s) && s[n] == end {
				return n + 1, nil
			}
		}
	}
	return 0, errSignature
}

// encoder appends values to a message, the low byte first.
type encoder struct {
	buf []byte
	err error
}

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

func (e *encoder) align(n int) {
	for len(e.buf)%n != 0 {
		e.buf = append(e.buf, 0)
	}
}

// number appends a number of size bytes.
func (e *encoder) number(v uint64, size int) {
	e.align(size)
	for range size {
		e.buf = append(e.buf, byte(v))
		v >>= 8
	}
}

// text appends a string or an object path.
func (e *encoder) text(s string) {
	for i := range len(s) {
		if s[i] == 0 {
			e.fail(errors.New("dbus: a string with a NUL byte"))
		}
	}
	e.number(uint64(len(s)), 4)
	e.buf = append(append(e.buf, s...), 0)
}

func (e *encoder) signature(s Signature) {
	if len(s) > 255 {
		e.fail(errSignature)
		return
	}
	e.buf = append(append(append(e.buf, byte(len(s))), s...), 0)
}

// value appends a value of one of the types above.
func (e *encoder) value(v any) {
	switch v := v.(type) {
	case byte:
		e.number(uint64(v), 1)
	case bool:
		n := uint64(0)
		if v {
			n = 1
		}
		e.number(n, 4)
	case int16:
		e.number(uint64(v), 2)
	case uint16:
		e.number(uint64(v), 2)
	case int32:
		e.number(uint64(v), 4)
	case uint32:
		e.number(uint64(v), 4)
	case int64:
		e.number(uint64(v), 8)
	case uint64:
		e.number(v, 8)
	case float64:
		e.number(math.Float64bits(v), 8)
	case string:
		e.text(v)
	case ObjectPath:
		e.text(string(v))
	case Signature:
		e.signature(v)
	case Variant:
		s, err := SignatureOf(v.Value)
		if err != nil {
			e.fail(err)
			return
		}
		e.signature(s)
		e.value(v.Value)
	case Array:
		e.array(v)
	case Struct:
		e.align(8)
		for _, item := range v {
			e.value(item)
		}
	default:
		e.fail(fmt.Errorf("dbus: no type for a %T", v))
	}
}

// array appends an array: its length in bytes, without what aligns the first
// item, and the items.
func (e *encoder) array(a Array) {
	if !a.Of.Valid() {
		e.fail(errSignature)
		return
	}
	e.number(0, 4)
	at := len(e.buf)
	e.align(alignment(a.Of))
	start := len(e.buf)
	for _, item := range a.Items {
		if s, err := SignatureOf(item); err != nil || s != a.Of {
			e.fail(fmt.Errorf("dbus: an item of type %q in an array of %q", s, a.Of))
			return
		}
		e.value(item)
	}
	n := len(e.buf) - start
	for i := range 4 {
		e.buf[at-4+i] = byte(n >> (8 * i))
	}
}

var errShort = errors.New("dbus: a message ends early")

// decoder reads values from a message.
type decoder struct {
	buf []byte
	at  int
	big bool // the high byte comes first
	err error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *decoder) align(n int) {
	for d.at%n != 0 {
		d.at++
	}
}

// bytes returns the next n bytes.
func (d *decoder) bytes(n int) []byte {
	if d.err != nil || n < 0 || n > len(d.buf)-d.at {
		d.fail(errShort)
		return nil
	}
	d.at += n
	return d.buf[d.at-n : d.at]
}

func (d *decoder) number(size int) uint64 {
	d.align(size)
	v := uint64(0)
	for i, b := range d.bytes(size) {
		if d.big {
			v = v<<8 | uint64(b)
		} else {
			v |= uint64(b) << (8 * i)
		}
	}
	return v
}

// text returns a string of n bytes, which a NUL follows.
func (d *decoder) text(n uint64) string {
	if n > uint64(len(d.buf)) {
		d.fail(errShort)
		return ""
	}
	s := string(d.bytes(int(n)))
	d.bytes(1)
	return s
}

// values reads one value of each type in s.
func (d *decoder) values(s Signature, depth int) []any {
	var all []any
	for s != "" && d.err == nil {
		one, rest, err := s.first()
		if err != nil {
			d.fail(err)
			break
		}
		all = append(all, d.value(one, depth))
		s = rest
	}
	return all
}

// value reads a value of the type s. A dictionary comes as an Array of Structs,
// a file descriptor (h) as its index.
func (d *decoder) value(s Signature, depth int) any {
	if depth > maxDepth {
		d.fail(errors.New("dbus: values are nested too deep"))
		return nil
	}
	switch s[0] {
	case 'y':
		return byte(d.number(1))
	case 'b':
		return d.number(4) != 0
	case 'n':
		return int16(d.number(2))
	case 'q':
		return uint16(d.number(2))
	case 'i':
		return int32(d.number(4))
	case 'u', 'h':
		return uint32(d.number(4))
	case 'x':
		return int64(d.number(8))
	case 't':
		return d.number(8)
	case 'd':
		return math.Float64frombits(d.number(8))
	case 's':
		return d.text(d.number(4))
	case 'o':
		return ObjectPath(d.text(d.number(4)))
	case 'g':
		return Signature(d.text(d.number(1)))
	case 'v':
		one, rest, err := Signature(d.text(d.number(1))).first()
		if err != nil || rest != "" {
			d.fail(errSignature)
			return nil
		}
		return Variant{d.value(one, depth+1)}
	case 'a':
		return d.array(s[1:], depth)
	}
	d.align(8)
	return Struct(d.values(s[1:len(s)-1], depth+1))
}

func (d *decoder) array(of Signature, depth int) any {
	n := d.number(4)
	d.align(alignment(of))
	if d.err != nil || n > uint64(len(d.buf)) || d.at > len(d.buf)-int(n) {
		d.fail(errShort)
		return nil
	}
	a := Array{Of: of}
	for end := d.at + int(n); d.at < end && d.err == nil; {
		a.Items = append(a.Items, d.value(of, depth+1))
	}
	return a
}
