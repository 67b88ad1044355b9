package runreport

import (
	"io"
	"strings"
	"time"

	"github.com/fault-project/fault/cmd/internal/suite"
	"github.com/fault-project/fault/internal/junit"
)

// WriteJUnit writes the report as JUnit XML, as continuous integration servers read it. Each run is a test case that fails when the
// command did; each finding about a test is one, too.
func (r *Report) WriteJUnit(w io.Writer) error {
	runs := junit.Suite{Name: "fault run", Start: r.Start}
	for i := range r.Runs {
		run := &r.Runs[i]
		c := junit.Case{
			Name: run.Label, Class: "fault run", Took: time.Duration(run.Seconds * float64(time.Second)),
			Output: strings.Join(append([]string{run.effects()}, run.Notes...), "\n"),
		}
		if run.Exit != nil && run.Exit.Code != 0 {
			c.Failure = &junit.Failure{Message: "exit code " + run.Exit.String(), Type: "exit"}
		}
		runs.Cases = append(runs.Cases, c)
	}
	out := junit.Document{Name: "fault", Suites: []junit.Suite{runs}}
	if r.Tests != nil {
		out.Suites = append(out.Suites, findings(r.Tests, r.Start))
	}
	return out.Write(w)
}

func findings(c *suite.Comparison, start time.Time) junit.Suite {
	s := junit.Suite{Name: "tests under faults", Start: start}
	add := func(kind, verdict string, list []suite.Finding) {
		for _, f := range list {
			class, name, found := strings.Cut(f.Test, "::")
			if !found {
				class, name = "tests", f.Test
			}
			message := verdict
			if len(f.Failed) > 0 {
				message += " (" + seeds(f.Failed) + ")"
			}
			if f.Message != "" {
				message += ": " + f.Message
			}
			s.Cases = append(s.Cases, junit.Case{Name: name, Class: class, Failure: &junit.Failure{Message: message, Type: kind}})
		}
	}
	add("only-under-faults", "fails only under faults", c.OnlyUnderFaults)
	add("under-faults", "fails under faults", c.UnderFaults)
	add("without-faults", "fails without faults, too", c.WithoutFaults)
	for _, u := range c.Unfinished {
		tests, _, _ := u.Hung()
		for _, t := range tests {
			add("unfinished", "had not finished when the command was ended", []suite.Finding{{Test: t}})
		}
	}
	return s
}
