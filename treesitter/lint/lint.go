// Package lint finds what makes code fail or slow down when the network or a service behind it does: calls without a timeout, errors
// that nobody sees, connections that are never closed.
//
// A rule is data: one file in the folder of its language (python, go, typescript, java), with a query over syntax trees, the text
// of its findings, a fix where one is mechanical, and the code that it must and must not find. Conditions that a query
// cannot express are written as predicates in the query, from the closed set in predicates.go. Rules are chosen for precision:
// where a rule cannot tell, it stays silent.
//
// All functions may be called concurrently. Without cgo there is no parser, and Check returns [treesitter.ErrNoCgo].
package lint

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/fault-project/fault/treesitter"
)

// Severity says how bad a finding is.
type Severity string

// The severities, from bad to mild: an Error fails under the faults that every network has; a Warning does so under load or in some
// deployments; Info is worth a look.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Info    Severity = "info"
)

// Severities returns the severities, the worst first.
func Severities() []Severity { return []Severity{Error, Warning, Info} }

// AtLeast reports whether s is as bad as other, or worse.
func (s Severity) AtLeast(other Severity) bool {
	return slices.Index(Severities(), s) <= slices.Index(Severities(), other)
}

// Concern is what a rule looks after.
type Concern string

// The concerns.
const (
	Reliability Concern = "reliability"
	Performance Concern = "performance"
)

// Rule is one rule for one language, or for several with the same grammar. Rules about the same thing in different languages share
// their ID.
type Rule struct {
	ID       string
	Title    string
	Severity Severity
	// Concerns has one or both.
	Concerns []Concern
	// Message may refer to captures of the query as {name}.
	Message string
	// Why tells what happens, Reference is the URL of the document that says so.
	Why, Reference string
	Languages      []treesitter.Language
	// Query is in the language of tree-sitter queries; it captures the place as @at.
	Query string
	// Fix is empty where nothing mechanical is right.
	Fix Fix
	// Bad holds code in which the rule must find something, Good code in which it must not; Fixed is Bad after all fixes, "" when
	// there is no fix.
	Bad, Good, Fixed string
}

// Finding is a place in a source text that a rule does not accept.
type Finding struct {
	Rule      string    `json:"rule"`
	Severity  Severity  `json:"severity"`
	Concerns  []Concern `json:"concerns"`
	Message   string    `json:"message"`
	Why       string    `json:"why"`
	Reference string    `json:"reference"`
	Path      string    `json:"path"`
	// Line, Column and EndLine count from 1, columns in characters.
	Line    int `json:"line"`
	Column  int `json:"column"`
	EndLine int `json:"end_line"`
	// Snippet is the first line of the place, without indentation.
	Snippet string `json:"snippet"`
	// Fix is nil when there is no mechanical one.
	Fix *Edit `json:"fix,omitempty"`
}

// Options choose what to look for.
type Options struct {
	// Rules are the IDs of the rules to apply, all when it is empty.
	Rules []string
	// Severity is the mildest severity to report; "" means Info.
	Severity Severity

	// partial says that the source is a part of a file; see [CheckSnippet].
	partial bool
}

// Report is what was found in one source text.
type Report struct {
	Language treesitter.Language
	Findings []Finding
	// Suppressed counts the findings that a comment in the source waves through.
	Suppressed int
	// Lines counts the lines of the source.
	Lines int
	// Warning says that the source has syntax errors; nothing is reported in a function that has one.
	Warning string
}

// ruleset is the rules of one language, ready for use.
type ruleset struct {
	rules    []*Rule
	patterns *treesitter.Patterns
}

var rulesets = sync.OnceValues(func() (map[treesitter.Language]*ruleset, error) {
	rules, err := load()
	if err != nil {
		return nil, err
	}
	sets := map[treesitter.Language]*ruleset{}
	for _, l := range Languages() {
		set := &ruleset{}
		var queries []string
		for i := range rules {
			if slices.Contains(rules[i].Languages, l) {
				set.rules = append(set.rules, &rules[i])
				queries = append(queries, rules[i].Query)
			}
		}
		set.patterns = treesitter.NewPatterns(l, queries)
		sets[l] = set
	}
	return sets, nil
})

// Languages returns the languages that have rules, in a fixed order.
func Languages() []treesitter.Language {
	return []treesitter.Language{
		treesitter.Python, treesitter.Go, treesitter.TypeScript, treesitter.JavaScript, treesitter.Java,
	}
}

// Check applies the rules to a source text. path is only for the findings, which come in the order of the source. Errors are those of
// [treesitter.Parse]; a language without rules gives an empty report. src is not kept.
func Check(ctx context.Context, language treesitter.Language, path string, src []byte, o Options) (*Report, error) {
	sets, err := rulesets()
	if err != nil {
		return nil, err
	}
	report := &Report{Language: language, Lines: bytes.Count(src, []byte("\n"))}
	if !bytes.HasSuffix(src, []byte("\n")) {
		report.Lines++
	}
	set := sets[language]
	if set == nil {
		return report, nil
	}
	tree, matches, err := set.patterns.Search(ctx, src)
	if err != nil || tree == nil {
		return report, err
	}
	report.Lines = tree.Lines()
	if tree.Broken {
		report.Warning = "the file has syntax errors; nothing is reported in functions that have one"
	}
	c := &checker{tree: tree, code: blank(tree), language: language, path: path, partial: o.partial, suppressions: suppressionsOf(tree)}
	seen := map[string]bool{}
	for i := range matches {
		rule := set.rules[matches[i].Query]
		if o.Severity != "" && !rule.Severity.AtLeast(o.Severity) || len(o.Rules) > 0 && !slices.Contains(o.Rules, rule.ID) {
			continue
		}
		m := &match{checker: c, rule: rule, captures: matches[i].Captures}
		f, edit, ok := m.finding(matches[i].Predicates)
		if !ok {
			continue
		}
		key := fmt.Sprintf("%s:%d:%d", f.Rule, f.Line, f.Column)
		if seen[key] {
			continue
		}
		seen[key] = true
		if c.suppressions.covers(f) {
			report.Suppressed++
			continue
		}
		if edit != nil && edit.parses(ctx, language, tree) {
			f.Fix = edit
		}
		report.Findings = append(report.Findings, f)
	}
	slices.SortStableFunc(report.Findings, func(a, b Finding) int {
		return cmp.Or(a.Line-b.Line, a.Column-b.Column, strings.Compare(a.Rule, b.Rule))
	})
	return report, ctx.Err()
}

// javaTest matches the other name of a Java test, as in TestInjection.java.
var javaTest = regexp.MustCompile(`(^|/)Test[A-Z]\w*\.java$`)

// IsTest reports whether a file holds tests, or stands in for something in tests, by the conventions of its language:
// what is careless there hurts nobody.
func IsTest(file string) bool {
	file = filepath.ToSlash(file)
	if javaTest.MatchString(file) {
		return true
	}
	file = strings.ToLower(file)
	for dir := range strings.SplitSeq(path.Dir(file), "/") {
		switch dir {
		case "test", "tests", "testing", "__tests__", "testdata", "spec", "e2e", "__mocks__", "mock", "mocks",
			"__fixtures__", "testutil", "testutils":
			return true
		}
		if strings.HasSuffix(dir, "test") && dir != "latest" {
			return true // as in httptest
		}
	}
	base := path.Base(file)
	stem := strings.TrimSuffix(base, path.Ext(base))
	for _, mark := range []string{"_mock", ".mock", "-mock"} {
		if strings.HasSuffix(stem, mark) {
			return true
		}
	}
	return strings.HasPrefix(base, "test_") || strings.HasPrefix(base, "mock_") || base == "testing.go" ||
		strings.HasSuffix(stem, "_test") || strings.HasSuffix(stem, ".test") ||
		strings.HasSuffix(stem, "-test") ||
		strings.HasSuffix(stem, ".spec") || base == "conftest.py" ||
		strings.HasSuffix(base, "test.java") || strings.HasSuffix(base, "tests.java")
}
