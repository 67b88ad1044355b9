//go:build !unix

package run

import (
	"os"
	"os/exec"
)

// killSignal is no signal: processes end with an exit code here.
const killSignal = -1

// family is a command.
type family struct {
	process *os.Process
	group   bool
}

// separate does nothing: there are no process groups here.
func separate(*exec.Cmd) bool { return false }

// foreground is true: Ctrl-C reaches all programs of a console.
func foreground() bool { return true }

// pass does nothing: the console told the command itself.
func (f *family) pass(os.Signal) {}

// interrupt ends the command: a process cannot send Ctrl-C to another one alone.
func (f *family) interrupt() { f.kill() }

func (f *family) terminate() { f.kill() }

func (f *family) kill() { _ = f.process.Kill() }

func (f *family) leave() {}

func terminates(os.Signal) bool { return true }

func signalOf(*os.ProcessState) (name string, number int) { return "", 0 }
