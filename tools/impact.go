package tools

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/scenarios"
	"github.com/fault-project/fault/scenarios/report"
)

// impactBaselineCalls is how many calls are made without the fault first: enough for a median that one slow call does not move.
const impactBaselineCalls = 5

// impacts lists the faults whose impact can be measured, with the name that the operation has after the fault. Everything else
// about a fault comes from its definition.
var impacts = []struct {
	kind fault.Kind
	name string
}{
	{fault.KindLatency, "latency"},
	{fault.KindJitter, "jitter"},
	{fault.KindBandwidth, "bandwidth"},
	{fault.KindPacketLoss, "packet_loss"},
	{fault.KindBlackhole, "blackhole"},
	{fault.KindHTTPError, "http_error"},
}

// RunScenarios runs scenarios as scenarios/runner does. It blocks until the last call is over; a canceled context ends it within
// a second with the context's error.
type RunScenarios func(ctx context.Context, list []scenarios.Scenario, o RunOptions) (*scenarios.Results, error)

// RunOptions are what an operation asks of [RunScenarios].
type RunOptions struct {
	// Seed is what the faults draw from, not 0.
	Seed uint64
	// BaselineCalls is how many calls to make before the item, without faults.
	BaselineCalls int
	// Progress, if set, is told how many of the planned calls are over, baseline included. It is never called concurrently.
	Progress func(done, planned int)
}

// Impact measures what one fault does to an endpoint: a load with an open loop while the fault is active, compared with a few
// calls without it, and judged by service level objectives. It is safe for concurrent use.
type Impact struct {
	name       string
	definition fault.Definition
	targets    *TargetGuard
	run        RunScenarios
	save       SaveResults
}

// Impacts returns the operation for each fault that has one, in a fixed order. targets decides what may be given load; save keeps the
// results, nil keeps none.
func Impacts(targets *TargetGuard, run RunScenarios, save SaveResults) []*Impact {
	list := make([]*Impact, 0, len(impacts))
	for _, i := range impacts {
		d, ok := fault.Lookup(string(i.kind))
		if !ok {
			panic("tools: no fault " + string(i.kind)) // the list above is wrong; any test finds it
		}
		list = append(list, &Impact{name: i.name, definition: d, targets: targets, run: run, save: save})
	}
	return list
}

// Name is the fault's name as it stands in the operation's: "latency", "packet_loss".
func (t *Impact) Name() string { return t.name }

// Definition describes the fault.
func (t *Impact) Definition() fault.Definition { return t.definition }

// Run measures. It blocks for the duration of the load, the calls before it, and the timeout of the last calls. Wrong arguments are
// a *[UserError], found before anything is called.
func (t *Impact) Run(ctx context.Context, in ImpactIn) (*ImpactOut, error) {
	s, err := t.scenario(in)
	if err != nil {
		return nil, err
	}
	o := RunOptions{BaselineCalls: impactBaselineCalls}
	if o.Seed, err = in.seed(); err != nil {
		return nil, err
	}
	if o.Seed == 0 {
		o.Seed = 1 + rand.Uint64N(1<<53-1) // a number that survives JSON
	}
	if in.Progress != nil {
		o.Progress = func(done, planned int) {
			in.Progress(float64(done), float64(planned), fmt.Sprintf("%d of %d calls", done, planned))
		}
	}
	results, err := t.run(ctx, []scenarios.Scenario{s}, o)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, &UserError{Message: scenarios.MaskText(err.Error())}
	}
	return t.out(results, o.Seed)
}

func (t *Impact) out(results *scenarios.Results, seed uint64) (*ImpactOut, error) {
	if len(results.Results) != 1 || len(results.Results[0].Results) != 1 {
		return nil, errors.New("the run of one item has the results of another number")
	}
	results = results.Masked()
	var text strings.Builder
	if err := report.Build(results).WriteMarkdown(&text); err != nil {
		return nil, fmt.Errorf("write the report: %w", err)
	}
	out := summarize(&results.Results[0].Scenario.Items[0], &results.Results[0].Results[0])
	out.Fault, out.Report, out.Seed = t.name, text.String(), seed
	if t.save != nil {
		var err error
		if out.Saved, err = t.save(t.name, results); err != nil {
			// What was measured is worth more than the file.
			out.Notes = append(out.Notes, fmt.Sprintf("The results could not be saved: %v.", err))
		}
	}
	return out, nil
}
