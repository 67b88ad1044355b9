// Package agent is the command `fault agent tool`, the MCP server that an editor starts.
package agent

import (
	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/cmd/internal/cli/modelflags"
)

// New returns the command and the commands below it.
func New(f *cli.Factory) *cobra.Command {
	models := &modelflags.Options{}
	cmd := cli.Group("agent", "Give your editor's agent tools to measure and find what makes code unreliable", NewTool(f, models, nil))
	models.Add(cli.PersistentFlagsOf(cmd, "Model Options"))
	cli.Absent(cmd, "no tool asks such a model: remove the --llm-prompt-… options and their values",
		"llm-prompt-reasoning-model", "llm-prompt-chat-model")
	return cmd
}
