// Package report turns the results of scenarios into a report: pure computation, from [scenarios.Results] to a value, and from that
// value to Markdown, JSON, YAML, HTML or JUnit XML. Everything it writes is masked (see [scenarios.Results.Masked]).
package report

import (
	"time"

	"github.com/fault-project/fault/scenarios"
)

// Report is what a run showed. Durations are in milliseconds, rates in calls per second, shares in percent, unless a field says
// something else.
type Report struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	// Interrupted says that the run was cut short.
	Interrupted bool `json:"interrupted,omitempty"`
	// Seed is what the faults were drawn from; 0 when it is not known.
	Seed      uint64     `json:"seed,omitempty"`
	Scenarios []Scenario `json:"scenarios"`
}

// Scenario is the report of one scenario.
type Scenario struct {
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	// Count is the number of calls, where a whole load counts as one.
	Count int    `json:"items_count"`
	Items []Item `json:"items"`
}

// Item is the report of one item.
type Item struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Passed bool   `json:"passed"`
	// Timeout is nil when the call set none.
	Timeout  *float64 `json:"timeout,omitempty"`
	Headers  []Header `json:"headers,omitempty"`
	HasBody  bool     `json:"has_body"`
	Strategy string   `json:"strategy"`
	Faults   []Fault  `json:"faults"`
	// Expectation lists what was expected of each call.
	Expectation []string     `json:"expectation,omitempty"`
	Overview    Overview     `json:"overview"`
	Percentiles []Percentile `json:"percentiles,omitempty"`
	SLOs        []SLO        `json:"slo,omitempty"`

	// What follows is beyond the documented report, and absent where it is not known.

	Added   *Added   `json:"added,omitempty"`
	Rate    *Rate    `json:"rate,omitempty"`
	Service *Service `json:"service,omitempty"`
	// Steps are the calls of a repetition, the first [MaxSteps] of them.
	Steps   []Step    `json:"steps,omitempty"`
	Applied []Applied `json:"applied,omitempty"`
	Notes   []string  `json:"notes,omitempty"`
}

// Header is one header of a call.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Fault is a configured fault.
type Fault struct {
	Type        string `json:"type"`
	Description string `json:"description"`
	// Timeline, of a load only, has a cell for each tenth of its duration: x where the fault was active, . where it was not.
	Timeline string `json:"timeline,omitempty"`
}

// Overview sums up the calls of an item.
type Overview struct {
	Requests  int     `json:"requests"`
	Errors    int     `json:"errors"`
	ErrorRate float64 `json:"error_rate"`
	// Min, Max and Mean are of response times; Mean is the arithmetic mean.
	Min                 float64 `json:"min_response_time"`
	Max                 float64 `json:"max_response_time"`
	Mean                float64 `json:"mean_latency"`
	ExpectationFailures int     `json:"expectation_failures"`
	TotalTime           float64 `json:"total_time"`
}

// Percentile is a row of the latency table. Requests is the number of calls that the percentile's value reaches to:
// min(n, ⌈(n+1)·p⌉).
type Percentile struct {
	Percentile int     `json:"percentile"`
	Latency    float64 `json:"latency"`
	Requests   int     `json:"requests"`
	Share      float64 `json:"share"`
}

// SLO is an objective with its outcome. Actual and Limit are in milliseconds for latency, in percent otherwise.
type SLO struct {
	Type      scenarios.SLOType `json:"type"`
	Title     string            `json:"title"`
	Passed    bool              `json:"passed"`
	Objective string            `json:"objective"`
	Margin    string            `json:"margin"`
	Actual    float64           `json:"actual"`
	Limit     float64           `json:"limit"`
	Over      int               `json:"requests_over_threshold"`
	Share     float64           `json:"share"`
}

// Added compares medians of response times without and with the faults.
type Added struct {
	BaselineCalls  int     `json:"baseline_calls"`
	BaselineErrors int     `json:"baseline_errors"`
	Baseline       float64 `json:"baseline_p50"`
	Faulted        float64 `json:"faulted_p50"`
	Delta          float64 `json:"delta"`
}

// Rate compares what a load planned with what was done.
type Rate struct {
	PlannedCalls int     `json:"planned_calls"`
	StartedCalls int     `json:"started_calls"`
	Planned      float64 `json:"planned_rps"`
	Achieved     float64 `json:"achieved_rps"`
	MaxInFlight  int     `json:"max_in_flight"`
	Ceiling      int     `json:"ceiling"`
	// LateMax is how long after its time the latest call was started.
	LateMax float64 `json:"late_max"`
}

// Service compares response times, from the intended start of a call, with service times, from its actual start. Where they differ,
// calls could not be started in time.
type Service struct {
	Rows []ServiceRow `json:"percentiles"`
}

// ServiceRow is one percentile of both.
type ServiceRow struct {
	Percentile int     `json:"percentile"`
	Service    float64 `json:"service_time"`
	Response   float64 `json:"response_time"`
}

// Applied says what the faults of one kind, or one fault of several of a kind, really did.
type Applied struct {
	Type string `json:"type"`
	// Index is the place, from 1, among the item's faults; 0 when it is not known.
	Index int `json:"index,omitempty"`
	Count int `json:"count"`
	// Delayed is how many of them delayed something, by MeanDelay on average; Bytes is how much was lost or withheld.
	Delayed   int     `json:"delayed,omitempty"`
	MeanDelay float64 `json:"mean_delay,omitempty"`
	Bytes     int64   `json:"bytes,omitempty"`
}

// MaxSteps bounds [Item.Steps]: a longer table is not read.
const MaxSteps = 100

// Step is one call of a repetition.
type Step struct {
	// Call is its place: 0 is the call without faults before it, 1 the first one with faults.
	Call int `json:"call"`
	// Faults describes what was configured for this call; empty for none.
	Faults []string `json:"faults"`
	// ResponseTime is how long it took, also when it failed. Status is 0 when there was no response.
	ResponseTime float64 `json:"response_time"`
	Status       int     `json:"status,omitempty"`
	// Error is why there was no complete response; empty when there was one.
	Error string `json:"error,omitempty"`
	// Decision is whether the expectation came true; empty when nothing was expected.
	Decision scenarios.Decision `json:"decision,omitempty"`
}

// Build computes the report of results, which it does not change. It never fails: what is missing is absent from the report.
func Build(results *scenarios.Results) *Report {
	results = results.Masked()
	r := &Report{
		Start: time.Unix(results.Start, 0).UTC(), End: time.Unix(results.End, 0).UTC(),
		Interrupted: results.Interrupted, Seed: results.Seed, Scenarios: []Scenario{},
	}
	if results.StartedAt != nil {
		r.Start = results.StartedAt.UTC()
	}
	if results.EndedAt != nil {
		r.End = results.EndedAt.UTC()
	}
	for i := range results.Results {
		r.Scenarios = append(r.Scenarios, buildScenario(&results.Results[i]))
	}
	return r
}

// Passed reports whether every item passed.
func (r *Report) Passed() bool {
	for _, s := range r.Scenarios {
		for _, it := range s.Items {
			if !it.Passed {
				return false
			}
		}
	}
	return true
}

func buildScenario(s *scenarios.ScenarioResult) Scenario {
	out := Scenario{Title: s.Scenario.Title, Description: s.Scenario.Description, Items: []Item{}}
	for i := range s.Results {
		var item scenarios.Item // the zero value where a file holds more results than items
		if i < len(s.Scenario.Items) {
			item = s.Scenario.Items[i]
		}
		built := buildItem(&item, &s.Results[i])
		built.Passed = !s.ItemFailed(i)
		out.Items = append(out.Items, built)
		if item.Mode() == scenarios.ModeLoad {
			out.Count++
		} else {
			out.Count += len(s.Results[i].Results)
		}
	}
	return out
}
