package tools

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fault-project/fault/treesitter"
	"github.com/fault-project/fault/treesitter/lint"
)

// Score says how good a piece of code is in one respect, by the rules of package lint. It is safe for concurrent use.
type Score struct{ concern lint.Concern }

// NewScore returns the operation for performance or for reliability.
func NewScore(concern lint.Concern) *Score { return &Score{concern} }

// Concern is what the score is about.
func (t *Score) Concern() lint.Concern { return t.concern }

// ScoreIn holds the arguments of [Score.Run].
type ScoreIn struct {
	// Snippet is a function or any other piece of code, as it stands in its file.
	Snippet string `json:"snippet"`
	Lang    string `json:"lang"`
}

// ScoreOut is what [Score.Run] found.
type ScoreOut struct {
	// Score is from 0 to 1, which is where nothing was found; Explanation says in words where it comes from.
	Score       float64 `json:"score"`
	Explanation string  `json:"explanation"`
	// Source says who judged: "rules".
	Source string `json:"source"`
	// Findings concern what the score is about. Their lines count from the beginning of the snippet, from 1.
	Findings []ScoreFinding `json:"findings"`
	// Diff puts right what can be put right mechanically, as a unified diff of a file named snippet; "" when nothing can.
	Diff string `json:"diff"`
	// Warning is empty, or says that the snippet has syntax errors.
	Warning string `json:"warning,omitempty"`
}

// ScoreFinding is one finding in a snippet; see [lint.Finding].
type ScoreFinding struct {
	Rule      string        `json:"rule"`
	Severity  lint.Severity `json:"severity"`
	Line      int           `json:"line"`
	EndLine   int           `json:"end_line"`
	Message   string        `json:"message"`
	Why       string        `json:"why"`
	Reference string        `json:"reference"`
}

// Text is a JSON object with explanation and score.
func (o *ScoreOut) Text() string {
	return jsonText(struct {
		Explanation string  `json:"explanation"`
		Score       float64 `json:"score"`
	}{o.Explanation, o.Score})
}

// Arguments lists the arguments.
func (t *Score) Arguments() []Argument {
	lang := ruledLanguage
	lang.Required = true
	return []Argument{{Name: "snippet", Type: "string", Required: true, Usage: "code of a function, or any other"}, lang}
}

// Run judges the snippet. Wrong arguments, and code that cannot be read at all, are a *[UserError].
func (t *Score) Run(ctx context.Context, in ScoreIn) (*ScoreOut, error) {
	if strings.TrimSpace(in.Snippet) == "" {
		return nil, &UserError{Argument: "snippet", Message: "must not be empty", Hint: "give the code of a function"}
	}
	if strings.TrimSpace(in.Lang) == "" {
		hint := "accepted are " + strings.Join(ruledLanguage.Enum, ", ")
		return nil, &UserError{Argument: "lang", Message: "must not be empty", Hint: hint}
	}
	l, err := ruled("lang", in.Lang)
	if err != nil {
		return nil, err
	}
	report, err := lint.CheckSnippet(ctx, l, in.Snippet, lint.Options{})
	switch {
	case errors.Is(err, treesitter.ErrNotUTF8), errors.Is(err, treesitter.ErrTooLarge), errors.Is(err, treesitter.ErrTooSlow):
		return nil, &UserError{Argument: "snippet", Message: err.Error()}
	case errors.Is(err, treesitter.ErrNoCgo):
		return nil, &UserError{Message: err.Error()}
	case err != nil:
		return nil, fmt.Errorf("judge the snippet: %w", err)
	}
	return t.out(report, in.Snippet), nil
}

func (t *Score) out(report *lint.Report, snippet string) *ScoreOut {
	score := lint.ScoreOf(t.concern, report.Findings, report.Lines)
	out := &ScoreOut{
		Score: score.Value, Explanation: score.Explanation, Source: "rules", Findings: []ScoreFinding{}, Warning: report.Warning,
	}
	if report.Warning != "" {
		out.Explanation += " But " + report.Warning + "."
	}
	var edits []lint.Edit
	for i := range report.Findings {
		f := &report.Findings[i]
		if !slices.Contains(f.Concerns, t.concern) {
			continue
		}
		out.Findings = append(out.Findings, ScoreFinding{
			Rule: f.Rule, Severity: f.Severity, Line: f.Line, EndLine: f.EndLine, Message: f.Message, Why: f.Why, Reference: f.Reference,
		})
		if f.Fix != nil {
			edits = append(edits, *f.Fix)
		}
	}
	fixed, _ := lint.Apply(snippet, edits)
	out.Diff = unifiedDiff("snippet", snippet, fixed)
	return out
}

// ruledLanguage is the argument that names a language that has rules.
var ruledLanguage = func() Argument {
	a := Argument{Name: "lang", Type: "string", Usage: "its language"}
	for _, l := range lint.Languages() {
		a.Enum = append(a.Enum, string(l))
		a.Also = append(a.Also, treesitter.Aliases(l)...)
	}
	return a
}()

// ruled returns the language that an argument means, which has rules. The error is a *[UserError].
func ruled(argument, name string) (treesitter.Language, error) {
	l, err := language(argument, name)
	if err == nil && !slices.Contains(lint.Languages(), treesitter.Language(l)) {
		err = &UserError{
			Argument: argument, Message: "no rules for " + l, Hint: "there are rules for " + strings.Join(ruledLanguage.Enum, ", "),
		}
	}
	return treesitter.Language(l), err
}
