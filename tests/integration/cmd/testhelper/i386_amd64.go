package main

import "golang.org/x/sys/unix"

// int80 makes a system call as programs for 32-bit x86 do.
func int80(nr, a, b, c uint32) int32

func i386Syscall(nr uintptr, args [3]uintptr) (unix.Errno, error) {
	if r := int80(uint32(nr), uint32(args[0]), uint32(args[1]), uint32(args[2])); r < 0 {
		return unix.Errno(-r), nil
	}
	return 0, nil
}
