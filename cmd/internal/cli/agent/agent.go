// Package agent is the command `fault agent tool`, the MCP server that an editor starts.
package agent

import (
	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
)

// New returns the command and the commands below it.
func New(f *cli.Factory) *cobra.Command {
	return cli.Group("agent", "Give your editor's agent tools to measure and find what makes code unreliable", NewTool(f, nil))
}
