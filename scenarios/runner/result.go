package runner

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/scenarios"
)

const (
	// late is when a call counts as started late: more than the timers of an idle machine explain.
	late = 10 * time.Millisecond
	// lateShare is the share of late calls beyond which the driver did not keep up.
	lateShare = 0.01
)

// outcome is what an item's run left behind.
type outcome struct {
	job             *job
	tracker         *tracker
	baseline, calls []*call
	origin          time.Time // of the calls; the zero time when none were made
	took            time.Duration
	ceiling         int
	peak            int // calls in flight at most
	skipped         int // calls that were due beyond the ceiling
}

// result converts the outcome. It is nil when no call was made. Calls that a cancellation cut short say nothing about the service
// and are left out; a note counts them.
func (o *outcome) result() *scenarios.ItemResult {
	o.tracker.mu.Lock()
	defer o.tracker.mu.Unlock()
	if len(o.baseline)+len(o.calls) == 0 {
		return nil
	}
	r := &scenarios.ItemResult{
		Target:    scenarios.Target{Address: o.job.address},
		Results:   []scenarios.CallResult{},
		TotalTime: scenarios.ElapsedOf(max(0, o.took)),
		Notes:     slices.Clone(o.tracker.notes),
	}
	abandoned, unlisted := 0, 0
	for _, c := range o.baseline {
		if c.abandoned {
			abandoned++
			continue
		}
		r.Baseline = append(r.Baseline, o.callResult(c, fault.List{}, nil))
	}
	faults := append(fault.List{}, o.job.item.Context.Faults...) // one list for all calls
	for _, c := range o.calls {
		unlisted += c.unlisted
		if c.abandoned {
			abandoned++
			continue
		}
		if c.repetition != nil {
			faults = c.faults
		}
		r.Results = append(r.Results, o.callResult(c, faults, o.job.item.Expect))
	}
	r.RequestsCount = len(r.Results)
	o.judge(r)
	for i, total := range o.tracker.totals {
		if total.Count > 0 {
			total.Index = i
			r.Applied = append(r.Applied, total)
		}
	}
	if o.job.plan.rate > 0 && !o.origin.IsZero() {
		r.Load = o.loadFacts()
	}
	r.Notes = append(r.Notes, o.notes(r, abandoned, unlisted)...)
	return r
}

func (o *outcome) notes(r *scenarios.ItemResult, abandoned, unlisted int) []string {
	var notes []string
	add := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	for _, n := range o.job.item.Notes() {
		add("%s", n)
	}
	if o.job.direct && len(o.job.mappings) == 0 && len(o.job.program.Faults) > 0 {
		add("The item disables the HTTP proxy and has no mapping: there was nothing that its faults could act on.")
	}
	if o.job.tunneled {
		add("Calls to https are tunneled: each uses a connection of its own, so that each meets the faults, and response times " +
			"include connecting and the TLS handshake.")
	}
	if o.job.mapped {
		add("Calls to a mapping that does not read HTTP use a connection of their own each, so that each meets the faults, and response " +
			"times include connecting.")
	}
	if l := r.Load; l != nil && l.CeilingHits > 0 {
		add("The ceiling of %d calls in flight was hit: %d of %d calls were due while it was reached and were not made. "+
			"Percentiles lack them, and look better than they should.", l.Ceiling, l.CeilingHits, l.Planned)
	}
	if l := r.Load; l != nil && l.Behind {
		add("This machine could not keep up with the plan: calls started up to %.1f ms late, and their response times include that.",
			l.LateMax)
	}
	for _, a := range r.Applied {
		if a.Unattributed > 0 {
			add("%d of %d applications of the %s fault met traffic that belongs to no single call: several were in flight.",
				a.Unattributed, a.Count, a.Type)
		}
	}
	if unlisted > 0 {
		add("Applications of faults that are counted, but not listed with their call, which has more than %d: %d.", maxListed, unlisted)
	}
	if abandoned > 0 {
		add("Calls that were in flight when the run was interrupted, and are left out: %d.", abandoned)
	}
	return notes
}

func (o *outcome) loadFacts() *scenarios.LoadFacts {
	p := o.job.plan
	f := &scenarios.LoadFacts{
		Planned:     p.count(),
		Started:     len(o.calls),
		PlannedRPS:  float64(p.rate),
		Ceiling:     o.ceiling,
		MaxInFlight: o.peak,
		CeilingHits: o.skipped,
	}
	if f.Started == 0 {
		return f
	}
	lags := make([]time.Duration, 0, f.Started)
	var last time.Time
	tooLate := 0
	for _, c := range o.calls {
		lag := max(0, c.started.Sub(c.intended))
		lags = append(lags, lag)
		if lag > late {
			tooLate++
		}
		if c.started.After(last) {
			last = c.started
		}
	}
	slices.Sort(lags)
	f.LateP99 = milliseconds(lags[(len(lags)*99+99)/100-1])
	f.LateMax = milliseconds(lags[len(lags)-1])
	f.Behind = float64(tooLate) > lateShare*float64(f.Started)
	span := max(p.duration, last.Sub(o.origin))
	if f.Started+f.CeilingHits < f.Planned { // it was cut short; the last call stands for the interval that follows it
		span = last.Sub(o.origin) + time.Second/time.Duration(p.rate)
	}
	f.AchievedRPS = float64(f.Started) / span.Seconds()
	return f
}

// callResult converts a call. The tracker's lock is held.
func (o *outcome) callResult(c *call, faults fault.List, expect *scenarios.Expect) scenarios.CallResult {
	from := c.started
	m := &scenarios.Metrics{
		DNS:      append(append([]scenarios.DNSTiming{}, c.lookups...), c.resolved...),
		Faults:   appliedFaults(c.applied),
		Errored:  c.err != nil,
		TimedOut: c.timedOut,
	}
	r := scenarios.CallResult{
		Start:   c.started.UnixMicro(),
		Metrics: m,
		Faults:  faults,
		Errors:  []scenarios.CallError{},

		Repetition: c.repetition,
	}
	if !c.intended.IsZero() {
		from = c.intended
		service := milliseconds(c.ended.Sub(c.started))
		m.ServiceTime = &service
		r.IntendedStart = c.intended.UnixMicro()
	}
	m.TotalTime = milliseconds(c.ended.Sub(from))
	if !c.firstByte.IsZero() {
		m.TTFB = milliseconds(c.firstByte.Sub(c.started))
	}
	if c.status != 0 {
		m.Protocol = &scenarios.Protocol{Type: "http", Code: c.status, BodyLength: c.length}
	}
	if c.err != nil {
		r.Errors = append(r.Errors, scenarios.CallError{Message: scenarios.MaskText(c.err.Error())})
	}
	if expect != nil {
		r.Expect = decide(expect, m, o.job.plan.rate > 0)
	}
	return r
}

// judge decides what the item expects of its calls taken together, and counts the calls that failed.
func (o *outcome) judge(r *scenarios.ItemResult) {
	if e := o.job.item.Expect; e != nil && e.AllSLOAreValid != nil && len(r.Results) > 0 {
		valid := true
		for _, s := range scenarios.JudgeSLOs(o.job.item, r.Results) {
			valid = valid && s.Met
		}
		for i := range r.Results {
			got := r.Results[i].Expect.Got
			got.AllSLOAreValid = &valid
			if got.Decision == scenarios.Success && *e.AllSLOAreValid && !valid {
				got.Decision = scenarios.Failure
			}
		}
	}
	for i := range r.Results {
		if r.Results[i].Failed() {
			r.FailureCounts++
		}
	}
}

// decide compares a call with what is expected of it. Under load no call is decided by itself, as documented.
func decide(expect *scenarios.Expect, m *scenarios.Metrics, load bool) *scenarios.Verdict {
	got := &scenarios.Got{ResponseTime: &m.TotalTime, Decision: scenarios.Success}
	if m.Protocol != nil {
		got.StatusCode = &m.Protocol.Code
	}
	switch {
	case load:
		got.Decision = scenarios.Unknown
	case m.Errored,
		expect.Status != nil && (got.StatusCode == nil || *got.StatusCode != *expect.Status),
		expect.ResponseTimeUnder != nil && m.TotalTime >= *expect.ResponseTimeUnder:
		got.Decision = scenarios.Failure
	}
	return &scenarios.Verdict{
		Type: "http",
		Wanted: scenarios.Wanted{
			StatusCode: expect.Status, ResponseTimeUnder: expect.ResponseTimeUnder, AllSLOAreValid: expect.AllSLOAreValid,
		},
		Got: got,
	}
}

// appliedFaults groups what the faults did by the far end of the traffic, both in order of occurrence.
func appliedFaults(events []event.Applied) []scenarios.URLFaults {
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b event.Applied) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
	groups := []scenarios.URLFaults{}
	for _, e := range events {
		target := ""
		if e.Flow != nil {
			target = e.Flow.Target
		}
		i := slices.IndexFunc(groups, func(g scenarios.URLFaults) bool { return g.URL == target })
		if i < 0 {
			i = len(groups)
			groups = append(groups, scenarios.URLFaults{URL: target})
		}
		f := scenarios.FaultEvent{
			Type: e.Fault, Side: e.Side, Direction: e.Direction, Bytes: e.Bytes, Status: e.Status, Detail: e.Detail,
		}
		if e.Delay > 0 {
			delay := milliseconds(e.Delay)
			f.Delay = &delay
		}
		groups[i].Applied = append(groups[i].Applied, scenarios.Applied{Event: f})
	}
	return groups
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// formatTimeout writes whole milliseconds as such, and anything else as Go does.
func formatTimeout(d time.Duration) string {
	if d%time.Millisecond == 0 {
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	return d.String()
}
