// Package demo is the commands below `fault demo`: the demo application, to try faults on.
package demo

import (
	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
)

// New returns the command and the commands below it.
func New(f *cli.Factory) *cobra.Command {
	return cli.Group("demo", "Try fault on a small application that comes with it", NewRun(f, nil))
}
