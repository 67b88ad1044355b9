package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/proxyengine/schedule"
	"github.com/fault-project/fault/scenarios"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// parse reads scenarios that the tests write as people do.
func parse(t *testing.T, text string) []scenarios.Scenario {
	t.Helper()
	list, err := scenarios.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func ptr[T any](v T) *T { return &v }

// answered is a call that took ms and was answered with code, delayed by delay where that is not 0.
func answered(ms float64, code int, delay float64) scenarios.CallResult {
	m := &scenarios.Metrics{TotalTime: ms, Protocol: &scenarios.Protocol{Type: "http", Code: code, BodyLength: 64}}
	if delay > 0 {
		m.Faults = []scenarios.URLFaults{{URL: "upstream.example:443", Applied: []scenarios.Applied{{Event: scenarios.FaultEvent{
			Type: "latency", Direction: "ingress", Side: "server", Delay: &delay,
		}}}}}
	}
	return scenarios.CallResult{Metrics: m}
}

const suite = `
title: Slow upstream
description: What a late upstream does to the ping endpoint.
items:
  - call: {method: GET, url: "http://localhost:7070/ping"}
    context:
      faults: [{type: latency, mean: 60, stddev: 4}]
    expect: {status: 200, response_time_under: 190}
  - call:
      method: POST
      url: http://ada:hunter2@localhost:7070/notes?token=hunter2
      timeout: 750
      headers: {Authorization: bearer hunter2, X-Team: blue|green}
      body: "{}"
    context:
      strategy: {mode: load, duration: 20s, clients: 4, rps: 5}
      faults:
        - {type: latency, mean: 90, global: false}
        - {type: blackhole, period: "start:10%,duration:15%"}
        - {type: jitter, amplitude: 30, frequency: 2, period: "start:4s,duration:2s;start:95%"}
      slo:
        - {slo_type: latency, title: "P95 < 300ms", objective: 95, threshold: 300}
        - {slo_type: latency, title: "P99 | all", objective: 99, threshold: 5000}
        - {slo_type: error, title: "Errors < 1%", objective: 98, threshold: 1}
        - {slo_type: availability, objective: 95}
    expect: {status: 201}
---
title: "Nothing wrong: *none*\tof <b>it</b>"
items:
  - call: {method: GET, url: "http://localhost:7070/a_b/{id}"}
    context: {faults: [{type: jitter, period: "start:20%"}]}
config: {http: {paths: {segments: {id: 7}}}}
`

// full is a run with everything in it that a report can show.
func full(t *testing.T) *scenarios.Results {
	list := parse(t, suite)
	var load []scenarios.CallResult
	for i := range 400 {
		c := answered(20+float64(i)*0.5, 201, 0)
		c.Metrics.ServiceTime = ptr(c.Metrics.TotalTime - 2)
		switch {
		case i >= 390:
			c.Metrics.TotalTime, c.Metrics.ServiceTime = 750.25, ptr(750.0)
			c.Metrics.Protocol, c.Metrics.Errored, c.Metrics.TimedOut = nil, true, true
		case i%50 == 0:
			c.Metrics.Protocol.Code = 503
		}
		load = append(load, c)
	}
	started := time.Date(2026, 3, 1, 9, 30, 5, 120_345_678, time.UTC)
	ended := started.Add(21 * time.Second)
	return &scenarios.Results{
		Start: started.Unix(), End: ended.Unix(), StartedAt: &started, EndedAt: &ended, Seed: 42,
		Results: []scenarios.ScenarioResult{
			{Scenario: list[0], Results: []scenarios.ItemResult{
				{
					Target:  scenarios.Target{Address: "http://localhost:7070/ping"},
					Results: []scenarios.CallResult{answered(201.5, 200, 61.25)}, RequestsCount: 1, FailureCounts: 1,
					TotalTime: scenarios.ElapsedOf(208 * time.Millisecond),
					Baseline:  []scenarios.CallResult{answered(139, 200, 0), answered(141, 200, 0), answered(140, 500, 0)},
				},
				{
					Target:  scenarios.Target{Address: "http://ada:hunter2@localhost:7070/notes?token=hunter2"},
					Results: load, RequestsCount: 400, TotalTime: scenarios.ElapsedOf(20*time.Second + 751*time.Millisecond),
					Load: &scenarios.LoadFacts{
						Planned: 400, Started: 400, PlannedRPS: 20, AchievedRPS: 19.97, Ceiling: 64, MaxInFlight: 13, LateP99: 0.4, LateMax: 2.5,
					},
					Applied: []scenarios.AppliedTotal{
						{Type: "latency", Index: 0, Count: 800, Delayed: 800, Delay: 72_400},
						{Type: "blackhole", Index: 1, Count: 10, Bytes: 4096, Unattributed: 3},
					},
					Notes: []string{"3 applications of the blackhole fault belong to no single call."},
				},
			}},
			{Scenario: list[1], Results: []scenarios.ItemResult{{
				Target: scenarios.Target{Address: "http://localhost:7070/a_b/7"}, Results: []scenarios.CallResult{},
			}}},
		},
	}
}

func TestGoldens(t *testing.T) {
	results := full(t)
	before, err := json.Marshal(results)
	if err != nil {
		t.Fatal(err)
	}
	r := Build(results)
	if r.Passed() {
		t.Error("the run passed, want failed: an expectation was not met")
	}
	for name, write := range map[string]func(*Report, *bytes.Buffer) error{
		"full.md":   func(r *Report, b *bytes.Buffer) error { return r.WriteMarkdown(b) },
		"full.json": func(r *Report, b *bytes.Buffer) error { return r.WriteJSON(b) },
		"full.yaml": func(r *Report, b *bytes.Buffer) error { return r.WriteYAML(b) },
		"full.html": func(r *Report, b *bytes.Buffer) error { return r.WriteHTML(b) },
		"full.xml":  func(r *Report, b *bytes.Buffer) error { return r.WriteJUnit(b) },
	} {
		var b bytes.Buffer
		if err := write(r, &b); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b.Bytes(), []byte("hunter2")) {
			t.Errorf("%s holds a secret", name)
		}
		golden(t, name, b.Bytes())
	}
	after, err := json.Marshal(results)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("Build changed its argument")
	}
}

// TestFormsAgree: JSON and YAML are the same document.
func TestFormsAgree(t *testing.T) {
	r := Build(full(t))
	var j, y bytes.Buffer
	if err := r.WriteJSON(&j); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteYAML(&y); err != nil {
		t.Fatal(err)
	}
	back, err := yaml.YAMLToJSON(y.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var fromJSON, fromYAML any
	if err := json.Unmarshal(j.Bytes(), &fromJSON); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(back, &fromYAML); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fromJSON, fromYAML); diff != "" {
		t.Errorf("JSON and YAML differ (-JSON +YAML):\n%s", diff)
	}
}

// TestPageStandsAlone: the page loads nothing and runs nothing, and what a scenario says in it stays text.
func TestPageStandsAlone(t *testing.T) {
	var b bytes.Buffer
	if err := Build(full(t)).WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<link", "<img", "src=", "@import", "url(", "<b>it</b>"} {
		if strings.Contains(b.String(), bad) {
			t.Errorf("the page contains %s", bad)
		}
	}
	if !strings.Contains(b.String(), "&lt;b&gt;it&lt;/b&gt;") {
		t.Error("the title is not on the page as text")
	}
}

func TestFailure(t *testing.T) {
	for want, it := range map[string]Item{
		"no call was made":                {},
		"2 of 3 calls did not meet: A, B": {Overview: Overview{Requests: 3, ExpectationFailures: 2}, Expectation: []string{"A", "B"}},
		"not met: P95 (above by 2.0ms), Q (-)": {
			Overview: Overview{Requests: 1},
			SLOs:     []SLO{{Title: "P95", Margin: "Above by 2.0ms"}, {Title: "good", Passed: true}, {Title: "Q", Margin: "-"}},
		},
	} {
		if got := it.failure(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestOldResults: a file without the newer fields gives a report with the documented parts, and what its events show.
func TestOldResults(t *testing.T) {
	results, err := scenarios.ReadResults("../testdata/results.json")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Build(results).WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "old.md", b.Bytes())
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	r := Build(&scenarios.Results{})
	for name, begins := range map[string]string{
		"r.md": "# Scenarios Report", "r.MARKDOWN": "# Scenarios Report", "r.json": "{", "r.yaml": "start:", "r.yml": "start:",
		"r.html": "<!DOCTYPE html>", "r.xml": "<?xml",
	} {
		path := filepath.Join(dir, name)
		if err := CheckPath(path); err != nil {
			t.Error(err)
		}
		if err := r.Write(path); err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(data), begins) {
			t.Errorf("%s is %q, %v", name, data, err)
		}
	}
	for _, name := range []string{"report", "report.pdf", "report.md.gz"} {
		err := CheckPath(name)
		if want := fmt.Sprintf("%q has no extension of a report: name it with one of .md, .json, .yaml, .html, .xml", name); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
		if err := r.Write(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	if err := r.Write(filepath.Join(dir, "none", "r.md")); err == nil {
		t.Error("written into a directory that does not exist")
	}
}

// TestPercentileRequests holds rows of published reports: n calls, percentile, calls.
func TestPercentileRequests(t *testing.T) {
	for _, c := range []struct{ n, p, want int }{
		{1, 25, 1},
		{1, 99, 1},
		{4, 25, 2},
		{4, 50, 3},
		{4, 75, 4},
		{6, 25, 2},
		{6, 50, 4},
		{6, 75, 6},
		{31, 25, 8},
		{31, 50, 16},
		{31, 75, 24},
		{31, 95, 31},
		{60, 25, 16},
		{60, 50, 31},
		{60, 75, 46},
		{60, 95, 58},
		{60, 99, 60},
		{396, 25, 100},
		{396, 50, 199},
		{396, 75, 298},
		{396, 95, 378},
		{396, 99, 394},
		{99, 50, 50},
		{199, 99, 198},
	} {
		times := make([]float64, c.n)
		for i := range times {
			times[i] = float64(i)
		}
		for _, row := range latencies(times) {
			if row.Percentile == c.p && (row.Requests != c.want || math.Abs(row.Share-100*float64(c.want)/float64(c.n)) > 1e-9) {
				t.Errorf("p%d of %d: %d (%.1f%%), want %d", c.p, c.n, row.Requests, row.Share, c.want)
			}
		}
	}
	if rows := latencies(nil); rows != nil {
		t.Errorf("of nothing: %v", rows)
	}
}

func TestTimeline(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "xxxxxxxxxx",
		"start:10%,duration:15%":             ".xx.......",
		"start:40%,duration:15%":             "....xx....",
		"start:70%,duration:15%":             ".......xx.",
		"start:45%,duration:10%":             "....xx....",
		"start:50%":                          ".....xxxxx",
		"duration:1%":                        "x.........",
		"start:99%":                          ".........x",
		"start:1s,duration:1s":               ".x........",
		"start:1500ms,duration:1s":           ".xx.......",
		"start:30s":                          "..........",
		"duration:30%;start:80%":             "xxx.....xx",
		"start:9s,duration:1h":               ".........x",
		"start:10%,duration:5%;start:1500ms": ".xxxxxxxxx",
	} {
		var s schedule.Schedule
		if text != "" {
			var err error
			if s, err = schedule.Parse(text); err != nil {
				t.Fatal(err)
			}
		}
		if got := timeline(s, 10*time.Second); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	third, err := schedule.Parse("start:10%,duration:10%")
	if err != nil {
		t.Fatal(err)
	}
	if got := timeline(third, time.Second/3*70); got != ".x........" {
		t.Errorf("of a duration that tenths do not divide: %s", got)
	}
}

func TestObjectives(t *testing.T) {
	var calls []scenarios.CallResult
	for i := range 30 {
		c := answered(float64(i+1)*10, 200, 0)
		if i == 3 {
			c.Metrics.Protocol.Code = 500
		}
		calls = append(calls, c)
	}
	for want, slo := range map[string]scenarios.SLO{
		"mine | true | 50% < 160.5ms | Below by 5.5ms | 14":         {Type: "latency", Title: "mine", Objective: 50, Threshold: 160.5},
		"50% @ 155ms | false | 50% < 155ms | Above by 0.0ms | 15":   {Type: "latency", Objective: 50, Threshold: 155},
		"99% @ 200ms | false | 99% < 200ms | Above by 100.0ms | 10": {Type: "latency", Objective: 99, Threshold: 200},
		"Error Rate < 5% | true | 99% < 5% | Below by 1.7 | 1":      {Type: "error", Objective: 99, Threshold: 5},
		"Error Rate < 2.5% | false | 99% < 2.5% | Above by 0.8 | 1": {Type: "error", Objective: 99, Threshold: 2.5},
		"Availability ≥ 95% | true | ≥ 95% | Above by 1.7 | 1":      {Type: "availability", Objective: 95},
		"Availability ≥ 99.9% | false | ≥ 99.9% | Below by 3.2 | 1": {Type: "availability", Objective: 99.9},
	} {
		s := objectives(&scenarios.Item{Context: scenarios.Context{SLO: []scenarios.SLO{slo}}}, calls)[0]
		if got := fmt.Sprintf("%s | %t | %s | %s | %d", s.Title, s.Passed, s.Objective, s.Margin, s.Over); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if s := objectives(&scenarios.Item{Context: scenarios.Context{SLO: []scenarios.SLO{{Type: "error", Threshold: 1}}}}, nil)[0]; s.Passed || s.Margin != "-" {
		t.Errorf("without calls: %+v", s)
	}
}

// TestUnapplied: a fault that did nothing is named, one that did something is not.
func TestUnapplied(t *testing.T) {
	latency, err := fault.Decode("latency", map[string]any{"mean": 10})
	if err != nil {
		t.Fatal(err)
	}
	item := &scenarios.Item{Context: scenarios.Context{Faults: fault.List{latency}}}
	for want, calls := range map[int][]scenarios.CallResult{0: {answered(20, 200, 10)}, 1: {answered(20, 200, 0)}} {
		if got := buildItem(item, &scenarios.ItemResult{Results: calls}).Notes; len(got) != want {
			t.Errorf("notes %q, want %d", got, want)
		}
	}
}
