// Package run is the command `fault run`: the proxy, with faults from flags, until it is stopped or its duration is over.
package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/cmd/internal/cli/faultflags"
	"github.com/fault-project/fault/proxyengine"
	"github.com/fault-project/fault/proxyengine/fault"
)

// Options are what `fault run` was asked for.
type Options struct {
	ProxyAddress     string
	DisableHTTPProxy bool
	Proxies          []string
	Upstreams        []string
	Duration         time.Duration // 0 is until stopped
	Seed             uint64        // 0 is random
	NoUI             bool
	Tail             bool
	Faults           fault.List

	f *cli.Factory
}

// New returns the command; runF, if not nil, replaces what it does.
func New(f *cli.Factory, runF cli.RunFunc[Options]) *cobra.Command {
	o := &Options{f: f}
	var faults *faultflags.Set
	cmd := &cobra.Command{
		Use:   "run [flags]",
		Short: "Run the proxy and inject faults into the traffic that goes through it",
		Long: "Run the proxy and inject faults into the traffic that goes through it, until Ctrl-C or for --duration.\n\n" +
			"Send traffic through it with HTTP_PROXY and HTTPS_PROXY set to the proxy's address, or through a mapping " +
			"(--proxy PORT=UPSTREAM), which needs nothing of the application but another address.",
		Example: `  fault run --with-latency --latency-mean 300 --proxy 34000=https://example.com
  fault run --with-blackhole --blackhole-sched "start:30s,duration:10s" --duration 1m
  fault run --with-jitter --jitter-amplitude 80 --upstream api.example.com`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.Faults, err = faults.Specs(); err != nil {
				return err
			}
			if err := o.validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return o.run(cmd.Context())
		},
	}
	ui := cli.FlagsOf(cmd, "UI Options")
	ui.Bool(&o.NoUI, "no-ui", "FAULT_PROXY_NO_UI", "print nothing at all")
	ui.Bool(&o.Tail, "tail", "FAULT_PROXY_TAILING", "print a line for every connection and HTTP exchange that ends")
	proxy := cli.FlagsOf(cmd, "Proxy Options")
	proxy.String(&o.ProxyAddress, "proxy-address", "FAULT_PROXY_ADDRESS", cli.DefaultProxyAddress,
		"listen for HTTP proxy traffic on `ADDRESS`")
	proxy.Bool(&o.DisableHTTPProxy, "disable-http-proxy", "FAULT_DISABLE_HTTP_PROXY", "open no HTTP proxy, only mappings")
	proxy.Strings(&o.Proxies, "proxy", "FAULT_PROXIES",
		"map a local port to an upstream, as `LEFT=RIGHT`: LEFT is PORT or IP:PORT, RIGHT is HOST:PORT or PROTO://HOST[:PORT] "+
			"with PROTO http, https, psql, psqls, tls or tcp; may be repeated")
	proxy.Strings(&o.Upstreams, "upstream", "FAULT_UPSTREAMS",
		"affect only HTTP proxy traffic to this `HOST`, HOST:PORT or URL ('*' is all); may be repeated; without it all is affected")
	proxy.Duration(&o.Duration, "duration", "FAULT_PROXY_DURATION", "stop after `TIME` (10s, 1m30s, 2h; a bare number is seconds)")
	proxy.Uint64(&o.Seed, "seed", "FAULT_SEED", 0, "draw the faults from this `SEED`; 0 takes a random one and prints it")
	faults = faultflags.Add(cmd)
	return cmd
}

func (o *Options) validate() error {
	if o.DisableHTTPProxy && len(o.Proxies) == 0 {
		return cli.Usagef("add --proxy PORT=UPSTREAM, or drop --disable-http-proxy", "there is nothing to listen on")
	}
	if o.NoUI && o.Tail {
		return cli.Usagef("use one of them", "--tail prints traffic and --no-ui prints nothing")
	}
	config, err := o.config()
	if err != nil {
		return err
	}
	if _, err := proxyengine.New(config); err != nil {
		return cli.Usagef("", "%w", err)
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
	for _, text := range o.Proxies {
		mapping, err := proxyengine.ParseMapping(text)
		if err != nil {
			return c, cli.Usagef("for example --proxy 34000=https://example.com", "--proxy: %w", err)
		}
		c.Mappings = append(c.Mappings, mapping)
	}
	var err error
	if c.Program.Upstreams, err = proxyengine.ParseUpstreams(o.Upstreams); err != nil {
		return c, cli.Usagef("for example --upstream example.com", "--upstream: %w", err)
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
	config, err := o.config()
	if err != nil {
		return err
	}
	screen := newScreen(o)
	config.Sink = screen.sink
	engine, err := proxyengine.New(config)
	if err != nil {
		return err
	}
	if err := engine.Start(ctx); err != nil {
		return err
	}
	screen.prelude(engine)
	if o.Duration > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, o.Duration)
		defer stop()
	}
	screen.start()
	err = engine.Run(ctx)
	screen.finish()
	if err != nil && !errors.Is(err, context.Cause(ctx)) {
		return fmt.Errorf("the proxy stopped: %w", err)
	}
	return nil // being told to end is how it ends
}
