package jsonfield

import (
	"unicode/utf16"
	"unicode/utf8"
)

// The methods in this file read JSON (RFC 8259) and know nothing of Go types.

// space moves to the next byte that is not white space.
func (d *decoder) space() {
	for d.pos < len(d.src) {
		switch d.src[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// peek returns the byte at the position, or 0 at the end.
func (d *decoder) peek() byte {
	if d.pos < len(d.src) {
		return d.src[d.pos]
	}
	return 0
}

// enter steps over the bracket that opens an array or an object.
func (d *decoder) enter() error {
	if d.depth == MaxDepth {
		return d.tooDeep()
	}
	d.depth++
	d.pos++
	d.space()
	return nil
}

// count counts one more element or member.
func (d *decoder) count() error {
	if d.values == MaxValues {
		return d.tooMany()
	}
	d.values++
	return nil
}

// leave steps over the bracket that closes an array or an object.
func (d *decoder) leave() {
	d.depth--
	d.pos++
}

// object reads the object at the position. It calls member for each member,
// with the position at its value; member must read the value.
func (d *decoder) object(member func(key string) error) error {
	if err := d.enter(); err != nil {
		return err
	}
	if d.peek() == '}' {
		d.leave()
		return nil
	}
	for {
		if err := d.count(); err != nil {
			return err
		}
		if d.peek() != '"' {
			return d.syntaxError("expected a quoted field name")
		}
		key, err := d.str()
		if err != nil {
			return err
		}
		d.space()
		d.path = append(d.path, step{key: key})
		if d.peek() != ':' {
			return d.syntaxError("expected a colon after the field name")
		}
		d.pos++
		d.space()
		if err := member(key); err != nil {
			return err
		}
		d.path = d.path[:len(d.path)-1]
		d.space()
		switch d.peek() {
		case '}':
			d.leave()
			return nil
		case ',':
			d.pos++
			d.space()
		default:
			return d.syntaxError("expected a comma or } after the field " + Quote(key))
		}
	}
}

// array reads the array at the position. It calls element for each element,
// with the position at its value; element must read the value.
func (d *decoder) array(element func(i int) error) error {
	if err := d.enter(); err != nil {
		return err
	}
	if d.peek() == ']' {
		d.leave()
		return nil
	}
	for i := 0; ; i++ {
		if err := d.count(); err != nil {
			return err
		}
		d.path = append(d.path, step{index: i, element: true})
		if err := element(i); err != nil {
			return err
		}
		d.path = d.path[:len(d.path)-1]
		d.space()
		switch d.peek() {
		case ']':
			d.leave()
			return nil
		case ',':
			d.pos++
			d.space()
		default:
			return d.syntaxError("expected a comma or ] after the array's element")
		}
	}
}

// skip reads a value that nobody asked for.
func (d *decoder) skip() error {
	switch c := d.peek(); {
	case c == '{':
		return d.object(func(string) error { return d.skip() })
	case c == '[':
		return d.array(func(int) error { return d.skip() })
	case c == '"':
		_, err := d.str()
		return err
	case c == 't':
		return d.literal("true")
	case c == 'f':
		return d.literal("false")
	case c == 'n':
		return d.literal("null")
	case c == '-' || c >= '0' && c <= '9':
		_, err := d.number()
		return err
	}
	return d.syntaxError("expected a value")
}

// literal reads the word true, false or null.
func (d *decoder) literal(word string) error {
	end := d.pos + len(word)
	if end > len(d.src) || d.src[d.pos:end] != word {
		return d.syntaxError("expected a value")
	}
	d.pos = end
	return nil
}

// number reads a number and returns its text.
func (d *decoder) number() (string, error) {
	start := d.pos
	if d.peek() == '-' {
		d.pos++
	}
	// A leading zero stands alone: 007 is not a number.
	if d.peek() == '0' {
		d.pos++
	} else if d.digits() == 0 {
		return "", d.syntaxError("expected a value")
	}
	if d.peek() == '.' {
		d.pos++
		if d.digits() == 0 {
			return "", d.syntaxError("expected a digit after the decimal point")
		}
	}
	if c := d.peek(); c == 'e' || c == 'E' {
		d.pos++
		if c := d.peek(); c == '+' || c == '-' {
			d.pos++
		}
		if d.digits() == 0 {
			return "", d.syntaxError("expected a digit in the exponent")
		}
	}
	return d.src[start:d.pos], nil
}

// digits reads decimal digits and returns how many.
func (d *decoder) digits() int {
	start := d.pos
	for c := d.peek(); c >= '0' && c <= '9'; c = d.peek() {
		d.pos++
	}
	return d.pos - start
}

// str reads the string at the position. The result shares the document's
// memory unless the string contains escapes or anything but ASCII.
func (d *decoder) str() (string, error) {
	start := d.pos + 1
	for i := start; i < len(d.src); i++ {
		c := d.src[i]
		if c == '"' {
			d.pos = i + 1
			return d.src[start:i], nil
		}
		if c == '\\' || c < ' ' || c >= utf8.RuneSelf {
			d.pos = i
			return d.unquote([]byte(d.src[start:i]))
		}
	}
	d.pos = len(d.src)
	return "", d.syntaxError("expected the string's closing quote")
}

// unquote reads the rest of a string of which text was read already. Bytes
// that are not UTF-8 become U+FFFD.
func (d *decoder) unquote(text []byte) (string, error) {
	for d.pos < len(d.src) {
		switch c := d.src[d.pos]; {
		case c == '"':
			d.pos++
			return string(text), nil
		case c < ' ':
			return "", d.syntaxError("expected control characters in a string to be escaped")
		case c == '\\':
			r, err := d.escape()
			if err != nil {
				return "", err
			}
			text = utf8.AppendRune(text, r)
		default:
			r, size := utf8.DecodeRuneInString(d.src[d.pos:])
			d.pos += size
			text = utf8.AppendRune(text, r)
		}
	}
	return "", d.syntaxError("expected the string's closing quote")
}

// escape reads an escape sequence. Half of a surrogate pair is U+FFFD.
func (d *decoder) escape() (rune, error) {
	d.pos++
	c := d.peek()
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		r, ok := d.hex(d.pos + 1)
		if !ok {
			return 0, d.syntaxError("expected four hexadecimal digits after \\u")
		}
		d.pos += 5
		if !utf16.IsSurrogate(r) {
			return r, nil
		}
		if d.pos+1 < len(d.src) && d.src[d.pos:d.pos+2] == `\u` {
			if second, ok := d.hex(d.pos + 2); ok {
				if pair := utf16.DecodeRune(r, second); pair != utf8.RuneError {
					d.pos += 6
					return pair, nil
				}
			}
		}
		return utf8.RuneError, nil
	default:
		return 0, d.syntaxError("expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u")
	}
	d.pos++
	return rune(c), nil
}

// hex returns the value of the four hexadecimal digits at pos.
func (d *decoder) hex(pos int) (rune, bool) {
	if pos+4 > len(d.src) {
		return 0, false
	}
	var r rune
	for _, c := range []byte(d.src[pos : pos+4]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
