// Package thread does things on a thread of its own, for what cannot be taken
// back: to enter a namespace, or to stop sharing the working folder.
package thread

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Spend calls do on a thread that ends afterwards, and waits for it.
func Spend(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The main thread cannot end. It would stay as do left it, and
			// files such as /proc/PID/ns/net would tell of it. While this
			// goroutine holds it, the next gets another one.
			defer runtime.UnlockOSThread()
			Spend(do)
			return
		}
		// Never unlocked: the thread is of no use to anybody else, and ends
		// with this goroutine.
		do()
	}()
	<-done
}
