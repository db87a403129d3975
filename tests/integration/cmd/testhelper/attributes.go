package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// printSched prints policy, nice, priority, the deadline triple and flags,
// as sched_getattr(2) gives them.
func printSched() error {
	a, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return err
	}
	policy := map[uint32]string{
		unix.SCHED_NORMAL: "SCHED_OTHER", unix.SCHED_FIFO: "SCHED_FIFO", unix.SCHED_RR: "SCHED_RR",
		unix.SCHED_BATCH: "SCHED_BATCH", unix.SCHED_IDLE: "SCHED_IDLE", unix.SCHED_DEADLINE: "SCHED_DEADLINE",
	}[a.Policy]
	fmt.Printf("policy=%s nice=%d priority=%d runtime=%d deadline=%d period=%d flags=%#x\n",
		policy, a.Nice, a.Priority, a.Runtime, a.Deadline, a.Period, a.Flags)
	return nil
}

// printIOPrio prints class and level, as ioprio_get(2) gives them.
func printIOPrio() error {
	const whoProcess = 1
	prio, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, whoProcess, 0, 0)
	if errno != 0 {
		return errno
	}
	fmt.Printf("class=%d level=%d\n", prio>>13, prio&7)
	return nil
}

// lock takes the lock of a file, which is made where it is missing, says so and keeps it until it is killed.
func lock(args []string) error {
	if len(args) != 1 {
		return errWrongArguments
	}
	f, err := os.OpenFile(args[0], os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	fmt.Println("locked")
	for {
		unix.Pause()
	}
}

// printKeyring prints the serial number of the session keyring.
func printKeyring() error {
	id, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	if err != nil {
		return err
	}
	fmt.Println(id)
	return nil
}

// plantKeyring makes a keyring, as another user, that everybody may search and so
// join by its name, and keeps it until it is killed.
func plantKeyring(args []string) error {
	if len(args) != 2 {
		return errors.New("want a user id and a name")
	}
	uid, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	runtime.LockOSThread() // A session keyring is the thread's.
	if err := syscall.Setuid(uid); err != nil {
		return err
	}
	id, err := unix.KeyctlJoinSessionKeyring(args[1])
	if err != nil {
		return err
	}
	const allForAll = 0x3f3f3f3f
	if err := unix.KeyctlSetperm(id, allForAll); err != nil {
		return err
	}
	fmt.Println(id)
	return unix.Pause()
}

// printUname prints what uname(2) says, domainname included.
func printUname() error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	fmt.Printf("nodename=%s domainname=%s machine=%s\n", unix.ByteSliceToString(u.Nodename[:]),
		unix.ByteSliceToString(u.Domainname[:]), unix.ByteSliceToString(u.Machine[:]))
	return nil
}

// eat touches the given number of megabytes and says so.
func eat(args []string) error {
	if len(args) != 1 {
		return errors.New("want one argument: the megabytes")
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	mem, err := unix.Mmap(-1, 0, n<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	for i := 0; i < len(mem); i += os.Getpagesize() {
		mem[i] = 1
	}
	fmt.Println("ate", n)
	return nil
}
