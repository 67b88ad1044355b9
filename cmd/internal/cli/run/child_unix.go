//go:build unix

package run

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

const killSignal = int(syscall.SIGKILL)

// family is a command with what it has started.
type family struct {
	process *os.Process
	// group says that the family is a process group of its own. Else it is part of ours, the terminal's foreground group: what
	// a person types (Ctrl-C, Ctrl-\, Ctrl-Z) reaches all of us already.
	group bool
}

// separate makes the command a process group of its own, so that signals reach all of it. With a person in front of us it has to
// stay in ours instead: there it may read from the terminal, and is stopped and continued together with us.
func separate(cmd *exec.Cmd) bool {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return true
}

// foreground says whether this process belongs to the group that its terminal sends the keys' signals to.
func foreground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// pass passes a signal on. Those of the terminal's keys are not passed on to whom the terminal sent them itself.
func (f *family) pass(sig os.Signal) {
	switch sig {
	case os.Interrupt, syscall.SIGQUIT, syscall.SIGHUP:
		if f.group {
			f.send(sig.(syscall.Signal))
		}
	default:
		_ = f.process.Signal(sig)
	}
}

// interrupt does to the family what Ctrl-C does.
func (f *family) interrupt() { f.send(syscall.SIGINT) }

func (f *family) terminate() { _ = f.process.Signal(syscall.SIGTERM) }

func (f *family) kill() { f.send(syscall.SIGKILL) }

// leave ends what the command left behind when it was ended itself.
func (f *family) leave() {
	if f.group {
		_ = syscall.Kill(-f.process.Pid, syscall.SIGKILL)
	}
}

// send sends a signal to all of the family, as far as it is known.
func (f *family) send(sig syscall.Signal) {
	if f.group {
		_ = syscall.Kill(-f.process.Pid, sig)
		return
	}
	offspring := descendants(f.process.Pid) // before their parent goes
	_ = f.process.Signal(sig)
	for _, pid := range offspring {
		_ = syscall.Kill(pid, sig)
	}
}

// terminates says whether a signal asks a program to end.
func terminates(sig os.Signal) bool {
	return sig == syscall.SIGTERM || sig == syscall.SIGHUP || sig == syscall.SIGQUIT || sig == os.Interrupt
}

// signalOf returns the name and the number of the signal that ended a process, if one did.
func signalOf(state *os.ProcessState) (name string, number int) {
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return "", 0
	}
	return unix.SignalName(status.Signal()), int(status.Signal())
}
