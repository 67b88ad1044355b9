package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/scenarios"
	"github.com/fault-project/fault/scenarios/report"
	"github.com/fault-project/fault/scenarios/runner"
)

// RunOptions are what `fault scenario run` was asked for.
type RunOptions struct {
	Scenario     string
	Result       string
	Report       string
	ProxyAddress string
	Seed         uint64

	f *cli.Factory
}

// NewRun returns `fault scenario run`; runF, if not nil, replaces what it does.
func NewRun(f *cli.Factory, runF cli.RunFunc[RunOptions]) *cobra.Command {
	o := &RunOptions{f: f}
	cmd := &cobra.Command{
		Use:   "run --scenario FILE|DIR [flags]",
		Short: "Run a scenario file, or all of a directory",
		Long: "Run a scenario file, or all scenario files of a directory, and write the results and a report. " +
			"The exit code is 1 when an expectation is not met.\n\n" +
			"The calls go through a proxy at --proxy-address. An application that makes calls of its own and was started with " +
			"HTTP_PROXY set to that address is affected, too.",
		Example: "  fault scenario run --scenario scenario.yaml\n" +
			"  fault scenario run --scenario scenarios/ --report report.json --result results.json",
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return o.run(cmd.Context())
		},
	}
	flags := cli.FlagsOf(cmd, "Run Options")
	flags.String(&o.Scenario, "scenario", "FAULT_SCENARIO", "", "run this `FILE` (YAML or JSON), or all YAML files of this directory")
	flags.String(&o.Result, "result", "FAULT_SCENARIO_RESULTS_PATH", "results.json", "write every call and its measurements to `FILE`")
	flags.String(&o.Report, "report", "FAULT_SCENARIO_REPORT_PATH", "report.md",
		"write the report to `FILE`; its extension sets the form: .md, .json, .yaml, .html or .xml (JUnit)")
	flags.Uint64(&o.Seed, "seed", "FAULT_SEED", 0, "draw the faults from this `SEED`; 0 takes a random one, which the results name")
	proxy := cli.FlagsOf(cmd, "Proxy Options")
	proxy.String(&o.ProxyAddress, "proxy-address", "FAULT_SCENARIO_PROXY_ADDR", cli.DefaultProxyAddress,
		"listen for HTTP proxy traffic on `ADDRESS`; port 0 takes a free one")
	return cmd
}

func (o *RunOptions) validate() error {
	if o.Scenario == "" {
		return cli.Usagef("for example: fault scenario run --scenario scenario.yaml", "no scenario given, --scenario is missing")
	}
	if err := report.CheckPath(o.Report); err != nil {
		return cli.Usagef("", "--report: %w", err)
	}
	return nil
}

const (
	resultHint = "give --result a path that can be written"
	reportHint = "give --report a path that can be written"
)

func (o *RunOptions) run(ctx context.Context) error {
	files, err := scenarios.Load(o.Scenario)
	if err != nil {
		return loadError(err)
	}
	var list []scenarios.Scenario
	for _, file := range files {
		for _, note := range file.Notes {
			fmt.Fprintf(o.f.Err, "note: %s\n", note.Error())
		}
		list = append(list, file.Scenarios...)
	}
	if err := scenarios.CheckFile(o.Result); err != nil {
		return cli.Failf(resultHint, "--result: %w", err)
	}
	if err := scenarios.CheckFile(o.Report); err != nil {
		return cli.Failf(reportHint, "--report: %w", err)
	}
	console := &console{out: o.f.Out, size: o.f.Terminal}
	r := runner.New(runner.Options{ProxyAddress: o.ProxyAddress, Seed: o.Seed, Progress: console.progress, Logger: o.f.Log})
	began := time.Now()
	results, err := r.Run(ctx, list)
	console.erase()
	if results == nil || len(results.Results) == 0 && err != nil {
		return err
	}
	// What was done before an interruption is worth keeping.
	if written := o.write(results); written != nil {
		return errors.Join(err, written)
	}
	if err == nil {
		console.summary(results, time.Since(began))
	} else {
		fmt.Fprintln(o.f.Out, "\nNot all was run.")
	}
	fmt.Fprintf(o.f.Out, "Results saved as %s\nReport saved as %s\n", o.Result, o.Report)
	if err != nil {
		return err
	}
	if results.Failed() {
		return cli.ErrFailed
	}
	return nil
}

func (o *RunOptions) write(results *scenarios.Results) error {
	if err := scenarios.WriteResults(o.Result, results); err != nil {
		return cli.Failf(resultHint, "write the results: %w", err)
	}
	if err := report.Build(results).Write(o.Report); err != nil {
		return cli.Failf(reportHint, "write the report: %w", err)
	}
	return nil
}

// loadError shows the first of many problems; the rest is a command away.
func loadError(err error) error {
	var problems scenarios.Problems
	if !errors.As(err, &problems) || len(problems) < 2 {
		return &cli.Error{Err: err, Usage: true}
	}
	return cli.Usagef(count(len(problems), "problem")+" in all, fault scenario validate lists them", "%w", problems[0])
}
