package ca

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/proxyengine/authority"
)

// InitOptions are what `fault ca init` was asked for.
type InitOptions struct {
	location
	Only  []string
	Force bool

	f *cli.Factory
}

// NewInit returns `fault ca init`; runF, if not nil, replaces what it does.
func NewInit(f *cli.Factory, runF cli.RunFunc[InitOptions]) *cobra.Command {
	o := &InitOptions{f: f}
	cmd := &cobra.Command{
		Use:   "init [flags]",
		Short: "Make a certificate authority for this user",
		Long: fmt.Sprintf("Make a certificate authority for this user, with a key that only this user can read. It ends after %d days.\n\n"+
			"Whoever has the key can pose as any host to clients that trust the authority. --only binds it to a few hosts, "+
			"for good: then clients take no other certificate of it.", int(authority.Lifetime.Hours()/24)),
		Example: `  fault ca init
  fault ca init --only example.com --only 10.0.0.0/8`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return o.run(cmd.Context())
		},
	}
	flags := cli.FlagsOf(cmd, "Options")
	flags.Strings(&o.Only, "only", "FAULT_CA_ONLY",
		"bind the authority to this `HOST` and those below it, IP address or range (10.0.0.0/8); may be repeated")
	flags.Bool(&o.Force, "force", "FAULT_CA_FORCE", "replace the authority that is there")
	o.addFlags(cmd)
	return cmd
}

func (o *InitOptions) run(context.Context) error {
	dir, err := o.resolve()
	if err != nil {
		return err
	}
	var only []string
	for _, host := range o.Only {
		if host = strings.TrimSpace(host); host != "" {
			only = append(only, host)
		}
	}
	a, err := authority.New(only...)
	if err != nil {
		return cli.Usagef("give names as example.com, which stands for what is below it, too", "--only: %w", err)
	}
	if err := a.Save(dir, o.Force); err != nil {
		if errors.Is(err, authority.ErrExists) {
			return cli.Failf("use it, or replace it with --force: then clients have to be given the new one", "%w", err)
		}
		return cli.Failf(cli.PathHint(err, "choose another folder with --ca-dir"), "%w", err)
	}
	certificate := authority.CertificateFile(dir)
	hosts := "any"
	if len(only) > 0 {
		hosts = strings.Join(a.Only(), ", ") + ", and no other"
	}
	out := o.f.Out
	fmt.Fprintf(out, "Certificate  %s\nKey          %s\n", certificate, authority.KeyFile(dir))
	fmt.Fprintf(out, "Name         %s\nFingerprint  SHA-256 %s\n", a.Name(), a.Fingerprint())
	fmt.Fprintf(out, "Hosts        %s\nValid until  %s\n\n", hosts, a.Expires().Format(time.DateOnly))
	fmt.Fprint(out, "Clients have to be made to trust it; fault ca export --help says how. For example:\n\n"+
		"  fault run --tls-intercept example.com --with-latency --latency-mean 300\n"+
		"  curl --cacert \"$(fault ca path)\" --proxy http://"+cli.DefaultProxyAddress+" https://example.com\n")
	return nil
}
