package runreport

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/fault-project/fault/cmd/internal/suite"
)

// The elements of the JUnit form: a suite for the runs, and one for the tests where their results are known.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
}

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	s.Cases = append(s.Cases, c)
}

// WriteJUnit writes the report as JUnit XML, as continuous integration servers read it. Each run is a test case that fails when the
// command did; each finding about a test is one, too.
func (r *Report) WriteJUnit(w io.Writer) error {
	stamp := r.Start.UTC().Format("2006-01-02T15:04:05")
	runs := junitSuite{Name: "fault run", Timestamp: stamp}
	total := 0.0
	for i := range r.Runs {
		run := &r.Runs[i]
		total += run.Seconds
		c := junitCase{
			Name: run.Label, Class: "fault run", Time: fmt.Sprintf("%.3f", run.Seconds),
			Output: strings.Join(append([]string{run.effects()}, run.Notes...), "\n"),
		}
		if run.Exit != nil && run.Exit.Code != 0 {
			c.Failure = &junitFailure{Message: "exit code " + run.Exit.String(), Type: "exit"}
		}
		runs.add(c)
	}
	runs.Time = fmt.Sprintf("%.3f", total)
	out := junitSuites{Name: "fault", Tests: runs.Tests, Failures: runs.Failures, Time: runs.Time, Suites: []junitSuite{runs}}
	if r.Tests != nil {
		found := junitFindings(r.Tests, stamp)
		out.Tests += found.Tests
		out.Failures += found.Failures
		out.Suites = append(out.Suites, found)
	}
	data, err := xml.MarshalIndent(out, "", "  ")
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	_, err = io.WriteString(w, xml.Header+string(data)+"\n")
	return err
}

func junitFindings(c *suite.Comparison, stamp string) junitSuite {
	s := junitSuite{Name: "tests under faults", Timestamp: stamp, Time: "0.000"}
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
			s.add(junitCase{Name: name, Class: class, Time: "0.000", Failure: &junitFailure{Message: message, Type: kind}})
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
