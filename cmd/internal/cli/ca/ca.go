// Package ca is the commands `fault ca init`, `export` and `path`: the certificate authority of this user, with which
// `fault run --tls-intercept` stands in for HTTPS servers.
package ca

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/proxyengine/authority"
)

// New returns the command and the commands below it.
func New(f *cli.Factory) *cobra.Command {
	cmd := cli.Group("ca", "Make the certificate authority that --tls-intercept opens HTTPS with, and give it to clients",
		NewInit(f, nil), NewExport(f, nil), NewPath(f, nil))
	cmd.Long = "The certificate authority of this user, with which fault run --tls-intercept stands in for HTTPS servers, so that faults " +
		"act on single exchanges of HTTPS.\n\n" +
		"Its key stays in a folder that only this user can read. Clients have to be made to trust its certificate: see fault ca export."
	return cmd
}

// location is where the authority is.
type location struct {
	Dir string // "" is this user's own
}

func (l *location) addFlags(cmd *cobra.Command) {
	cli.FlagsOf(cmd, "Options").String(&l.Dir, "ca-dir", "FAULT_CA_DIR", "",
		"the `FOLDER` of the authority, instead of the one of this user (fault/ca in the folder for configuration)")
}

// resolve returns the folder.
func (l *location) resolve() (string, error) {
	if l.Dir != "" {
		return l.Dir, nil
	}
	dir, err := authority.DefaultDir()
	if err != nil {
		return "", cli.Failf("give --ca-dir FOLDER", "%w", err)
	}
	return dir, nil
}

// load reads the authority.
func (l *location) load() (*authority.Authority, string, error) {
	dir, err := l.resolve()
	if err != nil {
		return nil, "", err
	}
	a, err := authority.Load(dir)
	switch {
	case errors.Is(err, authority.ErrMissing):
		return nil, dir, cli.Failf("make one with fault ca init", "%w", err)
	case errors.Is(err, authority.ErrExpired):
		return nil, dir, cli.Failf("make another with fault ca init --force, and give it to the clients", "%w", err)
	}
	if err != nil {
		return nil, dir, cli.Failf(cli.PathHint(err, "choose another folder with --ca-dir"), "%w", err)
	}
	return a, dir, nil
}
