package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fault-project/fault/proxyengine/schedule"
	"github.com/fault-project/fault/scenarios"
)

// percentiles are the rows of the latency table.
var percentiles = []int{25, 50, 75, 95, 99}

// cells is the number of cells of a timeline.
const cells = 10

func buildItem(item *scenarios.Item, r *scenarios.ItemResult) Item {
	times := scenarios.ResponseTimes(r.Results)
	out := Item{
		Method: item.Call.Method, URL: r.Target.Address, Timeout: item.Call.Timeout, HasBody: item.Call.Body != nil,
		Strategy: item.Context.Strategy.String(), Faults: faults(item), Expectation: expectation(item.Expect),
		Overview: overview(item, r, times), Percentiles: latencies(times), SLOs: objectives(item, r.Results),
		Added: added(item, r, times), Rate: rate(r.Load), Service: service(r.Results, times), Steps: steps(r.Results), Applied: applied(r),
	}
	if out.URL == "" {
		out.URL = item.Call.URL
	}
	for _, name := range slices.Sorted(maps.Keys(item.Call.Headers)) {
		out.Headers = append(out.Headers, Header{name, item.Call.Headers[name]})
	}
	out.Notes = notes(item, r, &out)
	return out
}

func faults(item *scenarios.Item) []Fault {
	out := make([]Fault, 0, len(item.Context.Faults))
	for _, spec := range item.Context.Faults {
		f := Fault{Type: string(spec.Kind()), Description: spec.Describe()}
		if total := item.LoadDuration(); total > 0 {
			f.Timeline = timeline(spec.Common().Schedule, total)
		}
		out = append(out, f)
	}
	return out
}

// timeline marks, for each span, the cells from ⌊start⌋ to ⌈end⌉ in tenths of total.
func timeline(s schedule.Schedule, total time.Duration) string {
	line := []byte(strings.Repeat(".", cells))
	for _, span := range s.Spans(total) {
		first := int(float64(span.Start) * cells / float64(total))
		for i := first; i < cells && float64(i)*float64(total) < float64(span.End)*cells; i++ {
			line[i] = 'x'
		}
	}
	return string(line)
}

func expectation(e *scenarios.Expect) []string {
	var out []string
	if e == nil {
		return nil
	}
	if e.ResponseTimeUnder != nil {
		out = append(out, "Response time Under "+plain(*e.ResponseTimeUnder)+"ms")
	}
	if e.Status != nil {
		out = append(out, fmt.Sprintf("Status Code %d", *e.Status))
	}
	if e.AllSLOAreValid != nil && *e.AllSLOAreValid {
		out = append(out, "All SLO Are Valid")
	}
	return out
}

func overview(item *scenarios.Item, r *scenarios.ItemResult, times []float64) Overview {
	o := Overview{
		Requests: len(r.Results), ExpectationFailures: r.FailureCounts,
		TotalTime: float64(r.TotalTime.Duration()) / float64(time.Millisecond),
	}
	for i := range r.Results {
		if r.Results[i].Erred(item.ExpectedStatus()) {
			o.Errors++
		}
	}
	o.ErrorRate = share(o.Errors, o.Requests)
	if len(times) > 0 {
		o.Min, o.Max = times[0], times[len(times)-1]
		sum := 0.0
		for _, t := range times {
			sum += t
		}
		o.Mean = sum / float64(len(times))
	}
	return o
}

func latencies(times []float64) []Percentile {
	n := len(times)
	if n == 0 {
		return nil
	}
	out := make([]Percentile, len(percentiles))
	for i, p := range percentiles {
		requests := min(n, ((n+1)*p+99)/100)
		out[i] = Percentile{
			Percentile: p, Latency: scenarios.Quantile(times, float64(p)/100), Requests: requests, Share: share(requests, n),
		}
	}
	return out
}

func objectives(item *scenarios.Item, calls []scenarios.CallResult) []SLO {
	outcomes := scenarios.JudgeSLOs(item, calls)
	out := make([]SLO, 0, len(outcomes))
	for _, o := range outcomes {
		slo := SLO{
			Type: o.SLO.Type, Title: o.SLO.Title, Passed: o.Met, Actual: o.Actual, Limit: o.Limit,
			Over: o.Over, Share: share(o.Over, o.Calls),
		}
		var unit, name string
		switch o.SLO.Type {
		case scenarios.SLOLatency:
			unit = "ms"
			slo.Objective = plain(o.SLO.Objective) + "% < " + plain(o.SLO.Threshold) + "ms"
			name = plain(o.SLO.Objective) + "% @ " + plain(o.SLO.Threshold) + "ms"
		case scenarios.SLOAvailability:
			slo.Objective = "≥ " + plain(o.SLO.Objective) + "%"
			name = "Availability " + slo.Objective
		default:
			slo.Objective = plain(o.SLO.Objective) + "% < " + plain(o.SLO.Threshold) + "%"
			name = "Error Rate < " + plain(o.SLO.Threshold) + "%"
		}
		if slo.Title == "" {
			slo.Title = name
		}
		switch {
		case o.Calls == 0:
			slo.Margin = "-"
		case o.Actual < o.Limit:
			slo.Margin = "Below by " + tenths(o.Limit-o.Actual) + unit
		default:
			slo.Margin = "Above by " + tenths(o.Actual-o.Limit) + unit
		}
		out = append(out, slo)
	}
	return out
}

// added is nil without a baseline, or when nothing was measured with the faults.
func added(item *scenarios.Item, r *scenarios.ItemResult, times []float64) *Added {
	baseline := scenarios.ResponseTimes(r.Baseline)
	if len(baseline) == 0 || len(times) == 0 {
		return nil
	}
	a := &Added{BaselineCalls: len(r.Baseline), Baseline: scenarios.Quantile(baseline, 0.5), Faulted: scenarios.Quantile(times, 0.5)}
	a.Delta = a.Faulted - a.Baseline
	for i := range r.Baseline {
		if r.Baseline[i].Erred(item.ExpectedStatus()) {
			a.BaselineErrors++
		}
	}
	return a
}

func rate(l *scenarios.LoadFacts) *Rate {
	if l == nil {
		return nil
	}
	return &Rate{
		PlannedCalls: l.Planned, StartedCalls: l.Started, Planned: l.PlannedRPS, Achieved: l.AchievedRPS,
		MaxInFlight: l.MaxInFlight, Ceiling: l.Ceiling, LateMax: l.LateMax,
	}
}

// service is nil unless service times were measured apart from response times.
func service(calls []scenarios.CallResult, times []float64) *Service {
	var services []float64
	for i := range calls {
		if m := calls[i].Metrics; m != nil && m.ServiceTime != nil {
			services = append(services, *m.ServiceTime)
		}
	}
	if len(services) == 0 {
		return nil
	}
	slices.Sort(services)
	var s Service
	for _, p := range []int{50, 95, 99} {
		q := float64(p) / 100
		s.Rows = append(s.Rows, ServiceRow{p, scenarios.Quantile(services, q), scenarios.Quantile(times, q)})
	}
	return &s
}

// steps is nil unless the calls are those of a repetition.
func steps(calls []scenarios.CallResult) []Step {
	var out []Step
	for i := range calls[:min(len(calls), MaxSteps)] {
		c := &calls[i]
		if c.Repetition == nil {
			continue
		}
		s := Step{Call: *c.Repetition, Faults: []string{}}
		for _, f := range c.Faults {
			s.Faults = append(s.Faults, f.Describe())
		}
		if m := c.Metrics; m != nil {
			s.ResponseTime = m.TotalTime
			if m.Protocol != nil {
				s.Status = m.Protocol.Code
			}
		}
		if len(c.Errors) > 0 {
			s.Error = c.Errors[0].Message
		}
		if c.Expect != nil && c.Expect.Got != nil {
			s.Decision = c.Expect.Got.Decision
		}
		out = append(out, s)
	}
	return out
}

// applied takes the totals of the run where there are any, else what is recorded with the calls.
func applied(r *scenarios.ItemResult) []Applied {
	var out []Applied
	if r.Applied != nil {
		for _, t := range r.Applied {
			a := Applied{Type: t.Type, Index: t.Index + 1, Count: t.Count, Delayed: t.Delayed, Bytes: t.Bytes}
			if t.Delayed > 0 {
				a.MeanDelay = t.Delay / float64(t.Delayed)
			}
			out = append(out, a)
		}
		return out
	}
	sums := make(map[string]*Applied)
	for i := range r.Results {
		m := r.Results[i].Metrics
		if m == nil {
			continue
		}
		for _, far := range m.Faults {
			for _, record := range far.Applied {
				add(sums, record.Event)
			}
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(sums)) {
		a := *sums[kind]
		if a.Delayed > 0 {
			a.MeanDelay /= float64(a.Delayed)
		}
		out = append(out, a)
	}
	return out
}

// add counts one application; MeanDelay holds the sum until all are counted.
func add(sums map[string]*Applied, e scenarios.FaultEvent) {
	a := sums[e.Type]
	if a == nil {
		a = &Applied{Type: e.Type}
		sums[e.Type] = a
	}
	a.Count++
	a.Bytes += e.Bytes
	if e.Delay != nil {
		a.Delayed++
		a.MeanDelay += *e.Delay
	}
}

// notes are what the scenario says beforehand, what the run noted, and what its figures show.
func notes(item *scenarios.Item, r *scenarios.ItemResult, out *Item) []string {
	all := append(item.Notes(), r.Notes...)
	n := out.Overview.Requests
	switch {
	case n == 0:
		all = append(all, "No call was made.")
	case out.Overview.Errors > 0:
		all = append(all, fmt.Sprintf("%d of %d calls ended in an error; the percentiles contain the time that they took.",
			out.Overview.Errors, n))
	}
	if n > MaxSteps && len(out.Steps) > 0 {
		all = append(all, fmt.Sprintf("The table of calls has the first %d of %d.", MaxSteps, n))
	}
	if a := out.Added; a != nil && a.BaselineErrors > 0 {
		all = append(all, fmt.Sprintf("%d of %d calls without faults ended in an error, too: the service had a problem of its own.",
			a.BaselineErrors, a.BaselineCalls))
	}
	if n > 0 {
		all = append(all, unapplied(item, out.Applied)...)
	}
	var distinct []string
	for _, note := range all {
		if !slices.Contains(distinct, note) {
			distinct = append(distinct, note)
		}
	}
	return distinct
}

// unapplied names the kinds of faults that were configured and did nothing: such a run says nothing about them.
func unapplied(item *scenarios.Item, seen []Applied) []string {
	var out []string
	for _, spec := range item.Context.Faults {
		kind := string(spec.Kind())
		if !slices.ContainsFunc(seen, func(a Applied) bool { return a.Type == kind && a.Count > 0 }) {
			out = append(out, fmt.Sprintf("The %s fault was never applied: no traffic that it covers went through the proxy "+
				"while it was active.", kind))
		}
	}
	return out
}

func share(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func tenths(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }
