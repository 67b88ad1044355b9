// Package junit writes JUnit XML, as continuous integration servers read it. There is no standard for the format; this is the part
// that Jenkins, GitLab and the Surefire schema agree about.
package junit

import (
	"encoding/xml"
	"fmt"
	"io"
	"time"
)

// Document is a file of test results.
type Document struct {
	Name   string
	Suites []Suite
}

// Suite is a list of test cases that ran together.
type Suite struct {
	Name string
	// Start is when it began.
	Start time.Time
	Cases []Case
}

// Case is one test.
type Case struct {
	Name string
	// Class is what servers group cases by.
	Class string
	Took  time.Duration
	// Failure is nil when the test passed.
	Failure *Failure
	// Output is what it had to say; empty for nothing.
	Output string
}

// Failure is why a test failed: a sentence, and a word for its kind.
type Failure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
}

// The elements, with what is counted.
type (
	rootElement struct {
		XMLName xml.Name `xml:"testsuites"`
		Name    string   `xml:"name,attr"`
		counts
		Time   string         `xml:"time,attr"`
		Suites []suiteElement `xml:"testsuite"`
	}
	suiteElement struct {
		Name string `xml:"name,attr"`
		counts
		Errors    int           `xml:"errors,attr"`
		Skipped   int           `xml:"skipped,attr"`
		Time      string        `xml:"time,attr"`
		Timestamp string        `xml:"timestamp,attr"`
		Cases     []caseElement `xml:"testcase"`
	}
	caseElement struct {
		Name    string   `xml:"name,attr"`
		Class   string   `xml:"classname,attr"`
		Time    string   `xml:"time,attr"`
		Failure *Failure `xml:"failure,omitempty"`
		Output  string   `xml:"system-out,omitempty"`
	}
	counts struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
	}
)

// Write writes the document, with the numbers of cases and failures and the sums of times that belong to it.
func (d Document) Write(w io.Writer) error {
	root := rootElement{Name: d.Name}
	var total time.Duration
	for _, s := range d.Suites {
		out := suiteElement{Name: s.Name, Timestamp: s.Start.UTC().Format("2006-01-02T15:04:05")}
		var sum time.Duration
		for _, c := range s.Cases {
			sum += c.Took
			out.Tests++
			if c.Failure != nil {
				out.Failures++
			}
			out.Cases = append(out.Cases, caseElement{
				Name: c.Name, Class: c.Class, Time: seconds(c.Took), Failure: c.Failure, Output: c.Output,
			})
		}
		out.Time = seconds(sum)
		total += sum
		root.Tests += out.Tests
		root.Failures += out.Failures
		root.Suites = append(root.Suites, out)
	}
	root.Time = seconds(total)
	data, err := xml.MarshalIndent(root, "", "  ")
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	_, err = io.WriteString(w, xml.Header+string(data)+"\n")
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
