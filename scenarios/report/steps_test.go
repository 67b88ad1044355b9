package report

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/fault-project/fault/scenarios"
)

const growing = `
title: Growing
items:
  - call: {method: GET, url: "http://localhost:7070/ping"}
    context:
      faults: [{type: latency, mean: 80, stddev: 5}, {type: jitter}]
      strategy: {mode: repeat, step: 30, count: 3, add_baseline_call: true}
    expect: {status: 200, response_time_under: 120}
`

// repetition is a run of growing whose last call broke off.
func repetition(t *testing.T) *scenarios.Results {
	list := parse(t, growing)
	faults := list[0].Items[0].Context.Faults
	var calls []scenarios.CallResult
	for i, ms := range []float64{31.5, 112.25, 141, 30} {
		c := answered(ms, 200, 0)
		c.Repetition = &i
		c.Expect = &scenarios.Verdict{Type: "http", Got: &scenarios.Got{Decision: scenarios.Success}}
		if i > 1 {
			c.Expect.Got.Decision = scenarios.Failure
		}
		if i > 0 {
			for _, f := range faults {
				stepped, _ := scenarios.Step(f, 30, i-1)
				c.Faults = append(c.Faults, stepped)
			}
		}
		if i == 3 {
			c.Metrics.Protocol, c.Metrics.Errored = nil, true
			c.Errors = []scenarios.CallError{{Message: "connection reset"}}
		}
		calls = append(calls, c)
	}
	return &scenarios.Results{Seed: 7, Results: []scenarios.ScenarioResult{{
		Scenario: list[0],
		Results:  []scenarios.ItemResult{{Results: calls, RequestsCount: 4, FailureCounts: 2}},
	}}}
}

func TestSteps(t *testing.T) {
	r := Build(repetition(t))
	for name, write := range map[string]func(*bytes.Buffer) error{
		"repeat.md":   func(b *bytes.Buffer) error { return r.WriteMarkdown(b) },
		"repeat.json": func(b *bytes.Buffer) error { return r.WriteJSON(b) },
		"repeat.html": func(b *bytes.Buffer) error { return r.WriteHTML(b) },
		"repeat.xml":  func(b *bytes.Buffer) error { return r.WriteJUnit(b) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.Bytes())
	}
}

func TestManySteps(t *testing.T) {
	results := repetition(t)
	item := &results.Results[0].Results[0]
	item.Results = slices.Repeat(item.Results[1:2], MaxSteps+1)
	out := Build(results).Scenarios[0].Items[0]
	if len(out.Steps) != MaxSteps || out.Overview.Requests != MaxSteps+1 {
		t.Errorf("%d steps of %d calls, want %d", len(out.Steps), out.Overview.Requests, MaxSteps)
	}
	if !slices.ContainsFunc(out.Notes, func(n string) bool { return strings.Contains(n, "first 100 of 101") }) {
		t.Errorf("the notes %q do not say that calls are left out", out.Notes)
	}
}

// TestStepsNeedPlaces: files of other writers do not say what was configured for which call.
func TestStepsNeedPlaces(t *testing.T) {
	results := repetition(t)
	for i := range results.Results[0].Results[0].Results {
		results.Results[0].Results[0].Results[i].Repetition = nil
	}
	if steps := Build(results).Scenarios[0].Items[0].Steps; steps != nil {
		t.Errorf("steps %+v", steps)
	}
}
