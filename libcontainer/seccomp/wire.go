package seccomp

import (
	"encoding/binary"
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// insn is the size of an instruction, in bytes.
const insn = int(unsafe.Sizeof(unix.SockFilter{}))

// Bytes returns p for another process of this machine to read with Parse: the
// flags, and the instructions as they lie in memory.
func (p *Program) Bytes() []byte {
	data := make([]byte, 4, 4+insn*len(p.Filter))
	binary.NativeEndian.PutUint32(data, p.Flags)
	return append(data, unsafe.Slice((*byte)(unsafe.Pointer(&p.Filter[0])), insn*len(p.Filter))...)
}

// Parse is the reverse of Bytes. Whether the instructions make sense is for the
// kernel to say.
func Parse(data []byte) (*Program, error) {
	n := (len(data) - 4) / insn
	if len(data) < 4+insn || len(data) != 4+n*insn || n > unix.BPF_MAXINSNS {
		return nil, errors.New("is cut short or damaged")
	}
	p := &Program{Flags: binary.NativeEndian.Uint32(data), Filter: make([]unix.SockFilter, n)}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&p.Filter[0])), n*insn), data[4:])
	return p, nil
}
