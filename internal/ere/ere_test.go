package ere

import (
	"regexp"
	"strings"
	"testing"
)

var subjects = []string{"", "a", "ab", "aab", "abc", "web-1", "web-12", "db_1", "a.b", "a+b", "WEB", "xaaay", "aaaa", "-", "]", "^", "0123456789abcdef"}

// TestLikeRegexp compares with the library whose cost is spared.
func TestLikeRegexp(t *testing.T) {
	for _, expr := range []string{
		"", "a", "^a", "a$", "^$", "^a$", "a|b", "^(web|db)", "web-[0-9]+$", "^web-[0-9]$", "a*b", "a+b", "a?b", "(ab)*c", "^(a|ab)(c|bcd)?$",
		"a{2}", "^a{2}$", "^a{2,}$", "^a{1,3}$", "x(a{3})y", "[^a-z]", "[]]", "[^]a]", "[a-]", "[-a]", "[[:digit:]]+$", "^[[:alnum:]_]+$", "[[:upper:][:punct:]]",
		"a\\.b", "a\\+b", ".", "..", "^...$", "(a|)b", "()", "((a)(b))", "(^a|b$)", "a**", "(a*)*b", "(a*)+$", "[.]b", "^.*1$", "|a",
	} {
		want := regexp.MustCompilePOSIX(expr)
		got, err := Compile(expr)
		if err != nil {
			t.Errorf("%q: %v", expr, err)
			continue
		}
		for _, s := range subjects {
			if got.MatchString(s) != want.MatchString(s) {
				t.Errorf("%q on %q: %v, want %v", expr, s, got.MatchString(s), want.MatchString(s))
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for _, expr := range []string{"*", "+a", "a|*", "(", ")", "a)", "(a", "[", "[a", "[]", "[z-a]", "[[:nope:]]", "[[.a.]]", "\\", "\\d", "\\1", "a{", "a{x}", "a{2,1}", "a{256}", "a{-1}",
		strings.Repeat("(", 200) + strings.Repeat(")", 200)} {
		if _, err := Compile(expr); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want an error of one line", expr, err)
		}
	}
}

// TestTime has an expression that takes those who backtrack for ever.
func TestTime(t *testing.T) {
	for _, expr := range []string{"^(a*)*(a|aa)*(a?){50}$", "^((((a*){255}){255}){255}){255}$", "^((((a|){255}){255}){255}){255}$"} {
		r, err := Compile(expr)
		if err != nil {
			t.Fatal(err)
		}
		if r.MatchString(strings.Repeat("a", 500) + "b") {
			t.Errorf("%s matches", expr)
		}
	}
}

func FuzzCompile(f *testing.F) {
	f.Add("^(web|db)-[0-9]{1,3}$", "web-12")
	f.Fuzz(func(t *testing.T, expr, s string) {
		// "{00}" is no number to the library, and "[\\]" no set.
		if len(expr) > 50 || len(s) > 50 || strings.Contains(expr, "{0") || strings.Contains(expr, ",0") || strings.Contains(expr, "[") && strings.Contains(expr, `\`) {
			return
		}
		for _, c := range expr + s {
			if c >= 0x7f || c < ' ' {
				return // the library counts in characters of UTF-8
			}
		}
		got, err := Compile(expr)
		if err != nil {
			return // the library knows more
		}
		// Where it does not, as in "a{2}{300}", there is nothing to compare.
		if want, err := regexp.CompilePOSIX(expr); err == nil && got.MatchString(s) != want.MatchString(s) {
			t.Errorf("%q on %q: %v, want %v", expr, s, got.MatchString(s), want.MatchString(s))
		}
	})
}
