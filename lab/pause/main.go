// Command pause does nothing but live: it holds the namespaces of a pod, or of a whole node as its PID 1,
// reaps the processes that the kernel hands to it and ends on SIGTERM or SIGINT.
package main

import (
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	debug.SetGCPercent(-1)
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGCHLD, syscall.SIGTERM, syscall.SIGINT)
	for {
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if pid <= 0 || err != nil {
				break
			}
		}
		if s := <-signals; s != syscall.SIGCHLD {
			return
		}
	}
}
