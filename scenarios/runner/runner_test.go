package runner

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fault-project/fault/scenarios"
)

// TestLoadMeasuresLatency has a service that takes 20 ms and a fault of 300 ms.
func TestLoadMeasuresLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, e := newFake(Options{BaselineCalls: 3}, func(e *fakeEngine, req *http.Request) (*http.Response, error) {
			took := 20 * time.Millisecond
			for i, f := range e.active() {
				delay := mean(f)
				e.applied(req, i, f, delay)
				took += delay
			}
			return respond(req, took, 200, "hello")
		})
		began := time.Now()
		results, err := r.Run(t.Context(), parse(t, `
title: Latency
items:
  - call: {method: GET, url: "http://localhost:9090/"}
    context:
      faults: [{type: latency, mean: 300}]
      strategy: {mode: load, duration: 2s, clients: 2, rps: 5}
`))
		if err != nil {
			t.Fatal(err)
		}
		item := only(t, results)
		if got := item.RequestsCount; got != 20 {
			t.Errorf("%d requests, want 20", got)
		}
		if len(item.Baseline) != 3 {
			t.Errorf("%d baseline calls, want 3", len(item.Baseline))
		}
		for _, c := range item.Baseline {
			if c.Metrics.TotalTime != 20 || len(c.Faults) != 0 || len(c.Metrics.Faults) != 0 {
				t.Errorf("baseline call took %v ms with %d faults, want 20 and none", c.Metrics.TotalTime, len(c.Metrics.Faults))
			}
		}
		origin := began.Add(60 * time.Millisecond)
		for i, c := range item.Results {
			m := c.Metrics
			if want := origin.Add(time.Duration(i) * 100 * time.Millisecond).UnixMicro(); c.IntendedStart != want || c.Start != want {
				t.Errorf("call %d: intended start %d, start %d, want %d", i, c.IntendedStart, c.Start, want)
			}
			if m.TotalTime != 320 || *m.ServiceTime != 320 || m.Errored || m.Protocol.Code != 200 || m.Protocol.BodyLength != 5 {
				t.Errorf("call %d: %+v", i, m)
			}
			if len(m.Faults) != 1 || m.Faults[0].URL != "localhost:9090" || *m.Faults[0].Applied[0].Event.Delay != 300 {
				t.Errorf("call %d: faults %+v", i, m.Faults)
			}
			if len(c.Faults) != 1 {
				t.Errorf("call %d: %d configured faults, want 1", i, len(c.Faults))
			}
		}
		if a := item.Applied; len(a) != 1 || a[0].Count != 20 || a[0].Unattributed != 0 || a[0].Delay != 6000 || a[0].Delayed != 20 {
			t.Errorf("applied %+v, want 20 delays of 300 ms", a)
		}
		l := item.Load
		if l.Planned != 20 || l.Started != 20 || l.PlannedRPS != 10 || l.AchievedRPS != 10 || l.CeilingHits != 0 || l.Behind || l.LateMax != 0 {
			t.Errorf("load facts %+v", l)
		}
		if l.MaxInFlight != 4 {
			t.Errorf("%d calls in flight at most, want 4", l.MaxInFlight)
		}
		if d := item.TotalTime.Duration(); d != 2220*time.Millisecond {
			t.Errorf("took %v, want 2.22s", d)
		}
		if results.Seed != 42 || results.Interrupted {
			t.Errorf("seed %d, interrupted %v", results.Seed, results.Interrupted)
		}
		if want := []string{"mappings ", "faults", "no faults"}; !slices.Equal(e.log, want) {
			t.Errorf("the engine was asked for %q, want %q", e.log, want)
		}
	})
}

// TestLoadBlackhole checks which calls a hole from 45 % to 55 % of a load takes: those inside, by their timeout, and no other.
func TestLoadBlackhole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newFake(Options{}, func(e *fakeEngine, req *http.Request) (*http.Response, error) {
			if active := e.active(); len(active) > 0 {
				e.applied(req, 0, active[0], 0)
				<-req.Context().Done()
				return nil, req.Context().Err()
			}
			return respond(req, 5*time.Millisecond, 200, "")
		})
		results, err := r.Run(t.Context(), parse(t, `
title: Hole
items:
  - call: {method: GET, url: "http://localhost:9090/", timeout: 500}
    context:
      faults: [{type: blackhole, direction: egress, period: "start:45%,duration:10%"}]
      strategy: {mode: load, duration: 10s, clients: 3, rps: 1}
`))
		if err != nil {
			t.Fatal(err)
		}
		item := only(t, results)
		if item.RequestsCount != 30 {
			t.Fatalf("%d requests, want 30", item.RequestsCount)
		}
		origin := item.Results[0].IntendedStart
		for i, c := range item.Results {
			at := time.Duration(c.IntendedStart-origin) * time.Microsecond
			inside := at >= 4500*time.Millisecond && at < 5500*time.Millisecond
			m := c.Metrics
			if inside != m.TimedOut || inside != m.Errored || inside != (len(m.Faults) == 1) || inside != (m.Protocol == nil) {
				t.Errorf("call %d at %v (inside: %v): %+v", i, at, inside, m)
			}
			if inside && (m.TotalTime != 500 || len(c.Errors) != 1 || c.Errors[0].Message != "no complete response within the timeout of 500 ms") {
				t.Errorf("call %d: %v ms, errors %v", i, m.TotalTime, c.Errors)
			}
		}
	})
}

// TestLoadShowsStalls has a server that stalls one second in ten. A driver that waited for its answers would make one call in that
// second, and report a p99 of some milliseconds.
func TestLoadShowsStalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var origin time.Time
		r, _ := newFake(Options{}, func(_ *fakeEngine, req *http.Request) (*http.Response, error) {
			if origin.IsZero() {
				origin = time.Now()
			}
			took := 2 * time.Millisecond
			if in := time.Since(origin) % (10 * time.Second); in >= 5*time.Second && in < 6*time.Second {
				took += 6*time.Second - in
			}
			return respond(req, took, 200, "")
		})
		results, err := r.Run(t.Context(), parse(t, `
title: Stall
items:
  - call: {method: GET, url: "http://localhost:9090/"}
    context:
      faults: []
      strategy: {mode: load, duration: 20s, clients: 1, rps: 50}
`))
		if err != nil {
			t.Fatal(err)
		}
		item := only(t, results)
		times := scenarios.ResponseTimes(item.Results)
		if p50 := scenarios.Quantile(times, 0.5); p50 != 2 {
			t.Errorf("p50 %v ms, want 2", p50)
		}
		if p99 := scenarios.Quantile(times, 0.99); p99 < 850 {
			t.Errorf("p99 %v ms hides stalls of 1 s in every 10 s", p99)
		}
		if item.Load.AchievedRPS != 50 {
			t.Errorf("achieved %v calls a second, want 50", item.Load.AchievedRPS)
		}
	})
}

// TestLoadFromIntendedStart has a driver that oversleeps: the service is fast, and the response times are not.
func TestLoadFromIntendedStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newFake(Options{}, func(_ *fakeEngine, req *http.Request) (*http.Response, error) {
			return respond(req, time.Millisecond, 200, "")
		})
		r.wait = func(ctx context.Context, until time.Time) error {
			return onRuntime(ctx, until.Add(50*time.Millisecond))
		}
		results, err := r.Run(t.Context(), parse(t, `
title: Late
items:
  - call: {method: GET, url: "http://localhost:9090/"}
    context:
      faults: []
      strategy: {mode: load, duration: 1s, clients: 1, rps: 10}
`))
		if err != nil {
			t.Fatal(err)
		}
		item := only(t, results)
		for i, c := range item.Results {
			if c.Metrics.TotalTime != 51 || *c.Metrics.ServiceTime != 1 || c.Start-c.IntendedStart != 50_000 {
				t.Errorf("call %d: response time %v, service time %v, %d µs late", i, c.Metrics.TotalTime, *c.Metrics.ServiceTime, c.Start-c.IntendedStart)
			}
		}
		if l := item.Load; !l.Behind || l.LateP99 != 50 || l.LateMax != 50 {
			t.Errorf("load facts %+v: want it behind by 50 ms", l)
		}
		if len(item.Notes) != 1 || !strings.Contains(item.Notes[0], "could not keep up") {
			t.Errorf("notes %q", item.Notes)
		}
	})
}

func TestLoadCeiling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newFake(Options{Ceiling: 2}, func(_ *fakeEngine, req *http.Request) (*http.Response, error) {
			return respond(req, 450*time.Millisecond, 200, "")
		})
		results, err := r.Run(t.Context(), parse(t, `
title: Ceiling
items:
  - call: {method: GET, url: "http://localhost:9090/"}
    context:
      faults: []
      strategy: {mode: load, duration: 1s, clients: 1, rps: 10}
`))
		if err != nil {
			t.Fatal(err)
		}
		item := only(t, results)
		// 0 and 1 are in flight until 450 and 550 ms; 5 and 6 follow, until 950 and 1050 ms.
		if l := item.Load; l.Planned != 10 || l.Started != 4 || l.CeilingHits != 6 || l.MaxInFlight != 2 || l.Ceiling != 2 || l.AchievedRPS != 4 {
			t.Errorf("load facts %+v", l)
		}
		if len(item.Notes) != 1 || !strings.Contains(item.Notes[0], "ceiling of 2 calls in flight") {
			t.Errorf("notes %q", item.Notes)
		}
	})
}

func TestCanceledLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, e := newFake(Options{}, func(_ *fakeEngine, req *http.Request) (*http.Response, error) {
			return respond(req, 250*time.Millisecond, 200, "")
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2040*time.Millisecond)
		defer cancel()
		began := time.Now()
		results, err := r.Run(ctx, parse(t, `
title: Canceled
items:
  - call: {method: GET, url: "http://localhost:9090/"}
    context:
      faults: [{type: latency, mean: 1}]
      strategy: {mode: load, duration: 1m, clients: 1, rps: 10}
  - call: {method: GET, url: "http://localhost:9090/never"}
    context: {faults: []}
`))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want that of the context", err)
		}
		if took := time.Since(began); took > 2040*time.Millisecond {
			t.Errorf("returned after %v, %v after the cancellation", took, took-2040*time.Millisecond)
		}
		item := only(t, results)
		// 21 calls were begun; those of 1.8, 1.9 and 2.0 s are in flight.
		if item.RequestsCount != 18 || item.Load.Started != 21 || !results.Interrupted {
			t.Errorf("%d calls of %d begun, interrupted %v; want 18 of 21, interrupted", item.RequestsCount, item.Load.Started, results.Interrupted)
		}
		if math.Abs(item.Load.AchievedRPS-10) > 1e-9 {
			t.Errorf("achieved %v calls a second, want 10", item.Load.AchievedRPS)
		}
		if len(item.Notes) != 1 || !strings.Contains(item.Notes[0], "interrupted") {
			t.Errorf("notes %q", item.Notes)
		}
		if !slices.Contains(e.log, "faults") {
			t.Errorf("the engine was asked for %q", e.log)
		}
	})
}

func TestEngineFailsMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, e := newFake(Options{}, func(_ *fakeEngine, req *http.Request) (*http.Response, error) {
			return respond(req, 10*time.Millisecond, 200, "")
		})
		time.AfterFunc(1050*time.Millisecond, func() { e.fail <- errors.New("accept: out of luck") })
		results, err := r.Run(t.Context(), parse(t, `
title: Failing
items:
  - call: {method: GET, url: "http://localhost:9090/"}
    context:
      faults: []
      strategy: {mode: load, duration: 1m, clients: 1, rps: 10}
`))
		if err == nil || err.Error() != "the proxy failed: accept: out of luck" {
			t.Errorf("error %v, want the engine's", err)
		}
		if n := only(t, results).RequestsCount; n != 11 {
			t.Errorf("%d calls, want the 11 before the failure", n)
		}
	})
}
