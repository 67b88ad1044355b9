package scenario

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/scenarios"
	"github.com/fault-project/fault/scenarios/runner"
)

// execute parses a command line with an environment, and runs the command.
func execute(cmd *cobra.Command, args string, env map[string]string) error {
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetFlagErrorFunc(cli.FlagError)
	cmd.SetArgs(strings.Fields(args))
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		return cli.ApplyEnv(cmd, func(key string) (string, bool) {
			v, ok := env[key]
			return v, ok
		})
	}
	return cmd.ExecuteContext(context.Background())
}

func TestRunOptions(t *testing.T) {
	for _, tc := range []struct {
		args string
		env  map[string]string
		want RunOptions
		err  string
	}{
		{args: "--scenario a.yaml", want: RunOptions{
			Scenario: "a.yaml", Result: "results.json", Report: "report.md", ProxyAddress: "127.0.0.1:3180",
		}},
		{args: "--scenario d --result r.json --report r.yaml --proxy-address :0 --seed 4", want: RunOptions{
			Scenario: "d", Result: "r.json", Report: "r.yaml", ProxyAddress: ":0", Seed: 4,
		}},
		{args: "--report flag.json", env: map[string]string{
			"FAULT_SCENARIO": "e.yaml", "FAULT_SCENARIO_REPORT_PATH": "env.md", "FAULT_SCENARIO_RESULTS_PATH": "env.json",
			"FAULT_SCENARIO_PROXY_ADDR": "127.0.0.1:1", "FAULT_SEED": "5",
		}, want: RunOptions{Scenario: "e.yaml", Result: "env.json", Report: "flag.json", ProxyAddress: "127.0.0.1:1", Seed: 5}},
		{args: "", err: "no scenario given"},
		{args: "--scenario a.yaml --report r.doc", err: "--report: "},
		{args: "a.yaml", err: `run takes no argument, got "a.yaml"`},
	} {
		t.Run(tc.args, func(t *testing.T) {
			var got *RunOptions
			err := execute(NewRun(&cli.Factory{}, func(_ context.Context, o *RunOptions) error {
				got = o
				return nil
			}), tc.args, tc.env)
			if tc.err != "" {
				var e *cli.Error
				if !errors.As(err, &e) || !e.Usage || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("got %v, want a usage error with %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got.f = nil
			if !reflect.DeepEqual(*got, tc.want) {
				t.Errorf("got %+v, want %+v", *got, tc.want)
			}
		})
	}
}

func TestValidateOptions(t *testing.T) {
	var got *ValidateOptions
	keep := func(_ context.Context, o *ValidateOptions) error {
		got = o
		return nil
	}
	if err := execute(NewValidate(&cli.Factory{}, keep), "a b", nil); err != nil || !reflect.DeepEqual(got.Paths, []string{"a", "b"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := execute(NewValidate(&cli.Factory{}, keep), "", nil); err == nil || err.Error() != "validate needs FILE" {
		t.Errorf("without a file: %v", err)
	}
}

func TestConsole(t *testing.T) {
	var out bytes.Buffer
	c := &console{out: &out}
	at := runner.Progress{Scenarios: 2, Items: 3, Title: "First", Method: "GET", URL: "http://a/", Planned: 2}
	for _, step := range []struct {
		phase        runner.Phase
		scenario     int
		item         int
		done, errors int
	}{
		{runner.Baseline, 0, 0, 0, 0},
		{runner.Calling, 0, 0, 1, 0},
		{runner.Finished, 0, 0, 2, 1},
		{runner.Calling, 0, 1, 0, 0},
		{runner.Finished, 0, 1, 1, 0},
		{runner.Calling, 1, 2, 0, 0},
		{runner.Finished, 1, 2, 3, 0},
	} {
		at.Phase, at.Scenario, at.Item, at.Done, at.Errors = step.phase, step.scenario, step.item, step.done, step.errors
		if step.scenario == 1 {
			at.Title = "Second"
		}
		c.progress(at)
	}
	failed := scenarios.ScenarioResult{
		Scenario: scenarios.Scenario{Title: "Second"},
		Results:  []scenarios.ItemResult{{Target: scenarios.Target{Address: "http://b/"}, FailureCounts: 1}},
	}
	c.summary(&scenarios.Results{Results: []scenarios.ScenarioResult{failed}}, 1940*time.Millisecond)
	const want = `Scenario 1/2: First
  [1/3] GET http://a/: 2 calls, 1 error
  [2/3] GET http://a/: 1 call
Scenario 2/2: Second
  [3/3] GET http://a/: 3 calls
  failed: Second, item 1 http://b/

Tests run: 1, Tests failed: 1
Total time: 1.9s
`
	if out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
}

// On a terminal, how far an item is stands in one line that never wraps and is gone in the end.
func TestConsoleOnATerminal(t *testing.T) {
	var out bytes.Buffer
	c := &console{out: &out, size: func() (int, int) { return 30, 10 }}
	at := runner.Progress{Scenarios: 1, Items: 1, Title: "A", Method: "GET", URL: "http://a.example/long", Planned: 20}
	for _, phase := range []runner.Phase{runner.Baseline, runner.Calling, runner.Finished} {
		at.Phase = phase
		c.progress(at)
		at.Done += 10
	}
	const want = "Scenario 1/1: A\n" +
		"  [1/1] 0 of 20 calls with…\r\x1b[K" +
		"  [1/1] 10 of 20 calls: GE…\r\x1b[K" +
		"  [1/1] GET http://a.example/long: 20 calls\n"
	if got := out.String(); got != want {
		t.Errorf("got %q", got)
	}
	c.progress(runner.Progress{Scenarios: 1, Items: 1, Phase: runner.Calling})
	out.Reset()
	c.erase()
	c.erase()
	if got := out.String(); got != "\r\x1b[K" {
		t.Errorf("erased with %q", got)
	}
}
