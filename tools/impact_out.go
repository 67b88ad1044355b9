package tools

import (
	"fmt"
	"math"
	"slices"

	"github.com/fault-project/fault/scenarios"
)

// ImpactOut is what [Impact.Run] found. Times are in milliseconds, rounded to a hundredth; response times under load count from
// when a call was to start, so that a stalled endpoint cannot hide.
type ImpactOut struct {
	// Report is the whole report, in Markdown.
	Report string `json:"report"`
	Fault  string `json:"fault"`
	URL    string `json:"url"`
	// Verdict is "passed" when every objective is met, "failed" when one is not.
	Verdict string      `json:"verdict"`
	SLOs    []ImpactSLO `json:"slos"`

	// Calls counts the calls made under the fault; Errors those without a complete response or with a status of 400 or above,
	// Timeouts those of them that ended by their timeout.
	Calls    int     `json:"calls"`
	Errors   int     `json:"errors"`
	Timeouts int     `json:"timeouts"`
	P50MS    float64 `json:"p50_ms"`
	P95MS    float64 `json:"p95_ms"`
	P99MS    float64 `json:"p99_ms"`

	// BaselineCalls counts the calls before, without the fault; BaselineErrors those of them that failed.
	BaselineCalls  int     `json:"baseline_calls"`
	BaselineErrors int     `json:"baseline_errors"`
	BaselineP50MS  float64 `json:"baseline_p50_ms"`
	// AddedP50MS is what the fault added: the median under it less the median without it.
	AddedP50MS float64 `json:"added_p50_ms"`

	PlannedRPS  float64 `json:"planned_rps"`
	AchievedRPS float64 `json:"achieved_rps"`
	// FaultsApplied counts what the fault did: with 0 the traffic never met it.
	FaultsApplied int      `json:"faults_applied"`
	Notes         []string `json:"notes"`
	// Seed repeats the run's draws, as far as the order of arrival allows.
	Seed uint64 `json:"seed"`
	// Saved is the folder that has results.json and report.md, "" where none are kept.
	Saved string `json:"saved,omitempty"`
	// Source says where the numbers come from.
	Source string `json:"source"`
}

// ImpactSLO is an objective with what became of it.
type ImpactSLO struct {
	Type      string  `json:"type"`
	Title     string  `json:"title"`
	Objective float64 `json:"objective"`
	Threshold float64 `json:"threshold"`
	Passed    bool    `json:"passed"`
	// Actual is the value that was compared with the threshold (availability: with the objective).
	Actual float64 `json:"actual"`
}

// Text is the report.
func (o *ImpactOut) Text() string { return o.Report }

// summarize computes everything of the answer that is a number.
func summarize(item *scenarios.Item, r *scenarios.ItemResult) *ImpactOut {
	o := &ImpactOut{
		URL: r.Target.Address, Calls: len(r.Results), BaselineCalls: len(r.Baseline), Verdict: "passed", Source: "measured",
		SLOs: []ImpactSLO{}, Notes: append([]string{}, r.Notes...),
	}
	for i := range r.Results {
		if r.Results[i].Erred(nil) {
			o.Errors++
		}
		if m := r.Results[i].Metrics; m != nil && m.TimedOut {
			o.Timeouts++
		}
	}
	for i := range r.Baseline {
		if r.Baseline[i].Erred(nil) {
			o.BaselineErrors++
		}
	}
	times, before := scenarios.ResponseTimes(r.Results), scenarios.ResponseTimes(r.Baseline)
	o.P50MS = hundredth(scenarios.Quantile(times, 0.50))
	o.P95MS = hundredth(scenarios.Quantile(times, 0.95))
	o.P99MS = hundredth(scenarios.Quantile(times, 0.99))
	o.BaselineP50MS = hundredth(scenarios.Quantile(before, 0.50))
	o.AddedP50MS = hundredth(o.P50MS - o.BaselineP50MS)
	if r.Load != nil {
		o.PlannedRPS, o.AchievedRPS = r.Load.PlannedRPS, hundredth(r.Load.AchievedRPS)
	}
	for _, a := range r.Applied {
		o.FaultsApplied += a.Count
	}
	for _, s := range scenarios.JudgeSLOs(item, r.Results) {
		o.SLOs = append(o.SLOs, ImpactSLO{
			Type: string(s.SLO.Type), Title: s.SLO.Title, Objective: s.SLO.Objective, Threshold: s.SLO.Threshold,
			Passed: s.Met, Actual: hundredth(s.Actual),
		})
	}
	if slices.ContainsFunc(o.SLOs, func(s ImpactSLO) bool { return !s.Passed }) {
		o.Verdict = "failed"
	}
	o.Notes = append(o.Notes, o.warnings(item)...)
	return o
}

// warnings says what makes the numbers mean something else than they seem to.
func (o *ImpactOut) warnings(item *scenarios.Item) []string {
	var notes []string
	if o.BaselineErrors > 0 {
		notes = append(notes, fmt.Sprintf("%d of the %d calls without the fault failed too: the endpoint has a problem of its own.",
			o.BaselineErrors, o.BaselineCalls))
	}
	if o.FaultsApplied == 0 && o.Calls > 0 {
		where := "Nothing that the fault could act on passed the proxy."
		if p := item.Context.Proxy; p != nil && len(p.Proxies) > 0 {
			where = "Nothing passed the mappings in proxies: make the application call its upstream through their local ports."
		}
		notes = append(notes, "The fault was never applied. "+where)
	}
	return notes
}

func hundredth(f float64) float64 { return math.Round(f*100) / 100 }
