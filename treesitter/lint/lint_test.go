//go:build cgo

package lint

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fault-project/fault/treesitter"
)

func check(t *testing.T, language treesitter.Language, src string, o Options) *Report {
	t.Helper()
	report, err := Check(t.Context(), language, "x", []byte(src), o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestFinding(t *testing.T) {
	report := check(t, treesitter.Python, "import requests\n\ndef f():\n    return requests.get(\n        URL)\n", Options{})
	if len(report.Findings) != 1 || report.Lines != 5 {
		t.Fatalf("report %+v", report)
	}
	f := report.Findings[0]
	if f.Rule != "remote-call-without-timeout" || f.Line != 4 || f.Column != 12 || f.EndLine != 5 || f.Snippet != "requests.get(" || f.Path != "x" ||
		!strings.HasPrefix(f.Message, "requests.get has no timeout") || f.Severity != Error || f.Fix == nil || f.Fix.New != ", timeout=10" {
		t.Errorf("finding %+v, fix %+v", f, f.Fix)
	}
}

func TestOptions(t *testing.T) {
	src := "import requests\ndef f():\n    try:\n        requests.post(URL)\n    except Exception:\n        pass\n"
	for _, tt := range []struct {
		o    Options
		want []string
	}{
		{Options{}, []string{"remote-call-without-timeout", "swallowed-exception"}},
		{Options{Severity: Warning}, []string{"remote-call-without-timeout", "swallowed-exception"}},
		{Options{Severity: Error}, []string{"remote-call-without-timeout"}},
		{Options{Rules: []string{"swallowed-exception"}}, []string{"swallowed-exception"}},
	} {
		var got []string
		for _, f := range check(t, treesitter.Python, src, tt.o).Findings {
			got = append(got, f.Rule)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %v, want %v", tt.o, got, tt.want)
		}
	}
}

func TestSuppression(t *testing.T) {
	for comment, want := range map[string]int{
		"": 1, "  # fault:ignore": 0, "  # fault:ignore remote-call-without-timeout": 0, "  # fault:ignore a, remote-call-without-timeout -- local": 0,
		"  # fault:ignore busy-polling": 1, "  # default:ignored": 1,
	} {
		report := check(t, treesitter.Python, "import requests\nrequests.get(URL)"+comment+"\n", Options{})
		if len(report.Findings) != want || report.Suppressed != 1-want {
			t.Errorf("%q: %d findings, %d suppressed", comment, len(report.Findings), report.Suppressed)
		}
	}
	above := check(t, treesitter.Python, "import requests\n# fault:ignore\nrequests.get(URL)\nrequests.put(URL)\n", Options{})
	if len(above.Findings) != 1 || above.Findings[0].Line != 4 {
		t.Errorf("a comment above: %+v", above.Findings)
	}
}

// What the parser could not read may be what a rule misses.
func TestSyntaxErrors(t *testing.T) {
	src := "import requests\n\ndef a():\n    requests.get(URL)\n\ndef b():\n    requests.get(URL)\n    x = = 1\n"
	report := check(t, treesitter.Python, src, Options{})
	if report.Warning == "" {
		t.Error("no warning")
	}
	for src, lines := range map[string]int{"def f(:\n    pass\n": 2, "def f(:\n    pass": 2} {
		if report := check(t, treesitter.Python, src, Options{}); report.Warning == "" || report.Lines != lines {
			t.Errorf("%q, in which no rule looks for anything: warning %q, %d lines", src, report.Warning, report.Lines)
		}
	}
	for _, f := range report.Findings {
		if f.Fix != nil {
			t.Error("a fix of a file that has errors")
		}
		if f.Line > 6 {
			t.Errorf("found in a function with errors: line %d", f.Line)
		}
	}
}

func TestScore(t *testing.T) {
	finding := func(s Severity, c ...Concern) Finding {
		return Finding{Severity: s, Concerns: c, Rule: "r", Message: "m", Line: 3}
	}
	for _, tt := range []struct {
		findings []Finding
		lines    int
		want     float64
	}{
		{nil, 10, 1},
		{[]Finding{finding(Error, Performance)}, 10, 1},
		{[]Finding{finding(Info, Reliability)}, 0, 0.82},
		{[]Finding{finding(Error, Reliability, Performance)}, 0, 0.37},
		{[]Finding{finding(Error, Reliability)}, 100, 0.61},
		{[]Finding{finding(Error, Reliability), finding(Warning, Reliability)}, 100, 0.47},
		{slices.Repeat([]Finding{finding(Error, Reliability)}, 100), 100, 0},
	} {
		got := ScoreOf(Reliability, tt.findings, tt.lines)
		if got.Value != tt.want || got.Explanation == "" {
			t.Errorf("%d findings in %d lines: %+v, want %v", len(tt.findings), tt.lines, got, tt.want)
		}
	}
	if got := ScoreOf(Reliability, []Finding{finding(Error, Reliability)}, 1).Explanation; got != "1 finding about reliability in 1 line (1 error): line 3: m (r)." {
		t.Error(got)
	}
}

func TestApply(t *testing.T) {
	for _, tt := range []struct {
		edits []Edit
		want  string
		n     int
	}{
		{nil, "abcdef", 0},
		{[]Edit{{3, 4, "X"}, {1, 1, "y"}}, "aybcXef", 2},
		{[]Edit{{1, 3, "X"}, {2, 4, "Y"}}, "aXdef", 1},
		{[]Edit{{1, 1, "X"}, {1, 1, "X"}}, "aXbcdef", 1},
		{[]Edit{{5, 9, "X"}, {3, 2, "Y"}}, "abcdef", 0},
	} {
		if got, n := Apply("abcdef", tt.edits); got != tt.want || n != tt.n {
			t.Errorf("%v: %q, %d", tt.edits, got, n)
		}
	}
}

func TestIsTest(t *testing.T) {
	for path, want := range map[string]bool{
		"a/b_test.go": true, "test_a.py": true, "tests/a.py": true, "src/a.spec.ts": true, "src/test/java/A.java": true, "ATest.java": true,
		"a/x_mock.go": true, "mock_x.go": true, "TestInjection.java": true, "Testament.java": false, "mockery.go": false, "contest.py": false, "latest/a.go": false, "a.go": false,
	} {
		if IsTest(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}

func TestParseRule(t *testing.T) {
	good := "title: T\nseverity: info\nconcern: performance\nmessage: m\nwhy: w\nreference: https://x\n-- query --\n(a)\n-- bad --\nb\n-- good --\ng\n"
	if _, err := parseRule("r", good); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{"title: T", "titel: T"},
		{"info", "fatal"},
		{"performance", "beauty"},
		{"https", "http"},
		{"-- query --", "-- q --"},
		{"why: w", "fix: replace at x\nwhy: w"},
		{"why: w", "fix: replace @at x\nwhy: w"},
		{"-- good --\ng\n", ""},
	} {
		if _, err := parseRule("r", strings.Replace(good, change[0], change[1], 1)); err == nil {
			t.Errorf("%v was accepted", change)
		}
	}
}

// FuzzCheck feeds arbitrary bytes to the rules of every language: findings lie in the source, and edits give a source that parses.
func FuzzCheck(f *testing.F) {
	languages := Languages()
	for _, rule := range Rules() {
		index := uint8(slices.Index(languages, rule.Languages[0]))
		f.Add(index, []byte(rule.Bad))
		f.Add(index, []byte(rule.Good))
	}
	f.Add(uint8(0), []byte("while True:\n  requests.get(\n# fault:ignore"))
	f.Fuzz(func(t *testing.T, index uint8, data []byte) {
		language := languages[int(index)%len(languages)]
		report, err := Check(t.Context(), language, "x", data, Options{})
		if err != nil {
			if utf8.Valid(data) {
				t.Fatal(err)
			}
			return
		}
		for _, finding := range report.Findings {
			if finding.Line < 1 || finding.EndLine < finding.Line || finding.EndLine > report.Lines+1 || finding.Column < 1 {
				t.Fatalf("finding outside of the source: %+v", finding)
			}
			if e := finding.Fix; e != nil {
				fixed, n := Apply(string(data), []Edit{*e})
				if clean, err := treesitter.Clean(t.Context(), language, []byte(fixed)); n != 1 || err != nil || !clean {
					t.Fatalf("a fix that breaks the source: %+v, %v", e, fmt.Sprint(err))
				}
			}
		}
	})
}
