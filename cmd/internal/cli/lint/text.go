package lint

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fault-project/fault/tools"
	"github.com/fault-project/fault/treesitter/lint"
)

// colors are the terminal's for the severities.
var colors = map[lint.Severity]string{lint.Error: "31", lint.Warning: "33", lint.Info: "36"}

// page writes text, in color if the terminal wants it.
type page struct {
	w     io.Writer
	color bool
	err   error
}

func (p *page) paint(code, text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *page) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// text prints the findings, and at the end what they amount to.
func (o *Options) text(out *tools.LintOut) error {
	p := &page{w: o.f.Out, color: o.f.Color}
	for i := range out.Findings {
		f := &out.Findings[i]
		p.printf("%s: %s: %s %s\n", p.paint("1", fmt.Sprintf("%s:%d:%d", f.Path, f.Line, f.Column)),
			p.paint(colors[f.Severity], string(f.Severity)), f.Message, p.paint("2", "["+f.Rule+"]"))
		p.printf("    %s\n", p.paint("2", f.Snippet))
	}
	for _, warning := range out.Warnings {
		p.printf("%s\n", p.paint("2", "note: "+warning))
	}
	if len(out.Findings) > 0 {
		p.printf("\n")
	}
	p.printf("%s\n", out.Summary())
	if left := out.LeftOut(); left != "" && out.Files > 0 {
		p.printf("%s\n", left)
	}
	if out.Fixes > 0 {
		p.printf("%d can be fixed mechanically: --diff shows how\n", out.Fixes)
	}
	return p.err
}

// list prints the rules, one ID after the other.
func (o *Options) list() error {
	rules := lint.Rules()
	if o.Format == "json" {
		return writeJSON(o.f.Out, rules)
	}
	p := &page{w: o.f.Out, color: o.f.Color}
	for _, s := range Summaries(rules) {
		p.printf("%s (%s)\n", p.paint("1", s.ID), strings.Join(s.Languages, ", "))
		p.printf("    %s. %s\n    %s\n", s.Title, s.Why, p.paint("2", s.Reference))
	}
	return p.err
}

// Summary is what rules with one ID have in common.
type Summary struct {
	ID, Title, Why, Reference string
	// Languages have their severity where it is not that of the first.
	Languages []string
}

// Summaries gathers rules by their ID, in its order. Text is that of the first language.
func Summaries(rules []lint.Rule) []Summary {
	var out []Summary
	for i := range rules {
		r := &rules[i]
		at := slices.IndexFunc(out, func(s Summary) bool { return s.ID == r.ID })
		if at < 0 {
			at = len(out)
			out = append(out, Summary{ID: r.ID, Title: r.Title, Why: r.Why, Reference: r.Reference})
		}
		for _, l := range r.Languages {
			out[at].Languages = append(out[at].Languages, string(l)+" "+string(r.Severity))
		}
	}
	slices.SortFunc(out, func(a, b Summary) int { return strings.Compare(a.ID, b.ID) })
	return out
}
