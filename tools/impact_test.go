package tools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fault-project/fault/scenarios"
)

// impact returns the operation for a fault, on a runner that notes what it is asked for and answers with results.
func impact(t *testing.T, name string, run RunScenarios) *Impact {
	t.Helper()
	for _, i := range Impacts(&TargetGuard{}, run, nil) {
		if i.Name() == name {
			return i
		}
	}
	t.Fatalf("no operation for %q", name)
	return nil
}

// arguments decodes JSON as MCP does.
func arguments(t *testing.T, text string) ImpactIn {
	t.Helper()
	var in ImpactIn
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		t.Fatal(err)
	}
	return in
}

// The payloads are the documented ones, filled in where the documents leave a blank that means nothing.
func TestImpactScenario(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, fault, in, want string // want: the item as JSON
	}{
		{
			name: "documented latency payload, template", fault: "latency",
			in: `{"url": "http://localhost:9090", "method": "", "body": "", "latency": 300, "deviation": 0, "per_read_write_op": false,
				"direction": "", "side": "", "duration": "", "num_clients": "", "rps": "", "timeout": 10, "proxies": []}`,
			want: `{"call": {"method": "GET", "url": "http://localhost:9090", "timeout": 10000},
				"context": {"upstreams": [],
					"faults": [{"type": "latency", "side": "server", "mean": 300, "stddev": 0, "direction": "ingress"}],
					"strategy": {"mode": "load", "duration": "10s", "clients": 1, "rps": 3},
					"slo": [{"slo_type": "latency", "title": "99% @ 350ms", "objective": 99, "threshold": 350},
						{"slo_type": "latency", "title": "95% @ 200ms", "objective": 95, "threshold": 200}]}}`,
		},
		{
			name: "documented latency script", fault: "latency",
			in: `{"url": "http://localhost:9090", "method": "GET", "body": "", "duration": "10s", "latency": 300.0,
				"per_read_write_op": true, "deviation": 5, "direction": "egress", "side": "client", "num_clients": "2", "rps": "4",
				"timeout": 5, "proxies": ["34000=https://jsonplaceholder.typicode.com:443"], "slos": [
				{"type": "error", "title": "errors", "objective": 99, "threshold": "1.5", "explanation": "x", "sli": ""}]}`,
			want: `{"call": {"method": "GET", "url": "http://localhost:9090", "timeout": 5000},
				"context": {"upstreams": [],
					"faults": [{"type": "latency", "side": "client", "mean": 300, "stddev": 5, "scope": "chunk", "direction": "egress"}],
					"strategy": {"mode": "load", "duration": "10s", "clients": 2, "rps": 4},
					"slo": [{"slo_type": "error", "title": "errors", "objective": 99, "threshold": 1.5}],
					"proxy": {"disable_http_proxies": true, "proxies": ["34000=https://jsonplaceholder.typicode.com:443"]}}}`,
		},
		{
			name: "documented jitter script", fault: "jitter",
			in: `{"url": "http://localhost:9090", "method": "post", "body": "{}", "duration": "90", "amplitude": 150, "frequency": 5,
				"direction": "ingress", "side": "server", "num_clients": 1, "rps": 3, "timeout": "0.5", "slos": []}`,
			want: `{"call": {"method": "POST", "url": "http://localhost:9090", "body": "{}", "timeout": 500},
				"context": {"upstreams": [],
					"faults": [{"type": "jitter", "side": "server", "amplitude": 150, "frequency": 5, "direction": "ingress"}],
					"strategy": {"mode": "load", "duration": "1m30s", "clients": 1, "rps": 3}}}`,
		},
		{
			name: "documented bandwidth script", fault: "bandwidth",
			in: `{"url": "http://localhost:9090", "method": "GET", "body": "", "duration": "10s", "rate": 1024, "unit": "bps",
				"direction": "egress", "side": "server", "num_clients": 5, "rps": 2, "timeout": 10, "slos": []}`,
			want: `{"call": {"method": "GET", "url": "http://localhost:9090", "timeout": 10000},
				"context": {"upstreams": [],
					"faults": [{"type": "bandwidth", "side": "server", "rate": 1024, "unit": "Bps", "direction": "egress"}],
					"strategy": {"mode": "load", "duration": "10s", "clients": 5, "rps": 2}}}`,
		},
		{
			name: "documented packet loss script", fault: "packet_loss",
			in: `{"url": "http://localhost:9090", "method": "GET", "body": "", "duration": "10s", "direction": "egress", "side": "server",
				"num_clients": 1, "timeout": 10, "rps": 3, "slos": []}`,
			want: `{"call": {"method": "GET", "url": "http://localhost:9090", "timeout": 10000},
				"context": {"upstreams": [], "faults": [{"type": "packetloss", "side": "server", "direction": "egress"}],
					"strategy": {"mode": "load", "duration": "10s", "clients": 1, "rps": 3}}}`,
		},
		{
			name: "packet loss at a rate", fault: "packet_loss",
			in: `{"url": "http://localhost:9090", "rate": "0.05", "burst": 4, "slos": []}`,
			want: `{"call": {"method": "GET", "url": "http://localhost:9090", "timeout": 30000},
				"context": {"upstreams": [],
					"faults": [{"type": "packetloss", "side": "server", "rate": 0.05, "burst": 4, "direction": "ingress"}],
					"strategy": {"mode": "load", "duration": "10s", "clients": 1, "rps": 3}}}`,
		},
		{
			name: "http error", fault: "http_error",
			in: `{"url": "http://localhost:9090", "status_code": "503", "error_body": "busy", "probability": 0.05, "slos": []}`,
			want: `{"call": {"method": "GET", "url": "http://localhost:9090", "timeout": 30000},
				"context": {"upstreams": [],
					"faults": [{"type": "httperror", "side": "server", "status_code": 503, "body": "busy", "direction": "ingress",
						"probability": 0.05}],
					"strategy": {"mode": "load", "duration": "10s", "clients": 1, "rps": 3}}}`,
		},
		{
			name: "blackhole for a part of the load, nulls", fault: "blackhole",
			in: `{"url": "http://localhost:9090", "direction": "both", "side": "server", "sched": "start:45%,duration:10%", "timeout": null,
				"proxies": null, "rps": null, "slos": null, "duration": 10}`,
			want: `{"call": {"method": "GET", "url": "http://localhost:9090", "timeout": 30000},
				"context": {"upstreams": [],
					"faults": [{"type": "blackhole", "side": "server", "direction": "both", "period": "start:45%,duration:10%"}],
					"strategy": {"mode": "load", "duration": "10s", "clients": 1, "rps": 3},
					"slo": [{"slo_type": "latency", "title": "99% @ 350ms", "objective": 99, "threshold": 350},
						{"slo_type": "latency", "title": "95% @ 200ms", "objective": 95, "threshold": 200}]}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := impact(t, tt.fault, nil).scenario(arguments(t, tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Validate(); err != nil {
				t.Errorf("the scenario is invalid: %v", err)
			}
			if s.Title != "Evaluating runtime performance of http://localhost:9090" {
				t.Errorf("title %q", s.Title)
			}
			data, err := json.Marshal(s.Items[0])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(object(t, []byte(tt.want)), object(t, data)); diff != "" {
				t.Errorf("the item differs (-want +got):\n%s", diff)
			}
		})
	}
}

func object(t *testing.T, data []byte) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return m
}

func TestImpactRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, fault, in, want string }{
		{"no url", "latency", `{"latency": 1}`, "url: is missing"},
		{"foreign url", "latency", `{"url": "http://example.com", "latency": 1}`, "url: load is sent to this machine only"},
		{
			"mapping to a foreign host as target", "latency", `{"url": "http://localhost:34000", "latency": 1, "proxies": ["34000=https://example.com"]}`,
			"example.com:443 is not allowed",
		},
		{"no latency", "latency", `{"url": "http://localhost"}`, "latency: is missing; use 0 to 86400000"},
		{"empty latency", "latency", `{"url": "http://localhost", "latency": ""}`, "latency: is missing"},
		{"latency no number", "latency", `{"url": "http://localhost", "latency": "fast"}`, `latency: "fast" is not a number; use 0 to`},
		{"negative latency", "latency", `{"url": "http://localhost", "latency": -5}`, `latency: "-5" is out of range; use 0 to`},
		{"side", "latency", `{"url": "http://localhost", "latency": 1, "side": "left"}`, "side: \"left\" is not an accepted value; use one of client, server"},
		{"schedule", "latency", `{"url": "http://localhost", "latency": 1, "sched": "sometimes"}`, "sched: "},
		{"unknown", "latency", `{"url": "http://localhost", "latncy": 1}`, `latncy: is not an argument of this tool; did you mean "latency"?`},
		{"argument of another fault", "jitter", `{"url": "http://localhost", "rate": 0, "unit": "bps"}`, "rate: is not an argument of this tool; use url,"},
		{"method", "jitter", `{"url": "http://localhost", "method": "FETCH"}`, `method: "FETCH" is not a method that is sent; use one of GET, HEAD,`},
		{"clients zero", "jitter", `{"url": "http://localhost", "num_clients": 0}`, "num_clients: 0 is out of range; use 1 to 100"},
		{"too many clients", "jitter", `{"url": "http://localhost", "num_clients": "101"}`, "num_clients: 101 is out of range; use 1 to 100"},
		{"half a client", "jitter", `{"url": "http://localhost", "num_clients": 1.5}`, `num_clients: "1.5" is not a whole number; use 1 to 100`},
		{"clients in words", "jitter", `{"url": "http://localhost", "num_clients": "two"}`, `num_clients: "two" is not a number; use 1 to 100`},
		{"rate", "jitter", `{"url": "http://localhost", "num_clients": 100, "rps": 11}`, "1100 calls a second; num_clients × rps may be 1000 at most"},
		{"infinite rate", "jitter", `{"url": "http://localhost", "rps": "inf"}`, "rps: \"inf\" is not a whole number"},
		{"no number at all", "jitter", `{"url": "http://localhost", "rps": "NaN"}`, `rps: "NaN" is not a number`},
		{"timeout", "jitter", `{"url": "http://localhost", "timeout": 0}`, "timeout: 0 is out of range; use 0.001 to 300"},
		{"duration", "jitter", `{"url": "http://localhost", "duration": "11m"}`, "duration: 11m is out of range; use more than 0 and at most 10m"},
		{"no duration", "jitter", `{"url": "http://localhost", "duration": "0s"}`, "duration: 0s is out of range"},
		{"duration in words", "jitter", `{"url": "http://localhost", "duration": "long"}`, "write it as 10s or 1m30s"},
		{"seed", "jitter", `{"url": "http://localhost", "seed": -1}`, `seed: "-1" is not a whole number`},
		{"proxies", "jitter", `{"url": "http://localhost", "proxies": "34000=x:1"}`, "proxies: must be a list of strings"},
		{"slos", "jitter", `{"url": "http://localhost", "slos": {"type": "latency"}}`, "slos: must be a list of objects"},
		{
			"slo type", "jitter", `{"url": "http://localhost", "slos": [{"type": "speed", "objective": 9, "threshold": 1}]}`,
			`slos: type "speed" is not one of latency, error, availability`,
		},
		{"slo objective", "jitter", `{"url": "http://localhost", "slos": [{"type": "latency", "objective": 101, "threshold": 1}]}`, "slos: objective 101"},
		{"slo threshold", "jitter", `{"url": "http://localhost", "slos": [{"type": "latency", "objective": 99}]}`, "slos: threshold 0"},
		{"slo key", "jitter", `{"url": "http://localhost", "slos": [{"kind": "latency"}]}`, `slos: unknown key "kind"`},
		{"object", "jitter", `{"url": {"a": 1}}`, "url: must be a single value"},
		{"no object", "jitter", `[]`, "the arguments are not a JSON object"},
		{"long body", "jitter", `{"url": "http://localhost", "body": "` + strings.Repeat("x", maxImpactBody+1) + `"}`, "send at most 1048576"},
		{"many proxies", "jitter", `{"url": "http://localhost", "proxies": ["1"` + strings.Repeat(`,"1"`, 16) + `]}`, "proxies: 17 mappings are too many; give at most 16"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			op := impact(t, tt.fault, func(context.Context, []scenarios.Scenario, RunOptions) (*scenarios.Results, error) {
				t.Error("something was run")
				return nil, errors.New("unexpected")
			})
			var in ImpactIn
			err := json.Unmarshal([]byte(tt.in), &in)
			if err == nil {
				_, err = op.Run(t.Context(), in)
			}
			var user *UserError
			if !errors.As(err, &user) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v; want a *UserError that says %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("the error has more than one line: %q", err)
			}
		})
	}
}

// measured makes results whose calls take these times in milliseconds; a negative time is a timeout.
func measured(s scenarios.Scenario, baseline, times []float64) *scenarios.Results {
	calls := func(times []float64) []scenarios.CallResult {
		var out []scenarios.CallResult
		for _, ms := range times {
			m := &scenarios.Metrics{TotalTime: math.Abs(ms), Errored: ms < 0, TimedOut: ms < 0}
			if ms >= 0 {
				m.Protocol = &scenarios.Protocol{Type: "http", Code: 200}
			}
			out = append(out, scenarios.CallResult{Metrics: m})
		}
		return out
	}
	item := scenarios.ItemResult{
		Target: scenarios.Target{Address: s.Items[0].Call.URL}, Results: calls(times), Baseline: calls(baseline), RequestsCount: len(times),
		Load:    &scenarios.LoadFacts{Planned: len(times), Started: len(times), PlannedRPS: 3, AchievedRPS: 2.999},
		Applied: []scenarios.AppliedTotal{{Type: "latency", Count: len(times)}}, Notes: []string{"a note"},
	}
	return &scenarios.Results{Results: []scenarios.ScenarioResult{{Scenario: s, Results: []scenarios.ItemResult{item}}}}
}

func TestImpactRun(t *testing.T) {
	t.Parallel()
	op := impact(t, "latency", func(_ context.Context, list []scenarios.Scenario, o RunOptions) (*scenarios.Results, error) {
		if o.BaselineCalls != impactBaselineCalls || o.Seed != 7 {
			t.Errorf("options %+v", o)
		}
		o.Progress(3, 15)
		return measured(list[0], []float64{20, 22, 21, 24, 23}, []float64{321, 322, 323, 324, -5000}), nil
	})
	in := arguments(t, `{"url": "http://u:secret@localhost:9090", "latency": 300, "seed": "7"}`)
	var progress string
	in.Progress = func(done, total float64, message string) { progress = fmt.Sprint(done, total, message) }
	out, err := op.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if progress != "3 153 of 15 calls" {
		t.Errorf("progress %q", progress)
	}
	if !strings.HasPrefix(out.Text(), "# Scenarios Report") || strings.Contains(out.Report, "secret") {
		t.Errorf("report %q", out.Report)
	}
	want := &ImpactOut{
		Report: out.Report, Fault: "latency", URL: "http://xxxxxx@localhost:9090", Verdict: "failed",
		SLOs: []ImpactSLO{
			{Type: "latency", Title: "99% @ 350ms", Objective: 99, Threshold: 350, Actual: 5000},
			{Type: "latency", Title: "95% @ 200ms", Objective: 95, Threshold: 200, Actual: 5000},
		},
		Calls: 5, Errors: 1, Timeouts: 1, P50MS: 323, P95MS: 5000, P99MS: 5000, BaselineCalls: 5, BaselineP50MS: 22, AddedP50MS: 301,
		PlannedRPS: 3, AchievedRPS: 3, FaultsApplied: 5, Notes: []string{"a note"}, Seed: 7, Source: "measured",
	}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("the answer differs (-want +got):\n%s", diff)
	}
}

func TestImpactPassesAndWarns(t *testing.T) {
	t.Parallel()
	var seeds []uint64
	op := impact(t, "latency", func(_ context.Context, list []scenarios.Scenario, o RunOptions) (*scenarios.Results, error) {
		seeds = append(seeds, o.Seed)
		r := measured(list[0], []float64{-1, 2}, []float64{3, 3, 3})
		r.Results[0].Results[0].Applied = nil
		return r, nil
	})
	for range 2 {
		out, err := op.Run(t.Context(), arguments(t, `{"url": "http://localhost:9090", "latency": 1, "proxies": ["34000=localhost:1"]}`))
		if err != nil {
			t.Fatal(err)
		}
		if out.Verdict != "passed" || out.BaselineErrors != 1 || out.FaultsApplied != 0 {
			t.Errorf("answer %+v", out)
		}
		for _, want := range []string{"without the fault failed too", "never applied. Nothing passed the mappings"} {
			if !slices.ContainsFunc(out.Notes, func(n string) bool { return strings.Contains(n, want) }) {
				t.Errorf("notes %q do not say %q", out.Notes, want)
			}
		}
	}
	if seeds[0] == 0 || seeds[0] == seeds[1] || seeds[0] > 1<<53 {
		t.Errorf("seeds %v: want different ones that survive JSON", seeds)
	}
}

func TestImpactRunFails(t *testing.T) {
	t.Parallel()
	in := arguments(t, `{"url": "http://localhost:9090", "latency": 1}`)
	failing := func(context.Context, []scenarios.Scenario, RunOptions) (*scenarios.Results, error) {
		return nil, errors.New("bind 127.0.0.1:34000: address already in use")
	}
	_, err := impact(t, "latency", failing).Run(t.Context(), in)
	var user *UserError
	if !errors.As(err, &user) || !strings.Contains(err.Error(), "34000") {
		t.Errorf("error %v, want the runner's as a *UserError", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := impact(t, "latency", failing).Run(ctx, in); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

func TestImpactArguments(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"latency": {
			"url", "method", "body", "duration", "num_clients", "rps", "timeout", "proxies", "slos", "seed",
			"side", "latency", "deviation", "per_read_write_op", "direction", "sched", "probability",
		},
		"jitter": {
			"url", "method", "body", "duration", "num_clients", "rps", "timeout", "proxies", "slos", "seed",
			"side", "amplitude", "frequency", "direction", "sched", "probability",
		},
		"blackhole": {
			"url", "method", "body", "duration", "num_clients", "rps", "timeout", "proxies", "slos", "seed",
			"side", "direction", "sched", "probability",
		},
	}
	for name, want := range tests {
		var names, required []string
		for _, a := range impact(t, name, nil).Arguments() {
			names = append(names, a.Name)
			if a.Required {
				required = append(required, a.Name)
			}
			if a.Usage == "" || a.Type == "" {
				t.Errorf("%s: %+v lacks a usage or a type", name, a)
			}
			if a.Default != "" && a.Min != nil {
				if _, err := Number("").float(a); err != nil {
					t.Errorf("%s: the default of %s is refused: %v", name, a.Name, err)
				}
			}
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		wantRequired := []string{"url"}
		if name == "latency" {
			wantRequired = append(wantRequired, "latency")
		}
		if diff := cmp.Diff(wantRequired, required); diff != "" {
			t.Errorf("%s, required (-want +got):\n%s", name, diff)
		}
	}
}

func FuzzImpactIn(f *testing.F) {
	f.Add(`{"url": "http://localhost", "latency": "1", "num_clients": "", "rps": null, "slos": [{"type": "error"}], "proxies": ["1=a:1"]}`)
	f.Add(`{"url": "http://localhost", "latency": 1e400, "rps": "1e3", "sched": "start:5%,duration:5%", "timeout": "0x1p-2"}`)
	f.Add(`{"url": "http://localhost", "duration": 1e9, "seed": 18446744073709551615}`)
	op := Impacts(&TargetGuard{}, nil, nil)[0]
	f.Fuzz(func(t *testing.T, text string) {
		var in ImpactIn
		if json.Unmarshal([]byte(text), &in) != nil {
			return
		}
		s, err := op.scenario(in)
		var user *UserError
		if err != nil {
			if !errors.As(err, &user) {
				t.Errorf("%s: error %v is no *UserError", text, err)
			}
			return
		}
		st := s.Items[0].Context.Strategy
		d := s.Items[0].LoadDuration()
		if st.Clients*st.RPS > maxImpactRate || st.Clients < 1 || st.RPS < 1 || d <= 0 || d > maxImpactDuration {
			t.Errorf("%s: a load of %v × %v for %v", text, st.Clients, st.RPS, d)
		}
	})
}
