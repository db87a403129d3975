// Package ere matches POSIX extended regular expressions (regex(7)) against
// short strings of ASCII, such as ids of containers.
//
// Package regexp would do it, but costs every start of the program that links
// it 0.05 to 0.1 ms, for the tables of Unicode, and 0.3 MB.
//
// A part of an expression is a function from the places in the string where it
// may begin to those where it may then end. There is no backtracking, and so no
// expression that takes for ever.
package ere

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Regexp is an expression that was compiled.
type Regexp struct{ match part }

// places has a bit for each place in the string, from before its first byte to
// after its last.
type places []bool

// part is a part of an expression. It must not change from.
type part func(s string, from places) places

// Compile reads an expression. It knows all of regex(7) but collating symbols,
// equivalence classes and back references.
func Compile(expr string) (*Regexp, error) {
	p := &parser{rest: expr}
	match, err := p.alternatives()
	if err == nil && p.rest != "" {
		err = errors.New("unmatched )")
	}
	return &Regexp{match}, err
}

// MatchString reports whether the expression matches any part of s.
func (r *Regexp) MatchString(s string) bool {
	from := make(places, len(s)+1)
	for i := range from {
		from[i] = true
	}
	return r.match(s, from).any()
}

func (p places) any() bool {
	for _, set := range p {
		if set {
			return true
		}
	}
	return false
}

// add sets what is set in more, and reports whether that changed p.
func (p places) add(more places) (changed bool) {
	for i, set := range more {
		if set && !p[i] {
			p[i], changed = true, true
		}
	}
	return changed
}

// parser has what is left of the expression.
type parser struct {
	rest  string
	depth int
}

// maxDepth bounds how deep parentheses may be nested.
const maxDepth = 100

// next takes a byte off the expression if it is c.
func (p *parser) next(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// alternatives reads "a|b|…" up to the end or a closing parenthesis.
func (p *parser) alternatives() (part, error) {
	var all []part
	for {
		one, err := p.sequence()
		if err != nil {
			return nil, err
		}
		all = append(all, one)
		if !p.next('|') {
			break
		}
	}
	return func(s string, from places) places {
		to := make(places, len(from))
		for _, one := range all {
			to.add(one(s, from))
		}
		return to
	}, nil
}

// sequence reads parts that follow one another.
func (p *parser) sequence() (part, error) {
	var all []part
	for p.rest != "" && p.rest[0] != '|' && p.rest[0] != ')' {
		one, err := p.atom()
		if err == nil {
			one, err = p.repeats(one)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return func(s string, from places) places {
		for _, one := range all {
			from = one(s, from)
		}
		return from
	}, nil
}

// atom reads a character, a set of them, an anchor or a group.
func (p *parser) atom() (part, error) {
	c := p.rest[0]
	p.rest = p.rest[1:]
	switch c {
	case '(':
		return p.group()
	case '[':
		set, err := p.bracket()
		return one(set), err
	case '.':
		return one(func(byte) bool { return true }), nil
	case '^':
		return at(func(_ string, i int) bool { return i == 0 }), nil
	case '$':
		return at(func(s string, i int) bool { return i == len(s) }), nil
	case '*', '+', '?', '{':
		return nil, errors.New("nothing to repeat before " + string(c))
	case '\\':
		if p.rest == "" {
			return nil, errors.New("a \\ at the end")
		}
		c = p.rest[0]
		p.rest = p.rest[1:]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return nil, errors.New("\\" + string(c) + " has no meaning")
		}
	}
	return one(func(b byte) bool { return b == c }), nil
}

// one returns the part that is one byte of a set.
func one(in func(byte) bool) part {
	return func(s string, from places) places {
		to := make(places, len(from))
		for i := range s {
			if from[i] && in(s[i]) {
				to[i+1] = true
			}
		}
		return to
	}
}

// at returns the part that is empty, and at certain places only.
func at(here func(s string, i int) bool) part {
	return func(s string, from places) places {
		to := make(places, len(from))
		for i := range from {
			to[i] = from[i] && here(s, i)
		}
		return to
	}
}

func (p *parser) group() (part, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, errors.New("too many parentheses")
	}
	defer func() { p.depth-- }()
	inner, err := p.alternatives()
	if err == nil && !p.next(')') {
		err = errors.New("unmatched (")
	}
	return inner, err
}

// maxRepeat is RE_DUP_MAX.
const maxRepeat = 255

// repeats reads what follows an atom: *, +, ? and {m,n}, any number of them.
func (p *parser) repeats(what part) (part, error) {
	for p.rest != "" {
		least, most := 0, -1
		switch {
		case p.next('*'):
		case p.next('+'):
			least = 1
		case p.next('?'):
			most = 1
		case p.next('{'):
			var err error
			if least, most, err = p.bounds(); err != nil {
				return nil, err
			}
		default:
			return what, nil
		}
		what = repeat(what, least, most)
	}
	return what, nil
}

// bounds reads what follows "{": a number, perhaps a comma, perhaps another
// number. most is -1 where there is no bound.
func (p *parser) bounds() (least, most int, err error) {
	text, rest, ok := strings.Cut(p.rest, "}")
	first, last, comma := strings.Cut(text, ",")
	low, lowErr := strconv.ParseUint(first, 10, 8)
	high, highErr := low, lowErr
	switch {
	case !ok:
		return 0, 0, errors.New("unmatched {")
	case comma && last == "":
		p.rest = rest
		return int(low), -1, lowErr
	case comma:
		high, highErr = strconv.ParseUint(last, 10, 8)
	}
	p.rest = rest
	if lowErr != nil || highErr != nil || high < low {
		return 0, 0, errors.New("{" + text + "} is no number of repetitions from 0 to " + strconv.Itoa(maxRepeat))
	}
	return int(low), int(high), nil
}

// repeat returns the part that is what, at least least and at most most times.
func repeat(what part, least, most int) part {
	return func(s string, from places) places {
		for range least {
			next := what(s, from)
			if slices.Equal(next, from) {
				break // and so for ever
			}
			from = next
		}
		to := make(places, len(from))
		to.add(from)
		for n := least; n != most; n++ {
			from = what(s, from)
			// What only comes to places that were reached before comes to
			// nothing new the next time.
			if !to.add(from) {
				break
			}
		}
		return to
	}
}

// classes are the character classes of ASCII (isalpha(3)).
var classes = map[string]func(c byte) bool{
	"alpha":  isAlpha,
	"digit":  isDigit,
	"alnum":  func(c byte) bool { return isAlpha(c) || isDigit(c) },
	"upper":  func(c byte) bool { return c >= 'A' && c <= 'Z' },
	"lower":  func(c byte) bool { return c >= 'a' && c <= 'z' },
	"xdigit": func(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' },
	"space":  func(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' },
	"blank":  func(c byte) bool { return c == ' ' || c == '\t' },
	"punct":  func(c byte) bool { return c > ' ' && c < 0x7f && !isAlpha(c) && !isDigit(c) },
	"print":  func(c byte) bool { return c >= ' ' && c < 0x7f },
	"graph":  func(c byte) bool { return c > ' ' && c < 0x7f },
	"cntrl":  func(c byte) bool { return c < ' ' || c == 0x7f },
}

func isAlpha(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// bracket reads what follows "[": a list of characters, ranges and classes.
func (p *parser) bracket() (func(byte) bool, error) {
	var set [256]bool
	not := p.next('^')
	for first := true; ; first = false {
		switch {
		case p.rest == "":
			return nil, errors.New("unmatched [")
		case p.rest[0] == ']' && !first:
			p.rest = p.rest[1:]
			return func(c byte) bool { return set[c] != not }, nil
		case strings.HasPrefix(p.rest, "[:"):
			name, rest, ok := strings.Cut(p.rest[2:], ":]")
			class := classes[name]
			if !ok || class == nil {
				return nil, errors.New("unknown class in [" + p.rest)
			}
			for c := range set {
				set[c] = set[c] || class(byte(c))
			}
			p.rest = rest
		case strings.HasPrefix(p.rest, "[.") || strings.HasPrefix(p.rest, "[="):
			return nil, errors.New("collating symbols and equivalence classes are not known")
		default:
			low, high, err := p.characters()
			if err != nil {
				return nil, err
			}
			for c := int(low); c <= int(high); c++ {
				set[c] = true
			}
		}
	}
}

// characters reads a character of a bracket expression, or a range of them.
func (p *parser) characters() (low, high byte, err error) {
	low, p.rest = p.rest[0], p.rest[1:]
	if len(p.rest) < 2 || p.rest[0] != '-' || p.rest[1] == ']' {
		return low, low, nil
	}
	high, p.rest = p.rest[1], p.rest[2:]
	if high < low {
		return 0, 0, errors.New("the range " + string(low) + "-" + string(high) + " is upside down")
	}
	return low, high, nil
}
