package seccomp

// On older 32-bit architectures, and some more, all of sockets and System V
// IPC was reached through one system call each, socketcall(2) and ipc(2), with
// the number of the call that is meant as the first argument. C libraries for
// 32-bit x86 still do so. A rule for socket(2) must mean both ways.

// through returns the number of the multiplexing call of a through which the
// call at index in the tables can be reached, and the first argument that
// means it; via is 0 if there is none. The arguments are those of
// linux/net.h and linux/ipc.h.
func (a *arch) through(index int) (nr uint32, via byte) {
	name := syscallNames[nameOffsets[index]:nameOffsets[index+1]]
	multiplexer := "socketcall"
	if via = socketCall(name); via == 0 {
		if via = ipcCall(name); via == 0 {
			return 0, 0
		}
		multiplexer = "ipc"
	}
	nr, there := a.number(syscallIndex(multiplexer))
	if !there {
		return 0, 0
	}
	return nr, via
}

func socketCall(name string) byte {
	switch name {
	case "socket":
		return 1
	case "bind":
		return 2
	case "connect":
		return 3
	case "listen":
		return 4
	case "accept":
		return 5
	case "getsockname":
		return 6
	case "getpeername":
		return 7
	case "socketpair":
		return 8
	case "send":
		return 9
	case "recv":
		return 10
	case "sendto":
		return 11
	case "recvfrom":
		return 12
	case "shutdown":
		return 13
	case "setsockopt":
		return 14
	case "getsockopt":
		return 15
	case "sendmsg":
		return 16
	case "recvmsg":
		return 17
	case "accept4":
		return 18
	case "recvmmsg":
		return 19
	case "sendmmsg":
		return 20
	}
	return 0
}

func ipcCall(name string) byte {
	switch name {
	case "semop":
		return 1
	case "semget":
		return 2
	case "semctl":
		return 3
	case "semtimedop":
		return 4
	case "msgsnd":
		return 11
	case "msgrcv":
		return 12
	case "msgget":
		return 13
	case "msgctl":
		return 14
	case "shmat":
		return 21
	case "shmdt":
		return 22
	case "shmget":
		return 23
	case "shmctl":
		return 24
	}
	return 0
}
