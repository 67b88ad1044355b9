// Package scenario is the commands `fault scenario run` and `fault scenario validate`.
package scenario

import (
	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
)

// New returns the command and the commands below it.
func New(f *cli.Factory) *cobra.Command {
	return cli.Group("scenario", "Run fault scenarios from files, and check those files", NewRun(f, nil), NewValidate(f, nil))
}
