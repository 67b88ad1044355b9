package runner

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fault-project/fault/scenarios"
)

func TestSingle(t *testing.T) {
	t.Parallel()
	const text = `
title: Single
items:
  - call: {method: GET, url: "http://u:secret@localhost:9090/a?token=abc", headers: {Authorization: Bearer xyz}}
    context:
      upstreams: []
      faults: [{type: latency, mean: 80, period: "start:30%,duration:40%"}]
      proxy: {proxies: ["34000=localhost:9091"]}
    expect: {status: 200, response_time_under: 90}
  - call: {method: GET, url: "http://localhost:9090/b"}
    context:
      faults: [{type: latency, mean: 100}]
      proxy: {proxies: ["34000=localhost:9091", "34001=localhost:9092"]}
    expect: {status: 200, response_time_under: 90}
`
	synctest.Test(t, func(t *testing.T) {
		r, e := newFake(Options{BaselineCalls: 1}, func(e *fakeEngine, req *http.Request) (*http.Response, error) {
			e.note("call " + req.URL.Path)
			took := time.Duration(0)
			for _, f := range e.active() {
				took += mean(f)
			}
			return respond(req, took, 200, "")
		})
		results, err := r.Run(t.Context(), parse(t, text))
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{
			"mappings 127.0.0.1:34000=localhost:9091", "call /a", "faults", "call /a", "no faults",
			"mappings 127.0.0.1:34000=localhost:9091 127.0.0.1:34001=localhost:9092", "call /b", "faults", "call /b", "no faults",
		}; !slices.Equal(normalized(e.log), want) {
			t.Errorf("the engine was asked for %q, want %q", e.log, want)
		}
		items := results.Results[0].Results
		for i, want := range []struct {
			took     float64
			decision scenarios.Decision
			failures int
			notes    int
		}{{80, scenarios.Success, 0, 1}, {100, scenarios.Failure, 1, 0}} {
			item := items[i]
			c := item.Results[0]
			if c.Metrics.TotalTime != want.took || c.Expect.Got.Decision != want.decision || item.FailureCounts != want.failures {
				t.Errorf("item %d: took %v, %+v, %d failures", i, c.Metrics.TotalTime, c.Expect.Got, item.FailureCounts)
			}
			if len(item.Notes) != want.notes {
				t.Errorf("item %d: notes %q", i, item.Notes)
			}
			if item.Load != nil || c.IntendedStart != 0 || c.Metrics.ServiceTime != nil {
				t.Errorf("item %d has the figures of a load", i)
			}
		}
		if !results.Failed() {
			t.Error("a failed expectation does not fail the run")
		}
		if a := items[0].Target.Address; strings.Contains(a, "secret") || strings.Contains(a, "abc") {
			t.Errorf("the address %q shows secrets", a)
		}
		if h := results.Results[0].Scenario.Items[0].Call.Headers["Authorization"]; strings.Contains(h, "xyz") {
			t.Errorf("the header %q shows a secret", h)
		}
	})
}

// normalized adds the address that a mapping's bare port stands for, in case the mapping is written without.
func normalized(log []string) []string {
	out := slices.Clone(log)
	for i, l := range out {
		if !strings.Contains(l, "127.0.0.1:") {
			out[i] = strings.ReplaceAll(l, " 340", " 127.0.0.1:340")
		}
	}
	return out
}

func TestDirectItemsNeedNoProxy(t *testing.T) {
	t.Parallel()
	const item = `
  - call: {method: GET, url: "http://localhost:9090/"}
    context: {faults: [], proxy: {disable_http_proxies: %s, proxies: [%s]}}`
	const mapping = "34000=localhost:9091"
	for _, tt := range []struct{ name, disabled, proxies, address, mappings string }{
		{"all disabled", "true", mapping, "", mapping},
		{"all disabled, no mapping", "true", "", "127.0.0.1:0", ""},
		{"enabled", "false", mapping, "127.0.0.1:3180", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			proxies := ""
			if tt.proxies != "" {
				proxies = strconv.Quote(tt.proxies)
			}
			r, e := newFake(Options{ProxyAddress: "127.0.0.1:3180"}, func(_ *fakeEngine, req *http.Request) (*http.Response, error) {
				if got, want := req.Header.Get(callIDHeader) != "", tt.disabled == "false"; got != want {
					t.Errorf("the call carries an identity: %v, want %v", got, want)
				}
				return respond(req, 0, 200, "")
			})
			if _, err := r.Run(t.Context(), parse(t, "title: T\nitems:"+fmt.Sprintf(item, tt.disabled, proxies))); err != nil {
				t.Fatal(err)
			}
			if e.config.ProxyAddress != tt.address {
				t.Errorf("the engine's proxy is on %q, want %q", e.config.ProxyAddress, tt.address)
			}
			mappings := ""
			if len(e.config.Mappings) > 0 {
				mappings = e.config.Mappings[0].String()
			}
			if mappings != tt.mappings {
				t.Errorf("the engine starts with mappings %q, want %q", mappings, tt.mappings)
			}
		})
	}
}

func TestRunErrors(t *testing.T) {
	t.Parallel()
	one := func(change func(*scenarios.Item)) []scenarios.Scenario {
		it := scenarios.Item{Call: scenarios.Call{Method: "GET", URL: "http://localhost:1/"}}
		change(&it)
		return []scenarios.Scenario{{Title: "One", Items: []scenarios.Item{it}}}
	}
	bad := errors.New("bind 127.0.0.1:34000: address already in use")
	tests := []struct {
		name    string
		list    []scenarios.Scenario
		prepare func(*fakeEngine)
		want    string
		results bool
	}{
		{name: "nothing", want: "no scenario"},
		{name: "no items", list: []scenarios.Scenario{{Title: "Empty"}}, want: "item"},
		{name: "bad mapping", want: "nonsense", list: one(func(it *scenarios.Item) {
			it.Context.Proxy = &scenarios.Proxy{Proxies: []string{"nonsense"}}
		})},
		{name: "placeholder without a value", want: "id", list: one(func(it *scenarios.Item) { it.Call.URL = "http://localhost/{id}" })},
		{
			name: "bind", want: `scenario "One", item 1: bind 127.0.0.1:34000`, results: true,
			list: one(func(*scenarios.Item) {}), prepare: func(e *fakeEngine) { e.bindErr = bad },
		},
		{name: "start", want: bad.Error(), list: one(func(*scenarios.Item) {}), prepare: func(e *fakeEngine) { e.startErr = bad }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, e := newFake(Options{}, func(_ *fakeEngine, req *http.Request) (*http.Response, error) {
				t.Error("a call was made")
				return respond(req, 0, 200, "")
			})
			if tt.prepare != nil {
				tt.prepare(e)
			}
			results, err := r.Run(t.Context(), tt.list)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v does not say %q", err, tt.want)
			}
			if (results != nil) != tt.results {
				t.Errorf("results %v", results)
			}
		})
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var reports []Progress
		var last time.Time
		o := Options{BaselineCalls: 2, Progress: func(p Progress) {
			if n := len(reports); n > 0 && reports[n-1].Phase == p.Phase && time.Since(last) < 100*time.Millisecond {
				t.Errorf("report %d comes %v after the one before", n, time.Since(last))
			}
			last = time.Now()
			reports = append(reports, p)
		}}
		r, _ := newFake(o, func(_ *fakeEngine, req *http.Request) (*http.Response, error) {
			return respond(req, 3*time.Millisecond, 200, "")
		})
		if _, err := r.Run(t.Context(), parse(t, `
title: Progress
items:
  - call: {method: GET, url: "http://localhost:9090/"}
    context:
      faults: []
      strategy: {mode: load, duration: 2s, clients: 1, rps: 100}
`)); err != nil {
			t.Fatal(err)
		}
		first, end := reports[0], reports[len(reports)-1]
		if first.Phase != Baseline || first.Planned != 2 || first.Title != "Progress" || first.Items != 1 || first.URL != "http://localhost:9090/" {
			t.Errorf("first report %+v", first)
		}
		if end.Phase != Finished || end.Done != 200 || end.Planned != 200 || end.Errors != 0 {
			t.Errorf("last report %+v", end)
		}
		if n := len(reports); n < 20 || n > 25 {
			t.Errorf("%d reports in 2 s, want about ten a second", n)
		}
	})
}

func TestDecide(t *testing.T) {
	t.Parallel()
	status, under := 200, 100.0
	response := func(code int, ms float64) *scenarios.Metrics {
		return &scenarios.Metrics{Protocol: &scenarios.Protocol{Type: "http", Code: code}, TotalTime: ms}
	}
	broken := response(200, 10)
	broken.Errored = true
	tests := []struct {
		name   string
		expect scenarios.Expect
		got    *scenarios.Metrics
		load   bool
		want   scenarios.Decision
	}{
		{"status", scenarios.Expect{Status: &status}, response(200, 1000), false, scenarios.Success},
		{"other status", scenarios.Expect{Status: &status}, response(500, 1), false, scenarios.Failure},
		{"no response", scenarios.Expect{Status: &status}, &scenarios.Metrics{Errored: true}, false, scenarios.Failure},
		{"broken off", scenarios.Expect{Status: &status}, broken, false, scenarios.Failure},
		{"in time", scenarios.Expect{ResponseTimeUnder: &under}, response(500, 99.9), false, scenarios.Success},
		{"just not in time", scenarios.Expect{ResponseTimeUnder: &under}, response(200, 100), false, scenarios.Failure},
		{"fast failure", scenarios.Expect{ResponseTimeUnder: &under}, &scenarios.Metrics{Errored: true, TotalTime: 1}, false, scenarios.Failure},
		{"both", scenarios.Expect{Status: &status, ResponseTimeUnder: &under}, response(200, 1), false, scenarios.Success},
		{"one of two", scenarios.Expect{Status: &status, ResponseTimeUnder: &under}, response(200, 101), false, scenarios.Failure},
		{"load", scenarios.Expect{Status: &status}, response(500, 1), true, scenarios.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := decide(&tt.expect, tt.got, tt.load)
			if v.Got.Decision != tt.want || v.Type != "http" || v.Wanted.StatusCode != tt.expect.Status {
				t.Errorf("got %+v, want the decision %q", v.Got, tt.want)
			}
		})
	}
}
