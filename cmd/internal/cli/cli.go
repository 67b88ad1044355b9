// Package cli holds what every command shares: the streams and environment it is given, flags that each have an environment
// variable and a place under a heading of the help text, and the errors that become exit codes.
//
// A command is a folder below this one with Options, New(f, runF) and a run function. New builds the cobra command; runF replaces
// run in tests, so that a test sees which options a command line makes. Commands never import each other, never touch the
// process's own streams, environment or signals, and end when their context does.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/internal/nearest"
)

// Streams are a command's standard streams. Out carries what the command was asked for; Err carries errors and logs.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	// Color says that Out is a terminal that wants color (it is one, NO_COLOR is unset and TERM is not "dumb").
	Color bool
	// Terminal returns the size of the terminal that Out is, in characters; it is nil when Out is none that a cursor can be
	// moved on.
	Terminal func() (width, height int)
}

// Factory is what a command is built from. It is passed by pointer because Log is only known once the flags are parsed: read it
// in run, never in New.
type Factory struct {
	Streams
	// LookupEnv has the contract of [os.LookupEnv].
	LookupEnv func(key string) (string, bool)
	// Environ lists the whole environment, for commands that start others, as [os.Environ] does.
	Environ func() []string
	// TakeSignals hands the signals that the process gets to handle, one after the other, until release is called; nothing else
	// acts on them meanwhile. Beside Ctrl-C and SIGTERM these are all that a shell's user would send to a program. It is for
	// commands that pass signals on to another process; nil where there are none.
	TakeSignals func(handle func(os.Signal)) (release func())
	// Version is what `fault version` prints.
	Version string
	// Log receives the program's log. It is never nil while a command runs.
	Log *slog.Logger
	// CloseLog closes what Log writes to. It is set together with Log and called once, after the command.
	CloseLog func()
}

// Getenv returns the value of an environment variable, "" when it is not set.
func (f *Factory) Getenv(key string) string {
	if f.LookupEnv == nil {
		return ""
	}
	v, _ := f.LookupEnv(key)
	return v
}

// ErrInterrupted and ErrTerminated are the causes ([context.Cause]) of a command's context when the user pressed Ctrl-C and when
// the process was asked to end. A command that was interrupted returns as soon as its work is drained; the exit code (130, and 0
// for a terminated server) follows from the cause, whatever it returns.
var (
	ErrInterrupted = errors.New("interrupted")
	ErrTerminated  = errors.New("terminated")
)

// Error is a failure as the user sees it: one line, and an optional second one that says what to do.
type Error struct {
	Err  error
	Hint string
	// Usage marks a command line that makes no sense (exit code 2) as opposed to work that failed (exit code 1).
	Usage bool
	// Code is the exit code where it is neither of those, as for a command that runs another program; 0 for none.
	Code int
	// Silent suppresses the output: the command already said what failed.
	Silent bool
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the underlying error.
func (e *Error) Unwrap() error { return e.Err }

// Usagef returns an error about the command line itself (exit code 2), with a hint that may be "".
func Usagef(hint, format string, args ...any) error {
	return &Error{Err: fmt.Errorf(format, args...), Hint: hint, Usage: true}
}

// Failf returns an error about work that failed (exit code 1), with a hint that may be "".
func Failf(hint, format string, args ...any) error {
	return &Error{Err: fmt.Errorf(format, args...), Hint: hint}
}

// PathHint returns the hint when err is about a file or a folder that cannot be had, and "" otherwise.
func PathHint(err error, hint string) string {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return hint
	}
	return ""
}

// ErrFailed ends a command with exit code 1 after it has itself printed what failed.
var ErrFailed error = &Error{Err: errors.New("failed"), Silent: true}

// RunFunc runs a command with its options. It blocks until the work is done or ctx is.
type RunFunc[O any] func(ctx context.Context, o *O) error

// NoArgs refuses any argument; unlike cobra's check it names the stray one and is a usage error.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return Usagef("see "+cmd.CommandPath()+" --help", "%s takes no argument, got %q", cmd.CommandPath(), args[0])
}

// RangeArgs returns a check that a command is given between minimum and maximum arguments (maximum < 0 is no limit). What names
// them in the error, for example "FILE".
func RangeArgs(minimum, maximum int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		hint := "see " + cmd.CommandPath() + " --help"
		switch {
		case len(args) < minimum:
			return Usagef(hint, "%s needs %s", cmd.CommandPath(), what)
		case maximum >= 0 && len(args) > maximum:
			return Usagef(hint, "%s takes %s, got %q too many", cmd.CommandPath(), what, strings.Join(args[maximum:], " "))
		}
		return nil
	}
}

// Group returns a command that only holds other commands. Called by itself it prints its help; called with something that is no
// command of its own, it says so with the nearest one.
func Group(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return UnknownCommand(cmd, args[0])
		},
	}
	cmd.AddCommand(subs...)
	return cmd
}

// UnknownCommand is the usage error for name, which is not a command below cmd; it suggests the nearest.
func UnknownCommand(cmd *cobra.Command, name string) error {
	var known []string
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			known = append(known, sub.Name())
		}
	}
	hint := "the commands are " + strings.Join(known, ", ")
	if near := nearest.Of(name, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", cmd.CommandPath()+" "+near)
	}
	return Usagef(hint, "unknown command %q for %q", name, cmd.CommandPath())
}

// ProtocolOutput marks a command whose standard output carries a protocol: nothing else may write there, logs included.
func ProtocolOutput(cmd *cobra.Command) {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[annotationProtocol] = "true"
}

// HasProtocolOutput reports whether [ProtocolOutput] was called for cmd.
func HasProtocolOutput(cmd *cobra.Command) bool { return cmd.Annotations[annotationProtocol] == "true" }

const annotationProtocol = "fault_protocol_output"

// DefaultProxyAddress is where the HTTP proxy listens unless another address is given.
const DefaultProxyAddress = "127.0.0.1:3180"
