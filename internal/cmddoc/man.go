package cmddoc

import (
	"fmt"
	"strings"
)

// page is a manual page in the making (man(7)).
type page struct{ strings.Builder }

// newPage begins a page. The date is not escaped: readers of pages parse it.
func newPage(name, version, date string) *page {
	p := &page{}
	fmt.Fprintf(p, ".TH %s 8 \"%s\" %s \"System Administration\"\n", quoted(strings.ToUpper(name)), date, quoted("rung "+version))
	p.WriteString(".nh\n.ad l\n")
	return p
}

func quoted(s string) string { return `"` + escape(s) + `"` }

// section begins a section.
func (p *page) section(name string) { p.WriteString(".SH " + name + "\n") }

// text writes paragraphs, which empty lines separate. Lines that are indented
// stay as they are.
func (p *page) text(text string) {
	for i, paragraph := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		if i > 0 {
			p.WriteString(".PP\n")
		}
		if strings.HasPrefix(paragraph, "    ") {
			p.literal(strings.TrimPrefix(strings.ReplaceAll(paragraph, "\n    ", "\n"), "    "))
			continue
		}
		p.WriteString(escape(paragraph) + "\n")
	}
}

// literal writes lines as they are.
func (p *page) literal(text string) {
	p.WriteString(".RS 4\n.EX\n" + escape(text) + "\n.EE\n.RE\n")
}

// item writes a term, with roff's own escapes, and its explanation.
func (p *page) item(term, text string) {
	p.WriteString(".TP\n" + term + "\n" + escape(text) + "\n")
}

// escape writes text so that roff leaves it alone.
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "^", `\(ha`, "~", `\(ti`, "`", `\(ga`, "…", "...", "\"", `\(dq`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

func bold(s string) string   { return `\fB` + escape(s) + `\fR` }
func italic(s string) string { return `\fI` + escape(s) + `\fR` }

// options writes a section with flags.
func (p *page) options(name string, flags []flag) {
	p.section(name)
	for _, f := range append(flags, helpFlag) {
		var names []string
		for _, s := range f.spellings() {
			names = append(names, bold(s))
		}
		term := strings.Join(names, ", ")
		if f.Value != "" {
			term += " " + italic(f.Value)
		}
		text := sentence(f.Usage)
		if f.Default != "" {
			text += " Default: " + f.Default + "."
		}
		p.item(term, text)
	}
}

var helpFlag = flag{Long: []string{"help"}, Short: []string{"h"}, Usage: "print a summary, and end"}

// sentence makes a flag's usage one.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// also writes the references to other pages.
func (p *page) also(pages []string) {
	p.section("SEE ALSO")
	for i, name := range pages {
		title, section, _ := strings.Cut(strings.TrimSuffix(name, ")"), "(")
		comma := ","
		if i == len(pages)-1 {
			comma = ""
		}
		p.WriteString(".BR " + escape(title) + " (" + section + ")" + comma + "\n")
	}
}

func (p *page) examples(examples []example) {
	if len(examples) == 0 {
		return
	}
	p.section("EXAMPLES")
	for i, e := range examples {
		if i > 0 {
			p.WriteString(".PP\n")
		}
		p.WriteString(escape(e.what) + "\n")
		p.literal(e.shell)
	}
}

// commandPage is the page of one command.
func commandPage(t, c command, version, date string) string {
	extra := pages[c.Name]
	name := t.Name + "-" + c.Name
	p := newPage(name, version, date)
	p.section("NAME")
	p.WriteString(escape(name) + ` \- ` + escape(c.Usage) + "\n")
	p.section("SYNOPSIS")
	p.WriteString(bold(t.Name) + " [" + italic("GLOBAL-OPTION") + "...] " + bold(c.Name))
	if len(c.Flags) > 0 {
		p.WriteString(" [" + italic("OPTION") + "...]")
	}
	if c.Args != "" {
		p.WriteString(" " + italic(c.Args))
	}
	p.WriteString("\n")
	p.section("DESCRIPTION")
	p.text(c.Description + "\n\n" + extra.text)
	p.options("OPTIONS", c.Flags)
	p.section("EXIT STATUS")
	exit := extra.exit
	if exit == "" {
		exit = commonExit
	}
	p.text(exit)
	p.examples(extra.examples)
	if len(extra.files) > 0 {
		p.section("FILES")
		for _, f := range extra.files {
			p.item(bold(f[0]), f[1])
		}
	}
	p.also(append([]string{t.Name + "(8)"}, extra.also...))
	return p.String()
}

// mainPage is the page of the program.
func mainPage(t command, version, date string) string {
	extra := pages[""]
	p := newPage(t.Name, version, date)
	p.section("NAME")
	p.WriteString(escape(t.Name) + ` \- ` + escape(t.Usage) + "\n")
	p.section("SYNOPSIS")
	p.WriteString(bold(t.Name) + " [" + italic("GLOBAL-OPTION") + "...] " + italic("COMMAND") + " [" + italic("OPTION") + "...] [" + italic("ARGUMENT") + "...]\n")
	p.section("DESCRIPTION")
	p.text(t.Description + "\n\n" + extra.text)
	p.section("COMMANDS")
	for _, c := range t.Commands {
		p.WriteString(".TP\n.BR " + escape(t.Name+"-"+c.Name) + " (8)\n" + escape(sentence(c.Usage)) + "\n")
	}
	p.options("GLOBAL OPTIONS", append(t.Flags, flag{Long: []string{"version"}, Short: []string{"v"}, Usage: "print versions, and end"}))
	p.section("ENVIRONMENT")
	for _, e := range environment {
		p.item(bold(e[0]), e[1])
	}
	p.section("EXIT STATUS")
	p.text(extra.exit)
	p.examples(extra.examples)
	p.section("FILES")
	for _, f := range extra.files {
		p.item(bold(f[0]), f[1])
	}
	var also []string
	for _, c := range t.Commands {
		also = append(also, t.Name+"-"+c.Name+"(8)")
	}
	p.also(append(also, extra.also...))
	return p.String()
}
