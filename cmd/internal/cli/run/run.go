// Package run is the command `fault run`: the proxy, with faults from flags, until it is stopped, its duration is over or the
// command that it was started for has ended.
package run

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/cmd/internal/cli/faultflags"
	"github.com/fault-project/fault/cmd/internal/runreport"
	"github.com/fault-project/fault/proxyengine"
	"github.com/fault-project/fault/proxyengine/control"
	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/scenarios"
)

// Options are what `fault run` was asked for.
type Options struct {
	ProxyAddress     string
	DisableHTTPProxy bool
	Proxies          []string
	Upstreams        []string
	UpstreamOverride string        // "" is none
	Duration         time.Duration // 0 is until stopped
	Seed             uint64        // 0 is random
	NoUI             bool
	Tail             bool
	Report           string // "" is none
	APIAddress       string // "" is no control API
	APIToken         string // "" is a random one
	HTTPS            HTTPS
	Faults           fault.List

	// Command is what runs behind the proxy, with its arguments; none for the proxy alone. The rest is about it.
	Command  []string
	Repeat   int
	Baseline bool
	Timeout  time.Duration // of each run; 0 is none
	JUnit    []string

	f *cli.Factory
}

const long = `Run the proxy and inject faults into the traffic that goes through it, until Ctrl-C or for --duration.

Send traffic through it with HTTP_PROXY and HTTPS_PROXY set to the proxy's address, or through a mapping ` +
	`(--proxy PORT=UPSTREAM), which needs nothing of the application but another address.

With a command behind --, the proxy runs for as long as the command does. The command has HTTP_PROXY and HTTPS_PROXY set (also in ` +
	`small letters), FAULT_PROXY_URL, FAULT_MAPPING_PORT for each mapping, as HOST:PORT, and with --api-address FAULT_API_URL and ` +
	`FAULT_API_TOKEN, with --tls-intercept SSL_CERT_FILE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and NODE_EXTRA_CA_CERTS; ` +
	`its terminal, signals and exit code are passed through, and what fault says goes to stderr. ` +
	`Faults and their schedules begin with it; --duration is then only what schedules take percentages of.`

// New returns the command; runF, if not nil, replaces what it does.
func New(f *cli.Factory, runF cli.RunFunc[Options]) *cobra.Command {
	o := &Options{f: f}
	var faults *faultflags.Set
	cmd := &cobra.Command{
		Use:   "run [flags] [-- COMMAND [ARG]...]",
		Short: "Run the proxy and inject faults into the traffic that goes through it",
		Long:  long,
		Example: `  fault run --with-latency --latency-mean 300 --proxy 8443=https://example.com
  fault run --with-blackhole --blackhole-sched "start:30s,duration:10s" --duration 1m
  fault run --with-jitter --jitter-amplitude 80 --upstream api.example.com
  fault run --with-latency --latency-mean 200 --proxy 15432=localhost:5432 -- pytest -q`,
		Args: commandArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if o.Faults, err = faults.Specs(); err != nil {
				return err
			}
			o.Command = args
			if err := o.validate(cmd); err != nil {
				return err
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return o.run(cmd.Context())
		},
	}
	o.addFlags(cmd)
	faults = faultflags.Add(cmd)
	return cmd
}

func (o *Options) addFlags(cmd *cobra.Command) {
	ui := cli.FlagsOf(cmd, "UI Options")
	ui.Bool(&o.NoUI, "no-ui", "FAULT_PROXY_NO_UI", "print nothing at all")
	ui.Bool(&o.Tail, "tail", "FAULT_PROXY_TAILING", "print a line for every connection and HTTP exchange that ends")
	ui.String(&o.Report, "report", "FAULT_REPORT", "",
		"write what the faults did to `FILE` at the end; its extension sets the form: .md, .json or .xml (JUnit)")
	proxy := cli.FlagsOf(cmd, "Proxy Options")
	proxy.String(&o.ProxyAddress, "proxy-address", "FAULT_PROXY_ADDRESS", cli.DefaultProxyAddress,
		"listen for HTTP proxy traffic on `ADDRESS`")
	proxy.Bool(&o.DisableHTTPProxy, "disable-http-proxy", "FAULT_DISABLE_HTTP_PROXY", "open no HTTP proxy, only mappings")
	proxy.Strings(&o.Proxies, "proxy", "FAULT_PROXIES",
		"map a local port to an upstream, as `LEFT=RIGHT`: LEFT is PORT or IP:PORT, RIGHT is HOST:PORT or PROTO://HOST[:PORT] "+
			"with PROTO http, https, psql, psqls, tls or tcp; may be repeated")
	proxy.Strings(&o.Upstreams, "upstream", "FAULT_UPSTREAMS",
		"affect only HTTP proxy traffic to this `HOST`, HOST:PORT or URL ('*' is all); may be repeated; without it all is affected")
	proxy.String(&o.UpstreamOverride, "http-upstream-override", "FAULT_HTTP_UPSTREAM_OVERRIDE", "",
		"send HTTP proxy exchanges, but no tunnels, to this `[SCHEME://]HOST:PORT` instead, whatever they are meant for")
	proxy.Duration(&o.Duration, "duration", "FAULT_PROXY_DURATION", "stop after `TIME` (10s, 1m30s, 2h; a bare number is seconds)")
	proxy.Uint64(&o.Seed, "seed", "FAULT_SEED", 0, "draw the faults from this `SEED`; 0 takes a random one and prints it")
	o.HTTPS.addFlags(cmd)
	api := cli.FlagsOf(cmd, "Control API Options")
	api.String(&o.APIAddress, "api-address", "FAULT_API_ADDRESS", "",
		"serve the control API, which changes faults and mappings while traffic flows, on `ADDRESS`, for example 127.0.0.1:8474")
	api.String(&o.APIToken, "api-token", "FAULT_API_TOKEN", "",
		"let in who sends this `TOKEN` (better given by the variable: everybody on this machine can see a command line); "+
			"without it a random one is made and printed, \"none\" asks for none")
	command := cli.FlagsOf(cmd, "Command Options")
	command.Int(&o.Repeat, "repeat", "FAULT_REPEAT", 1, "run the command `N` times under faults, each time with the next seed")
	command.Bool(&o.Baseline, "baseline", "FAULT_BASELINE",
		"run the command once without faults first, to tell what fails only under faults")
	command.Duration(&o.Timeout, "timeout", "FAULT_TIMEOUT",
		"end a run of the command after `TIME`, as Ctrl-C would, and with exit code 124")
	command.Strings(&o.JUnit, "junit", "FAULT_JUNIT",
		"read the test results that the command writes as JUnit XML to `FILE`, or to files of this pattern; may be repeated")
}

// commandArgs takes a command, but only behind "--": a word that stands elsewhere is a mistake.
func commandArgs(cmd *cobra.Command, args []string) error {
	dash := cmd.ArgsLenAtDash()
	switch {
	case dash < 0 && len(args) > 0, dash > 0:
		return cli.Usagef("put -- before a command that is to run behind the proxy: fault run [OPTIONS] -- COMMAND",
			"%s takes no argument, got %q", cmd.CommandPath(), args[0])
	case dash == 0 && len(args) == 0:
		return cli.Usagef("for example: fault run --with-latency --latency-mean 200 -- pytest -q", "there is no command after --")
	}
	return nil
}

func (o *Options) validate(cmd *cobra.Command) error {
	if o.DisableHTTPProxy && len(o.Proxies) == 0 {
		return cli.Usagef("add --proxy PORT=UPSTREAM, or drop --disable-http-proxy", "there is nothing to listen on")
	}
	if o.NoUI && o.Tail {
		return cli.Usagef("use one of them", "--tail prints traffic and --no-ui prints nothing")
	}
	if o.Report != "" {
		if err := runreport.CheckPath(o.Report); err != nil {
			return cli.Usagef("", "--report: %w", err)
		}
	}
	if err := o.validateCommand(cmd); err != nil {
		return err
	}
	config, err := o.config()
	if err != nil {
		return err
	}
	engine, err := proxyengine.New(config)
	if err != nil {
		return cli.Usagef("", "%w", err)
	}
	return o.validateAPI(cmd, engine)
}

func (o *Options) validateAPI(cmd *cobra.Command, engine *proxyengine.Engine) error {
	if o.APIAddress == "" {
		if cli.OnCommandLine(cmd.Flags().Lookup("api-token")) {
			return cli.Usagef("add --api-address ADDRESS", "--api-token has no effect without --api-address")
		}
		return nil
	}
	if o.NoUI && o.APIToken == "" && len(o.Command) == 0 {
		return cli.Usagef("give one with FAULT_API_TOKEN", "--no-ui does not print the token that --api-address makes")
	}
	if _, err := control.New(control.Options{Engine: engine, Address: o.APIAddress, Token: o.APIToken}); err != nil {
		return cli.Usagef("", "--api-address: %w", err)
	}
	return nil
}

// validateCommand checks what only makes sense with a command.
func (o *Options) validateCommand(cmd *cobra.Command) error {
	if len(o.Command) == 0 {
		for _, name := range []string{"repeat", "baseline", "timeout", "junit"} {
			if flag := cmd.Flags().Lookup(name); cli.OnCommandLine(flag) {
				return cli.Usagef("add -- COMMAND", "--%s has no effect without a command", name)
			}
		}
		return nil
	}
	if o.Repeat < 1 {
		return cli.Usagef("", "invalid value \"%d\" for --repeat: it must be 1 or more", o.Repeat)
	}
	if o.Baseline && len(o.Faults) == 0 && o.APIAddress == "" {
		return cli.Usagef("add a fault, such as --with-latency --latency-mean 200",
			"--baseline has nothing to compare with: no fault is turned on")
	}
	return nil
}

// config makes the engine's configuration; every error is about the command line.
func (o *Options) config() (proxyengine.Config, error) {
	c := proxyengine.Config{
		Seed:   o.Seed,
		Logger: o.f.Log,
		Program: proxyengine.Program{
			Faults: o.Faults,
			Total:  o.Duration,
		},
	}
	if !o.DisableHTTPProxy {
		c.ProxyAddress = o.ProxyAddress
	}
	if c.HTTPUpstreamOverride = o.UpstreamOverride; o.UpstreamOverride != "" && o.DisableHTTPProxy {
		return c, cli.Usagef("use one of them", "--http-upstream-override is for the HTTP proxy, and --disable-http-proxy opens none")
	}
	for _, text := range o.Proxies {
		mapping, err := proxyengine.ParseMapping(text)
		if err != nil {
			return c, cli.Usagef("for example --proxy 8443=https://example.com", "--proxy: %w", err)
		}
		c.Mappings = append(c.Mappings, mapping)
	}
	var err error
	if c.Program.Upstreams, err = proxyengine.ParseUpstreams(o.Upstreams); err != nil {
		return c, cli.Usagef("for example --upstream example.com", "--upstream: %w", err)
	}
	if err := o.HTTPS.configure(&c); err != nil {
		return c, err
	}
	for _, spec := range o.Faults {
		if o.Duration == 0 && spec.Common().Schedule.Relative() {
			return c, cli.Usagef("add --duration TIME", "the schedule %q of %s has percentages, which need a --duration",
				spec.Common().Schedule, spec.Kind())
		}
	}
	return c, nil
}

func (o *Options) run(ctx context.Context) error {
	if o.Report != "" {
		if err := scenarios.CheckFile(o.Report); err != nil {
			return cli.Failf("give --report a path that can be written", "--report: %w", err)
		}
	}
	if err := o.HTTPS.load(len(o.Command) > 0); err != nil {
		return err
	}
	// A seed that a person can type again.
	for o.Seed == 0 {
		o.Seed = uint64(rand.Uint32N(1_000_000))
	}
	if len(o.Command) > 0 {
		return o.runCommand(ctx)
	}
	return o.runProxy(ctx)
}
