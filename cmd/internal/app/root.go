package app

import (
	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/cmd/internal/cli/agent"
	"github.com/fault-project/fault/cmd/internal/cli/ca"
	"github.com/fault-project/fault/cmd/internal/cli/demo"
	"github.com/fault-project/fault/cmd/internal/cli/index"
	"github.com/fault-project/fault/cmd/internal/cli/lint"
	"github.com/fault-project/fault/cmd/internal/cli/run"
	"github.com/fault-project/fault/cmd/internal/cli/scenario"
	"github.com/fault-project/fault/cmd/internal/cli/search"
	"github.com/fault-project/fault/cmd/internal/cli/version"
)

// newRoot builds the command tree. Nothing in it starts, opens or connects anything: that waits for the command's own run, so
// that the program starts at once.
func newRoot(f *cli.Factory) *cobra.Command {
	cobra.EnableCommandSorting = false // the order of use says more
	logs := &logOptions{}
	root := cli.Group("fault", "Inject network faults into your application and measure what they do to it",
		run.New(f, nil),
		scenario.New(f),
		lint.New(f, nil),
		agent.New(f),
		index.New(f, nil),
		search.New(f, nil),
		demo.New(f),
		ca.New(f),
		version.New(f),
	)
	root.Long = "Inject network faults into your application and measure what they do to it: as a proxy, from scenario files, " +
		"or from your editor over MCP."
	root.SilenceErrors, root.SilenceUsage = true, true
	root.DisableSuggestions = true
	root.Version = f.Version
	root.SetVersionTemplate("fault {{.Version}}\n")
	root.Flags().BoolP("version", "V", false, "")
	root.SetFlagErrorFunc(cli.FlagError)
	cli.UseHelp(root)
	logs.addFlags(root)
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveDefault)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := cli.ApplyEnv(cmd, f.LookupEnv); err != nil {
			return err
		}
		log, closeLog, err := logs.open(cmd, f)
		if err != nil {
			return err
		}
		f.Log, f.CloseLog = log, closeLog
		return nil
	}
	return root
}
