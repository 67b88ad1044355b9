//go:build unix

package app

import (
	"os"
	"syscall"
)

// passedOn are the signals that are of interest to a command that runs another program, beside those that always are.
var passedOn = []os.Signal{syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}
