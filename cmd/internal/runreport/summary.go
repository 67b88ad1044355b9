package runreport

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/fault-project/fault/cmd/internal/suite"
	"github.com/fault-project/fault/cmd/internal/tally"
)

// listed is how many names a summary spells out.
const listed = 5

// Summary says what there is to know at the end of a command, in a few lines.
func (r *Report) Summary() []string {
	var lines []string
	for i := range r.Runs {
		run := &r.Runs[i]
		var parts []string
		if run.Exit != nil && (len(r.Runs) > 1 || run.Exit.TimedOut) {
			parts = append(parts, "exit code "+run.Exit.String())
		}
		if run.Tests != nil {
			parts = append(parts, tests(run.Tests))
		}
		parts = append(parts, run.effects())
		lines = append(lines, run.Label+": "+strings.Join(parts, "; "))
		for _, note := range run.Notes {
			lines = append(lines, run.Label+": "+note)
		}
	}
	return append(lines, r.verdict()...)
}

// verdict says which tests the faults broke.
func (r *Report) verdict() []string {
	if r.Tests == nil {
		return nil
	}
	var lines []string
	add := func(what string, list []suite.Finding) {
		if len(list) > 0 {
			lines = append(lines, fmt.Sprintf("%s %s: %s", plural(len(list), "test"), conjugate(len(list), what), names(list)))
		}
	}
	c := r.Tests
	add("fail only under faults", c.OnlyUnderFaults)
	add("fail under faults", c.UnderFaults)
	add("fail without faults, too", c.WithoutFaults)
	for _, u := range c.Unfinished {
		lines = append(lines, hung(&u))
	}
	if len(lines) == 0 && c.Baseline && len(r.underFaults()) > 0 && !r.Interrupted {
		lines = append(lines, "no test fails under faults")
	}
	return lines
}

// hung says in which test a run was ended.
func hung(u *suite.Unfinished) string {
	where := "without faults"
	if u.Faults {
		where = fmt.Sprintf("seed %d", u.Seed)
	}
	tests, more, certain := u.Hung()
	verb := "was"
	if len(tests) > 1 {
		verb = "were"
	}
	text := fmt.Sprintf("%s: ended while %s %s running", where, join(tests), verb)
	if !certain {
		text += ", if tests run one after the other"
	}
	if more > 0 {
		text += fmt.Sprintf("; %s had not begun", plural(more, "test"))
	}
	return text
}

func conjugate(n int, verb string) string {
	if n == 1 {
		return strings.Replace(verb, "fail", "fails", 1)
	}
	return verb
}

func names(list []suite.Finding) string {
	texts := make([]string, len(list))
	for i, f := range list {
		texts[i] = f.Test
		if f.Flaky {
			texts[i] += fmt.Sprintf(" (%d of %d runs, %s)", len(f.Failed), len(f.Failed)+len(f.Passed), seeds(f.Failed))
		}
	}
	return join(texts)
}

func join(texts []string) string {
	more := ""
	if n := len(texts) - listed; n > 0 {
		texts, more = texts[:listed], fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(texts, ", ") + more
}

func seeds(list []uint64) string {
	texts := make([]string, len(list))
	for i, seed := range list {
		texts[i] = strconv.FormatUint(seed, 10)
	}
	if len(texts) == 1 {
		return "seed " + texts[0]
	}
	return "seeds " + strings.Join(texts, ", ")
}

func tests(c *suite.Counts) string {
	text := fmt.Sprintf("%d passed, %d failed", c.Passed, c.Failed)
	if c.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped", c.Skipped)
	}
	return text
}

// effects says what the run's faults did.
func (run *Run) effects() string {
	flows := run.Traffic.Flows() + run.Traffic.Open
	if flows == 0 {
		return "no traffic came through the proxy"
	}
	traffic := traffic(&run.Traffic)
	if !run.Faults {
		return traffic
	}
	if len(run.Applied) == 0 {
		return "no fault was applied to " + traffic
	}
	parts := make([]string, len(run.Applied))
	for i := range run.Applied {
		parts[i] = Effect(&run.Applied[i])
	}
	return strings.Join(parts, "; ") + "; " + traffic
}

// Effect says what one fault did, in some words.
func Effect(a *tally.Applied) string {
	text := fmt.Sprintf("%s applied %s", a.Fault, times(a.Times))
	if a.Flows > 0 && a.Flows != a.Times {
		text += " on " + plural(a.Flows, "flow")
	}
	if a.Delay != nil {
		text += ", mean delay " + Milliseconds(a.Delay.Mean)
	}
	if a.Bytes > 0 {
		text += ", " + Size(a.Bytes) + " withheld"
	}
	if len(a.Statuses) > 0 {
		text += ", status " + counts(a.Statuses)
	}
	return text
}

// Ended says which flows ended.
func Ended(t *tally.Traffic) string {
	var parts []string
	for _, k := range []struct {
		n    int
		what string
	}{{t.Exchanges, "HTTP exchange"}, {t.Tunnels, "tunnel"}, {t.Connections, "connection"}} {
		if k.n > 0 {
			parts = append(parts, plural(k.n, k.what))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func traffic(t *tally.Traffic) string {
	text := Ended(t)
	switch {
	case t.Open > 0 && t.Flows() == 0:
		text = plural(t.Open, "flow") + " that did not end"
	case t.Open > 0:
		text += fmt.Sprintf(", %d not ended", t.Open)
	}
	if t.Failed > 0 {
		text += fmt.Sprintf(" (%d failed)", t.Failed)
	}
	return text
}

// counts writes "503 × 12, 500 × 3".
func counts(m map[string]int) string {
	keys := slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if m[a] != m[b] {
			return m[b] - m[a]
		}
		return strings.Compare(a, b)
	})
	for i, k := range keys {
		keys[i] = fmt.Sprintf("%s × %d", k, m[k])
	}
	return strings.Join(keys, ", ")
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Milliseconds formats a time that is given in milliseconds.
func Milliseconds(ms float64) string {
	switch {
	case ms >= 10_000:
		return fmt.Sprintf("%.1f s", ms/1000)
	case ms >= 100:
		return fmt.Sprintf("%.0f ms", ms)
	case ms >= 1:
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.2f ms", ms)
}

// Size formats a number of bytes in decimal units.
func Size(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f KB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}
