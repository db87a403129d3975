package bundle

import (
	"strings"
	"testing"
)

func TestValidateID(t *testing.T) {
	for _, id := range []string{"a", "A-Z_a.z+0-9", "...", ".a", "-", "_", "+", strings.Repeat("x", 1024)} {
		if err := ValidateID(id); err != nil {
			t.Errorf("%.40q: %v", id, err)
		}
	}
	const characters = ": may contain letters, digits and _ + - . only"
	for id, want := range map[string]string{
		"":       `check the container id "": must not be empty`,
		".":      `check the container id ".": stands for a folder`,
		"..":     `check the container id "..": stands for a folder`,
		"a/b":    `check the container id "a/b"` + characters,
		"../x":   `check the container id "../x"` + characters,
		"a b":    `check the container id "a b"` + characters,
		"a\x00":  `check the container id "a\x00"` + characters,
		"a\n":    `check the container id "a\n"` + characters,
		"é":      `check the container id "é"` + characters,
		"\xff":   `check the container id "\xff"` + characters,
		"a:b":    `check the container id "a:b"` + characters,
		"${PWD}": `check the container id "${PWD}"` + characters,

		strings.Repeat("x", 1025): `check the container id "` + strings.Repeat("x", 40) + `...": is longer than 1024 bytes`,
	} {
		if err := ValidateID(id); err == nil || err.Error() != want {
			t.Errorf("%.40q:\n got %v\nwant %s", id, err, want)
		}
	}
}
