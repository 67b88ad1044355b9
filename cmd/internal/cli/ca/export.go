package ca

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/proxyengine/authority"
)

// ExportOptions are what `fault ca export` was asked for.
type ExportOptions struct {
	location
	Out    string // "" is the standard output
	DER    bool
	Bundle bool

	f *cli.Factory
}

// NewExport returns `fault ca export`; runF, if not nil, replaces what it does.
func NewExport(f *cli.Factory, runF cli.RunFunc[ExportOptions]) *cobra.Command {
	o := &ExportOptions{f: f}
	cmd := &cobra.Command{
		Use:   "export [flags]",
		Short: "Print the authority's certificate, for clients that are to trust it",
		Long: "Print the authority's certificate (PEM), never its key.\n\n" +
			"Where a setting replaces what a client trusts otherwise (SSL_CERT_FILE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, --cacert), and " +
			"only some hosts are intercepted, give it the bundle (--bundle), which has the system's authorities, too. Set such variables " +
			"for the client alone: fault itself goes by SSL_CERT_FILE where it checks upstreams.\n\n" +
			"fault run --tls-intercept HOST -- COMMAND sets all of these variables for the command.",
		Example: `  fault ca export --bundle --out bundle.pem
  curl --cacert bundle.pem --proxy http://127.0.0.1:3180 https://example.com
  SSL_CERT_FILE=bundle.pem REQUESTS_CA_BUNDLE=bundle.pem python app.py     # ssl, httpx; requests
  NODE_EXTRA_CA_CERTS="$(fault ca path)" node app.js
  SSL_CERT_FILE=bundle.pem ./go-program                                   # Go and OpenSSL, on Linux

  keytool -importcert -noprompt -alias fault -file "$(fault ca path)" -keystore fault.p12 -storepass changeit
  java -Djavax.net.ssl.trustStore=fault.p12 -Djavax.net.ssl.trustStorePassword=changeit …`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.DER && o.Bundle {
				return cli.Usagef("use one of them", "--der is one certificate and --bundle is many")
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return o.run(cmd.Context())
		},
	}
	flags := cli.FlagsOf(cmd, "Options")
	flags.String(&o.Out, "out", "FAULT_CA_OUT", "", "write to `FILE` instead of the standard output")
	flags.Bool(&o.DER, "der", "FAULT_CA_DER", "write it in binary form (DER)")
	flags.Bool(&o.Bundle, "bundle", "FAULT_CA_BUNDLE", "write the authorities that the system trusts behind it")
	o.addFlags(cmd)
	return cmd
}

func (o *ExportOptions) run(context.Context) error {
	a, _, err := o.load()
	if err != nil {
		return err
	}
	data := a.CertificatePEM()
	switch {
	case o.DER:
		data = a.CertificateDER()
	case o.Bundle:
		if data, err = a.Bundle(o.f.Getenv); errors.Is(err, authority.ErrNoSystemRoots) {
			return cli.Failf("leave out --bundle, or name their file with SSL_CERT_FILE", "%w", err)
		}
	}
	if o.Out == "" {
		_, err = o.f.Out.Write(data)
		return err
	}
	if err := os.WriteFile(o.Out, data, 0o644); err != nil {
		return cli.Failf("give --out a path that can be written", "%w", err)
	}
	return nil
}

// PathOptions are what `fault ca path` was asked for.
type PathOptions struct {
	location

	f *cli.Factory
}

// NewPath returns `fault ca path`; runF, if not nil, replaces what it does.
func NewPath(f *cli.Factory, runF cli.RunFunc[PathOptions]) *cobra.Command {
	o := &PathOptions{f: f}
	cmd := &cobra.Command{
		Use:     "path [flags]",
		Short:   "Print where the authority's certificate is",
		Example: `  curl --cacert "$(fault ca path)" --proxy http://127.0.0.1:3180 https://example.com`,
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return o.run(cmd.Context())
		},
	}
	o.addFlags(cmd)
	return cmd
}

func (o *PathOptions) run(context.Context) error {
	_, dir, err := o.load()
	if err != nil {
		return err
	}
	fmt.Fprintln(o.f.Out, authority.CertificateFile(dir))
	return nil
}
