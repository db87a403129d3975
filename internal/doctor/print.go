package doctor

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// word and colour say a level; the colours are those of a terminal (ECMA-48,
// "select graphic rendition"). Functions, as maps would be made at each start of
// rung.
func (l Level) word() string {
	switch l {
	case Green:
		return "ok"
	case Yellow:
		return "warn"
	case Red:
		return "FAIL"
	}
	return "-"
}

func (l Level) colour() string {
	switch l {
	case Green:
		return "32"
	case Yellow:
		return "33"
	case Red:
		return "31;1"
	}
	return "2"
}

// The columns before the text: group, word, title.
const (
	groupWidth = 12
	wordWidth  = 6
	titleWidth = 14
	indent     = groupWidth + wordWidth + titleWidth
)

// Print writes the report for people, in lines of at most width columns where
// words allow that, in colour or without.
func (r *Report) Print(w io.Writer, width int, colour bool) error {
	p := &printer{width: max(width, indent+30), colour: colour}
	host := r.Host.Distribution
	if host != "" {
		host += ", "
	}
	p.line(p.bold(fmt.Sprintf("rung %s on %sLinux %s, %s, as %s", r.Rung.Version, host, r.Host.Kernel, r.Host.Architecture, r.Host.User)))
	p.line("")
	group := ""
	for _, c := range merged(r.Checks) {
		shown := ""
		if g := c.group(); g != group {
			group, shown = g, g
		}
		p.check(shown, c)
	}
	p.line("")
	p.line(p.paint(r.Level, verdict(r)))
	_, err := io.WriteString(w, p.String())
	return err
}

func verdict(r *Report) string {
	count := map[Level]int{}
	for _, c := range r.Checks {
		count[c.Level]++
	}
	warnings := plural(count[Yellow], "warning")
	switch {
	case count[Red] == 1:
		return "not usable: see the line that says FAIL; " + warnings
	case count[Red] > 1:
		return fmt.Sprintf("not usable: see the %d lines that say FAIL; %s", count[Red], warnings)
	case count[Yellow] > 0:
		return "usable, with " + warnings
	}
	return "usable"
}

// merged puts the engines that are not there on one line.
func merged(checks []Check) []Check {
	var names []string
	out := slices.DeleteFunc(slices.Clone(checks), func(c Check) bool {
		if c.Text != notFound {
			return false
		}
		names = append(names, c.title())
		return true
	})
	if len(names) > 0 {
		out = append(out, Check{ID: "engines." + notFound, Level: Grey, Text: strings.Join(names, ", ")})
	}
	return out
}

type printer struct {
	strings.Builder
	width  int
	colour bool
}

func (p *printer) line(text string) { p.WriteString(strings.TrimRight(text, " ") + "\n") }

func (p *printer) check(group string, c Check) {
	p.WriteString(p.bold(pad(group, groupWidth)))
	p.WriteString(p.paint(c.Level, pad(c.Level.word(), wordWidth)))
	p.WriteString(pad(c.title(), titleWidth))
	for i, line := range wrap(c.Text, p.width-indent) {
		if i > 0 {
			p.WriteString(strings.Repeat(" ", indent))
		}
		p.line(line)
	}
	if c.Hint == "" {
		return
	}
	for i, line := range wrap(c.Hint, p.width-indent-3) {
		mark := "   "
		if i == 0 {
			mark = "-> "
		}
		p.line(strings.Repeat(" ", indent) + p.paint(c.Level, mark+line))
	}
}

func (p *printer) paint(l Level, text string) string { return p.sgr(l.colour(), text) }
func (p *printer) bold(text string) string           { return p.sgr("1", text) }

func (p *printer) sgr(code, text string) string {
	if !p.colour || strings.TrimSpace(text) == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(width-utf8.RuneCountInString(text), 1))
}

// wrap breaks a text at spaces into lines of at most width columns; a word that
// is longer gets a line of its own. What would move the cursor or change colours
// is left out: parts of the text come from files and programs.
func wrap(text string, width int) []string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
	lines := []string{""}
	for word := range strings.FieldsSeq(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case utf8.RuneCountInString(*last)+1+utf8.RuneCountInString(word) <= width:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}
