package process

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strconv"
)

// What is needed of elf(5). Package debug/elf would bring a kilobyte of
// tables and a decompressor for debug information into the container's init.
const (
	elfMagic     = "\x7fELF"
	elfClass64   = 2
	elfBigEndian = 2
	elfTypeExec  = 2
	elfTypeDyn   = 3
	elfPTInterp  = 3
)

// elfHeader is the part of an ELF header that the kernel looks at.
type elfHeader struct {
	class64   bool
	bigEndian bool
	kind      uint16 // e_type
	machine   uint16 // e_machine
	phoff     uint64
	phentsize uint16
	phnum     uint16
}

func (h *elfHeader) order() binary.ByteOrder {
	if h.bigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// parseELF reads the header at the start of a file. It returns false if head
// is too short for one.
func parseELF(head []byte) (h elfHeader, ok bool) {
	const classOffset, dataOffset = 4, 5
	const size32, size64 = 52, 64
	if len(head) < size32 || !bytes.HasPrefix(head, []byte(elfMagic)) {
		return h, false
	}
	h.class64 = head[classOffset] == elfClass64
	h.bigEndian = head[dataOffset] == elfBigEndian
	o := h.order()
	h.kind, h.machine = o.Uint16(head[16:]), o.Uint16(head[18:])
	if !h.class64 {
		h.phoff = uint64(o.Uint32(head[28:]))
		h.phentsize, h.phnum = o.Uint16(head[42:]), o.Uint16(head[44:])
		return h, true
	}
	if len(head) < size64 {
		return h, false
	}
	h.phoff = o.Uint64(head[32:])
	h.phentsize, h.phnum = o.Uint16(head[54:]), o.Uint16(head[56:])
	return h, true
}

// headerSize returns the size of a program header of h's class.
func (h *elfHeader) headerSize() int {
	if h.class64 {
		return 56
	}
	return 32
}

// interpSegment searches the program headers in table, of which there may be
// fewer than the header says, for PT_INTERP: where in the file the path of the
// dynamic loader is.
func (h *elfHeader) interpSegment(table []byte) (offset, size uint64, found bool) {
	o, step := h.order(), h.headerSize()
	for ; len(table) >= step; table = table[step:] {
		if o.Uint32(table) != elfPTInterp {
			continue
		}
		if h.class64 {
			return o.Uint64(table[8:]), o.Uint64(table[32:]), true
		}
		return uint64(o.Uint32(table[4:])), uint64(o.Uint32(table[16:])), true
	}
	return 0, 0, false
}

// The machines (e_machine of linux/elf-em.h) that this architecture, with the
// kernels it is used with, may run. Whether a kernel was built for the other
// width too is for execve to say.
func (h *elfHeader) native() bool {
	switch runtime.GOARCH {
	case "amd64", "386":
		return !h.bigEndian && (h.machine == 62 || h.machine == 3)
	case "arm64", "arm":
		return !h.bigEndian && (h.machine == 183 || h.machine == 40)
	case "riscv64":
		return !h.bigEndian && h.machine == 243
	case "ppc64le":
		return !h.bigEndian && h.machine == 21
	case "s390x":
		return h.bigEndian && h.machine == 22
	case "loong64":
		return !h.bigEndian && h.machine == 258
	}
	return true
}

// platform names the machine that h is for in the words of image platforms,
// where these have one.
func (h *elfHeader) platform() string {
	little := ""
	if !h.bigEndian {
		little = "le"
	}
	switch h.machine {
	case 62:
		if !h.class64 {
			return "amd64 (x32)"
		}
		return "amd64"
	case 3:
		return "386"
	case 183:
		return "arm64"
	case 40:
		return "arm"
	case 243:
		if !h.class64 {
			return "riscv32"
		}
		return "riscv64"
	case 21:
		return "ppc64" + little
	case 20:
		return "ppc"
	case 22:
		if !h.class64 {
			return "s390"
		}
		return "s390x"
	case 258:
		return "loong64"
	case 8:
		width := ""
		if h.class64 {
			width = "64"
		}
		return "mips" + width + little
	case 2, 18, 43:
		return "sparc"
	case 247:
		return "BPF, which is for the kernel and not for a processor"
	}
	return "a machine with the ELF number " + strconv.Itoa(int(h.machine))
}
