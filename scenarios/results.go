package scenarios

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/fault-project/fault/proxyengine/fault"
)

// Results is a finished (or interrupted) run: the content of results.json. Times are in the unit that each field names; fields
// whose comment says "new" are additions to the documented format and absent from files of other writers.
type Results struct {
	// Start and End are Unix seconds.
	Start   int64            `json:"start"`
	End     int64            `json:"end"`
	Results []ScenarioResult `json:"results"`
	// StartedAt and EndedAt (new) are the same instants to the nanosecond; nil when not known.
	StartedAt *time.Time `json:"started_at,omitempty"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	// Seed (new) is the seed that the faults were drawn from, by which a run is replayed as far as arrival order allows.
	Seed uint64 `json:"seed,omitempty"`
	// Interrupted (new) says that the run was cut short: what is here is what had been done.
	Interrupted bool `json:"interrupted,omitempty"`
}

// ScenarioResult is a scenario as it was run, with one result for each item.
type ScenarioResult struct {
	Scenario Scenario     `json:"scenario"`
	Results  []ItemResult `json:"results"`
}

// ItemResult holds every call of one item, in order of start.
type ItemResult struct {
	Target  Target       `json:"target"`
	Results []CallResult `json:"results"`
	// RequestsCount counts the calls made; FailureCounts those whose expectation was decided and failed.
	RequestsCount int     `json:"requests_count"`
	FailureCounts int     `json:"failure_counts"`
	TotalTime     Elapsed `json:"total_time"`
	// Load (new) is set for load items.
	Load *LoadFacts `json:"load,omitempty"`
	// Baseline (new) holds calls made before the item with no fault active. They count in nothing else.
	Baseline []CallResult `json:"baseline,omitempty"`
	// Applied (new) counts what every fault of the item did, whether or not it could be attributed to a call. When it is
	// absent, the calls' own records are all there is.
	Applied []AppliedTotal `json:"applied,omitempty"`
	// Notes (new) are sentences about the run that a reader of its figures must know.
	Notes []string `json:"notes,omitempty"`
}

// Target is what the item's calls were sent to.
type Target struct {
	Address string `json:"address"`
}

// Elapsed is a duration as results.json writes it.
type Elapsed struct {
	Secs  int64 `json:"secs"`
	Nanos int64 `json:"nanos"`
}

// ElapsedOf converts d, which must not be negative.
func ElapsedOf(d time.Duration) Elapsed {
	return Elapsed{Secs: int64(d / time.Second), Nanos: int64(d % time.Second)}
}

// Duration converts back.
func (e Elapsed) Duration() time.Duration {
	return time.Duration(e.Secs)*time.Second + time.Duration(e.Nanos)
}

// LoadFacts says how the driver of a load item fared. Rates are in calls per second.
type LoadFacts struct {
	// Planned is the number of calls that the schedule held, Started how many of them were begun.
	Planned int `json:"planned"`
	Started int `json:"started"`
	// PlannedRPS is clients × rps; AchievedRPS counts calls begun over the time in which they were begun.
	PlannedRPS  float64 `json:"planned_rps"`
	AchievedRPS float64 `json:"achieved_rps"`
	// Ceiling is the most calls that may be in flight at once, MaxInFlight the most that were. CeilingHits counts calls that were
	// due while the ceiling was reached, and so started late or not at all.
	Ceiling     int `json:"ceiling"`
	MaxInFlight int `json:"max_in_flight"`
	CeilingHits int `json:"ceiling_hits"`
	// LateP99 and LateMax are how long after its intended start a call was begun, in milliseconds.
	LateP99 float64 `json:"late_p99"`
	LateMax float64 `json:"late_max"`
	// Behind says that the driver itself could not keep up with the plan: the figures are partly its own.
	Behind bool `json:"behind"`
}

// CallResult is one call.
type CallResult struct {
	// Start is when the call was begun, in Unix microseconds.
	Start int64 `json:"start"`
	// Expect is nil when the item expects nothing.
	Expect *Verdict `json:"expect"`
	// Metrics is nil when nothing is known of the call.
	Metrics *Metrics `json:"metrics"`
	// Faults are those that were configured for the call.
	Faults fault.List  `json:"faults"`
	Errors []CallError `json:"errors"`
	// IntendedStart (new) is when the load's schedule wanted the call to begin, in Unix microseconds; 0 outside load items.
	IntendedStart int64 `json:"intended_start,omitempty"`
	// Repetition (new) is the place of the call in a repetition: 0 is the call without faults before it, 1 the first one with the
	// faults as configured. Nil outside repetitions.
	Repetition *int `json:"repetition,omitempty"`
}

// Verdict compares a call with its item's expectation.
type Verdict struct {
	Type   string `json:"type"` // "http"
	Wanted Wanted `json:"wanted"`
	Got    *Got   `json:"got"`
}

// Wanted is the expectation; nil fields expect nothing.
type Wanted struct {
	StatusCode        *int     `json:"status_code"`
	ResponseTimeUnder *float64 `json:"response_time_under"` // milliseconds
	AllSLOAreValid    *bool    `json:"all_slo_are_valid"`
}

// Got is what was observed.
type Got struct {
	StatusCode     *int     `json:"status_code"`
	ResponseTime   *float64 `json:"response_time"` // milliseconds
	AllSLOAreValid *bool    `json:"all_slo_are_valid"`
	Decision       Decision `json:"decision"`
}

// Decision is the outcome of an expectation.
type Decision string

const (
	// Success says that what was expected came true.
	Success Decision = "success"
	// Failure says that it did not.
	Failure Decision = "failure"
	// Unknown says that nothing was decided: under load, or because the call was never made.
	Unknown Decision = "unknown"
)

// Metrics are a call's measurements. Durations are in milliseconds.
type Metrics struct {
	DNS []DNSTiming `json:"dns"`
	// Protocol is nil when there was no response.
	Protocol *Protocol `json:"protocol"`
	// TTFB is the time to the first byte of the response.
	TTFB float64 `json:"ttfb"`
	// TotalTime is the response time: from the intended start under load (so that a stalled server cannot hide by delaying the
	// driver), from the start otherwise, to the last byte of the body or the error.
	TotalTime float64     `json:"total_time"`
	Faults    []URLFaults `json:"faults"`
	// Errored says that the call ended without a complete response, TimedOut that its timeout was why.
	Errored  bool `json:"errored"`
	TimedOut bool `json:"timed_out"`
	// ServiceTime (new) counts from the actual start; nil when not measured apart from TotalTime.
	ServiceTime *float64 `json:"service_time,omitempty"`
}

// DNSTiming is a host name lookup made for a call.
type DNSTiming struct {
	Host     string  `json:"host"`
	Duration float64 `json:"duration"`
	Resolved bool    `json:"resolved"`
}

// Protocol is what came back.
type Protocol struct {
	Type       string `json:"type"` // "http"
	Code       int    `json:"code"`
	BodyLength int64  `json:"body_length"`
}

// URLFaults lists the faults that were applied to the traffic with one far end.
type URLFaults struct {
	URL     string    `json:"url"`
	Applied []Applied `json:"applied"`
}

// Applied is one application of a fault.
type Applied struct {
	Event FaultEvent `json:"event"`
}

// FaultEvent is what a fault did once. Fields that this version does not know survive reading and writing.
type FaultEvent struct {
	Type      string `json:"type"`
	Direction string `json:"direction,omitempty"`
	Side      string `json:"side,omitempty"`
	// Delay is in milliseconds.
	Delay *float64 `json:"delay,omitempty"`
	// Bytes (new) were lost or withheld; Status (new) was returned; Detail (new) is in a few words.
	Bytes  int64  `json:"bytes,omitempty"`
	Status int    `json:"status,omitempty"`
	Detail string `json:"detail,omitempty"`

	extra map[string]json.RawMessage
}

// AppliedTotal sums up what one fault of an item did.
type AppliedTotal struct {
	// Type is the fault's kind, Index its place, from 0, among the item's faults.
	Type  string `json:"type"`
	Index int    `json:"index"`
	// Count is how often it was applied, Unattributed how many of those belong to no call that is known.
	Count        int `json:"count"`
	Unattributed int `json:"unattributed,omitempty"`
	// Delay is the sum of all delays, in milliseconds, of the Delayed applications that had one; Bytes the sum of bytes lost.
	Delay   float64 `json:"delay,omitempty"`
	Delayed int     `json:"delayed,omitempty"`
	Bytes   int64   `json:"bytes,omitempty"`
}

// CallError is why a call failed, in one line. Files of other writers may hold objects here; those survive reading and writing.
type CallError struct {
	Message string
	raw     json.RawMessage
}

// MarshalJSON writes the message, or what was read where that was not a string.
func (e CallError) MarshalJSON() ([]byte, error) {
	if e.raw != nil {
		return e.raw, nil
	}
	return json.Marshal(e.Message)
}

// UnmarshalJSON reads a message; anything else becomes its own text.
func (e *CallError) UnmarshalJSON(data []byte) error {
	*e = CallError{}
	if json.Unmarshal(data, &e.Message) == nil && !bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return nil
	}
	e.Message, e.raw = string(data), bytes.Clone(data)
	return nil
}

// Erred reports whether the call counts as an error: it ended without a complete response, or with a status of 400 or above that
// is not the one it was expected to have (expected nil: none is).
func (c *CallResult) Erred(expected *int) bool {
	if c.Metrics == nil || c.Metrics.Errored || c.Metrics.TimedOut || c.Metrics.Protocol == nil {
		return true
	}
	code := c.Metrics.Protocol.Code
	return code >= 400 && (expected == nil || *expected != code)
}

// Failed reports whether the call's expectation was decided and not met.
func (c *CallResult) Failed() bool {
	return c.Expect != nil && c.Expect.Got != nil && c.Expect.Got.Decision == Failure
}

// ItemFailed reports whether item i of the scenario failed: a call's expectation did, or the item demands that its SLOs hold and
// one does not, or no call was made at all. It panics if i is out of range.
func (s *ScenarioResult) ItemFailed(i int) bool {
	r := &s.Results[i]
	if r.FailureCounts > 0 || len(r.Results) == 0 {
		return true
	}
	if i >= len(s.Scenario.Items) {
		return false
	}
	item := &s.Scenario.Items[i]
	if item.Expect == nil || item.Expect.AllSLOAreValid == nil || !*item.Expect.AllSLOAreValid {
		return false
	}
	for _, o := range JudgeSLOs(item, r.Results) {
		if !o.Met {
			return true
		}
	}
	return false
}

// Failed reports whether any item failed, which is what makes a run fail.
func (r *Results) Failed() bool {
	for i := range r.Results {
		for j := range r.Results[i].Results {
			if r.Results[i].ItemFailed(j) {
				return true
			}
		}
	}
	return false
}
