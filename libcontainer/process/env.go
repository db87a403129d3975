package process

import (
	"slices"
	"strings"
)

// Env returns the environment of the program: env (field process.env) with
// the last of several entries for one name, in its place, and with a HOME for
// the user uid if it has none or an empty one. That comes from /etc/passwd below
// root; it is "/" for a user who is not there. The entries have the form
// NAME=VALUE, as bundle makes sure.
func Env(env []string, uid uint32, root Folder) []string {
	// From the back, so that the last entry of a name is met first.
	out := make([]string, 0, len(env)+1)
	seen := make(map[string]struct{}, len(env))
	home := false
	for _, entry := range slices.Backward(env) {
		name, value, _ := strings.Cut(entry, "=")
		if _, dup := seen[name]; dup {
			continue
		}
		seen[name] = struct{}{}
		if name == "HOME" {
			if value == "" {
				continue
			}
			home = true
		}
		out = append(out, entry)
	}
	slices.Reverse(out)
	if !home {
		out = append(out, "HOME="+homeOf(uid, root))
	}
	return out
}

// lookupEnv returns the value of a variable in an environment without
// duplicates.
func lookupEnv(env []string, name string) (string, bool) {
	for _, entry := range env {
		if n, value, ok := strings.Cut(entry, "="); ok && n == name {
			return value, true
		}
	}
	return "", false
}
