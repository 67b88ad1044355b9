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
	Saved         string  `json:"saved"`
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
	t.saved = append(t.saved, answer.Saved)
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
	gone, err := saved(answer.Saved)
	if err != nil {
		return err
	}
	inside, outside := split(gone)
	t.detail("without the fault   p50 %s   %s", milliseconds(answer.BaselineP50), count(answer.BaselineCalls, "call"))
	t.detail("outside the hole    p50 %s   %s, %d failed", milliseconds(outside.p50()), count(outside.calls, "call"), outside.failed)
	t.detail("inside the hole     p50 %s   %s, %s failed, %d of them by waiting in vain", milliseconds(inside.p50()),
		count(inside.calls, "call"), t.bold(strconv.Itoa(inside.failed)), answer.Timeouts)
	t.saved = append(t.saved, answer.Saved)
	return nil
}

func holeSchedule() string {
	return fmt.Sprintf("start:%s,duration:%s", milli(holeStart), milli(holeEnd-holeStart))
}

func milli(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

// saved is the only item of the results that a measurement left in a folder.
func saved(folder string) (*scenarios.ItemResult, error) {
	results, err := scenarios.ReadResults(filepath.Join(folder, "results.json"))
	if err != nil {
		return nil, fmt.Errorf("read what the measurement left: %w", err)
	}
	if len(results.Results) != 1 || len(results.Results[0].Results) != 1 || len(results.Results[0].Results[0].Results) == 0 {
		return nil, fmt.Errorf("the results in %s lack the measurement", folder)
	}
	return &results.Results[0].Results[0], nil
}

// tally sums up calls.
type tally struct {
	calls, failed int
	times         []float64 // milliseconds
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
