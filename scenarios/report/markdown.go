package report

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/fault-project/fault/scenarios"
)

// WriteMarkdown writes the report as Markdown: for each item the documented tables, then, under a heading of its own, what this
// version adds.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Scenarios Report\n\nStart: %s\n\nEnd: %s\n\n", instant(r.Start), instant(r.End))
	if r.Interrupted {
		b.WriteString("The run was interrupted: this is what had been done.\n\n")
	}
	for i := range r.Scenarios {
		s := &r.Scenarios[i]
		fmt.Fprintf(&b, "## Scenario: %s (items: %d)\n\n", escape(s.Title), s.Count)
		if s.Description != "" {
			fmt.Fprintf(&b, "_Description:_ %s\n\n", escape(s.Description))
		}
		for j := range s.Items {
			s.Items[j].markdown(&b)
		}
		b.WriteString("---\n\n")
	}
	if r.Seed != 0 {
		fmt.Fprintf(&b, "Seed: %d\n", r.Seed)
	}
	_, err := w.Write(append(bytes.TrimRight(b.Bytes(), "\n"), '\n'))
	return err
}

func (it *Item) markdown(b *bytes.Buffer) {
	verdict := "Failed"
	if it.Passed {
		verdict = "Passed"
	}
	fmt.Fprintf(b, "### 🎯 %s %s | %s\n\n", code(it.Method), escape(it.URL), verdict)
	it.callMarkdown(b)
	fmt.Fprintf(b, "**Strategy**: %s\n\n", escape(it.Strategy))
	it.faultsMarkdown(b)
	if len(it.Expectation) > 0 {
		fmt.Fprintf(b, "**Expectation**: %s\n\n", strings.Join(it.Expectation, " | "))
	}
	it.figures(b)
	it.additions(b)
}

func (it *Item) callMarkdown(b *bytes.Buffer) {
	timeout, body := "-", "No"
	if it.Timeout != nil {
		timeout = plain(*it.Timeout) + "ms"
	}
	if it.HasBody {
		body = "Yes"
	}
	fmt.Fprintf(b, "**Call**:\n\n- Method: %s\n- Timeout: %s\n- Headers:", code(it.Method), timeout)
	if len(it.Headers) == 0 {
		b.WriteString(" -")
	}
	for _, h := range it.Headers {
		fmt.Fprintf(b, "\n  - %s: %s", escape(h.Name), escape(h.Value))
	}
	fmt.Fprintf(b, "\n- Body?: %s\n\n", body)
}

func (it *Item) faultsMarkdown(b *bytes.Buffer) {
	b.WriteString("**Faults Applied**:\n\n")
	switch {
	case len(it.Faults) == 0:
		b.WriteString("- -\n")
	case it.Faults[0].Timeline != "":
		b.WriteString("| Type | Timeline | Description |\n|------|----------|-------------|\n")
		for _, f := range it.Faults {
			fmt.Fprintf(b, "| %s | 0%% %s 100%% | %s |\n", escape(f.Type), code(f.Timeline), escape(f.Description))
		}
	default:
		for _, f := range it.Faults {
			fmt.Fprintf(b, "- %s\n", escape(f.Description))
		}
	}
	b.WriteString("\n")
}

// figures writes the documented tables. Where nothing was measured, a dash stands for it.
func (it *Item) figures(b *bytes.Buffer) {
	o := &it.Overview
	low, high, mean := hundredths(o.Min), hundredths(o.Max), hundredths(o.Mean)
	if len(it.Percentiles) == 0 {
		low, high, mean = "-", "-", "-"
	}
	b.WriteString("**Run Overview**:\n\n" +
		"| Num. Requests | Num. Errors | Min. Response Time | Max Response Time | Mean Latency (ms) " +
		"| Expectation Failures | Total Time |\n" +
		"|-----------|---------|--------------------|-------------------|-------------------|----------------------|------------|\n")
	fmt.Fprintf(b, "| %d | %s | %s | %s | %s | %d | %s |\n\n", o.Requests, counted(o.Errors, o.ErrorRate), low, high, mean,
		o.ExpectationFailures, elapsed(time.Duration(o.TotalTime*float64(time.Millisecond))))
	if len(it.Percentiles) > 0 {
		b.WriteString("| Latency Percentile | Latency (ms) | Num. Requests (% of total) |\n|------------|--------------|-----------|\n")
		for _, p := range it.Percentiles {
			fmt.Fprintf(b, "| p%d | %s | %s |\n", p.Percentile, hundredths(p.Latency), counted(p.Requests, p.Share))
		}
		b.WriteString("\n")
	}
	if len(it.SLOs) > 0 {
		b.WriteString("| SLO | Pass? | Objective | Margin | Num. Requests Over Threshold (% of total) |\n" +
			"|-----------|-------|-----------|--------|--------------------------|\n")
		for _, s := range it.SLOs {
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", escape(s.Title), mark(s.Passed), s.Objective, s.Margin, counted(s.Over, s.Share))
		}
		b.WriteString("\n")
	}
}

// additions writes what the documented report does not have.
func (it *Item) additions(b *bytes.Buffer) {
	if it.Added == nil && it.Rate == nil && it.Service == nil && len(it.Steps)+len(it.Applied)+len(it.Notes) == 0 {
		return
	}
	b.WriteString("#### Behind the figures\n\n")
	if a := it.Added; a != nil {
		fmt.Fprintf(b, "**Added by the faults**: p50 %s ms without faults (%s), %s ms with them: %s ms\n\n",
			hundredths(a.Baseline), plural(a.BaselineCalls, "call"), hundredths(a.Faulted), signed(a.Delta))
	}
	if l := it.Rate; l != nil {
		fmt.Fprintf(b, "**Rate**: %s requests per second planned, %s achieved (%d of %s started, up to %d at once)\n\n",
			hundredths(l.Planned), hundredths(l.Achieved), l.StartedCalls, plural(l.PlannedCalls, "call"), l.MaxInFlight)
	}
	if it.Service != nil {
		b.WriteString("| Percentile | Service Time (ms), from the actual start | Response Time (ms), from the intended start |\n" +
			"|---|---|---|\n")
		for _, row := range it.Service.Rows {
			fmt.Fprintf(b, "| p%d | %s | %s |\n", row.Percentile, hundredths(row.Service), hundredths(row.Response))
		}
		b.WriteString("\n")
	}
	if len(it.Steps) > 0 {
		b.WriteString("| Call | Faults | Response Time (ms) | Status | Outcome |\n|---|---|---|---|---|\n")
		for _, s := range it.Steps {
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", s.name(), escape(s.faults()), hundredths(s.ResponseTime), s.status(),
				s.outcome())
		}
		b.WriteString("\n")
	}
	if len(it.Applied) > 0 {
		b.WriteString("| Fault | Times Applied | Mean Delay (ms) | Bytes Lost |\n|---|---|---|---|\n")
		for _, a := range it.Applied {
			name, delay := escape(a.Type), "-"
			if a.Index > 0 && len(it.Faults) > 1 {
				name += fmt.Sprintf(" (fault %d)", a.Index)
			}
			if a.Delayed > 0 {
				delay = hundredths(a.MeanDelay)
			}
			fmt.Fprintf(b, "| %s | %d | %s | %d |\n", name, a.Count, delay, a.Bytes)
		}
		b.WriteString("\n")
	}
	if len(it.Notes) > 0 {
		b.WriteString("**Notes**:\n\n")
		for _, note := range it.Notes {
			fmt.Fprintf(b, "- %s\n", escape(note))
		}
		b.WriteString("\n")
	}
}

func (s Step) name() string {
	if s.Call == 0 {
		return "baseline"
	}
	return strconv.Itoa(s.Call)
}

func (s Step) faults() string {
	if len(s.Faults) == 0 {
		return "-"
	}
	return strings.Join(s.Faults, "; ")
}

func (s Step) status() string {
	if s.Status == 0 {
		return "-"
	}
	return strconv.Itoa(s.Status)
}

// outcome is the decision where there is one; a call of which nothing was expected is a dash, or an error.
func (s Step) outcome() string {
	switch {
	case s.Decision == scenarios.Success, s.Decision == scenarios.Failure:
		return mark(s.Decision == scenarios.Success)
	case s.Error != "":
		return "error"
	}
	return "-"
}

// instant writes a time as the documented reports do; a time that is known to the second only has no fraction.
func instant(t time.Time) string {
	if t.Nanosecond() == 0 {
		return t.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	return t.UTC().Format("2006-01-02 15:04:05.000000000 UTC")
}

// elapsed writes a duration in words, to the millisecond: "464 ms", "1 second and 968 ms", "1 minute, 5 seconds and 20 ms".
func elapsed(d time.Duration) string {
	var parts []string
	for _, u := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if n := int(d / u.size); n > 0 {
			parts = append(parts, plural(n, u.name))
			d %= u.size
		}
	}
	if ms := d.Milliseconds(); ms > 0 || len(parts) == 0 {
		parts = append(parts, fmt.Sprintf("%d ms", ms))
	}
	if n := len(parts); n > 1 {
		return strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
	return parts[0]
}

func plural(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}

func counted(n int, share float64) string { return fmt.Sprintf("%d (%.1f%%)", n, share) }

func hundredths(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) }

func signed(f float64) string { return fmt.Sprintf("%+.2f", f) }

func mark(ok bool) string {
	if ok {
		return "✅"
	}
	return "❌"
}

// escape makes text stand for itself in a line or a table cell of Markdown: nothing in it becomes markup, a link, HTML or a new
// line. Characters that are harmless where they stand are left alone, so that the report reads well as plain text, too.
func escape(text string) string {
	var b strings.Builder
	runes := []rune(text)
	at := func(i int) rune {
		if i < 0 || i >= len(runes) {
			return ' '
		}
		return runes[i]
	}
	word := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }
	for i, r := range runes {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			b.WriteByte(' ')
			continue
		}
		switch r {
		case '\\', '|', '`', '*', '[', ']', '~':
			b.WriteByte('\\')
		case '_': // inside a word it is only a letter
			if !word(at(i-1)) || !word(at(i+1)) {
				b.WriteByte('\\')
			}
		case '<': // followed by anything else it cannot begin a tag
			if next := at(i + 1); unicode.IsLetter(next) || strings.ContainsRune("/!?", next) {
				b.WriteByte('\\')
			}
		case '&': // the start of an entity
			if next := at(i + 1); next == '#' || unicode.IsLetter(next) {
				if entity(runes[i+1:]) {
					b.WriteByte('\\')
				}
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}

// entity reports whether what follows an & makes it an entity, which ends in a semicolon.
func entity(rest []rune) bool {
	for _, r := range rest {
		if r == ';' {
			return true
		}
		if r != '#' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return false
		}
	}
	return false
}

// code makes text a code span, in which there is no escape: backticks are left out.
func code(text string) string {
	return "`" + strings.Map(func(r rune) rune {
		switch {
		case r == '`':
			return -1
		case r == '|', unicode.IsControl(r):
			return ' '
		}
		return r
	}, text) + "`"
}
