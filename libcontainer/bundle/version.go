package bundle

import (
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// version checks ociVersion. A bundle of a later minor version may ask for
// something that this version of rung has never heard of and would ignore:
// that is worth a warning.
func (v *validator) version() error {
	version := v.spec.Version
	if version == "" {
		return bad("ociVersion", "is missing")
	}
	major, minor, ok := parseVersion(version)
	if !ok {
		return bad("ociVersion", "must be a semantic version such as 1.3.0, got "+jsonfield.Quote(version))
	}
	if major != strconv.Itoa(specs.VersionMajor) {
		return bad("ociVersion", "must have the major version "+strconv.Itoa(specs.VersionMajor)+", got "+jsonfield.Quote(version))
	}
	if newer(minor, strconv.Itoa(specs.VersionMinor)) {
		v.warn("ociVersion", jsonfield.Quote(version)+" is newer than "+specs.Version+
			", the version that rung knows; fields that it added are ignored")
	}
	return nil
}

// newer compares two decimal numbers without leading zeros, however long.
func newer(a, b string) bool {
	if len(a) != len(b) {
		return len(a) > len(b)
	}
	return a > b
}

// parseVersion returns the major and minor version of s, which has the form of
// SemVer 2.0.0: MAJOR.MINOR.PATCH[-PRERELEASE][+BUILD].
func parseVersion(s string) (major, minor string, ok bool) {
	s, build, hasBuild := strings.Cut(s, "+")
	if hasBuild && !identifiers(build, isIdentifier) {
		return "", "", false
	}
	s, prerelease, hasPrerelease := strings.Cut(s, "-")
	if hasPrerelease && !identifiers(prerelease, isPrereleaseIdentifier) {
		return "", "", false
	}
	parts := strings.Split(s, ".")
	if len(parts) != 3 || !isNumber(parts[0]) || !isNumber(parts[1]) || !isNumber(parts[2]) {
		return "", "", false
	}
	return parts[0], parts[1], true
}

// identifiers says whether s consists of identifiers with dots between them.
func identifiers(s string, valid func(string) bool) bool {
	for identifier := range strings.SplitSeq(s, ".") {
		if !valid(identifier) {
			return false
		}
	}
	return true
}

func isIdentifier(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-') {
			return false
		}
	}
	return s != ""
}

// isPrereleaseIdentifier differs from isIdentifier in that digits alone are a
// number.
func isPrereleaseIdentifier(s string) bool {
	return isIdentifier(s) && (isNumber(s) || strings.Trim(s, "0123456789") != "")
}

// isNumber says whether s is a decimal number without leading zeros.
func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == "" && (len(s) == 1 || s[0] != '0')
}
