// Package app is the whole program: it wires the commands, the log and the signals together and turns errors into exit codes.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/fault-project/fault/cmd/internal/cli"
)

// Exit codes.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitInterrupted = 130
)

// Stdio are the program's standard streams.
type Stdio struct {
	In       io.Reader
	Out, Err io.Writer
}

// System returns the process's own streams.
func System() Stdio { return Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr} }

// Main runs the program with the arguments that follow its name and returns its exit code: 0 when it did what it was asked (or was
// a server that was told to end), 1 when that failed, 2 for a command line that makes no sense, 130 after Ctrl-C; a command that
// runs another program keeps the code of that. The first Ctrl-C or SIGTERM lets the command drain; a second Ctrl-C returns at
// once. Environment variables come from the process.
func Main(ctx context.Context, args []string, stdio Stdio) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	signals := newSignals()
	defer signals.stop()

	f := &cli.Factory{
		Streams: cli.Streams{
			In: stdio.In, Out: stdio.Out, Err: stdio.Err, Color: wantsColor(stdio.Out), Terminal: terminalOf(stdio.Out),
		},
		LookupEnv:   os.LookupEnv,
		Environ:     os.Environ,
		TakeSignals: signals.take,
		Version:     buildVersion(),
	}
	done := make(chan int, 1)
	go func() { done <- execute(ctx, f, args) }()
	for {
		select {
		case code := <-done:
			return code
		case sig := <-signals.received:
			switch {
			case signals.passOn(sig):
			case sig != os.Interrupt:
				cancel(cli.ErrTerminated)
			case errors.Is(context.Cause(ctx), cli.ErrInterrupted):
				return ExitInterrupted
			default:
				cancel(cli.ErrInterrupted)
			}
		}
	}
}

func execute(ctx context.Context, f *cli.Factory, args []string) int {
	root := newRoot(f)
	root.SetArgs(args)
	root.SetIn(f.In)
	root.SetOut(f.Out)
	root.SetErr(f.Err)
	err := root.ExecuteContext(ctx)
	if f.CloseLog != nil {
		f.CloseLog()
	}
	var e *cli.Error
	if errors.As(err, &e) && e.Code != 0 {
		report(f.Err, err)
		return e.Code
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, cli.ErrInterrupted):
		if err != nil && !isCanceled(err) {
			report(f.Err, err)
		}
		return ExitInterrupted
	case errors.Is(cause, cli.ErrTerminated) && isCanceled(err):
		// Work that was cut short did not succeed; a server that was told to end returns nil and did.
		fmt.Fprintln(f.Err, "fault: terminated before the work was done")
		return ExitFailed
	case err == nil:
		return ExitOK
	}
	report(f.Err, err)
	if e != nil && e.Usage {
		return ExitUsage
	}
	return ExitFailed
}

func isCanceled(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, cli.ErrInterrupted) || errors.Is(err, cli.ErrTerminated)
}

// report prints an error as one line, and its hint as a second.
func report(w io.Writer, err error) {
	var e *cli.Error
	if !errors.As(err, &e) {
		e = &cli.Error{Err: err}
	}
	if e.Silent {
		return
	}
	fmt.Fprintf(w, "fault: %s\n", oneLine(err.Error()))
	if e.Hint != "" {
		fmt.Fprintf(w, "hint: %s\n", e.Hint)
	}
}

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(strings.TrimSpace(s), func(r rune) bool { return r == '\n' || r == '\r' }), " ")
}

// wantsColor follows https://no-color.org: any non-empty NO_COLOR turns color off.
func wantsColor(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && terminalOf(w) != nil
}

// terminalOf returns the size of the terminal that w is, nil when it is none that a cursor can be moved on.
func terminalOf(w io.Writer) func() (width, height int) {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" || !term.IsTerminal(int(file.Fd())) {
		return nil
	}
	return func() (width, height int) {
		width, height, err := term.GetSize(int(file.Fd()))
		if err != nil || width <= 0 || height <= 0 {
			return 80, 24
		}
		return width, height
	}
}
