//go:build cgo

package tools

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fault-project/fault/rag"
	"github.com/fault-project/fault/treesitter"
	"github.com/fault-project/fault/treesitter/lint"
)

func lintTree(t *testing.T, files map[string]string) (string, *Lint) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	guard, err := NewFileGuard([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	return dir, NewLint(guard)
}

const badPython = "import requests\n\ndef f():\n    return requests.get(URL)\n"

func TestLint(t *testing.T) {
	dir, lint := lintTree(t, map[string]string{
		"app/a.py": badPython, "app/test_a.py": badPython, "app/gen.py": "# @generated\n" + badPython, "app/b.go": "package b\n",
		"app/readme.md": "x", ".gitignore": "ignored/\n", "ignored/a.py": badPython, "app/broken.py": badPython + "x = = 1\n",
		"app/latin.py": "x = '\xe9'\n", "app/ok.py": badPython[:len(badPython)-1] + "  # fault:ignore\n",
	})
	out, err := lint.Run(t.Context(), LintIn{Paths: []string{dir}, Names: []string{"src"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range out.Findings {
		got = append(got, fmt.Sprintf("%s:%d", f.Path, f.Line))
	}
	if want := []string{"src/app/a.py:4", "src/app/broken.py:4"}; !slices.Equal(got, want) {
		t.Errorf("findings %v, want %v", got, want)
	}
	if out.Files != 4 || out.Suppressed != 1 || out.Skipped["test"] != 1 || out.Skipped["generated"] != 1 || out.Skipped["binary"] != 1 ||
		out.Counts["error"] != 2 || len(out.Warnings) != 1 || out.Fixes != 1 {
		t.Errorf("files %d, suppressed %d, skipped %v, counts %v, warnings %v, fixes %d", out.Files, out.Suppressed, out.Skipped, out.Counts,
			out.Warnings, out.Fixes)
	}
	if out.Reliability.Value >= 1 || out.Performance.Value != 1 {
		t.Errorf("scores %v %v", out.Reliability, out.Performance)
	}
	one, err := lint.Run(t.Context(), LintIn{Paths: []string{filepath.Join(dir, "app/test_a.py")}, Languages: []string{"py"}})
	if err != nil || len(one.Findings) != 1 {
		t.Errorf("a test that was asked for: %+v, %v", one, err)
	}
}

func TestLintArguments(t *testing.T) {
	dir, lint := lintTree(t, map[string]string{"a.py": badPython})
	for _, tt := range []struct {
		in   LintIn
		want string
	}{
		{LintIn{}, "paths: must not be empty"},
		{LintIn{Paths: []string{dir}, Severity: "fatal"}, "accepted are error, warning, info"},
		{LintIn{Paths: []string{dir}, Rules: []string{"busy-poling"}}, `did you mean "busy-polling"`},
		{LintIn{Paths: []string{dir}, Languages: []string{"rust"}}, "no rules for rust"},
		{LintIn{Paths: []string{"/etc"}}, "outside of"},
	} {
		_, err := lint.Run(t.Context(), tt.in)
		var user *UserError
		if !errors.As(err, &user) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.in, err, tt.want)
		}
	}
}

// What git itself says about the diff.
func TestLintDiffApplies(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("no git")
	}
	long := strings.Repeat("x = 1\n", 20)
	dir, lint := lintTree(t, map[string]string{
		"a.py":   long + badPython + long + "def g():\n    return requests.post(URL)",
		"b/b.go": "package b\n\nfunc f() error {\n\tf, err := os.Open(p)\n\tif err != nil {\n\t\treturn err\n\t}\n\t_, err = f.Read(nil)\n\treturn err\n}\n",
		"c c.py": "import requests\r\nrequests.get(URL)\r\n",
	})
	out, err := lint.Run(t.Context(), LintIn{Diff: true, Paths: []string{dir}, Names: []string{"."}})
	if err != nil || out.Fixes != 4 {
		t.Fatalf("%d fixes, %v", out.Fixes, err)
	}
	for _, arguments := range [][]string{{"init", "-q"}, {"apply", "--check", "-"}, {"apply", "-"}} {
		cmd := exec.CommandContext(t.Context(), git, arguments...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(out.Diff)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s\n%s", arguments, err, text, out.Diff)
		}
	}
	after, err := lint.Run(t.Context(), LintIn{Paths: []string{dir}})
	if err != nil || len(after.Findings) != 0 {
		t.Errorf("found after the fixes: %s, %v", after.Text(), err)
	}
}

func TestUnifiedDiff(t *testing.T) {
	lines := strings.Split(strings.Repeat("a b c d e f g h i j ", 3), " ")
	before := strings.Join(lines, "\n")
	lines[0], lines[25] = "first\nsecond", ""
	after := strings.Join(lines[:27], "\n")
	want := "--- a/x\n+++ b/x\n@@ -1,4 +1,5 @@\n-a\n+first\n+second\n b\n c\n d\n"
	if got := unifiedDiff("x", before, after); !strings.HasPrefix(got, want) || strings.Count(got, "@@ -") != 2 {
		t.Errorf("got\n%s", got)
	}
	if got := unifiedDiff("x", "a", "a"); got != "" {
		t.Error(got)
	}
	if got := unifiedDiff("x", "", "a\n"); got != "--- a/x\n+++ b/x\n@@ -0,0 +1,1 @@\n+a\n" {
		t.Error(got)
	}
}

// What was asked for by its name must be there; what a folder lists may have gone, or be closed to this user.
func TestLintUnreadable(t *testing.T) {
	gone := allowedFile{path: filepath.Join(t.TempDir(), "gone.py")}
	gone.base = filepath.Dir(gone.path)
	listed := lintFile{allowedFile: gone, shown: "gone.py", language: treesitter.Python}
	if r, err := listed.lint(t.Context(), lint.Options{}); err != nil || r.skip != rag.SkipUnreadable {
		t.Errorf("in a folder: %+v, %v", r, err)
	}
	named := listed
	named.named = true
	var user *UserError
	if _, err := named.lint(t.Context(), lint.Options{}); !errors.As(err, &user) || user.Argument != "gone.py" {
		t.Errorf("by its name: %v", err)
	}
}
