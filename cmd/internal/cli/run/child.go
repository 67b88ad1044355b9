package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/cmd/internal/runreport"
)

// Exit codes of a shell, env and timeout for what they could not run and what took too long.
const (
	exitTimedOut      = 124
	exitCannotExecute = 126
	exitNotFound      = 127
	exitInterrupted   = 130
)

// grace is how long a command that took too long may tidy up, which is when a test runner writes its results, before it is killed.
const grace = 5 * time.Second

// find looks for the program of a command line. The error is what a shell would say, with its exit code.
func find(name string) (string, error) {
	path, err := exec.LookPath(name)
	switch {
	case err == nil || errors.Is(err, exec.ErrDot):
		return path, nil
	case errors.Is(err, fs.ErrPermission):
		return "", &startError{exitCannotExecute, fmt.Errorf("%s cannot be executed: %w", name, fs.ErrPermission)}
	case errors.Is(err, syscall.EISDIR):
		return "", &startError{exitCannotExecute, fmt.Errorf("%s is a folder", name)}
	case strings.ContainsRune(name, os.PathSeparator):
		return "", &startError{exitNotFound, fmt.Errorf("%s: no such file", name)}
	}
	return "", &startError{exitNotFound, fmt.Errorf("%s: command not found", name)}
}

// startError is a command that could not be started.
type startError struct {
	code int
	err  error
}

func (e *startError) Error() string { return e.err.Error() }
func (e *startError) Unwrap() error { return e.err }

// child is a command that runs with the terminal of this process.
type child struct {
	path    string
	args    []string // with the program's name first, as it was written
	env     []string
	streams cli.Streams
	// timeout is how long it may take, 0 for ever; grace is how long after that it may tidy up.
	timeout, grace time.Duration
	signals        <-chan os.Signal
	// foreground says whether a person's terminal sends the signals of its keys to the command by itself, if it stays in this
	// process's group.
	foreground func() bool
}

// run starts the command and blocks until it has ended; it passes on the signals that it is sent. When ctx is done, which means
// that there is no proxy any more, the command is asked to end. An error means that it never ran.
func (c *child) run(ctx context.Context) (runreport.Exit, error) {
	// The command is not bound to the context: it is asked to end before it is killed.
	cmd := exec.Command(c.path) //nolint:noctx // see above
	cmd.Args, cmd.Env = c.args, c.env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.streams.In, c.streams.Out, c.streams.Err
	if errors.Is(cmd.Err, exec.ErrDot) { // PATH has the current folder on purpose
		cmd.Err = nil
	}
	cmd.WaitDelay = time.Second // for streams that are not files, which somebody else may still hold
	group := !c.foreground() && separate(cmd)
	if err := cmd.Start(); err != nil {
		return runreport.Exit{}, &startError{exitCannotExecute, fmt.Errorf("start %s: %w", c.args[0], startReason(err))}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // how it ended is in ProcessState
	}()
	e := c.attend(ctx, &family{process: cmd.Process, group: group}, ended)
	exitOf(cmd.ProcessState, &e)
	return e, nil
}

// startReason takes the path out of an error that names it already.
func startReason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// attend passes on signals and keeps the time until the command has ended.
func (c *child) attend(ctx context.Context, f *family, ended <-chan struct{}) (e runreport.Exit) {
	var late <-chan time.Time
	if c.timeout > 0 {
		timer := time.NewTimer(c.timeout)
		defer timer.Stop()
		late = timer.C
	}
	done := ctx.Done()
	for {
		select {
		case <-ended:
			if e.TimedOut || e.Interrupted {
				f.leave()
			}
			return e
		case sig := <-c.signals:
			switch {
			case sig != os.Interrupt:
				e.Interrupted = e.Interrupted || terminates(sig)
				f.pass(sig)
			case e.Interrupted:
				f.kill()
			default:
				e.Interrupted = true
				f.pass(sig)
			}
		case <-late:
			if e.TimedOut {
				f.kill()
				late = nil
				continue
			}
			e.TimedOut = true
			f.interrupt()
			late = time.After(c.grace)
		case <-done:
			done = nil
			f.terminate()
		}
	}
}

// exitOf completes e with how the process ended.
func exitOf(state *os.ProcessState, e *runreport.Exit) {
	var signal int
	e.Code = state.ExitCode()
	if e.Signal, signal = signalOf(state); signal != 0 {
		e.Code = 128 + signal
	}
	switch {
	case e.TimedOut:
		e.Code = exitTimedOut
	case e.Interrupted && signal == killSignal: // by the second Ctrl-C
		e.Code = exitInterrupted
	}
}
