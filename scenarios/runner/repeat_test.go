package runner

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fault-project/fault/proxyengine/fault"
)

// slowly answers after the latencies that are active, and after 10 ms where there are none.
func slowly(e *fakeEngine, req *http.Request) (*http.Response, error) {
	took, what := 10*time.Millisecond, "call without faults"
	for _, f := range e.active() {
		if l, ok := f.(*fault.Latency); ok {
			took, what = mean(l), "call"
		}
	}
	e.note(what)
	return respond(req, took, 200, "")
}

func TestRepeat(t *testing.T) {
	t.Parallel()
	const call = `
title: Repeat
items:
  - call: {method: GET, url: "http://localhost:9090/"}
`
	tests := []struct {
		name, item string
		times      []float64
		starts     []float64 // milliseconds after the first
		places     []int
		failures   int
		notes      []string // what each must contain
		log        []string
	}{
		{
			name: "documented", item: `
    context:
      faults: [{type: latency, mean: 80, stddev: 5}]
      strategy: {mode: repeat, step: 30, count: 3, add_baseline_call: true}
    expect: {status: 200, response_time_under: 130}`,
			times: []float64{10, 80, 110, 140}, starts: []float64{0, 10, 90, 200}, places: []int{0, 1, 2, 3}, failures: 1,
			log: []string{
				"no faults", "call without faults", "faults", "call", "other faults", "call", "other faults", "call", "no faults",
			},
		},
		{
			name: "no baseline", item: `
    context:
      faults: [{type: latency, mean: 80}]
      strategy: {mode: Repeat, step: 0.5, count: 2}`,
			times: []float64{80, 80.5}, starts: []float64{0, 80}, places: []int{1, 2},
		},
		{
			name: "wait", item: `
    context:
      faults: [{type: latency, mean: 100}]
      strategy: {mode: repeat, step: 100, count: 3, wait: 1500.5, add_baseline_call: true}`,
			times: []float64{10, 100, 200, 300}, starts: []float64{0, 1510.5, 3111, 4811.5}, places: []int{0, 1, 2, 3},
		},
		{
			name: "fail fast", item: `
    context:
      faults: [{type: latency, mean: 100}]
      strategy: {mode: repeat, step: 100, count: 9, failfast: true}
    expect: {response_time_under: 250}`,
			times: []float64{100, 200, 300}, starts: []float64{0, 100, 300}, places: []int{1, 2, 3}, failures: 1,
			notes: []string{"ended with call 3 of 9"},
		},
		{
			name: "fail fast at the end", item: `
    context:
      faults: [{type: latency, mean: 100}]
      strategy: {mode: repeat, step: 100, count: 3, failfast: true}
    expect: {response_time_under: 250}`,
			times: []float64{100, 200, 300}, starts: []float64{0, 100, 300}, places: []int{1, 2, 3}, failures: 1,
		},
		{
			name: "fail slowly", item: `
    context:
      faults: [{type: latency, mean: 300}]
      strategy: {mode: repeat, step: 0, count: 2, failfast: false}
    expect: {response_time_under: 250}`,
			times: []float64{300, 300}, starts: []float64{0, 300}, places: []int{1, 2}, failures: 2,
		},
		{
			name: "relative schedule", item: `
    context:
      faults: [{type: latency, mean: 100, period: "start:90%"}]
      strategy: {mode: repeat, step: 100, count: 2}`,
			times: []float64{100, 200}, starts: []float64{0, 100}, places: []int{1, 2}, notes: []string{"only a load has"},
		},
		{
			name: "absolute schedule, over all calls", item: `
    context:
      faults: [{type: latency, mean: 100, period: "start:1s,duration:1s"}]
      strategy: {mode: repeat, step: 100, count: 4, wait: 990, add_baseline_call: true}`,
			times: []float64{10, 10, 200, 10, 10}, starts: []float64{0, 1000, 2000, 3190, 4190}, places: []int{0, 1, 2, 3, 4},
		},
		{
			name: "nothing to step", item: `
    context:
      faults: [{type: latency, mean: 100}, {type: blackhole, period: "start:1h"}, {type: latency, distribution: uniform, min: 1, max: 2, period: "start:1h"}]
      strategy: {mode: repeat, step: 100, count: 2}`,
			times: []float64{100, 200}, starts: []float64{0, 100}, places: []int{1, 2},
			notes: []string{"blackhole fault has nothing that a step of 100", "latency fault has nothing"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var last Progress
				r, e := newFake(Options{Progress: func(p Progress) { last = p }}, slowly)
				results, err := r.Run(t.Context(), parse(t, call+tt.item))
				if err != nil {
					t.Fatal(err)
				}
				item := only(t, results)
				var times, starts []float64
				var places []int
				for _, c := range item.Results {
					times = append(times, c.Metrics.TotalTime)
					starts = append(starts, float64(c.Start-item.Results[0].Start)/1000)
					places = append(places, *c.Repetition)
				}
				if !slices.Equal(times, tt.times) || !slices.Equal(starts, tt.starts) || !slices.Equal(places, tt.places) {
					t.Errorf("calls took %v, started at %v, are %v; want %v, %v, %v", times, starts, places, tt.times, tt.starts, tt.places)
				}
				if item.RequestsCount != len(tt.times) || item.FailureCounts != tt.failures {
					t.Errorf("%d calls, %d failures; want %d, %d", item.RequestsCount, item.FailureCounts, len(tt.times), tt.failures)
				}
				n := len(tt.times) - 1
				if got, want := item.TotalTime.Duration(), time.Duration((tt.starts[n]+tt.times[n])*1e6); got != want {
					t.Errorf("took %v, want %v", got, want)
				}
				if len(item.Notes) != len(tt.notes) {
					t.Errorf("notes %q, want %d", item.Notes, len(tt.notes))
				}
				for _, want := range tt.notes {
					if !slices.ContainsFunc(item.Notes, func(n string) bool { return strings.Contains(n, want) }) {
						t.Errorf("no note in %q says %q", item.Notes, want)
					}
				}
				if tt.log != nil && !slices.Equal(e.log[1:], tt.log) { // the first is the mappings
					t.Errorf("the engine was asked for %q, want %q", e.log[1:], tt.log)
				}
				if last.Phase != Finished || len(e.program.Faults) > 0 {
					t.Errorf("in the end %+v, with faults %v", last, e.program.Faults)
				}
			})
		})
	}
}

// TestRepeatFaults checks what is recorded as configured for each call.
func TestRepeatFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newFake(Options{}, slowly)
		results, err := r.Run(t.Context(), parse(t, `
title: Repeat
items:
  - call: {method: GET, url: "http://localhost:9090/"}
    context:
      faults: [{type: bandwidth, rate: 100, unit: KBps}, {type: blackhole, period: "start:1h"}, {type: jitter, amplitude: 5}]
      strategy: {mode: repeat, step: 40, count: 4, add_baseline_call: true}
`))
		if err != nil {
			t.Fatal(err)
		}
		item := only(t, results)
		var got []string
		for _, c := range item.Results {
			var each []string
			for _, f := range c.Faults {
				v := fault.Encode(f)
				each = append(each, fmt.Sprint(f.Kind(), " ", v["rate"], " ", v["amplitude"]))
			}
			got = append(got, strings.Join(each, ", "))
		}
		if diff := cmp.Diff([]string{
			"",
			"bandwidth 100 <nil>, blackhole <nil> <nil>, jitter <nil> 5", "bandwidth 60 <nil>, blackhole <nil> <nil>, jitter <nil> 45",
			"bandwidth 20 <nil>, blackhole <nil> <nil>, jitter <nil> 85", "bandwidth 1 <nil>, blackhole <nil> <nil>, jitter <nil> 125",
		}, got); diff != "" {
			t.Errorf("the faults of the calls (-want +got):\n%s", diff)
		}
	})
}

func TestRepeatInterrupted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		after time.Duration
		calls int
		notes int
	}{{"in a pause", 500 * time.Millisecond, 1, 0}, {"in a call", 1150 * time.Millisecond, 1, 1}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.after)
				defer cancel()
				began := time.Now()
				r, _ := newFake(Options{}, slowly)
				results, err := r.Run(ctx, parse(t, `
title: Repeat
items:
  - call: {method: GET, url: "http://localhost:9090/"}
    context:
      faults: [{type: latency, mean: 100}]
      strategy: {mode: repeat, step: 0, count: 5, wait: 1000}
`))
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != tt.after {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
				item := only(t, results)
				if len(item.Results) != tt.calls || len(item.Notes) != tt.notes || !results.Interrupted {
					t.Errorf("results %+v", item)
				}
			})
		})
	}
}

// TestRepeatEndsWithErrors has calls fail that nothing is expected of.
func TestRepeatEndsWithErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		r, _ := newFake(Options{}, func(_ *fakeEngine, req *http.Request) (*http.Response, error) {
			calls++
			return respond(req, 0, 199+calls*100, "")
		})
		results, err := r.Run(t.Context(), parse(t, `
title: Repeat
items:
  - call: {method: GET, url: "http://localhost:9090/"}
    context: {faults: [], strategy: {mode: repeat, step: 0, count: 9, failfast: true}}
`))
		if err != nil || calls != 3 {
			t.Errorf("%d calls, %v; want 3: the third answers 499", calls, err)
		}
		if results.Failed() {
			t.Error("nothing was expected, and yet it failed")
		}
	})
}
