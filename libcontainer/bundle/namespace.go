package bundle

import "github.com/opencontainers/runtime-spec/specs-go"

// Namespace looks a kind of namespace up in linux.namespaces. found is false where
// the container shares the one of its runtime; path is that of one to join, or ""
// for a new one.
func Namespace(s *specs.Spec, kind specs.LinuxNamespaceType) (path string, found bool) {
	if s.Linux == nil {
		return "", false
	}
	for _, ns := range s.Linux.Namespaces {
		if ns.Type == kind {
			return ns.Path, true
		}
	}
	return "", false
}

// HasNamespace tells whether the container gets a new namespace of a kind or joins
// one.
func HasNamespace(s *specs.Spec, kind specs.LinuxNamespaceType) bool {
	_, found := Namespace(s, kind)
	return found
}

// NewNamespace tells whether the container gets a new namespace of a kind.
func NewNamespace(s *specs.Spec, kind specs.LinuxNamespaceType) bool {
	path, found := Namespace(s, kind)
	return found && path == ""
}
