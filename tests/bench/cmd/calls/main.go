// Command calls measures what a system call costs where it runs: calls
// getpid|personality prints nanoseconds, the median of many rounds. A filter
// (linux.seccomp) decides on getpid by its number, on personality by its
// argument.
package main

import (
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	numbers := map[string]uintptr{"getpid": unix.SYS_GETPID, "personality": unix.SYS_PERSONALITY}
	if len(os.Args) != 2 || numbers[os.Args[1]] == 0 {
		fmt.Fprintln(os.Stderr, "usage: calls getpid|personality")
		os.Exit(2)
	}
	nr := numbers[os.Args[1]]
	const rounds, calls = 101, 2000
	times := make([]float64, rounds)
	for i := range times {
		start := time.Now()
		for range calls {
			// personality(2): this value asks, and changes nothing.
			if _, _, errno := unix.RawSyscall(nr, 0xffffffff, 0, 0); errno != 0 {
				fmt.Fprintln(os.Stderr, "calls:", os.Args[1]+":", errno)
				os.Exit(1)
			}
		}
		times[i] = float64(time.Since(start).Nanoseconds()) / calls
	}
	slices.Sort(times)
	fmt.Printf("%.1f\n", times[rounds/2])
}
