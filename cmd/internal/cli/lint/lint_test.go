//go:build cgo

package lint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/tools"
)

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want Options
		err  string
	}{
		{args: []string{"a"}, want: Options{Paths: []string{"a"}, Format: "text", Severity: "info", FailOn: "warning"}},
		{
			args: []string{"--rules", "x,y", "--rules=z", "--format", "sarif", "--fail-on", "never", "--severity=error", "--lang", "go", "--tests", "a", "b"},
			want: Options{
				Paths: []string{"a", "b"}, Format: "sarif", Severity: "error", FailOn: "never", Rules: []string{"x", "y", "z"},
				Languages: []string{"go"}, Tests: true,
			},
		},
		{args: []string{"--list-rules"}, want: Options{Format: "text", Severity: "info", FailOn: "warning", ListRules: true}},
		{err: "needs PATH"},
		{args: []string{"a", "--format", "xml"}, err: `invalid value "xml" for --format`},
		{args: []string{"a", "--severity", "never"}, err: `invalid value "never" for --severity`},
	} {
		var got *Options
		cmd := New(&cli.Factory{}, func(_ context.Context, o *Options) error {
			got = o
			return nil
		})
		cmd.SetArgs(tt.args)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		err := cmd.Execute()
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v: %v, want %q", tt.args, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v: %v", tt.args, err)
			continue
		}
		got.f = nil
		if a, b := asJSON(t, got), asJSON(t, tt.want); a != b {
			t.Errorf("%v: %s, want %s", tt.args, a, b)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(data), "[]", "null")
}

func execute(t *testing.T, color bool, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := New(&cli.Factory{Streams: cli.Streams{Out: &out, Color: color}, Version: "1"}, nil)
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func project(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	text := "import requests\n\ndef f():\n    try:\n        é = requests.post(URL)\n    except Exception:\n        pass\n"
	if err := os.WriteFile("a b.py", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestRunText(t *testing.T) {
	project(t)
	out, err := execute(t, false, ".")
	want := "a b.py:5:13: error: requests.post has no timeout: it waits for as long as the other side says nothing [remote-call-without-timeout]\n" +
		"    requests.post(URL)\n" +
		"a b.py:6:5: warning: every exception ends here, without a log line: also those that nobody thought of [swallowed-exception]\n" +
		"    except Exception:\n\n" +
		"1 file, 7 lines: 1 error, 1 warning, 0 info; reliability 0.25, performance 1.00\n1 can be fixed mechanically: --diff shows how\n"
	if out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
	if !errors.Is(err, cli.ErrFailed) {
		t.Errorf("error %v", err)
	}
	if colored, _ := execute(t, true, "."); !strings.Contains(colored, "\x1b[31merror\x1b[0m") {
		t.Errorf("no color: %q", colored)
	}
	if _, err := execute(t, false, ".", "--rules", "swallowed-exception", "--fail-on", "error"); err != nil {
		t.Errorf("a warning failed with --fail-on error: %v", err)
	}
	if _, err := execute(t, false, ".", "--fail-on", "never"); err != nil {
		t.Errorf("--fail-on never: %v", err)
	}
	var usage *cli.Error
	if _, err := execute(t, false, "absent"); !errors.As(err, &usage) || !usage.Usage {
		t.Errorf("a path that is not there: %v", err)
	}
	if _, err := execute(t, false, ".", "--rules", "swallowed"); !errors.As(err, &usage) || !usage.Usage || !strings.Contains(usage.Hint, "swallowed-exception") {
		t.Errorf("a rule that is not there: %v", err)
	}
}

func TestRunJSON(t *testing.T) {
	project(t)
	text, _ := execute(t, false, "--format", "json", "a b.py")
	var out tools.LintOut
	if err := json.Unmarshal([]byte(text), &out); err != nil || len(out.Findings) != 2 || out.Findings[0].Fix == nil {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestRunDiff(t *testing.T) {
	project(t)
	text, _ := execute(t, false, "--diff", ".")
	if !strings.Contains(text, "+        é = requests.post(URL, timeout=10)\n") || !strings.HasPrefix(text, "--- a/a b.py\t\n") {
		t.Error(text)
	}
}

// What section 3 of SARIF 2.1.0 demands of what we write.
func TestRunSARIF(t *testing.T) {
	project(t)
	absolute, err := filepath.Abs("a b.py")
	if err != nil {
		t.Fatal(err)
	}
	for path, uri := range map[string]string{".": "a%20b.py", absolute: "file://" + strings.ReplaceAll(absolute, " ", "%20")} {
		text, _ := execute(t, false, "--format", "sarif", path)
		var log sarifLog
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&log); err != nil {
			t.Fatal(err)
		}
		if log.Version != "2.1.0" || len(log.Runs) != 1 || log.Runs[0].Tool.Driver.Name == "" {
			t.Fatal(text)
		}
		run := log.Runs[0]
		if len(run.Results) != 2 || len(run.Tool.Driver.Rules) != 2 {
			t.Fatal(text)
		}
		for _, r := range run.Results {
			rule := run.Tool.Driver.Rules[r.RuleIndex]
			place := r.Locations[0].PhysicalLocation
			if rule.ID != r.RuleID || !slices.Contains([]string{"error", "warning", "note"}, r.Level) || r.Message.Text == "" ||
				place.ArtifactLocation.URI != uri || place.Region.StartLine < 1 || place.Region.EndLine < place.Region.StartLine ||
				!strings.HasPrefix(rule.HelpURI, "https://") || rule.ShortDescription.Text == "" {
				t.Errorf("result %+v", r)
			}
		}
	}
	empty := t.TempDir()
	if text, err := execute(t, false, "--format", "sarif", empty); err != nil || !strings.Contains(text, `"results": []`) {
		t.Errorf("nothing found: %v\n%s", err, text)
	}
}

func TestListRules(t *testing.T) {
	text, err := execute(t, false, "--list-rules")
	if err != nil || !strings.Contains(text, "remote-call-without-timeout (python error, go error, typescript warning, javascript warning, java error)\n") {
		t.Errorf("%v\n%s", err, text)
	}
}

// What --diff prints can be applied where it was asked for, however the path was typed.
func TestDiffPaths(t *testing.T) {
	project(t)
	text, _ := execute(t, false, "--diff", ".")
	absolute, err := filepath.Abs("a b.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{absolute, "../" + filepath.Base(filepath.Dir(absolute))} {
		if other, _ := execute(t, false, "--diff", path); other != text || text == "" {
			t.Errorf("%s: %s", path, other)
		}
	}
}
