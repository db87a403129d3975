package stub

import "encoding/binary"

// Sizes of elf(5), for 64 bits.
const (
	elfHeaderSize     = 64
	programHeaderSize = 56
	programHeaders    = 3
	textOffset        = elfHeaderSize + programHeaders*programHeaderSize
)

// elfHeaders returns what an executable with a part for code and one for data of
// size bytes begins with. See elf(5).
func elfHeaders(size int) []byte {
	le := binary.LittleEndian
	b := []byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	b = le.AppendUint16(b, 2) // ET_EXEC
	b = le.AppendUint16(b, machine)
	b = le.AppendUint32(b, 1)
	b = le.AppendUint64(b, textAddr+textOffset) // where it starts
	b = le.AppendUint64(b, elfHeaderSize)       // where the program headers are
	b = le.AppendUint64(b, 0)                   // no sections
	b = le.AppendUint32(b, 0)
	for _, half := range [...]uint16{elfHeaderSize, programHeaderSize, programHeaders, 0, 0, 0} {
		b = le.AppendUint16(b, half)
	}
	const load, stack = 1, 0x6474e551 // PT_LOAD, PT_GNU_STACK
	const execute, write, read = 1, 2, 4
	text := textOffset + len(machineCode())
	b = programHeader(b, load, read|execute, 0, textAddr, text)
	b = programHeader(b, load, read|write, pageSize, dataAddr, size)
	return programHeader(b, stack, read|write, 0, 0, 0)
}

func programHeader(b []byte, kind, flags uint32, offset, addr uint64, size int) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, kind)
	b = le.AppendUint32(b, flags)
	for _, word := range [...]uint64{offset, addr, addr, uint64(size), uint64(size), pageSize} {
		b = le.AppendUint64(b, word)
	}
	return b
}
