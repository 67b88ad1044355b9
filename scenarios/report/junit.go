package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// The elements of the JUnit form, as continuous integration servers read it: a suite for each scenario, a test case for each item.
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

// WriteJUnit writes the report as JUnit XML: a failed item is a failed test case. Its figures are the test case's output.
func (r *Report) WriteJUnit(w io.Writer) error {
	out := junitSuites{Name: "fault"}
	total := 0.0
	for i := range r.Scenarios {
		suite := r.Scenarios[i].junit(r.Start.UTC().Format("2006-01-02T15:04:05"))
		for j := range r.Scenarios[i].Items {
			total += r.Scenarios[i].Items[j].Overview.TotalTime
		}
		out.Tests += suite.Tests
		out.Failures += suite.Failures
		out.Suites = append(out.Suites, suite)
	}
	out.Time = seconds(total)
	data, err := xml.MarshalIndent(out, "", "  ")
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	_, err = io.WriteString(w, xml.Header+string(data)+"\n")
	return err
}

func (s *Scenario) junit(timestamp string) junitSuite {
	suite := junitSuite{Name: s.Title, Tests: len(s.Items), Timestamp: timestamp}
	total := 0.0
	for i := range s.Items {
		it := &s.Items[i]
		total += it.Overview.TotalTime
		c := junitCase{
			Name:  fmt.Sprintf("%d: %s %s, %s", i+1, it.Method, it.URL, it.Strategy),
			Class: s.Title, Time: seconds(it.Overview.TotalTime), Output: it.summary(),
		}
		if !it.Passed {
			suite.Failures++
			c.Failure = &junitFailure{Message: it.failure(), Type: "expectation"}
		}
		suite.Cases = append(suite.Cases, c)
	}
	suite.Time = seconds(total)
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

// seconds writes milliseconds as JUnit has its times.
func seconds(ms float64) string { return fmt.Sprintf("%.3f", ms/1000) }
