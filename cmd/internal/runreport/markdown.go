package runreport

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/fault-project/fault/cmd/internal/suite"
	"github.com/fault-project/fault/cmd/internal/tally"
)

// WriteMarkdown writes the report for people: the verdict first, then what led to it.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString("# Fault Run Report\n\n")
	r.setup(&b)
	if r.Interrupted {
		b.WriteString("The run was interrupted: this is what had been done.\n\n")
	}
	r.findings(&b)
	r.runs(&b)
	for i := range r.Runs {
		run := &r.Runs[i]
		if len(r.Runs) > 1 {
			fmt.Fprintf(&b, "## %s\n\n", heading(run))
		} else {
			b.WriteString("## What happened\n\n")
		}
		r.details(&b, run)
	}
	_, err := w.Write(append(bytes.TrimRight(b.Bytes(), "\n"), '\n'))
	return err
}

func heading(run *Run) string {
	text := strings.ToUpper(run.Label[:1]) + run.Label[1:]
	if run.Faults && !strings.HasPrefix(run.Label, "seed ") {
		text += fmt.Sprintf(", seed %d", run.Seed)
	}
	return text
}

func (r *Report) setup(b *bytes.Buffer) {
	b.WriteString("| | |\n|---|---|\n")
	row := func(name, value string) { fmt.Fprintf(b, "| %s | %s |\n", name, value) }
	if len(r.Command) > 0 {
		row("Command", cell(strings.Join(r.Command, " ")))
	}
	row("Start", r.Start.UTC().Format(time.RFC3339))
	row("End", r.End.UTC().Format(time.RFC3339))
	if r.Proxy != "" {
		row("HTTP proxy", cell(r.Proxy))
	}
	for _, m := range r.Mappings {
		row("Mapping", cell(m))
	}
	upstreams := "all"
	if len(r.Upstreams) > 0 {
		upstreams = cell(strings.Join(r.Upstreams, ", "))
	}
	row("Affected upstreams", upstreams)
	if r.Duration != "" {
		row("Duration", r.Duration)
	}
	if len(r.Faults) == 0 {
		row("Fault", "none")
	}
	for _, f := range r.Faults {
		row("Fault", cell(f.Description))
	}
	if under := r.underFaults(); len(under) == 1 {
		row("Seed", strconv.FormatUint(under[0].Seed, 10))
	}
	b.WriteString("\n")
}

// findings is what the tests say.
func (r *Report) findings(b *bytes.Buffer) {
	if r.Tests == nil {
		return
	}
	c := r.Tests
	b.WriteString("## Tests\n\n")
	for _, line := range r.verdict() {
		fmt.Fprintf(b, "- %s\n", line)
	}
	b.WriteString("\n")
	findingTable(b, "Fail only under faults", c.OnlyUnderFaults)
	findingTable(b, "Fail under faults", c.UnderFaults)
	if len(c.UnderFaults) > 0 {
		b.WriteString("Whether they fail without faults, too, is not known: add `--baseline`.\n\n")
	}
	findingTable(b, "Fail without faults, too", c.WithoutFaults)
	for _, u := range c.Unfinished {
		where := "without faults"
		if u.Faults {
			where = fmt.Sprintf("seed %d", u.Seed)
		}
		fmt.Fprintf(b, "### Not finished when the command was ended (%s)\n\n", where)
		for _, t := range u.Running {
			fmt.Fprintf(b, "- %s, which was running\n", code(t))
		}
		for _, t := range u.Missing {
			fmt.Fprintf(b, "- %s\n", code(t))
		}
		b.WriteString("\n")
		if _, more, certain := u.Hung(); !certain && more > 0 {
			b.WriteString("Where tests run one after the other, the first was running and the others had not begun.\n\n")
		}
	}
	if len(c.Slower) > 0 {
		b.WriteString("### Passed, but took longer\n\n| Test | Without faults | Under faults |\n|---|---|---|\n")
		for _, s := range c.Slower {
			fmt.Fprintf(b, "| %s | %.2f s | %.2f s |\n", cell(s.Test), s.Without, s.With)
		}
		b.WriteString("\n")
	}
}

func findingTable(b *bytes.Buffer, title string, list []suite.Finding) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "### %s\n\n| Test | Failed under faults | Message |\n|---|---|---|\n", title)
	for _, f := range list {
		often := "in no run"
		switch runs := len(f.Failed) + len(f.Passed); {
		case f.Flaky:
			often = fmt.Sprintf("flaky: %d of %d runs, %s", len(f.Failed), runs, seeds(f.Failed))
		case len(f.Failed) == 1:
			often = seeds(f.Failed)
		case len(f.Failed) > 1:
			often = fmt.Sprintf("every run (%d)", runs)
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", cell(f.Test), often, cell(f.Message))
	}
	b.WriteString("\n")
}

// runs is a line for each run of a command.
func (r *Report) runs(b *bytes.Buffer) {
	if len(r.Command) == 0 {
		return
	}
	b.WriteString("## Runs\n\n| Run | Exit code | Time | Tests | Faults applied |\n|---|---|---|---|---|\n")
	for i := range r.Runs {
		run := &r.Runs[i]
		counted, exit := "-", "-"
		if run.Tests != nil {
			counted = tests(run.Tests)
		}
		if run.Exit != nil {
			exit = run.Exit.String()
		}
		applied := 0
		for j := range run.Applied {
			applied += run.Applied[j].Times
		}
		fmt.Fprintf(b, "| %s | %s | %.1f s | %s | %d |\n", run.Label, exit, run.Seconds, counted, applied)
	}
	b.WriteString("\n")
}

// details is what the faults did in one run, and to what.
func (r *Report) details(b *bytes.Buffer, run *Run) {
	if len(run.Applied) > 0 {
		b.WriteString("| Fault | Applied | Flows | Delay mean / p50 / p95 / max | Withheld | Returned |\n|---|---|---|---|---|---|\n")
	}
	for i := range run.Applied {
		a := &run.Applied[i]
		delay, bytes, status := "-", "-", "-"
		if d := a.Delay; d != nil {
			delay = fmt.Sprintf("%s / %s / %s / %s", Milliseconds(d.Mean), Milliseconds(d.P50), Milliseconds(d.P95), Milliseconds(d.Max))
		}
		if a.Bytes > 0 {
			bytes = Size(a.Bytes)
		}
		if len(a.Statuses) > 0 {
			status = counts(a.Statuses)
		}
		fmt.Fprintf(b, "| %s | %d | %d | %s | %s | %s |\n", cell(r.describe(a)), a.Times, a.Flows, delay, bytes, status)
	}
	if len(run.Applied) > 0 {
		b.WriteString("\n")
	}
	t := &run.Traffic
	fmt.Fprintf(b, "- Traffic: %s; %s up, %s down", traffic(t), Size(t.BytesUp), Size(t.BytesDown))
	if t.NotAffected > 0 {
		fmt.Fprintf(b, "; %d not affected", t.NotAffected)
	}
	b.WriteString("\n")
	if len(t.Statuses) > 0 {
		fmt.Fprintf(b, "- Statuses: %s\n", counts(t.Statuses))
	}
	firstByte(b, "HTTP exchanges", t.FirstByte)
	firstByte(b, "tunnels and connections", t.FirstByteRaw)
	for _, e := range run.Errors {
		fmt.Fprintf(b, "- Error: %s × %d\n", code(e.Text), e.Count)
	}
	for _, note := range run.Notes {
		fmt.Fprintf(b, "- Note: %s\n", plain(note))
	}
	b.WriteString("\n")
}

func firstByte(b *bytes.Buffer, what string, t *tally.Times) {
	if t != nil {
		fmt.Fprintf(b, "- First byte of %s: p50 %s, p95 %s, p99 %s, max %s\n", what, Milliseconds(t.P50), Milliseconds(t.P95),
			Milliseconds(t.P99), Milliseconds(t.Max))
	}
}

// code makes text a code span, in which nothing is markup; there is no escape in it, so backticks are left out.
func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + strings.Map(func(r rune) rune {
		switch {
		case r == '`':
			return -1
		case unicode.IsControl(r):
			return ' '
		}
		return r
	}, text) + "`"
}

// cell is code in a table, where a bar would end the cell even in a code span.
func cell(text string) string { return strings.ReplaceAll(code(text), "|", `\|`) }

// plain makes text one line.
func plain(text string) string { return strings.Join(strings.Fields(text), " ") }
