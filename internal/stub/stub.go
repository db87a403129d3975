// Package stub makes a program that consists of a list of system calls.
//
// Between the clone of a process and the execve of a container's program there
// must be one program more: what is executed has an entry /proc/self/exe, and
// the host's rung must not be what a container finds there (CVE-2019-5736). A
// copy of rung does that, but to start a Go program takes 0.9 ms longer than a
// small one (min of 300 runs: 1.42 ms against 0.54 ms for true). So where all
// that is left to do is known beforehand, the program is 300 bytes of machine
// code, which make the calls of a list one after the other, and the list.
//
// It reports to a pipe: nothing but an end of file when the last call has
// executed another program.
package stub

import (
	"encoding/binary"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/memfd"
	"github.com/rungoci/rung/internal/sys"
)

// Supported tells whether this architecture has the machine code.
const Supported = supported

// Where the program's parts are in its memory. Any address will do that is a
// multiple of the largest page (64 KiB on arm64).
const (
	textAddr = 0x400000
	dataAddr = 0x500000
	planAddr = 0x10000000
	planSize = 0x400000
	pageSize = 0x10000
)

// kind tells the program how to treat the result of a call. The numbers are
// those of the machine code.
type kind uint64

const (
	// must fails the program if the call fails.
	must kind = iota
	// try does not.
	try
	// withPrev is must, with the result of the call before as first argument.
	withPrev
	// read is must, and fails with EPIPE at the end of the file.
	read
	// absolute is must, and fails with EXDEV unless the memory at its first
	// argument then begins with a slash.
	absolute
	// look goes on after ENOENT, EACCES and ENOTDIR.
	look
	// jump is must, and goes on with the list whose header is at its second
	// argument.
	jump
	// fromMem is must, with what its first argument points to in its place, an
	// int.
	fromMem
	// end is the last call. Where the container's filter of system calls has it
	// return, SIGILL is the end, which nothing can keep off.
	end
)

// call is one system call, as it lies in the program's memory.
type call struct {
	nr   uint64
	args [5]uint64
	kind kind
}

const callSize = int(unsafe.Sizeof(call{}))

// header is what the program's memory begins with: the address of the first
// call, that of the calls to make when one failed, and the report.
type header struct {
	first, last uint64
	report      Report
}

const headerSize = int(unsafe.Sizeof(header{}))

// Report is what the program writes to its pipe: once with neither when it is
// ready, and when a call fails the address of that and its error number.
type Report struct{ call, errno uint64 }

const reportSize = int(unsafe.Sizeof(Report{}))

// Failed tells whether a call has failed.
func (r Report) Failed() bool { return r.errno != 0 }

// Err returns the error of the call that failed.
func (r Report) Err() error { return unix.Errno(r.errno) }

// ReadReport reads what the program says. The error is io.EOF when it executes
// another program, or is dead.
func ReadReport(r io.Reader) (Report, error) {
	var buf [reportSize]byte
	if _, err := io.ReadFull(r, buf[:]); err != nil {
		return Report{}, err
	}
	return Report{call: binary.NativeEndian.Uint64(buf[0:]), errno: binary.NativeEndian.Uint64(buf[8:])}, nil
}

// Program is such a program in the making. It is a sys.Caller: the calls of the
// steps that it is handed to are written down.
type Program struct {
	// base is where the header lies, with the memory and then the calls behind.
	base  uint64
	calls []call
	mem   []byte
}

// New returns a program without calls.
func New() *Program { return &Program{base: dataAddr} }

// NewPlan returns a list that a program gets later; see Follow and Data.
func NewPlan() *Program { return &Program{base: planAddr} }

func (p *Program) add(k kind, nr uintptr, args []uintptr) unix.Errno {
	c := call{nr: uint64(nr), kind: k}
	for i, a := range args {
		c.args[i] = uint64(a)
	}
	p.calls = append(p.calls, c)
	return 0
}

// Call adds a call that must succeed. It returns 0.
func (p *Program) Call(nr uintptr, args ...uintptr) unix.Errno { return p.add(must, nr, args) }

// Try adds a call that may fail. It returns 0.
func (p *Program) Try(nr uintptr, args ...uintptr) unix.Errno { return p.add(try, nr, args) }

// Prev adds a call whose first argument is the result of the one before.
func (p *Program) Prev(nr uintptr, args ...uintptr) unix.Errno { return p.add(withPrev, nr, args) }

// Absolute adds a call that fills the memory of its first argument with a path,
// which must be absolute.
func (p *Program) Absolute(nr uintptr, args ...uintptr) unix.Errno { return p.add(absolute, nr, args) }

// Look adds a call that may fail as execve(2) does with a path of a search that
// holds no program.
func (p *Program) Look(nr uintptr, args ...uintptr) unix.Errno { return p.add(look, nr, args) }

// Await adds the reading of one byte from fd. The end of the file instead fails
// the program.
func (p *Program) Await(fd int) {
	p.add(read, unix.SYS_READ, []uintptr{uintptr(fd), p.Mem(make([]byte, 1)), 1})
}

// Rlimit adds the setting of a limit of the process (struct rlimit64).
func (p *Program) Rlimit(resource int, soft, hard uint64) unix.Errno {
	limit := [2]uint64{soft, hard}
	return p.Call(unix.SYS_PRLIMIT64, 0, uintptr(resource), p.Mem(sys.Bytes(&limit)))
}

// Receive adds the taking of a descriptor that comes with a byte over the socket fd.
// It becomes each of the descriptors to. One that does not come, as there may be no
// more (RLIMIT_NOFILE) or a security module refuses it, is EBADF.
func (p *Program) Receive(fd int, to []int) {
	var control [unix.SizeofCmsghdr + 8]byte
	binary.NativeEndian.PutUint32(control[unix.SizeofCmsghdr:], ^uint32(0))
	at := p.Mem(control[:])
	iov := [2]uint64{uint64(p.Mem(make([]byte, 1))), 1}
	// struct msghdr
	header := [7]uint64{2: uint64(p.Mem(sys.Bytes(&iov))), 3: 1, 4: uint64(at), 5: uint64(len(control))}
	p.add(read, unix.SYS_RECVMSG, []uintptr{uintptr(fd), p.Mem(sys.Bytes(&header)), unix.MSG_CMSG_CLOEXEC})
	received := at + unix.SizeofCmsghdr
	for _, fd := range to {
		p.add(fromMem, unix.SYS_DUP3, []uintptr{received, uintptr(fd), 0})
	}
	p.add(fromMem, unix.SYS_CLOSE, []uintptr{received})
}

// Mem copies b into the program's memory, and returns its address there.
func (p *Program) Mem(b []byte) uintptr {
	for len(p.mem)%8 != 0 {
		p.mem = append(p.mem, 0)
	}
	at := p.base + uint64(headerSize+len(p.mem))
	p.mem = append(p.mem, b...)
	return uintptr(at)
}

// Ready adds the report that all went well so far.
func (p *Program) Ready(fd int) { p.report(must, fd) }

func (p *Program) report(k kind, fd int) {
	p.add(k, unix.SYS_WRITE, []uintptr{uintptr(fd), uintptr(p.base) + unsafe.Offsetof(header{}.report), uintptr(reportSize)})
}

// File returns the program as a sealed file without a name, to be executed with
// any arguments. A call that fails has it report to the descriptor fd, and exit.
func (p *Program) File(fd int) (*os.File, error) {
	f, err := memfd.New()
	if err != nil {
		return nil, errdefs.Doing(err, "make the program that becomes the container's")
	}
	data := p.data(fd)
	if err := write(f, append(elfHeaders(len(data)), machineCode()...), data); err != nil {
		f.Close()
		return nil, errdefs.Doing(err, "write the program that becomes the container's")
	}
	return f, nil
}

// Follow has the program report to the descriptor report that it is ready, and, when
// somebody writes a byte to the other end of the socket goFD, make the calls of the
// plan that is the content of the file fd by then. A plan ends with another program,
// or with Back. Its file is not to be written to before the next report, as it is
// where the program finds it.
func (p *Program) Follow(goFD, report, fd int) {
	p.Ready(report)
	p.Await(goFD)
	p.mapPlan(fd)
	p.add(jump, unix.SYS_GETPID, []uintptr{0, planAddr})
}

// Back has a program begin anew that has followed a plan.
func (p *Program) Back() { p.add(jump, unix.SYS_GETPID, []uintptr{0, dataAddr}) }

// WritePlan makes the plan the content of the file f, which memfd.New has made. A
// call of it that fails has the program report to the descriptor fd, and exit.
func (p *Program) WritePlan(f *os.File, fd int) error {
	data := p.data(fd)
	if len(data) > planSize {
		return errdefs.Doing(unix.E2BIG, "write down what becomes the container's process")
	}
	_, err := f.WriteAt(data, 0)
	return errdefs.Doing(err, "write down what becomes the container's process")
}

// write writes the parts and seals the file.
func write(f *os.File, text, data []byte) error {
	if _, err := f.WriteAt(text, 0); err != nil {
		return err
	}
	if _, err := f.WriteAt(data, pageSize); err != nil {
		return err
	}
	return memfd.Seal(f)
}

// data returns the program's memory. What a call that fails leads to is the last of
// it: a report to fd, and the end.
func (p *Program) data(fd int) []byte {
	failed := len(p.calls)
	p.report(try, fd)
	p.add(end, unix.SYS_EXIT_GROUP, []uintptr{127})
	le := binary.LittleEndian // as both architectures are
	p.Mem(nil)                // aligns the calls
	first := p.base + uint64(headerSize+len(p.mem))
	data := make([]byte, 0, headerSize+len(p.mem)+len(p.calls)*callSize)
	h := header{first: first, last: first + uint64(failed*callSize)}
	for _, word := range [...]uint64{h.first, h.last, h.report.call, h.report.errno} {
		data = le.AppendUint64(data, word)
	}
	data = append(data, p.mem...)
	for _, c := range p.calls {
		for _, word := range [...]uint64{c.nr, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], uint64(c.kind)} {
			data = le.AppendUint64(data, word)
		}
	}
	return data
}
