// Command testhelper is what the integration tests need and a shell cannot
// do: the far side of rung's sockets (console, pidfd, systemd's notify
// socket), and a look at process attributes from inside a container, where
// busybox has no tool for it. It is static, so one file serves both sides.
package main

import (
	"fmt"
	"os"
)

const usage = `usage:
  testhelper recvtty [-size ROWSxCOLS] [-keep] SOCKET   take a terminal from SOCKET and be its other end
  testhelper recvpidfd SOCKET                   take a pidfd from SOCKET and print the pid behind it
  testhelper notify-listen SOCKET               be systemd: print what is sent to the notify socket
  testhelper notify-send TEXT                   be a service: send TEXT to $NOTIFY_SOCKET
  testhelper sched                              print the scheduling attributes of this process
  testhelper ioprio                             print the I/O priority of this process
  testhelper keyring                            print the serial number of the session keyring
  testhelper plant-keyring UID NAME             be a user who makes a keyring for others to find; print its serial number, stay until killed
  testhelper uname                              print nodename, domainname and machine
  testhelper silentfs DIR                       mount a filesystem that never answers on DIR, print "ready", take it away at SIGTERM
  testhelper eat MEGABYTES                      touch this much memory, then print "ate MEGABYTES"
  testhelper lock FILE                          take the lock of a file (flock), print "locked", keep it until killed
  testhelper syscall CALL [ARG...]              make a system call (name, number, x32:NUMBER or i386:NUMBER); print "ok" or its error
  testhelper in-thread CALL                     make one in a thread, and say whether the others outlive that
  testhelper headless                           end the main thread, print "headless" in another, wait there for a signal
  testhelper swap A B                           exchange two paths until killed; print "ready" after the first time
  testhelper maxrss PROGRAM [ARG...]            run a program and print the most memory that it had, in KiB
  testhelper no-pivot-root PROGRAM [ARG...]     run a program for which pivot_root(2) fails, as on an initial ramdisk
  testhelper attack-exe SECONDS MARK            try to write to the programs of all processes, and to see the file MARK; print what was possible, and "over"
  testhelper watch-proc SECONDS                 print which files in /proc of new processes are of other namespaces than this one's, and "over"
  testhelper stop-new SECONDS                   stop new processes as soon as they are born
  testhelper fakeresctrl DIR                    make DIR what a resctrl filesystem looks like, for a rung that was built with the tag fakeresctrl
  testhelper agent SOCKET                       be a seccomp agent: print what is sent to SOCKET, answer mkdir, mount and chmod
  testhelper criu swrk FD                       be a CRIU that saves and restores nothing
`

func main() {
	if len(os.Args) < 2 {
		fail(usage)
	}
	args := os.Args[2:]
	var err error
	switch os.Args[1] {
	case "recvtty":
		err = recvTTY(args)
	case "recvpidfd":
		err = recvPidfd(args)
	case "notify-listen":
		err = notifyListen(args)
	case "notify-send":
		err = notifySend(args)
	case "sched":
		err = printSched()
	case "ioprio":
		err = printIOPrio()
	case "keyring":
		err = printKeyring()
	case "plant-keyring":
		err = plantKeyring(args)
	case "uname":
		err = printUname()
	case "lock":
		err = lock(args)
	case "syscall":
		err = trySyscall(args)
	case "in-thread":
		err = syscallInThread(args)
	case "headless":
		err = headless()
	case "swap":
		err = swap(args)
	case "maxrss":
		err = maxRSS(args)
	case "no-pivot-root":
		err = noPivotRoot(args)
	case "attack-exe":
		err = attackExe(args)
	case "watch-proc":
		err = watchProc(args)
	case "stop-new":
		err = stopNew(args)
	case "fakeresctrl":
		err = fakeResctrl(args)
	case "agent":
		err = agent(args)
	case "criu":
		err = runFakeCRIU(args)
	case "silentfs":
		err = silentFS(args)
	case "eat":
		err = eat(args)
	default:
		fail(usage)
	}
	if err != nil {
		fail("testhelper " + os.Args[1] + ": " + err.Error() + "\n")
	}
}

func fail(text string) {
	fmt.Fprint(os.Stderr, text)
	os.Exit(1)
}
