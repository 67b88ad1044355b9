//go:build cgo

package tools

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/fault-project/fault/treesitter/lint"
)

func TestScore(t *testing.T) {
	const slow = "async def price(item):\n    time.sleep(1)\n    return requests.get(item)\n"
	for _, tc := range []struct {
		concern lint.Concern
		score   float64
		rules   []string
		diff    string
	}{
		{lint.Performance, 0.14, []string{"blocking-call-in-async", "blocking-call-in-async"}, ""},
		{lint.Reliability, 0.05, []string{"blocking-call-in-async", "blocking-call-in-async", "remote-call-without-timeout"}, "+    return requests.get(item, timeout=10)"},
	} {
		out, err := NewScore(tc.concern).Run(t.Context(), ScoreIn{Snippet: slow, Lang: "PY"})
		if err != nil {
			t.Fatal(err)
		}
		var rules []string
		for _, f := range out.Findings {
			rules = append(rules, f.Rule)
			if f.Why == "" || f.Reference == "" || f.Line < 2 || !strings.Contains(out.Explanation, f.Message) {
				t.Errorf("%s: finding %+v", tc.concern, f)
			}
		}
		if strings.Join(rules, " ") != strings.Join(tc.rules, " ") || math.Abs(out.Score-tc.score) > 0.001 || out.Source != "rules" ||
			!strings.Contains(out.Diff, tc.diff) || (tc.diff == "") != (out.Diff == "") {
			t.Errorf("%s: %v %+v", tc.concern, rules, out)
		}
		var text map[string]any
		if err := json.Unmarshal([]byte(out.Text()), &text); err != nil || len(text) != 2 || text["score"] != out.Score || text["explanation"] != out.Explanation {
			t.Errorf("%s: text %s, %v", tc.concern, out.Text(), err)
		}
	}
}

func TestScoreOfWhatCannotBeRead(t *testing.T) {
	out, err := NewScore(lint.Reliability).Run(t.Context(), ScoreIn{Snippet: "def f(:\n", Lang: "python"})
	if err != nil || out.Warning == "" || !strings.Contains(out.Explanation, "syntax errors") {
		t.Errorf("%+v, %v", out, err)
	}
	for _, tc := range []struct {
		in       ScoreIn
		argument string
		says     string
	}{
		{ScoreIn{Lang: "python"}, "snippet", "must not be empty"},
		{ScoreIn{Snippet: " \n", Lang: "python"}, "snippet", "must not be empty"},
		{ScoreIn{Snippet: "x"}, "lang", "accepted are python, go"},
		{ScoreIn{Snippet: "x", Lang: "pyton"}, "lang", `did you mean "python"`},
		{ScoreIn{Snippet: "x", Lang: "rust"}, "lang", "no rules for rust; there are rules for python, go, typescript, javascript, java"},
		{ScoreIn{Snippet: "x = '\xe9'", Lang: "python"}, "snippet", "UTF-8"},
	} {
		_, err := NewScore(lint.Reliability).Run(t.Context(), tc.in)
		var user *UserError
		if !errors.As(err, &user) || user.Argument != tc.argument || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%+v: %v", tc.in, err)
		}
	}
}

func TestLintLimit(t *testing.T) {
	dir, operation := lintTree(t, map[string]string{
		"a.py": "import requests\n\ndef f():\n    try:\n        requests.post(URL, timeout=2)\n    except:\n        pass\n",
		"b.py": badPython,
		"c.py": badPython,
	})
	out, err := operation.Run(t.Context(), LintIn{Paths: []string{dir}, Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	// The worst are kept; the counts, and the scores, are about all.
	if len(out.Findings) != 2 || !strings.HasSuffix(out.Findings[0].Path, "b.py") || !strings.HasSuffix(out.Findings[1].Path, "c.py") ||
		out.Omitted != 1 || out.Counts[lint.Error] != 2 || out.Counts[lint.Warning] != 1 {
		t.Errorf("%+v", out)
	}
	if out.Diff != "" || out.Fixes != 2 {
		t.Errorf("%d fixes, diff that nobody asked for: %q", out.Fixes, out.Diff)
	}
	if text := out.Text(); !strings.Contains(text, "1 more left out for limit\n3 files, 15 lines: 2 error, 1 warning, 0 info; ") {
		t.Errorf("text %s", text)
	}
}
