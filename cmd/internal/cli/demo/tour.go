package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/mcp"
)

// TourOptions are what `fault demo tour` was asked for.
type TourOptions struct {
	// Output is the folder for the report, the results and the source; empty means a new temporary one.
	Output string

	f *cli.Factory
	// dial starts the MCP server with these arguments and this folder as its client's root; replaced in tests.
	dial dialFunc
}

type dialFunc func(ctx context.Context, args []string, root string, stderr io.Writer) (session, error)

// session is the part of an MCP client that the tour needs.
type session interface {
	Tools(ctx context.Context) ([]mcp.ToolInfo, error)
	Call(ctx context.Context, tool string, args map[string]any, progress func(done, total float64, message string)) (*mcp.Result, error)
	Close() error
}

// NewTour returns `fault demo tour`; runF, if not nil, replaces what it does.
func NewTour(f *cli.Factory, runF cli.RunFunc[TourOptions]) *cobra.Command {
	o := &TourOptions{f: f, dial: dialChild}
	cmd := &cobra.Command{
		Use:   "tour",
		Short: "Show on the demo application what an editor can ask, in ten seconds",
		Long: "Start the demo application and the MCP server, let them meet as in an editor (index, search and extract code, " +
			"measure the application with a slow and with a dead upstream), and leave the report. It needs no network, no key and " +
			"no other program.",
		Example: "  fault demo tour\n  fault demo tour --output ./tour",
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return o.run(cmd.Context())
		},
	}
	flags := cli.FlagsOf(cmd, "Tour Options")
	flags.String(&o.Output, "output", "FAULT_DEMO_TOUR_OUTPUT", "",
		"leave the report and the results in `FOLDER` instead of a new temporary one")
	return cmd
}

// dialChild runs this same program as a child process and speaks to it over its standard input and output.
func dialChild(ctx context.Context, args []string, root string, stderr io.Writer) (session, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program's own file: %w", err)
	}
	return mcp.Dial(ctx, mcp.DialOptions{Command: executable, Args: args, Stderr: stderr, Roots: []string{root}})
}

// run does the tour. Whatever it started has ended when it returns; the folder stays.
func (o *TourOptions) run(ctx context.Context) (err error) {
	dir, err := o.folder()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := &tour{page: page{out: o.f.Out, color: o.f.Color}, dir: dir}
	defer t.close() // an error, or ^C, begins a line of its own

	if err := t.startApplication(ctx); err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- t.app.Serve(ctx) }()
	defer func() {
		cancel()
		err = errors.Join(err, <-served)
	}()

	if err := t.writeSource(); err != nil {
		return err
	}
	var serverLog tailBuffer
	if err := t.startServer(ctx, o.dial, &serverLog); err != nil {
		return fmt.Errorf("start the MCP server: %w%s", err, serverLog.hint())
	}
	for _, step := range []func(context.Context) error{t.index, t.list, t.extract, t.search, t.latency, t.blackhole} {
		if err := step(ctx); err != nil {
			_ = t.session.Close() // the step's error is the one that says what went wrong
			return err
		}
	}
	if err := t.session.Close(); err != nil {
		return fmt.Errorf("the MCP server did not end well: %w%s", err, serverLog.hint())
	}
	return t.leave()
}

// folder returns the absolute path of the folder to write to, which exists.
func (o *TourOptions) folder() (string, error) {
	if o.Output == "" {
		dir, err := os.MkdirTemp("", "fault-tour-")
		if err != nil {
			return "", cli.Failf("name a folder that can be written to with --output", "create a folder for the results: %w", err)
		}
		return dir, nil
	}
	dir, err := filepath.Abs(o.Output)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return "", cli.Failf("name another one with --output", "create the folder for the results: %w", err)
	}
	return dir, nil
}

var _ session = (*mcp.Client)(nil)
