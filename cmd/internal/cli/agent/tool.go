package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/cmd/internal/cli/indexflags"
	"github.com/fault-project/fault/cmd/internal/cli/modelflags"
	"github.com/fault-project/fault/mcp"
	"github.com/fault-project/fault/tools"
)

// ToolOptions are what `fault agent tool` was asked for.
type ToolOptions struct {
	AllowDirs    []string
	AllowTargets []string
	ReadOnly     bool
	Index        indexflags.Options
	Results      string
	Models       *modelflags.Options

	f *cli.Factory
}

// NewTool returns `fault agent tool`. The flags of models are those of the command above it. runF, if not nil, replaces what it does.
func NewTool(f *cli.Factory, models *modelflags.Options, runF cli.RunFunc[ToolOptions]) *cobra.Command {
	o := &ToolOptions{f: f, Models: models}
	cmd := &cobra.Command{
		Use:   "tool [flags]",
		Short: "Serve tools to an editor over MCP, on standard input and output",
		Long: "Serve tools to an editor or agent over the Model Context Protocol, on standard input and output, until the client " +
			"closes the connection. Editors start this command themselves; `fault demo tour` prints the settings for some.",
		Example: "  fault agent tool\n  fault --log-file /tmp/fault.log --log-level debug agent tool --allow-dir ~/src/shop",
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Index.Check(cli.OnCommandLineOf(cmd)); err != nil {
				return err
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return o.run(cmd.Context())
		},
	}
	cli.ProtocolOutput(cmd)
	safety := cli.FlagsOf(cmd, "Safety Options")
	safety.Strings(&o.AllowDirs, "allow-dir", "FAULT_ALLOW_DIR",
		"let tools read files below `DIR` only; may be repeated; without it, and without roots from the client, "+
			"source files that belong to a project")
	safety.Strings(&o.AllowTargets, "allow-target", "FAULT_ALLOW_TARGET",
		"let tools send load to `HOST`, HOST:PORT, URL or *.DOMAIN, beside this machine's loopback; may be repeated")
	safety.Bool(&o.ReadOnly, "read-only", "FAULT_READ_ONLY", "leave out every tool that writes or sends traffic")
	o.Index.Add(cli.FlagsOf(cmd, "Code Index Options"))
	output := cli.FlagsOf(cmd, "Output Options")
	output.String(&o.Results, "results", "FAULT_RESULTS", "",
		"keep results.json and report.md of every measurement in a new folder below `DIR`")
	return cmd
}

func (o *ToolOptions) run(ctx context.Context) error {
	if o.ReadOnly && o.Results != "" {
		return cli.Usagef("leave one of them out",
			"--read-only and --results exclude each other: without measurements there is nothing to keep")
	}
	offered, done, err := o.tools()
	if err != nil {
		return flagError(err)
	}
	defer done()
	server := mcp.New(mcp.Options{Version: o.f.Version, Tools: offered, Log: o.f.Log})
	o.f.Log.Info("serving MCP on standard input and output", "version", o.f.Version)
	if err := server.ServeStdio(ctx, o.f.In, o.f.Out); err != nil {
		return fmt.Errorf("serve MCP: %w", err)
	}
	return nil
}

// flagError marks an error about an option as one of usage.
func flagError(err error) error {
	var user *tools.UserError
	if errors.As(err, &user) {
		return cli.Usagef(user.Hint, "%s: %s", user.Argument, user.Message)
	}
	return err
}
