package seccomp

import (
	"errors"
	"strconv"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// FromBytes takes a program that somebody else has compiled: an array of struct
// sock_filter (linux/filter.h) of this machine. Of s, which may be nil, the flags
// are used, and that there is a listener if it names a socket for one.
func FromBytes(data []byte, s *specs.LinuxSeccomp) (*Program, error) {
	n := len(data) / insn
	switch {
	case n == 0 || len(data) != n*insn:
		return nil, errors.New("is no array of instructions of " + strconv.Itoa(insn) + " bytes")
	case n > unix.BPF_MAXINSNS:
		return nil, errors.New("has " + strconv.Itoa(n) + " instructions, and Linux takes " + strconv.Itoa(unix.BPF_MAXINSNS))
	}
	if s == nil {
		s = new(specs.LinuxSeccomp)
	}
	flags, err := filterFlags(s)
	if err != nil {
		return nil, err
	}
	if s.ListenerPath != "" {
		flags |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	}
	p := &Program{Flags: flags, Filter: make([]unix.SockFilter, n)}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&p.Filter[0])), n*insn), data)
	return p, nil
}

// CheckNames returns an error for a name in s that no architecture knows, where
// Compile passes over it.
func CheckNames(s *specs.LinuxSeccomp) error {
	if s == nil {
		return nil
	}
	for i := range s.Syscalls {
		for j, name := range s.Syscalls[i].Names {
			if syscallIndex(name) < 0 {
				return errdefs.Field(jsonfield.Index(jsonfield.Index("linux.seccomp.syscalls", i)+".names", j), "unknown system call "+jsonfield.Quote(name))
			}
		}
	}
	return nil
}
