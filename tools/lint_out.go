package tools

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/fault-project/fault/treesitter/lint"
)

// LintOut is what [Lint.Run] found.
type LintOut struct {
	// Findings are in the order of the files and lines; Omitted is how many there are beyond the limit.
	Findings []lint.Finding `json:"findings"`
	Omitted  int            `json:"omitted"`
	// Counts are by severity, and with the scores they are about all findings.
	Counts      map[lint.Severity]int `json:"counts"`
	Performance lint.Score            `json:"performance"`
	Reliability lint.Score            `json:"reliability"`
	// Files and Lines count what was read, Suppressed the findings that comments wave through, Skipped what was left out, by reason.
	Files      int            `json:"files"`
	Lines      int            `json:"lines"`
	Suppressed int            `json:"suppressed"`
	Skipped    map[string]int `json:"skipped"`
	// Warnings name files that could not be read as a whole.
	Warnings []string `json:"warnings"`
	// Fixes is the number of findings that have a mechanical fix; Diff, if asked for, is a unified diff of all of them, with the paths as
	// they were given.
	Fixes int    `json:"fixes"`
	Diff  string `json:"diff"`
}

// Text is one line for each finding, and one for what they amount to.
func (o *LintOut) Text() string {
	var b strings.Builder
	for i := range o.Findings {
		f := &o.Findings[i]
		fmt.Fprintf(&b, "%s:%d:%d: %s: %s (%s)\n", f.Path, f.Line, f.Column, f.Severity, f.Message, f.Rule)
	}
	if o.Omitted > 0 {
		fmt.Fprintf(&b, "%d more left out for limit\n", o.Omitted)
	}
	for _, w := range o.Warnings {
		fmt.Fprintf(&b, "note: %s\n", w)
	}
	return b.String() + o.Summary()
}

// Summary says in one line what was read, what was found in it and how good it is.
func (o *LintOut) Summary() string {
	counts := make([]string, 0, len(lint.Severities())+1)
	for _, s := range lint.Severities() {
		counts = append(counts, fmt.Sprintf("%d %s", o.Counts[s], s))
	}
	if o.Suppressed > 0 {
		counts = append(counts, fmt.Sprintf("%d ignored by comments", o.Suppressed))
	}
	if o.Files == 0 {
		left := o.LeftOut()
		if left == "" {
			left = "it is empty"
		}
		return fmt.Sprintf("no source file to look at (%s); read are %s", left, strings.Join(ruledLanguage.Enum, ", "))
	}
	files, lines := "files", "lines"
	if o.Files == 1 {
		files = "file"
	}
	if o.Lines == 1 {
		lines = "line"
	}
	return fmt.Sprintf("%d %s, %d %s: %s; reliability %.2f, performance %.2f",
		o.Files, files, o.Lines, lines, strings.Join(counts, ", "), o.Reliability.Value, o.Performance.Value)
}

// LeftOut says what was skipped, the most frequent reason first (left out: 3 unsupported, 1 test), "" if nothing was.
func (o *LintOut) LeftOut() string {
	if len(o.Skipped) == 0 {
		return ""
	}
	reasons := slices.SortedFunc(maps.Keys(o.Skipped), func(a, b string) int {
		return cmp.Or(o.Skipped[b]-o.Skipped[a], strings.Compare(a, b))
	})
	for i, reason := range reasons {
		reasons[i] = fmt.Sprintf("%d %s", o.Skipped[reason], reason)
	}
	return "left out: " + strings.Join(reasons, ", ")
}

// maxLintFindings is how many findings an agent gets unless it asks for more.
const maxLintFindings = 30

// Arguments lists the arguments.
func (t *Lint) Arguments() []Argument {
	severities := make([]string, 0, len(lint.Severities()))
	for _, s := range lint.Severities() {
		severities = append(severities, string(s))
	}
	return []Argument{
		{Name: "paths", Type: "array", Items: "string", Required: true, Usage: "absolute paths of files and folders"},
		{Name: "severity", Type: "string", Enum: severities, Default: string(lint.Info), Usage: "the mildest to report"},
		{Name: "rules", Type: "array", Items: "string", Usage: "only these rules"},
		{Name: "tests", Type: "boolean", Default: "false", Usage: "in folders look at tests, too"},
		{Name: "diff", Type: "boolean", Default: "false", Usage: "return a diff of all mechanical fixes"},
		{
			Name: "limit", Type: "integer", Default: strconv.Itoa(maxLintFindings), Min: bound(1), Max: bound(1000),
			Usage: "most findings, the worst",
		},
	}
}
