package process

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// shebangSize is how much of a script the kernel looks at (BINPRM_BUF_SIZE of
// linux/binfmts.h).
const shebangSize = 256

// parseShebang reads the first line of a script as load_script of the kernel's
// fs/binfmt_script.c does. head is the start of the file, and begins with
// "#!". It returns the path of the interpreter, its one argument or "", and
// ENOEXEC if there is no interpreter or its name is cut off.
func parseShebang(head []byte) (interpreter, arg string, errno unix.Errno) {
	cut := len(head) >= shebangSize
	line, _, whole := bytes.Cut(head[:min(len(head), shebangSize)], []byte{'\n'})
	if cut && !whole {
		// A name that nothing ends may be the start of a longer one.
		if !bytes.ContainsAny(bytes.TrimLeft(line[len("#!"):], " \t"), " \t\x00") {
			return "", "", unix.ENOEXEC
		}
		// The kernel puts a NUL in the place of the last byte.
		line = line[:shebangSize-1]
	}
	line = bytes.Trim(line[len("#!"):], " \t")
	end := bytes.IndexAny(line, " \t\x00")
	if end < 0 {
		end = len(line)
	}
	if end == 0 {
		// The kernel has EACCES for some of these.
		return "", "", unix.ENOEXEC
	}
	rest, _, _ := bytes.Cut(line[end:], []byte{0})
	return string(line[:end]), string(bytes.Trim(rest, " \t")), 0
}
