package systemd

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rungoci/rung/internal/dbus"
)

// ParseValue reads a value in the text format of GVariant
// (https://docs.gtk.org/glib/gvariant-text-format.html), as far as properties
// have use for it:
//
//	true                        a boolean
//	42, 0x2a, 052               an int32
//	1.5                         a double
//	uint64 42, @t 42            a number of that type
//	'text', "text"              a string
//	objectpath '/a'             an object path
//	['a', 'b'], @as []          an array, of which all items have one type
//
// Strings of bytes, tuples, dictionaries and variants are an error.
func ParseValue(text string) (any, error) {
	p := parser{text: text}
	v, err := p.literal("")
	if err != nil {
		return nil, err
	}
	if p.blank(); p.text != "" {
		return nil, errors.New("something follows the value: " + strconv.Quote(p.text))
	}
	return v.as(v.natural())
}

// maxNesting bounds arrays in arrays.
const maxNesting = 16

// keywords are the names of the types that have one.
var keywords = [...]struct {
	name string
	typ  dbus.Signature
}{
	{"boolean", "b"}, {"byte", "y"}, {"int16", "n"}, {"uint16", "q"}, {"int32", "i"}, {"uint32", "u"}, {"int64", "x"}, {"uint64", "t"},
	{"double", "d"}, {"string", "s"}, {"objectpath", "o"}, {"signature", "g"},
}

// keyword returns the type of that name, or "".
func keyword(name string) dbus.Signature {
	for _, k := range keywords {
		if k.name == name {
			return k.typ
		}
	}
	return ""
}

// literal is a value whose type may be open still.
type literal struct {
	// kind is what it looks like: 'b' for a boolean, '1' for a number, '.'
	// for one with a fraction, 's' for a string, 'a' for an array.
	kind byte
	text string
	// typ is the type that the text gives it, or "".
	typ   dbus.Signature
	items []literal
}

type parser struct {
	text  string
	depth int
}

func (p *parser) blank() { p.text = strings.TrimLeft(p.text, " \t\n\r") }

// word takes off what goes on to the next delimiter.
func (p *parser) word() string {
	n := strings.IndexAny(p.text, " \t\n\r,[]'\"<>{}()")
	if n < 0 {
		n = len(p.text)
	}
	w := p.text[:n]
	p.text = p.text[n:]
	return w
}

// literal reads one, of the type typ where that is not "".
func (p *parser) literal(typ dbus.Signature) (literal, error) {
	p.blank()
	switch {
	case p.text == "":
		return literal{}, errors.New("a value is missing")
	case p.text[0] == '[':
		return p.array(typ)
	case p.text[0] == '\'' || p.text[0] == '"':
		s, err := p.quoted()
		return literal{kind: 's', text: s, typ: typ}, err
	}
	w := p.word()
	switch t := keyword(w); {
	case w == "true" || w == "false":
		return literal{kind: 'b', text: w, typ: typ}, nil
	case t == "" && strings.HasPrefix(w, "@"):
		t = dbus.Signature(w[1:])
		fallthrough
	case t != "":
		if typ != "" {
			return literal{}, errors.New("a second type for one value: " + strconv.Quote(w))
		}
		return p.literal(t)
	case w != "" && strings.IndexByte("+-.0123456789", w[0]) >= 0:
		kind := byte('1')
		if !strings.HasPrefix(w, "0x") && strings.ContainsAny(w, ".e") {
			kind = '.'
			if d := strings.TrimLeft(w, "+-"); len(d) > 1 && d[0] == '0' && d[1] >= '0' && d[1] <= '9' {
				return literal{}, errors.New("neither octal nor decimal: " + strconv.Quote(w))
			}
		}
		return literal{kind: kind, text: w, typ: typ}, nil
	case w == "":
		w = p.text[:1]
	}
	return literal{}, errors.New("not a value (text has quotes around it, as in 'text'): " + strconv.Quote(w))
}

// array reads "[...]".
func (p *parser) array(typ dbus.Signature) (literal, error) {
	if p.depth++; p.depth > maxNesting {
		return literal{}, errors.New("arrays are nested too deep")
	}
	defer func() { p.depth-- }()
	l := literal{kind: 'a', typ: typ}
	p.text = p.text[1:]
	for {
		p.blank()
		if strings.HasPrefix(p.text, "]") {
			p.text = p.text[1:]
			return l, nil
		}
		if len(l.items) > 0 {
			if !strings.HasPrefix(p.text, ",") {
				return l, errors.New("an array does not end")
			}
			p.text = p.text[1:]
		}
		item, err := p.literal("")
		if err != nil {
			return l, err
		}
		l.items = append(l.items, item)
	}
}

// quoted reads a string with its quotes.
func (p *parser) quoted() (string, error) {
	quote := p.text[0]
	var b strings.Builder
	for i := 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == quote:
			p.text = p.text[i+1:]
			if s := b.String(); utf8.ValidString(s) {
				return s, nil
			}
			return "", errors.New("text is not UTF-8")
		case c != '\\':
			b.WriteByte(c)
		default:
			n, err := escaped(&b, p.text[i+1:])
			if err != nil {
				return "", err
			}
			i += n
		}
	}
	return "", errors.New("text has no quote at its end")
}

// escaped writes what the escape s, behind its backslash, stands for, and
// returns how much of s it is.
func escaped(b *strings.Builder, s string) (int, error) {
	if s == "" {
		return 0, errors.New("text has no quote at its end")
	}
	if i := strings.IndexByte("abfnrt", s[0]); i >= 0 {
		b.WriteByte("\a\b\f\n\r\t"[i])
		return 1, nil
	}
	digits := 0
	switch s[0] {
	case '\n':
		return 1, nil
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	default:
		b.WriteByte(s[0])
		return 1, nil
	}
	if len(s) > digits {
		if n, err := strconv.ParseUint(s[1:1+digits], 16, 32); err == nil && utf8.ValidRune(rune(n)) && n != 0 {
			b.WriteRune(rune(n))
			return 1 + digits, nil
		}
	}
	return 0, errors.New(`a malformed escape: \` + s[:1])
}

// natural returns the type that l has where nothing else decides.
func (l literal) natural() dbus.Signature {
	if l.typ != "" {
		return l.typ
	}
	switch l.kind {
	case 'b', 's':
		return dbus.Signature(l.kind)
	case '1':
		return "i"
	case '.':
		return "d"
	}
	var of dbus.Signature
	for _, item := range l.items {
		t := item.natural()
		// What has a type decides over what has none, and a fraction over
		// whole numbers.
		if of == "" || item.typ != "" || item.kind == '.' && of == "i" {
			of = t
		}
		if item.typ != "" {
			break
		}
	}
	if of == "" {
		return "" // of an empty array nobody knows
	}
	return "a" + of
}

// as returns l as a value of the type t.
func (l literal) as(t dbus.Signature) (any, error) {
	mismatch := errors.New("a value is not of the type " + strconv.Quote(string(t)))
	if l.typ != "" && l.typ != t {
		return nil, mismatch
	}
	switch {
	case t == "":
		return nil, errors.New("an empty array needs its type, as in @as []")
	case l.kind == 'b' && t == "b":
		return l.text == "true", nil
	case l.kind == 's' && t == "s":
		return l.text, nil
	case l.kind == 's' && t == "o":
		return dbus.ObjectPath(l.text), nil
	case l.kind == 's' && t == "g":
		return dbus.Signature(l.text), nil
	case l.kind == 'a' && t[0] == 'a':
		return l.asArray(t[1:])
	case l.kind == '1' || l.kind == '.':
		v, err := asNumber(l.text, t)
		if err == nil && v == nil {
			err = mismatch
		}
		return v, err
	}
	return nil, mismatch
}

func (l literal) asArray(of dbus.Signature) (any, error) {
	a := dbus.Array{Of: of}
	for _, item := range l.items {
		v, err := item.as(of)
		if err != nil {
			return nil, err
		}
		a.Items = append(a.Items, v)
	}
	// The type may be nonsense where no item had to have it.
	if probe, err := dbus.SignatureOf(a); err != nil || !probe.Valid() {
		return nil, errors.New("not a type: " + strconv.Quote(string(of)))
	}
	return a, nil
}

// asNumber returns text as a number of the type t, or nil if that is none.
func asNumber(text string, t dbus.Signature) (any, error) {
	bits := map[dbus.Signature]int{"y": 8, "n": 16, "q": 16, "i": 32, "u": 32, "x": 64, "t": 64}[t]
	switch t {
	case "d":
		n, err := strconv.ParseFloat(text, 64)
		return n, numberError(err)
	case "n", "i", "x":
		n, err := strconv.ParseInt(text, base(text), bits)
		switch t {
		case "n":
			return int16(n), numberError(err)
		case "i":
			return int32(n), numberError(err)
		}
		return n, numberError(err)
	case "y", "q", "u", "t":
		n, err := strconv.ParseUint(text, base(text), bits)
		switch t {
		case "y":
			return byte(n), numberError(err)
		case "q":
			return uint16(n), numberError(err)
		case "u":
			return uint32(n), numberError(err)
		}
		return n, numberError(err)
	}
	return nil, nil
}

// base has strconv read the prefixes of C, "0x" and "0", and no others.
func base(text string) int {
	digits := strings.TrimLeft(text, "+-")
	if strings.HasPrefix(digits, "0") && !strings.ContainsAny(digits, "bBoO_") {
		return 0
	}
	return 10
}

func numberError(err error) error {
	var e *strconv.NumError
	if errors.As(err, &e) {
		return errors.New("the number " + strconv.Quote(e.Num) + ": " + e.Err.Error())
	}
	return err
}
