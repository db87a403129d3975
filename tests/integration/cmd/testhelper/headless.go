package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The first goroutine is on the main thread as long as init functions run; one
// that asks to be kept on its thread stays there.
func init() {
	if len(os.Args) > 1 && os.Args[1] == "headless" {
		runtime.LockOSThread()
	}
}

// headless ends the main thread, which makes it a zombie as long as there are
// others, and goes on in another one.
func headless() error {
	go func() {
		main := fmt.Sprintf("/proc/self/task/%d/stat", os.Getpid())
		for ; ; time.Sleep(time.Millisecond) {
			stat, err := os.ReadFile(main)
			if err != nil {
				fail(err.Error() + "\n")
			}
			if _, rest, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(rest, "Z") {
				break
			}
		}
		fmt.Println("headless")
		for {
			_ = unix.Pause()
		}
	}()
	// By way of the scheduler, which then takes the thread for one that waits.
	_, _, errno := unix.Syscall(unix.SYS_EXIT, 0, 0, 0)
	return errno
}
