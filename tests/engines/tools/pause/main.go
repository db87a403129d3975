// Command pause is the first process of a pod: it does nothing, which keeps the pod's namespaces alive, until it is told to end.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGINT, syscall.SIGTERM)
	// Where the pod's containers share its pid namespace, their orphans are children of this process: an ignored SIGCHLD has
	// the kernel reap them.
	signal.Ignore(syscall.SIGCHLD)
	<-end
}
