package demo

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/fault-project/fault/proxyengine/schedule"
	"github.com/fault-project/fault/scenarios"
	"github.com/fault-project/fault/scenarios/report"
	"github.com/fault-project/fault/scenarios/runner"
)

// The measurements: a load of loadRate calls a second. The hole begins and ends half-way between two calls that are due, so that
// each call is clearly inside or outside.
const (
	loadRate      = 5
	latencyMS     = 300
	latencyLoad   = 3 * time.Second
	blackholeLoad = 4 * time.Second
	holeStart     = 1500 * time.Millisecond
	holeEnd       = 2500 * time.Millisecond
	callTimeout   = time.Second
	baselineCalls = 5
)

// impactAnswer is the part of a measurement's answer that the tour prints.
type impactAnswer struct {
	Calls         int     `json:"calls"`
	Errors        int     `json:"errors"`
	Timeouts      int     `json:"timeouts"`
	P50           float64 `json:"p50_ms"`
	BaselineCalls int     `json:"baseline_calls"`
	BaselineP50   float64 `json:"baseline_p50_ms"`
	AddedP50      float64 `json:"added_p50_ms"`
}

// load is the arguments that both measurements share, with those of one of them.
func (t *tour) load(duration time.Duration, own map[string]any) map[string]any {
	args := map[string]any{
		"url":         t.target(),
		"duration":    schedule.FormatDuration(duration),
		"num_clients": 1,
		"rps":         loadRate,
		"timeout":     callTimeout.Seconds(),
		"side":        "server",
		"proxies":     []string{t.proxy()},
	}
	maps.Copy(args, own)
	return args
}

// target is what is called, and proxy the mapping between it and its upstream.
func (t *tour) target() string { return t.app.URL() + "/ping" }
func (t *tour) proxy() string  { return fmt.Sprintf("%d=%s", t.mapping, t.app.URL()) }

func (t *tour) latency(ctx context.Context) error {
	t.step(fmt.Sprintf("Slow its upstream by %d ms", latencyMS))
	t.outcome("GET /ping, %d times a second for %s", loadRate, seconds(latencyLoad))
	var answer impactAnswer
	args := t.load(latencyLoad, map[string]any{"latency": latencyMS, "deviation": 0, "direction": "ingress"})
	if err := t.call(ctx, "fault_run_latency_impact_scenario", args, &answer); err != nil {
		return err
	}
	t.detail("without the fault   p50 %s   %s", milliseconds(answer.BaselineP50), count(answer.BaselineCalls, "call"))
	t.detail("with the fault      p50 %s   %s, %d failed", milliseconds(answer.P50), count(answer.Calls, "call"), answer.Errors)
	t.detail("added                   %s", t.bold(milliseconds(answer.AddedP50)))
	if answer.Errors > 0 {
		return fmt.Errorf("%d of %d calls failed, and latency alone should fail none", answer.Errors, answer.Calls)
	}
	return nil
}

func (t *tour) blackhole(ctx context.Context) error {
	t.step("Let its upstream vanish")
	t.outcome("from second %.1f to second %.1f of %.0f; a call waits %s at most",
		holeStart.Seconds(), holeEnd.Seconds(), blackholeLoad.Seconds(), seconds(callTimeout))
	var answer impactAnswer
	args := t.load(blackholeLoad, map[string]any{"direction": "egress", "sched": holeSchedule()})
	if err := t.call(ctx, "fault_run_blackhole_impact_scenario", args, &answer); err != nil {
		return err
	}
	t.detail("without the fault   p50 %s   %s", milliseconds(answer.BaselineP50), count(answer.BaselineCalls, "call"))
	t.detail("with the fault      p50 %s   %s, %s failed, %d of them by waiting in vain", milliseconds(answer.P50),
		count(answer.Calls, "call"), t.bold(strconv.Itoa(answer.Errors)), answer.Timeouts)
	return nil
}

func holeSchedule() string {
	return fmt.Sprintf("start:%s,duration:%s", milli(holeStart), milli(holeEnd-holeStart))
}

func milli(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

// scenario is both measurements as a file.
func (t *tour) scenario() string {
	item := func(duration time.Duration, fault string) string {
		return fmt.Sprintf(`  - call:
      method: GET
      url: %s
      timeout: %d
    context:
      upstreams: []
      faults:
        - %s
      strategy: {mode: load, duration: %s, clients: 1, rps: %d}
      slo:
        - {slo_type: latency, title: 95%% @ 200ms, objective: 95, threshold: 200}
        - {slo_type: error, title: 99%% without an error, objective: 99, threshold: 1}
      proxy:
        disable_http_proxies: true
        proxies: [%q]
`, t.target(), callTimeout.Milliseconds(), fault, schedule.FormatDuration(duration), loadRate, t.proxy())
	}
	return "---\ntitle: The demo application and its upstream\n" +
		"description: A slow upstream, then one that vanishes for a second\nitems:\n" +
		item(latencyLoad, fmt.Sprintf("{type: latency, side: server, direction: ingress, mean: %d, stddev: 0}", latencyMS)) +
		item(blackholeLoad, fmt.Sprintf("{type: blackhole, side: server, direction: egress, period: %q}", holeSchedule()))
}

type runFunc func(ctx context.Context, list []scenarios.Scenario) (*scenarios.Results, error)

// runScenarios runs them as `fault scenario run` does, with a few calls before each item.
func runScenarios(ctx context.Context, list []scenarios.Scenario) (*scenarios.Results, error) {
	return runner.New(runner.Options{BaselineCalls: baselineCalls}).Run(ctx, list)
}

// repeat runs both measurements again, from a scenario file, and leaves that, its results and its report.
func (t *tour) repeat(run runFunc) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		t.step("Repeat both from a file")
		t.outcome("as fault scenario run does, for CI")
		text := t.scenario()
		path := filepath.Join(t.dir, "scenario.yaml")
		list, err := scenarios.Parse(path, []byte(text))
		if err != nil {
			return err
		}
		if err := scenarios.WriteFile(path, []byte(text)); err != nil {
			return err
		}
		results, err := run(ctx, list)
		if err != nil {
			return err
		}
		if len(results.Results) != 1 || len(results.Results[0].Results) != 2 {
			return fmt.Errorf("%s: the results lack a measurement", path)
		}
		slow, gone := &results.Results[0].Results[0], &results.Results[0].Results[1]
		without, with := tallyOf(slow.Baseline).p50(), tallyOf(slow.Results).p50()
		t.detail("latency, added          %s   %s", milliseconds(with-without), count(len(slow.Results), "call"))
		inside, outside := split(gone)
		t.detail("outside the hole    p50 %s   %s, %d failed", milliseconds(outside.p50()), count(outside.calls, "call"), outside.failed)
		t.detail("inside the hole     p50 %s   %s, %s failed", milliseconds(inside.p50()), count(inside.calls, "call"),
			t.bold(strconv.Itoa(inside.failed)))
		if err := scenarios.WriteResults(filepath.Join(t.dir, "results.json"), results); err != nil {
			return err
		}
		return report.Build(results).Write(filepath.Join(t.dir, "report.md"))
	}
}

// tally sums up calls.
type tally struct {
	calls, failed int
	times         []float64 // milliseconds
}

func tallyOf(calls []scenarios.CallResult) *tally {
	t := &tally{}
	for i := range calls {
		t.add(&calls[i])
	}
	return t
}

func (t *tally) add(call *scenarios.CallResult) {
	t.calls++
	if call.Erred(nil) {
		t.failed++
	}
	if call.Metrics != nil {
		t.times = append(t.times, call.Metrics.TotalTime)
	}
}

func (t *tally) p50() float64 {
	slices.Sort(t.times)
	return scenarios.Quantile(t.times, 0.5)
}

// split sorts calls by when they were meant to start, counted from the first: inside the hole, or outside of it.
func split(item *scenarios.ItemResult) (inside, outside *tally) {
	inside, outside = &tally{}, &tally{}
	for i := range item.Results {
		at := time.Duration(item.Results[i].IntendedStart-item.Results[0].IntendedStart) * time.Microsecond
		if at >= holeStart && at < holeEnd {
			inside.add(&item.Results[i])
		} else {
			outside.add(&item.Results[i])
		}
	}
	return inside, outside
}
