// Package scenarios is the scenario file format and the form of its results: it loads and validates files, and reads and writes
// results.json. It neither sends traffic (scenarios/runner does) nor presents results (scenarios/report does).
//
// A file holds one or many scenarios, as YAML documents or as JSON. A scenario is a list of items; an item is one HTTP call, the
// faults around it, how often to make it, and what is expected of it. Values of type [Scenario] may also be built in code; then
// [Scenario.Validate] makes the same checks as a file gets.
package scenarios

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/proxyengine/schedule"
)

// DefaultTimeout bounds a call that sets no timeout of its own.
const DefaultTimeout = 30 * time.Second

// Limits of a load strategy. They keep a slip of the pen from becoming an attack, and results within memory.
const (
	MaxClients      = 10_000
	MaxRPS          = 100_000
	MaxPlannedCalls = 1_000_000
)

// Scenario is one document of a scenario file.
type Scenario struct {
	Title       string  `json:"title"`
	Description string  `json:"description,omitempty"`
	Items       []Item  `json:"items"`
	Config      *Config `json:"config,omitempty"`
}

// Item is one call with the conditions it is made under.
type Item struct {
	Call    Call    `json:"call"`
	Context Context `json:"context"`
	// Expect decides calls of single and repeat items. Nil expects nothing; under load it is not decided.
	Expect *Expect `json:"expect,omitempty"`
}

// Call is the HTTP request to make. URL, header values and Body may hold placeholders; see [Call.Resolve].
type Call struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    *string           `json:"body,omitempty"`
	// Timeout is in milliseconds; nil means [DefaultTimeout].
	Timeout *float64 `json:"timeout,omitempty"`
	Meta    *Meta    `json:"meta,omitempty"`
}

// Deadline returns the call's timeout, or [DefaultTimeout] where it sets none.
func (c Call) Deadline() time.Duration {
	if c.Timeout == nil {
		return DefaultTimeout
	}
	return time.Duration(*c.Timeout * float64(time.Millisecond))
}

// Meta ties a call to the API description it came from.
type Meta struct {
	OperationID string `json:"operation_id,omitempty"`
}

// Context is what surrounds a call: which traffic is touched, by which faults, and how the call is repeated.
type Context struct {
	// Upstreams selects the traffic that faults touch, as the proxy's --upstream does; empty means all.
	Upstreams []string   `json:"upstreams"`
	Faults    fault.List `json:"faults"`
	// Strategy nil is one call.
	Strategy *Strategy `json:"strategy,omitempty"`
	SLO      []SLO     `json:"slo,omitempty"`
	Proxy    *Proxy    `json:"proxy,omitempty"`
}

// MarshalJSON writes upstreams as a list even when there are none: the format's readers rely on the key.
func (c Context) MarshalJSON() ([]byte, error) {
	type plain Context
	if c.Upstreams == nil {
		c.Upstreams = []string{}
	}
	return json.Marshal(plain(c))
}

// Proxy says how the proxy of an item is set up.
type Proxy struct {
	// DisableHTTPProxies makes the runner's own calls go straight to their target: only mappings carry faults then.
	DisableHTTPProxies bool `json:"disable_http_proxies,omitempty"`
	// Proxies are mappings, each as LEFT=RIGHT.
	Proxies []string `json:"proxies,omitempty"`
}

// Mode is how often an item's call is made.
type Mode string

const (
	// ModeSingle makes the call once.
	ModeSingle Mode = "single"
	// ModeRepeat makes it a number of times, each time with a stronger fault.
	ModeRepeat Mode = "repeat"
	// ModeLoad makes it at a fixed rate for a fixed time.
	ModeLoad Mode = "load"
)

// Strategy is how an item's call is repeated. Step, Count, Wait, FailFast and AddBaselineCall belong to [ModeRepeat]; Duration,
// Clients and RPS to [ModeLoad].
type Strategy struct {
	Mode Mode `json:"mode"`
	// Step is how much stronger the faults are from one call to the next, see [Step].
	Step float64 `json:"step,omitempty"`
	// Count is the number of calls, not counting the baseline.
	Count int `json:"count,omitempty"`
	// Wait is the pause between two calls, in milliseconds.
	Wait *float64 `json:"wait,omitempty"`
	// FailFast true ends the repetition with the first call that fails.
	FailFast *bool `json:"failfast,omitempty"`
	// AddBaselineCall true puts one more call before the others, with no fault active.
	AddBaselineCall *bool `json:"add_baseline_call,omitempty"`
	// Duration is written as a schedule's durations are ("10s", "1m30s").
	Duration string `json:"duration,omitempty"`
	Clients  int    `json:"clients,omitempty"`
	// RPS is the rate of each client, in requests per second.
	RPS int `json:"rps,omitempty"`
}

// Mode returns how often the item's call is made; no strategy is [ModeSingle].
func (it Item) Mode() Mode {
	if it.Context.Strategy == nil || it.Context.Strategy.Mode == "" {
		return ModeSingle
	}
	return it.Context.Strategy.Mode
}

// LoadDuration returns how long a load item lasts, and 0 for every other item.
func (it Item) LoadDuration() time.Duration {
	if it.Mode() != ModeLoad {
		return 0
	}
	d, err := schedule.ParseDuration(it.Context.Strategy.Duration)
	if err != nil {
		return 0
	}
	return d
}

// String describes the strategy in the report's words.
func (s *Strategy) String() string {
	switch {
	case s == nil || s.Mode == "" || s.Mode == ModeSingle:
		return "single shot"
	case s.Mode == ModeRepeat:
		return fmt.Sprintf("repeat %d times with a step of %s", s.Count, formatNumber(s.Step))
	default:
		return fmt.Sprintf("load for %s with %d clients @ %d RPS", s.Duration, s.Clients, s.RPS)
	}
}

// SLOType is what a service level objective is about.
type SLOType string

const (
	// SLOLatency holds when the Objective-th percentile of response times is below Threshold milliseconds.
	SLOLatency SLOType = "latency"
	// SLOError holds when less than Threshold percent of the calls fail; Objective is its label.
	SLOError SLOType = "error"
	// SLOAvailability holds when at least Objective percent of the calls succeed; Threshold is not used.
	SLOAvailability SLOType = "availability"
)

// SLO is a service level objective that the calls of an item are compared with.
type SLO struct {
	Type  SLOType `json:"slo_type"`
	Title string  `json:"title"`
	// Objective is in percent, in (0, 100].
	Objective float64 `json:"objective"`
	// Threshold is in milliseconds for latency and in percent for error.
	Threshold float64 `json:"threshold"`
}

// Expect is what an item must satisfy: every condition that is given. Status and ResponseTimeUnder are about each call and not
// decided under load.
type Expect struct {
	Status *int `json:"status,omitempty"`
	// ResponseTimeUnder is in milliseconds.
	ResponseTimeUnder *float64 `json:"response_time_under,omitempty"`
	// AllSLOAreValid true demands that every SLO of the item's context holds for its calls taken together.
	AllSLOAreValid *bool `json:"all_slo_are_valid,omitempty"`
}

// Config holds what all calls of a scenario share.
type Config struct {
	HTTP *HTTPConfig `json:"http,omitempty"`
}

// HTTPConfig holds headers for every call (a call's own header of that name wins) and values for placeholders.
type HTTPConfig struct {
	Headers map[string]string `json:"headers,omitempty"`
	Paths   *PathsConfig      `json:"paths,omitempty"`
}

// PathsConfig holds the values of placeholders.
type PathsConfig struct {
	Segments map[string]string `json:"segments,omitempty"`
}

// headers and segments never fail: what is not configured is empty.
func (c *Config) headers() map[string]string {
	if c == nil || c.HTTP == nil {
		return nil
	}
	return c.HTTP.Headers
}

func (c *Config) segments() map[string]string {
	if c == nil || c.HTTP == nil || c.HTTP.Paths == nil {
		return nil
	}
	return c.HTTP.Paths.Segments
}
