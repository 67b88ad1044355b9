package scenario

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/scenarios"
)

// ValidateOptions are what `fault scenario validate` was asked for.
type ValidateOptions struct {
	Paths []string

	f *cli.Factory
}

// NewValidate returns `fault scenario validate`; runF, if not nil, replaces what it does.
func NewValidate(f *cli.Factory, runF cli.RunFunc[ValidateOptions]) *cobra.Command {
	o := &ValidateOptions{f: f}
	return &cobra.Command{
		Use:   "validate FILE…",
		Short: "Report everything that is wrong in scenario files",
		Long: "Report everything that is wrong in scenario files, or in the scenario files of directories, with file, line and column. " +
			"Nothing is run. The exit code is 1 when there is a problem.",
		Example: "  fault scenario validate scenario.yaml\n  fault scenario validate scenarios/",
		Args:    cli.RangeArgs(1, -1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Paths = args
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return o.run(cmd.Context())
		},
	}
}

func (o *ValidateOptions) run(context.Context) error {
	loaded, problems := scenarios.Validate(o.Paths...)
	for _, problem := range problems {
		fmt.Fprintln(o.f.Out, problem.Error())
	}
	for _, file := range loaded {
		for _, note := range file.Notes {
			fmt.Fprintf(o.f.Out, "%s (note)\n", note.Error())
		}
	}
	if len(problems) > 0 {
		return cli.Failf("", "found %s", count(len(problems), "problem"))
	}
	list, items := 0, 0
	for _, file := range loaded {
		list += len(file.Scenarios)
		for _, s := range file.Scenarios {
			items += len(s.Items)
		}
	}
	fmt.Fprintf(o.f.Out, "%s, %s, %s: no problem\n", count(len(loaded), "file"), count(list, "scenario"), count(items, "item"))
	return nil
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
