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
// Nothing of it reaches the container.
func Env() []string { return []string{"GOGC=off", "GOMAXPROCS=1"} }
