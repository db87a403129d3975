// Package memfd makes files without a name in memory (memfd_create(2)) that are
// there to be executed, and seals them.
package memfd

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// name is what /proc/PID/fd and /proc/PID/maps call the files.
const name = "rung"

// New returns an empty file that can be executed and sealed. The errors are those
// of memfd_create(2), such as EACCES where vm.memfd_noexec is 2.
func New() (*os.File, error) {
	// MFD_EXEC (6.3) says what hosts with vm.memfd_noexec=1 need to hear; older
	// kernels do not know it.
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "memfd:"+name), nil
}

// Seal has the content of f, which New has made, stay as it is for ever: nobody can
// write to the file, change its size or take the seals off (fcntl(2), "File
// Sealing").
//
// The kernel says EBUSY while somebody else holds a page of the file, who could be
// writing to it, and waits 0.2 s for that to end (memfd_wait_for_pins). On a busy
// host, where memory is compacted and other processors have pages in hand, it takes
// longer now and then.
func Seal(f *os.File) error {
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	for end := time.Now().Add(sealPatience); ; time.Sleep(time.Millisecond) {
		_, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals)
		if err != unix.EBUSY || time.Now().After(end) {
			return os.NewSyscallError("fcntl F_ADD_SEALS", err)
		}
	}
}

// sealPatience is how long Seal tries.
const sealPatience = 5 * time.Second
