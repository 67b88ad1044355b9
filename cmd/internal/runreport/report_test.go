package runreport

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fault-project/fault/cmd/internal/suite"
	"github.com/fault-project/fault/cmd/internal/tally"
	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/proxyengine/schedule"
	"github.com/fault-project/fault/scenarios"
)

var update = flag.Bool("update", false, "write the golden files anew")

func latency(t *testing.T, period string) fault.Spec {
	t.Helper()
	spec, err := fault.Decode("latency", map[string]any{"mean": 200, "stddev": 0, "period": period})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := schedule.Parse(period); err != nil {
		t.Fatal(err)
	}
	return spec
}

var began = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func delayed(times int) tally.Snapshot {
	return tally.Snapshot{
		Traffic: tally.Traffic{
			Exchanges: 12, Connections: 1, Failed: 1, BytesUp: 120, BytesDown: 56_000, NotAffected: 2,
			Statuses:  map[string]int{"200": 10, "502": 1, "404": 1},
			FirstByte: &tally.Times{Count: 11, P50: 201.5, P95: 240, P99: 250, Max: 12_000},
		},
		Applied: []tally.Applied{
			{Index: 0, Fault: "latency", Times: times, Flows: 10, Delay: &tally.Times{Count: times, Mean: 200, P50: 200, P95: 201, Max: 202}},
			{Index: 3, Fault: "blackhole", Times: 1, Flows: 1, Bytes: 2_500_000},
			{Index: 4, Fault: "httperror", Times: 2, Flows: 2, Statuses: map[string]int{"503": 2}},
		},
		Errors: []tally.Error{{Text: "dial: connect: connection refused", Count: 1}},
	}
}

func suiteRun(t *testing.T) *Report {
	quiet := tally.Snapshot{Traffic: tally.Traffic{Exchanges: 12}, Applied: []tally.Applied{}, Errors: []tally.Error{}}
	return &Report{
		Version: "1.2.3", Start: began, End: began.Add(20 * time.Second), Command: []string{"pytest", "-q", "a|b"},
		Proxy: "127.0.0.1:3180", Mappings: []string{"15432=localhost:5432"}, Upstreams: []string{"api.example.com"},
		Faults: []Fault{NewFault(0, latency(t, "start:5s"))},
		Runs: []Run{
			{Label: "without faults", Start: began, Seconds: 1.5, Exit: &Exit{}, Snapshot: quiet, Tests: &suite.Counts{Passed: 3, Failed: 1}},
			{Label: "seed 7", Faults: true, Seed: 7, Seconds: 8, Exit: &Exit{Code: 1}, Snapshot: delayed(11), Tests: &suite.Counts{Passed: 1, Failed: 3}},
			{
				Label: "seed 8", Faults: true, Seed: 8, Seconds: 10, Exit: &Exit{Code: 124, TimedOut: true}, Snapshot: quiet,
				Tests: &suite.Counts{Passed: 2, Skipped: 1}, Notes: []string{"fault dns has\nno effect here"},
			},
		},
		Tests: &suite.Comparison{
			Baseline: true,
			OnlyUnderFaults: []suite.Finding{
				{Test: "t::fragile", Failed: []uint64{7, 8}, Passed: []uint64{}, Without: suite.Passed, Message: "it said `no` | twice"},
				{Test: "t::flaky", Failed: []uint64{7}, Passed: []uint64{8}, Flaky: true, Without: suite.Passed},
			},
			UnderFaults:   []suite.Finding{},
			WithoutFaults: []suite.Finding{{Test: "broken", Failed: []uint64{7}, Passed: []uint64{}, Without: suite.Failed, Message: "always"}},
			Unfinished:    []suite.Unfinished{{Seed: 8, Faults: true, Running: []string{}, Missing: []string{"t::hangs", "t::after"}}},
			Slower:        []suite.Slow{{Test: "t::slow", Without: 0.25, With: 4}},
		},
	}
}

func plainRun(t *testing.T) *Report {
	return &Report{
		Version: "1.2.3", Start: began, End: began.Add(time.Minute), Proxy: "127.0.0.1:3180", Mappings: []string{}, Upstreams: []string{},
		Duration: "1m", Faults: []Fault{NewFault(0, latency(t, ""))}, Interrupted: true,
		Runs: []Run{{Label: "faults", Faults: true, Seed: 42, Start: began, Seconds: 60, Snapshot: delayed(11)}},
	}
}

func TestGolden(t *testing.T) {
	for name, r := range map[string]*Report{"suite": suiteRun(t), "plain": plainRun(t)} {
		for ext := range map[string]bool{".md": true, ".json": true, ".xml": true} {
			t.Run(name+ext, func(t *testing.T) {
				golden := filepath.Join("testdata", name+ext)
				path := filepath.Join(t.TempDir(), "report"+strings.ToUpper(ext))
				if err := r.Write(path); err != nil {
					t.Fatal(err)
				}
				got, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if *update {
					if err := os.WriteFile(golden, got, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), string(got)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// What is written can be read again: a program that looks at the report gets everything.
func TestJSONRoundTrip(t *testing.T) {
	want := suiteRun(t)
	var b bytes.Buffer
	if err := want.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	got := new(Report)
	if err := json.Unmarshal(b.Bytes(), got); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := got.WriteJSON(&again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), again.String()); diff != "" {
		t.Error(diff)
	}
}

// The JUnit form is one that this program reads itself.
func TestJUnitIsJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := suiteRun(t).WriteJUnit(&b); err != nil {
		t.Fatal(err)
	}
	got, err := suite.Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	if c := suite.Count(got); c != (suite.Counts{Passed: 1, Failed: 6}) {
		t.Errorf("%+v: %+v", c, got)
	}
}

func TestSummary(t *testing.T) {
	want := []string{
		"without faults: exit code 0; 3 passed, 1 failed; 12 HTTP exchanges",
		"seed 7: exit code 1; 1 passed, 3 failed; latency applied 11 times on 10 flows, mean delay 200 ms; " +
			"blackhole applied once, 2.5 MB withheld; httperror applied 2 times, status 503 × 2; 12 HTTP exchanges, 1 connection (1 failed)",
		"seed 8: exit code 124 (took too long); 2 passed, 0 failed, 1 skipped; no fault was applied to 12 HTTP exchanges",
		"seed 8: fault dns has\nno effect here",
		"2 tests fail only under faults: t::fragile, t::flaky (1 of 2 runs, seed 7)",
		"1 test fails without faults, too: broken",
		"seed 8: ended while t::hangs was running, if tests run one after the other; 1 test had not begun",
	}
	if diff := cmp.Diff(want, suiteRun(t).Summary()); diff != "" {
		t.Error(diff)
	}
	fine := &Report{
		Runs:  []Run{{Label: "seed 1", Faults: true, Exit: &Exit{Code: 3}, Tests: &suite.Counts{Passed: 1}}},
		Tests: &suite.Comparison{Baseline: true},
	}
	want = []string{"seed 1: 1 passed, 0 failed; no traffic came through the proxy", "no test fails under faults"}
	if diff := cmp.Diff(want, fine.Summary()); diff != "" {
		t.Error(diff)
	}
}

func TestMaskCommand(t *testing.T) {
	got := MaskCommand([]string{
		"pytest", "--token", "hunter2", "--api-key=hunter2", "API_TOKEN=hunter2", "--db", "postgres://me:hunter2@db/x", "--token", "-q", "tests",
	})
	want := []string{
		"pytest", "--token", "xxxxxx", "--api-key=xxxxxx", "API_TOKEN=xxxxxx", "--db", "postgres://xxxxxx@db/x", "--token", "-q", "tests",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}

func TestFaultsAreMasked(t *testing.T) {
	spec, err := fault.Decode("httperror", map[string]any{
		"headers": map[string]any{"Set-Cookie": "s3cret"}, "match": "/ header:Authorization=s3cret",
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(NewFault(0, spec))
	if err != nil || strings.Contains(string(raw), "s3cret") || strings.Count(string(raw), scenarios.Mask) != 2 {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestCheckPath(t *testing.T) {
	for path, want := range map[string]string{
		"a/report.md": "", "r.JSON": "", "r.xml": "",
		"r.html": `"r.html" has no extension of a report: name it with one of .md, .json, .xml`,
		"report": `"report" has no extension of a report: name it with one of .md, .json, .xml`,
	} {
		if err := CheckPath(path); (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := new(Report).Write("x.doc"); err == nil {
		t.Error("written")
	}
}

func TestWriteIntoNothing(t *testing.T) {
	if err := plainRun(t).Write(filepath.Join(t.TempDir(), "no", "report.md")); err == nil {
		t.Error("written")
	}
}

func TestUnits(t *testing.T) {
	for ms, want := range map[float64]string{0.5: "0.50 ms", 5: "5.0 ms", 250.4: "250 ms", 12_345: "12.3 s"} {
		if got := Milliseconds(ms); got != want {
			t.Errorf("%v: %s", ms, got)
		}
	}
	for n, want := range map[int64]string{5: "5 B", 5_120: "5.1 KB", 3_000_000: "3.0 MB", 7e9: "7.0 GB"} {
		if got := Size(n); got != want {
			t.Errorf("%v: %s", n, got)
		}
	}
}
