package demo

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/demo"
)

// RunOptions are what `fault demo run` was asked for.
type RunOptions struct {
	Address  string
	Port     int
	Upstream string

	f *cli.Factory
}

// NewRun returns `fault demo run`; runF, if not nil, replaces what it does.
func NewRun(f *cli.Factory, runF cli.RunFunc[RunOptions]) *cobra.Command {
	o := &RunOptions{f: f}
	cmd := &cobra.Command{
		Use:   "run [ADDRESS [PORT]]",
		Short: "Run the demo application",
		Long: "Run the demo application until Ctrl-C. Some of its endpoints call an upstream, through HTTP_PROXY if that is set; " +
			"by default the upstream is the application itself, so that it needs no network. It prints one line for each request.",
		Example: "  fault demo run\n  fault demo run 0.0.0.0 8080\n  fault demo run --upstream http://127.0.0.1:17070/echo",
		Args:    cli.RangeArgs(0, 2, "[ADDRESS [PORT]]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.complete(args); err != nil {
				return err
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return o.run(cmd.Context())
		},
	}
	flags := cli.FlagsOf(cmd, "Demo Options")
	flags.String(&o.Address, "address", "FAULT_DEMO_ADDR", demo.DefaultAddress, "listen on the IP `ADDRESS`, like the first argument")
	flags.Int(&o.Port, "port", "FAULT_DEMO_PORT", demo.DefaultPort, "listen on `PORT`, like the second argument; 0 takes a free one")
	flags.String(&o.Upstream, "upstream", "FAULT_DEMO_UPSTREAM", "",
		"call `URL` from /ping and /multi instead of the application's own /echo")
	return cmd
}

// complete takes the arguments in, which beat the flags, and checks the result.
func (o *RunOptions) complete(args []string) error {
	const hint = "for example: fault demo run 127.0.0.1 7070"
	if len(args) > 0 {
		o.Address = args[0]
	}
	if len(args) > 1 {
		port, err := strconv.Atoi(args[1])
		if err != nil {
			return cli.Usagef(hint, "invalid port %q: it must be a whole number", args[1])
		}
		o.Port = port
	}
	if _, err := netip.ParseAddr(o.Address); err != nil && o.Address != "localhost" {
		return cli.Usagef(hint, "invalid address %q: it must be an IP address or localhost", o.Address)
	}
	if o.Port < 0 || o.Port > 65535 {
		return cli.Usagef(hint, "invalid port %d: it must be from 0 to 65535", o.Port)
	}
	return nil
}

func (o *RunOptions) run(ctx context.Context) error {
	app, err := demo.New(demo.Options{Upstream: o.Upstream, Log: o.f.Out})
	if err != nil {
		return &cli.Error{Err: err, Usage: true}
	}
	if err := app.Listen(ctx, net.JoinHostPort(o.Address, strconv.Itoa(o.Port))); err != nil {
		return err
	}
	fmt.Fprintf(o.f.Out, "%s\n", app.Prelude())
	return app.Serve(ctx)
}
