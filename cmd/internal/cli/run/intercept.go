package run

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/proxyengine"
	"github.com/fault-project/fault/proxyengine/authority"
)

// HTTPS is what was asked for about TLS.
type HTTPS struct {
	Intercept  []string // hosts whose TLS ends at the proxy; none is none
	CADir      string   // of the authority; "" is this user's
	UpstreamCA string   // a file of authorities to trust beside the system's; "" is none

	authority *authority.Authority // once it is loaded
	passing   bool                 // the authority is of this run alone
}

func (h *HTTPS) addFlags(cmd *cobra.Command) {
	flags := cli.FlagsOf(cmd, "HTTPS Options")
	flags.Strings(&h.Intercept, "tls-intercept", "FAULT_TLS_INTERCEPT",
		"open HTTPS proxy traffic to this `HOST`, HOST:PORT or URL ('*' is all), with certificates of the authority of fault ca, so that "+
			"faults act on single exchanges; may be repeated")
	flags.String(&h.CADir, "ca-dir", "FAULT_CA_DIR", "", "the `FOLDER` of that authority, instead of the one of this user")
	flags.String(&h.UpstreamCA, "upstream-ca", "FAULT_UPSTREAM_CA", "",
		"trust the authorities in `FILE` (PEM), too, when certificates of upstreams are checked")
}

// configure adds to the engine's configuration what the options say; nothing is read of the authority before load.
func (h *HTTPS) configure(c *proxyengine.Config) error {
	if h.UpstreamCA != "" {
		roots, err := upstreamRoots(h.UpstreamCA)
		if err != nil {
			return cli.Usagef("give --upstream-ca a file of PEM certificates", "--upstream-ca: %w", err)
		}
		c.UpstreamRoots = roots
		c.UnknownAuthority = h.UpstreamCA + " of --upstream-ca does not have it either"
	} else {
		c.UnknownAuthority = "--upstream-ca FILE trusts one that is not the system's"
	}
	if len(h.Intercept) == 0 {
		return nil
	}
	hosts, err := proxyengine.ParseUpstreams(h.Intercept)
	if err != nil {
		return cli.Usagef("for example --tls-intercept api.example.com", "--tls-intercept: %w", err)
	}
	for _, pattern := range hosts.Strings() {
		if strings.HasPrefix(pattern, "http://") {
			return cli.Usagef("plain HTTP needs no interception", "--tls-intercept: there is no TLS to %s", pattern)
		}
	}
	if c.ProxyAddress == "" {
		return cli.Usagef("drop --disable-http-proxy", "--tls-intercept opens traffic of the HTTP proxy, which is disabled")
	}
	c.Intercept = proxyengine.Intercept{Hosts: hosts, Certificate: h.certificate}
	return nil
}

func (h *HTTPS) certificate(host string) (*tls.Certificate, error) {
	if h.authority == nil {
		return nil, authority.ErrMissing
	}
	return h.authority.Certificate(host)
}

func upstreamRoots(file string) (*x509.CertPool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("the system's authorities: %w", err)
	}
	if !roots.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("there is no certificate in %s", file)
	}
	return roots, nil
}

// load gets the authority, when there is anything to intercept. For a command that is told of it, one that nobody has made before is
// made for this run alone, and never written to a file.
func (h *HTTPS) load(command bool) error {
	if len(h.Intercept) == 0 || h.authority != nil {
		return nil
	}
	dir := h.CADir
	if dir == "" {
		var err error
		if dir, err = authority.DefaultDir(); err != nil && !command {
			return cli.Failf("give --ca-dir FOLDER", "--tls-intercept: %w", err)
		}
	}
	a, err := authority.Load(dir)
	switch {
	case errors.Is(err, authority.ErrMissing) && command && h.CADir == "":
		h.passing = true
		a, err = authority.New()
	case errors.Is(err, authority.ErrMissing):
		return cli.Failf("make one with fault ca init, and make the clients trust it: fault ca export --help", "--tls-intercept: %w", err)
	case errors.Is(err, authority.ErrExpired):
		return cli.Failf("make another with fault ca init --force, and give it to the clients", "--tls-intercept: %w", err)
	}
	if err != nil {
		return cli.Failf(cli.PathHint(err, "choose another folder with --ca-dir"), "--tls-intercept: %w", err)
	}
	h.authority = a
	return nil
}

// describe says what is intercepted, and with which authority.
func (h *HTTPS) describe() string {
	by := "this user's " + h.authority.Name()
	switch {
	case h.passing:
		by = "one of this run alone, " + h.authority.Name()
	case h.CADir != "":
		by = h.CADir + ", " + h.authority.Name()
	}
	text := fmt.Sprintf("%s (TLS ends here; authority: %s", strings.Join(h.Intercept, ", "), by)
	if only := h.authority.Only(); len(only) > 0 {
		text += ", bound to " + strings.Join(only, ", ")
	}
	return text + ")"
}

// trust writes what a program is to trust that goes through the proxy, and returns the variables that tell it. done removes the file.
func (h *HTTPS) trust(base []string) (variables []string, done func(), err error) {
	if h.authority == nil {
		return nil, func() {}, nil
	}
	bundle, err := h.authority.Bundle(func(name string) string { return lookup(base, name) })
	names := slices.Concat(authority.BundleVariables, authority.ExtraVariables)
	if errors.Is(err, authority.ErrNoSystemRoots) && !slices.Contains(h.Intercept, "*") {
		// What replaces the authorities that the program trusts would take from it all hosts that are not intercepted.
		names = authority.ExtraVariables
	}
	dir, err := os.MkdirTemp("", "fault-ca-")
	if err != nil {
		return nil, nil, err
	}
	done = func() { os.RemoveAll(dir) }
	file := filepath.Join(dir, "bundle.pem")
	if err := errors.Join(os.WriteFile(file, bundle, 0o644), os.Chmod(dir, 0o755)); err != nil { // the program may be another user's
		done()
		return nil, nil, err
	}
	for _, name := range names {
		variables = append(variables, name+"="+file)
	}
	return variables, done, nil
}
