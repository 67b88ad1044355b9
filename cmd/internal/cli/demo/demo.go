// Package demo is the commands `fault demo run`, the demo application, and `fault demo tour`, which shows on that application what
// an editor can ask the MCP server.
package demo

import (
	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
)

// New returns the command and the commands below it.
func New(f *cli.Factory) *cobra.Command {
	return cli.Group("demo", "Try fault on a small application that comes with it", NewRun(f, nil), NewTour(f, nil))
}
