package process

import (
	"bytes"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxScripts is how many interpreters of interpreters the kernel follows
// (exec_binprm of fs/exec.c).
const maxScripts = 5

// CheckExecutable says beforehand why execve(2) of the file would fail (field
// process.args[0]): missing, a folder, not executable for the calling thread,
// on a mount with noexec, a script without its interpreter, a program without
// its dynamic loader, for another machine, or no program at all. So the
// failure is one of create and not of start. Call it when nothing but the
// execve is left to do, as the container's user.
//
// It returns nil where it cannot know: for a file that may be executed and not
// read, and for one of a foreign format while the kernel's binfmt_misc may
// have a handler for it.
func CheckExecutable(file string) error {
	c := checker{file: file}
	return c.check(file, 0)
}

// checker looks at the program, and at the interpreters of a script.
type checker struct {
	// file is the program; errors are about it, whatever lies at fault.
	file string
	// failed tells that execve has failed already, so no handler of
	// binfmt_misc took the file.
	failed bool
}

// refuse returns the error of the check. The hint is about what of file is at
// fault: file itself, or its interpreter.
func (c *checker) refuse(errno unix.Errno, hint string) error {
	return execError(c.file, errno, hint)
}

// refuseFormat is refuse for what binfmt_misc could take care of.
func (c *checker) refuseFormat(name, hint string) error {
	if !c.failed && binfmtMisc() {
		return nil
	}
	return c.refuse(unix.ENOEXEC, c.as(name)+hint)
}

// as returns what a hint about the file name begins with.
func (c *checker) as(name string) string {
	if name == c.file {
		return "it "
	}
	return "its interpreter " + strconv.Quote(name) + " "
}

// check looks at the file called name, which depth scripts have led to.
func (c *checker) check(name string, depth int) error {
	if depth > maxScripts {
		return c.refuse(unix.ELOOP, "it is a script whose interpreter is a script, and so on, more than "+strconv.Itoa(maxScripts)+" times; name a program in its first line")
	}
	// An interpreter was looked at by its script.
	if depth == 0 {
		if errno := access(name); errno != 0 {
			return c.refuse(errno, accessHint(name, errno))
		}
	}
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	// Enough for the program headers that follow the header in every
	// ordinary file.
	var buf [1024]byte
	n, err := unix.Pread(fd, buf[:], 0)
	if err != nil {
		return nil
	}
	head := buf[:n]
	switch {
	case n == 0:
		return c.refuse(unix.ENOEXEC, c.as(name)+"is empty")
	case bytes.HasPrefix(head, []byte("#!")):
		return c.script(name, head, depth)
	case bytes.HasPrefix(head, []byte(elfMagic)):
		return c.elf(name, fd, head)
	}
	return c.refuseFormat(name, "is no program and has no first line with an interpreter; a shell script begins with #!/bin/sh")
}

// script looks at the interpreter of a script.
func (c *checker) script(name string, head []byte, depth int) error {
	interp, arg, errno := parseShebang(head)
	if errno != 0 {
		return c.refuse(errno, c.as(name)+"begins with #! but names no interpreter, or one with too long a name")
	}
	const crlf = "its first line ends in a carriage return, as on Windows; convert it with sed -i 's/\\r$//'"
	errno = helperAccess(interp)
	switch {
	case errno != 0 && strings.HasSuffix(interp, "\r"):
		return c.refuse(errno, crlf)
	case errno != 0:
		hint := "the first line of " + strconv.Quote(name) + " names the interpreter " + strconv.Quote(interp) + ", "
		if errno == unix.ENOENT {
			return c.refuse(errno, hint+"which does not exist in the container")
		}
		return c.refuse(errno, hint+"which cannot be executed; "+accessHint(interp, errno))
	case strings.HasSuffix(arg, "\r") && path.Base(interp) == "env" && !strings.ContainsAny(arg, " \t"):
		// The interpreter runs, and looks for a program called "bash\r".
		return c.refuse(unix.ENOENT, crlf)
	}
	return c.check(interp, depth+1)
}

// elf looks at an ELF file, open as fd, that begins with head.
func (c *checker) elf(name string, fd int, head []byte) error {
	h, ok := parseELF(head)
	if !ok {
		return c.refuseFormat(name, "is cut off within its ELF header")
	}
	if !h.native() {
		return c.refuseFormat(name, "is for "+h.platform()+" and this machine is "+machine()+
			"; use an image for this platform, or register an emulator such as QEMU with binfmt_misc")
	}
	if h.kind != elfTypeExec && h.kind != elfTypeDyn {
		return c.refuseFormat(name, "is an object file or a core dump, not a program")
	}
	size := h.headerSize()
	if int(h.phentsize) != size || h.phnum == 0 {
		return c.refuseFormat(name, "has a broken ELF header")
	}
	loader, errno := readLoader(fd, &h, head)
	if errno != 0 {
		return c.refuseFormat(name, "is cut off or has broken ELF program headers")
	}
	if loader == "" {
		return nil
	}
	if errno := helperAccess(loader); errno != 0 {
		return c.refuse(errno, loaderHint(c.as(name), loader, errno))
	}
	return nil
}

// readLoader returns the path in PT_INTERP, or "" if the file has none or it
// cannot be known, and ENOEXEC if the kernel will not accept the file.
func readLoader(fd int, h *elfHeader, head []byte) (string, unix.Errno) {
	var table []byte
	want := int(h.phnum) * h.headerSize()
	if end := h.phoff + uint64(want); end >= h.phoff && end <= uint64(len(head)) {
		table = head[h.phoff:end]
	} else {
		if want > unix.PathMax {
			return "", 0
		}
		table = make([]byte, want)
		if n, err := unix.Pread(fd, table, int64(h.phoff)); err != nil || n < want {
			return "", unix.ENOEXEC
		}
	}
	offset, size, found := h.interpSegment(table)
	if !found {
		return "", 0
	}
	// The bounds of load_elf_binary in the kernel's fs/binfmt_elf.c.
	if size < 2 || size > unix.PathMax {
		return "", unix.ENOEXEC
	}
	interp := make([]byte, size)
	if n, err := unix.Pread(fd, interp, int64(offset)); err != nil || uint64(n) < size || interp[size-1] != 0 {
		return "", unix.ENOEXEC
	}
	loader, _, _ := bytes.Cut(interp, []byte{0})
	return string(loader), 0
}

// helperAccess is access for what the kernel runs in the place of a program or
// along with it: "is a directory" would be understood as of the program.
func helperAccess(file string) unix.Errno {
	if errno := access(file); errno != unix.EISDIR {
		return errno
	}
	return unix.EACCES
}

// loaderHint explains what is wrong with the dynamic loader of a program.
func loaderHint(what, loader string, errno unix.Errno) string {
	hint := what + "needs the dynamic loader " + strconv.Quote(loader) + ", which "
	if errno != unix.ENOENT {
		return hint + "cannot be executed; " + accessHint(loader, errno)
	}
	hint += "does not exist in the container; "
	base := path.Base(loader)
	switch {
	case strings.HasPrefix(base, "ld-musl"):
		return hint + "it was built for musl, as in Alpine Linux: use such an image, or a build for this image's libc, or a static one"
	case strings.HasPrefix(base, "ld-linux"), strings.HasPrefix(base, "ld64"), base == "ld.so.1":
		return hint + "it was built for glibc, as in Debian or Fedora: use such an image, or a build for this image's libc, or a static one"
	}
	return hint + "use an image that has it, or a static build"
}
