package spawn

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/sys"
)

// stayHidden has a process that joins a pid namespace stay undumpable while it
// executes the program. By execve(2) it would become dumpable, and so open to
// the processes there (ptrace(2), /proc/PID) until the program changes that
// (CVE-2016-9962); but not where it gains capabilities (commit_creds in the
// kernel's kernel/cred.c). Root gains all that its bounding set has. So the
// process gives one up, which it then gets back.
//
// That also ends PR_SET_PDEATHSIG, which the program has to repeat.
//
// Where user namespaces are left or joined that would not do: see permitted.
// Nor does it under the no_new_privs of rung's caller, as nothing can be gained
// then: there the program is open to root in there until it hides itself.
func (b *builder) stayHidden() {
	if set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err != nil || set != 0 {
		return
	}
	caps, err := sys.Capget()
	if err != nil {
		return
	}
	b.capData = caps
	for bit := range uint(32) {
		// What it takes to execute a file that others may not.
		if bit == unix.CAP_DAC_OVERRIDE || bit == unix.CAP_DAC_READ_SEARCH || b.capData[0].Permitted&(1<<bit) == 0 {
			continue
		}
		if in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(bit), 0, 0, 0); err != nil || in != 1 {
			continue
		}
		b.capData[0].Permitted &^= 1 << bit
		b.capData[0].Effective &^= 1 << bit
		b.add(opTry, "stay hidden", "", unix.SYS_CAPSET, uintptr(unsafe.Pointer(&capHeader)), uintptr(unsafe.Pointer(&b.capData)))
		return
	}
}
