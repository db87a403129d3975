//go:build !amd64

package main

import (
	"errors"

	"golang.org/x/sys/unix"
)

func i386Syscall(uintptr, [3]uintptr) (unix.Errno, error) {
	return 0, errors.New("this is no x86-64")
}
