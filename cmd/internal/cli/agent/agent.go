// Package agent is the command `fault agent tool`, the MCP server that an editor starts.
package agent

import (
	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
)

// New returns the command and the commands below it.
func New(f *cli.Factory) *cobra.Command {
	cmd := cli.Group("agent", "Give your editor's agent tools to measure and find what makes code unreliable", NewTool(f, nil))
	cli.Absent(cmd, "every tool works without a model: remove the --llm-… options and their values",
		"llm-client", "llm-prompt-reasoning-model", "llm-prompt-chat-model", "llm-embed-model", "llm-embed-model-dim")
	return cmd
}
