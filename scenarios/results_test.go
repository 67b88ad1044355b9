package scenarios

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fault-project/fault/proxyengine/fault"
)

// TestResultsRoundTrip: testdata/results.json has the structure of the documented example, and keys beyond it; rewriting keeps them.
func TestResultsRoundTrip(t *testing.T) {
	r, err := ReadResults("testdata/results.json")
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Results[0].Results[0].TotalTime.Duration(); got != 1*time.Second+250*time.Millisecond {
		t.Errorf("total time %v", got)
	}
	path := filepath.Join(t.TempDir(), "results.json")
	if err := WriteResults(path, r); err != nil {
		t.Fatal(err)
	}
	var want, got any
	for file, v := range map[string]*any{"testdata/results.json": &want, path: &got} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, v); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rewriting changed the file (-want +got):\n%s", diff)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestReadResultsErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "r.json is empty",
		"{":                               "r.json:1: not the JSON of a scenario run",
		"{\n\n]":                          "r.json:3: not the JSON of a scenario run",
		"{}":                              "r.json: not the results of a scenario run: it has no list named results",
		`{"start": "x"}`:                  "r.json: not the results of a scenario run",
		`{"results": [{"results": [1]}]}`: "r.json: not the results of a scenario run",
		"title: a scenario\nitems: []":    "r.json:1: not the JSON of a scenario run",
	} {
		_, err := DecodeResults("r.json", []byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %v, want one line that begins with %q", text, err, want)
		}
	}
	if _, err := ReadResults(filepath.Join(t.TempDir(), "none.json")); err == nil || !strings.Contains(err.Error(), "does not exist: run scenarios") {
		t.Errorf("error %v", err)
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	for _, content := range []string{"one", "two"} {
		if err := WriteFile(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(path); string(got) != content {
			t.Errorf("content %q, want %q", got, content)
		}
	}
	if err := WriteFile(dir, nil); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("error %v", err)
	}
	if err := WriteFile(filepath.Join(dir, "no", "out"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if err := CheckFile(dir); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("CheckFile of a directory: %v", err)
	}
	if err := CheckFile(filepath.Join(dir, "no", "out")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("CheckFile in a directory that does not exist: %v", err)
	}
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, good := range []string{filepath.Join(dir, "fresh"), path, os.DevNull} {
		if err := CheckFile(good); err != nil {
			t.Errorf("CheckFile: %v", err)
		}
	}
	if after, err := os.ReadDir(dir); err != nil || len(after) != len(before) {
		t.Errorf("CheckFile left %v, %v", after, err)
	}
	if err := WriteFile(os.DevNull, []byte("gone")); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files are left, want only the one written (%v)", len(entries), err)
	}
}

// secretResults holds a word in every place that a secret can be in.
func secretResults() *Results {
	const u = "http://ada:hunter2@h/p?api_key=hunter2&q=1"
	body := "body"
	return &Results{Results: []ScenarioResult{{
		Scenario: Scenario{
			Title: "Runs " + u + " now", Description: u,
			Items: []Item{{
				Call: Call{Method: "GET", URL: u, Body: &body, Headers: map[string]string{
					"authorization": "hunter2", "Proxy-Authorization": "hunter2", "Cookie": "hunter2", "X-Api-Key": "hunter2", "X-Other": "kept",
					"Referer": u,
				}},
				Context: Context{Upstreams: []string{u}, Proxy: &Proxy{Proxies: []string{"34000=" + u}}},
			}},
			Config: &Config{HTTP: &HTTPConfig{
				Headers: map[string]string{"X-Auth-Token": "hunter2"},
				Paths:   &PathsConfig{Segments: map[string]string{"user_token": "hunter2", "id": "7"}},
			}},
		},
		Results: []ItemResult{{
			Target: Target{Address: u},
			Results: []CallResult{{
				Errors:  []CallError{{Message: "get " + u + ": refused"}},
				Metrics: &Metrics{Faults: []URLFaults{{URL: u}}},
			}},
			Baseline: []CallResult{{Errors: []CallError{{Message: u}}}},
			Notes:    []string{u},
		}},
	}}}
}

func TestMasked(t *testing.T) {
	r := secretResults()
	before := string(encode(t, r))
	out, err := EncodeResults(r)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(out, []byte("hunter2")) || bytes.Contains(out, []byte("ada")) {
		t.Errorf("a secret is written:\n%s", out)
	}
	for _, kept := range []string{`"X-Other": "kept"`, `"id": "7"`, "http://" + Mask + "@h/p?api_key=" + Mask + "&q=1", `"body": "body"`} {
		if !bytes.Contains(out, []byte(kept)) {
			t.Errorf("%s is lost:\n%s", kept, out)
		}
	}
	if after := string(encode(t, r)); after != before {
		t.Errorf("masking changed its argument (-before +after):\n%s", cmp.Diff(before, after))
	}
	if _, err := DecodeResults("masked", out); err != nil {
		t.Error(err)
	}
}

func TestMaskText(t *testing.T) {
	for text, want := range map[string]string{
		"plain text, a@b.example, x=1":                    "plain text, a@b.example, x=1",
		"https://user:pa:ss@host/x and tcp://u@h":         "https://xxxxxx@host/x and tcp://xxxxxx@h",
		"http://h/a@b?mail=a@b":                           "http://h/a@b?mail=a@b",
		"http://u:p@ss@h/":                                "http://xxxxxx@h/",
		"http://h/?access_token=abc&page=2#x":             "http://h/?access_token=xxxxxx&page=2#x",
		"http://h/?X-Amz-Signature=abc;password=&sort=up": "http://h/?X-Amz-Signature=xxxxxx;password=xxxxxx&sort=up",
		"34000=https://u:p@h:443":                         "34000=https://xxxxxx@h:443",
	} {
		if got := MaskText(text); got != want {
			t.Errorf("MaskText(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestFaultsHoldNoSecrets fails when a fault gains a setting that may carry credentials: it must then be masked in [Results.Masked].
func TestFaultsHoldNoSecrets(t *testing.T) {
	masked := map[string]string{ // settings that hold header fields, with a value that has a secret
		"httperror.headers": `{"Set-Cookie":"s3cret","Location":"https://u:s3cret@h/"}`,
		"match":             `/ header:Authorization="Bearer s3cret" header:X-A=b`,
	}
	for _, d := range fault.Definitions() {
		for _, f := range d.Fields {
			text, ok := masked[string(d.Kind)+"."+f.Name]
			if !ok {
				text, ok = masked[f.Name]
			}
			name := strings.ToLower(f.Name)
			if !ok && (strings.Contains(name, "header") || strings.Contains(name, "url") || secretName(name)) {
				t.Errorf("%s.%s may hold a secret and is written as it is", d.Kind, f.Name)
			}
			if !ok {
				continue
			}
			spec := d.New()
			if err := f.Set(spec, text); err != nil {
				t.Fatal(err)
			}
			list := fault.List{spec}
			results := Results{Results: []ScenarioResult{{
				Scenario: Scenario{Items: []Item{{Context: Context{Faults: list}}}},
				Results:  []ItemResult{{Results: []CallResult{{Faults: list}}}},
			}}}
			raw, err := json.Marshal(results.Masked())
			if err != nil || strings.Contains(string(raw), "s3cret") || strings.Count(string(raw), Mask) < 2 {
				t.Errorf("%s.%s is written as %s, %v", d.Kind, f.Name, raw, err)
			}
			if kept, _ := f.Get(spec); !strings.Contains(kept, "s3cret") {
				t.Errorf("masking changed the fault itself: %s", kept)
			}
			if label := spec.Describe(); strings.Contains(label, "s3cret") {
				t.Errorf("the label tells a secret: %s", label)
			}
		}
	}
}

func TestResolve(t *testing.T) {
	body := `{"id": {id}, "who": "${id}"}`
	call := Call{
		Method: "GET", URL: "http://${host}/a/{id}/{id}?q={q}#{id}", Body: &body,
		Headers: map[string]string{"x-team": "own ${id} {id} ${none}"},
	}
	config := &Config{HTTP: &HTTPConfig{
		Headers: map[string]string{"X-Team": "shared", "X-Run": "${id}"},
		Paths:   &PathsConfig{Segments: map[string]string{"id": "7/8", "q": "a b&c", "host": "localhost:80"}},
	}}
	got, err := call.Resolve(config)
	if err != nil {
		t.Fatal(err)
	}
	wantBody := `{"id": {id}, "who": "7/8"}`
	want := Call{
		Method: "GET", URL: "http://localhost:80/a/7%2F8/7%2F8?q=a+b%26c#7%2F8", Body: &wantBody,
		Headers: map[string]string{"x-team": "own 7/8 {id} ${none}", "X-Run": "7/8"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resolved (-want +got):\n%s", diff)
	}
	if call.Headers["x-team"] != "own ${id} {id} ${none}" || *call.Body != body {
		t.Error("Resolve changed its receiver")
	}
	config.HTTP.Paths = nil
	if _, err := call.Resolve(config); err == nil ||
		err.Error() != "the URL has no value for {host}, {id}, {q}: set it in config.http.paths.segments" {
		t.Errorf("error %v", err)
	}
	plain := Call{Method: "GET", URL: "http://h/"}
	if got, err := plain.Resolve(nil); err != nil || !cmp.Equal(got, plain) {
		t.Errorf("without a config: %+v, %v", got, err)
	}
}

// TestQuantile checks the definition: the k-th smallest of n is the k/(n+1)-quantile, and between two of those it is linear.
func TestQuantile(t *testing.T) {
	if q := Quantile(nil, 0.5); q != 0 {
		t.Errorf("of nothing: %v", q)
	}
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(0, 1e6), 1, 200).Draw(t, "values")
		slices.Sort(values)
		n := len(values)
		near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(1, math.Abs(a)) }
		for k := 1; k <= n; k++ {
			if q := Quantile(values, float64(k)/float64(n+1)); !near(values[k-1], q) {
				t.Fatalf("value %d of %d: quantile %v, want %v", k, n, q, values[k-1])
			}
			if k < n {
				part := rapid.Float64Range(0, 1).Draw(t, "part")
				want := (1-part)*values[k-1] + part*values[k]
				if q := Quantile(values, (float64(k)+part)/float64(n+1)); !near(want, q) {
					t.Fatalf("between %d and %d of %d: quantile %v, want %v", k, k+1, n, q, want)
				}
			}
		}
		if Quantile(values, 0) != values[0] || Quantile(values, 1) != values[n-1] {
			t.Fatal("the ends are not the smallest and the largest")
		}
	})
}

// calls makes one call for each response time; a negative one is an error after that time.
func calls(times ...float64) []CallResult {
	out := make([]CallResult, len(times))
	for i, ms := range times {
		m := &Metrics{TotalTime: math.Abs(ms), Errored: ms < 0}
		if ms >= 0 {
			m.Protocol = &Protocol{Type: "http", Code: 200}
		}
		out[i] = CallResult{Metrics: m}
	}
	return out
}

func TestJudgeSLOs(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(i + 1)
	}
	hundred[9], hundred[19] = -10, -20
	for name, c := range map[string]struct {
		slo    SLO
		calls  []CallResult
		met    bool
		actual float64
		over   int
	}{
		"p50 below":            {SLO{SLOLatency, "", 50, 51}, calls(hundred...), true, 50.5, 49},
		"p50 at the threshold": {SLO{SLOLatency, "", 50, 50.5}, calls(hundred...), false, 50.5, 50},
		"p99":                  {SLO{SLOLatency, "", 99, 99.5}, calls(hundred...), false, 99.99, 1},
		"errors below":         {SLO{SLOError, "", 99, 2.1}, calls(hundred...), true, 2, 2},
		"errors at threshold":  {SLO{SLOError, "", 99, 2}, calls(hundred...), false, 2, 2},
		"availability reached": {SLO{SLOAvailability, "", 98, 0}, calls(hundred...), true, 98, 2},
		"availability missed":  {SLO{SLOAvailability, "", 98.1, 0}, calls(hundred...), false, 98, 2},
		"no calls":             {SLO{SLOError, "", 99, 2}, nil, false, 0, 0},
	} {
		got := JudgeSLOs(&Item{Context: Context{SLO: []SLO{c.slo}}}, c.calls)[0]
		if got.Met != c.met || math.Abs(got.Actual-c.actual) > 1e-9 || got.Over != c.over {
			t.Errorf("%s: met %t, actual %v, over %d; want %t, %v, %d", name, got.Met, got.Actual, got.Over, c.met, c.actual, c.over)
		}
	}
}

func TestErred(t *testing.T) {
	status := func(code int) CallResult { return CallResult{Metrics: &Metrics{Protocol: &Protocol{Code: code}}} }
	expected := 404
	for name, c := range map[string]struct {
		call     CallResult
		expected *int
		want     bool
	}{
		"ok":              {status(200), nil, false},
		"redirect":        {status(302), nil, false},
		"server error":    {status(503), nil, true},
		"client error":    {status(404), nil, true},
		"expected":        {status(404), &expected, false},
		"not expected":    {status(500), &expected, true},
		"no metrics":      {CallResult{}, nil, true},
		"no response":     {CallResult{Metrics: &Metrics{}}, nil, true},
		"broken response": {CallResult{Metrics: &Metrics{Errored: true, Protocol: &Protocol{Code: 200}}}, nil, true},
		"timed out":       {CallResult{Metrics: &Metrics{TimedOut: true, Protocol: &Protocol{Code: 200}}}, nil, true},
	} {
		if got := c.call.Erred(c.expected); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

func TestFailed(t *testing.T) {
	yes := true
	demanding := Item{Expect: &Expect{AllSLOAreValid: &yes}, Context: Context{SLO: []SLO{{Type: SLOLatency, Objective: 50, Threshold: 10}}}}
	relaxed := demanding
	relaxed.Expect = nil
	for name, c := range map[string]struct {
		item   Item
		result ItemResult
		want   bool
	}{
		"no failure":              {Item{}, ItemResult{Results: calls(1)}, false},
		"failures":                {Item{}, ItemResult{Results: calls(1), FailureCounts: 1}, true},
		"no calls":                {Item{}, ItemResult{}, true},
		"objective met":           {demanding, ItemResult{Results: calls(1)}, false},
		"objective missed":        {demanding, ItemResult{Results: calls(20)}, true},
		"missed and not demanded": {relaxed, ItemResult{Results: calls(20)}, false},
	} {
		r := Results{Results: []ScenarioResult{{Scenario: Scenario{Items: []Item{c.item}}, Results: []ItemResult{c.result}}}}
		if got := r.Failed(); got != c.want {
			t.Errorf("%s: failed %t, want %t", name, got, c.want)
		}
	}
}

func FuzzDecodeResults(f *testing.F) {
	data, err := os.ReadFile("testdata/results.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"results":[{"results":[{"results":[{"errors":[{"a":1},null,"x"],"metrics":{"faults":[{"applied":[{"event":{"type":"x","y":[1]}}]}]}}]}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := DecodeResults("f.json", data)
		if err != nil {
			return
		}
		first, err := EncodeResults(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeResults("again.json", first)
		if err != nil {
			t.Fatalf("%v in:\n%s", err, first)
		}
		second, err := EncodeResults(again)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, second) {
			t.Errorf("written and read: %s, want %s", second, first)
		}
		again.Failed()
	})
}
