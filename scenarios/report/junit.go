package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fault-project/fault/internal/junit"
)

// WriteJUnit writes the report as JUnit XML, as continuous integration servers read it: a suite for each scenario, a test case for
// each item, which fails when the item did. Its figures are the test case's output.
func (r *Report) WriteJUnit(w io.Writer) error {
	out := junit.Document{Name: "fault"}
	for i := range r.Scenarios {
		out.Suites = append(out.Suites, r.Scenarios[i].junit(r.Start))
	}
	return out.Write(w)
}

func (s *Scenario) junit(start time.Time) junit.Suite {
	suite := junit.Suite{Name: s.Title, Start: start}
	for i := range s.Items {
		it := &s.Items[i]
		c := junit.Case{
			Name:  fmt.Sprintf("%d: %s %s, %s", i+1, it.Method, it.URL, it.Strategy),
			Class: s.Title, Took: time.Duration(it.Overview.TotalTime * float64(time.Millisecond)), Output: it.summary(),
		}
		if !it.Passed {
			c.Failure = &junit.Failure{Message: it.failure(), Type: "expectation"}
		}
		suite.Cases = append(suite.Cases, c)
	}
	return suite
}

// failure says in a sentence why the item failed.
func (it *Item) failure() string {
	if it.Overview.Requests == 0 {
		return "no call was made"
	}
	if n := it.Overview.ExpectationFailures; n > 0 {
		return fmt.Sprintf("%d of %s did not meet: %s", n, plural(it.Overview.Requests, "call"), strings.Join(it.Expectation, ", "))
	}
	var missed []string
	for _, s := range it.SLOs {
		if !s.Passed {
			missed = append(missed, fmt.Sprintf("%s (%s)", s.Title, strings.ToLower(s.Margin)))
		}
	}
	return "not met: " + strings.Join(missed, ", ")
}

// summary is the item in a few lines of plain text.
func (it *Item) summary() string {
	var b strings.Builder
	for _, f := range it.Faults {
		b.WriteString(strings.TrimSpace(f.Description+" "+f.Timeline) + "\n")
	}
	fmt.Fprintf(&b, "%s, %s errors\n", plural(it.Overview.Requests, "call"), counted(it.Overview.Errors, it.Overview.ErrorRate))
	for _, p := range it.Percentiles {
		fmt.Fprintf(&b, "p%d %s ms\n", p.Percentile, hundredths(p.Latency))
	}
	if a := it.Added; a != nil {
		fmt.Fprintf(&b, "added by the faults: %s ms at p50\n", signed(a.Delta))
	}
	for _, s := range it.SLOs {
		fmt.Fprintf(&b, "%s %s: %s\n", mark(s.Passed), s.Title, s.Margin)
	}
	for _, note := range it.Notes {
		b.WriteString(note + "\n")
	}
	return b.String()
}
