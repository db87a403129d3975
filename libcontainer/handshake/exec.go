package handshake

import "strconv"

// Arg0 is argv[0] of the init process. No user's command line has a blank in
// argv[0] by accident.
const Arg0 = "rung init"

// Args returns the arguments of an init process that finds its end of the
// conversation at descriptor fd, and the gate at the one after; soft is the
// limit of open files that the program gets, as package spawn starts the init
// with another.
func Args(fd int, soft uint64) []string {
	return []string{Arg0, strconv.Itoa(fd), strconv.FormatUint(soft, 10)}
}

// ParseArgs is the reverse of Args. ok is false for the arguments of any other
// process.
func ParseArgs(args []string) (fd int, soft uint64, ok bool) {
	if len(args) != 3 || args[0] != Arg0 {
		return 0, 0, false
	}
	fd, err := strconv.Atoi(args[1])
	if err != nil || fd < 3 {
		return 0, 0, false
	}
	soft, err = strconv.ParseUint(args[2], 10, 64)
	return fd, soft, err == nil
}

// Env is the environment of the init process: a program that lives for a
// millisecond needs no garbage collector, and one thread for Go code will do.
// Nor does it need the signals by which the runtime takes a thread away from code
// that runs for more than 10 ms, as it does on a slow machine: the return from
// one is a system call that linux.seccomp may forbid, and one that waits for the
// answer of a seccomp agent would begin again with each. Nothing of it reaches
// the container.
func Env() []string { return []string{"GOGC=off", "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1"} }
