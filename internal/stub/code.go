//go:build amd64 || arm64

package stub

import (
	"bytes"
	"unsafe"

	"golang.org/x/sys/unix"
)

const supported = true

// mapPlan maps the file fd where a plan belongs, without what an earlier one was.
func (p *Program) mapPlan(fd int) {
	p.Call(unix.SYS_MMAP, planAddr, planSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED, uintptr(fd))
}

// codeAddr returns the address of the machine code, which is a part of this
// program's that is never run here. It does not depend on where it lies, and
// ends with codeEnd.
func codeAddr() *byte

// codeEnd stands behind the last instruction.
const codeEnd = "rungrung"

// maxCode is more than the code is long.
const maxCode = 512

func machineCode() []byte {
	code := unsafe.Slice(codeAddr(), maxCode)
	end := bytes.Index(code, []byte(codeEnd))
	return code[:end]
}
