// Package runner runs scenarios, and is the only thing that does: it starts the proxy, makes the calls of every item, and records
// what became of them. It prints nothing and judges nothing but the expectations that an item states; what the figures mean is for
// scenarios/report to say.
//
// One engine serves a whole run, on one address, so that an application which was started with HTTP_PROXY set to that address
// keeps its connections from item to item. The calls of the runner pass the engine's HTTP proxy too, unless the item disables it.
package runner

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/fault-project/fault/proxyengine"
	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/stream"
	"github.com/fault-project/fault/scenarios"
)

// DefaultCeiling is how many calls of a load may be in flight at once where [Options] sets no other number. It keeps a service that
// stopped answering from costing this machine all of its descriptors.
const DefaultCeiling = 1000

// Options are the settings of a [Runner]. The zero value works.
type Options struct {
	// ProxyAddress is where the engine's HTTP proxy listens, as host:port; "" takes a free port of 127.0.0.1. No proxy is opened
	// when every item disables it.
	ProxyAddress string
	// Seed is what the faults draw from; 0 draws a seed. The one in use is in the results.
	Seed uint64
	// BaselineCalls is how many calls are made before each item, one after the other, with the item's mappings up and no fault
	// active. They count in nothing but [scenarios.ItemResult.Baseline].
	BaselineCalls int
	// Ceiling is how many calls of a load may be in flight at once; 0 means [DefaultCeiling].
	Ceiling int
	// Progress, if set, is told how far the run is: at every change of phase, and else about ten times a second at most. It is
	// never called concurrently, and must not block for long: calls wait for it.
	Progress func(Progress)
	// Events, if set, receives every event of the engine, as [event.Sink] says.
	Events event.Sink
	// Logger receives the engine's log; nil discards it.
	Logger *slog.Logger
}

// Phase is what an item is busy with.
type Phase string

const (
	// Baseline is the calls before any fault.
	Baseline Phase = "baseline"
	// Calling is the calls that the item is about.
	Calling Phase = "calls"
	// Finished says that the item is over.
	Finished Phase = "finished"
)

// Progress says how far a run is.
type Progress struct {
	// Scenario and Item count from 0, in the order of the list that is run; Item counts the items of all scenarios.
	Scenario, Scenarios int
	Item, Items         int
	// Title is the scenario's, Method and URL are the item's, with secrets masked.
	Title, Method, URL string
	Phase              Phase
	// Done counts the calls of the phase that are over, Errors those of them without a complete response, and Planned is how many
	// calls the phase will make.
	Done, Errors, Planned int
}

// Runner runs scenarios. It may be used again and again, and concurrently when no two runs share an address to listen on.
type Runner struct {
	options Options

	// What tests replace: the proxy, how calls travel, the bound on one response's body, and the clock of a load.
	newEngine func(proxyengine.Config) (engine, error)
	transport func(proxy *url.URL, apart bool) http.RoundTripper
	maxBody   int64
	wait      func(ctx context.Context, until time.Time) error
}

// New returns a runner with these options.
func New(o Options) *Runner {
	if o.Ceiling <= 0 {
		o.Ceiling = DefaultCeiling
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Runner{options: o, newEngine: openEngine, transport: newTransport, maxBody: maxBody, wait: waitOn(stream.Precise())}
}

// Run runs the scenarios one after the other and blocks until the last call is over. What can be checked is checked before
// anything is bound or called; then the error comes without results. Any other error comes with the results so far: an address
// that cannot be bound, an engine that failed, or, within a second of its cancellation, the error of ctx. A failed expectation is
// no error, see [scenarios.Results.Failed]; neither is a call that fails.
func (r *Runner) Run(ctx context.Context, list []scenarios.Scenario) (*scenarios.Results, error) {
	jobs, err := prepare(list)
	if err != nil {
		return nil, err
	}
	s, running, err := r.open(ctx, jobs)
	if err != nil {
		return nil, err
	}
	defer s.close()

	results := &scenarios.Results{Results: []scenarios.ScenarioResult{}, Seed: s.engine.Seed()}
	began := time.Now()
	defer func() {
		ended := time.Now()
		results.Start, results.End = began.Unix(), ended.Unix()
		results.StartedAt, results.EndedAt = &began, &ended
		results.Interrupted = ctx.Err() != nil
	}()
	for i := range jobs {
		j := &jobs[i]
		if j.first {
			results.Results = append(results.Results, scenarios.ScenarioResult{
				Scenario: j.scenario.Masked(), Results: []scenarios.ItemResult{},
			})
		}
		result, err := s.run(running, j)
		if result != nil {
			last := &results.Results[len(results.Results)-1]
			last.Results = append(last.Results, *result)
		}
		if err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return results, err
		}
	}
	return results, nil
}
