package handshake

import "strconv"

// Arg0 is argv[0] of the init process. No user's command line has a blank in
// argv[0] by accident.
const Arg0 = "rung init"

// Args returns the arguments of an init process that finds its end of the
// conversation at descriptor fd, and the gate at the one after.
func Args(fd int) []string { return []string{Arg0, strconv.Itoa(fd)} }

// Env is the environment of the init process: a program that lives for a
// millisecond needs no garbage collector, and one thread for Go code will do.
// Nothing of it reaches the container.
func Env() []string { return []string{"GOGC=off", "GOMAXPROCS=1"} }
