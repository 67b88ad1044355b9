package suite

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// testcase is an element of that name. What runners add to it (properties, output, reruns that were followed by a success) is
// not looked at.
type testcase struct {
	Name    string    `xml:"name,attr"`
	Class   string    `xml:"classname,attr"`
	Time    string    `xml:"time,attr"`
	Failure []problem `xml:"failure"`
	Error   []problem `xml:"error"`
	Skipped *problem  `xml:"skipped"`
}

type problem struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// Parse reads a JUnit document: test cases below any nesting of suites, in the order in which they stand. There is no standard for
// it; this takes what pytest, go-junit-report, gotestsum, Surefire, Gradle, jest-junit and their like write. When the document
// breaks off, as it does when its writer is killed, Parse returns what came before together with the error.
func Parse(r io.Reader) ([]Test, error) {
	var tests []Test
	decoder := xml.NewDecoder(r)
	root := false
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) && root {
			return Merge(tests), nil
		}
		if err != nil {
			return Merge(tests), fmt.Errorf("not a complete JUnit document: %w", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch name := start.Name.Local; {
		case !root && name != "testsuites" && name != "testsuite":
			return nil, fmt.Errorf("not a JUnit document: it begins with <%s>, not with <testsuites>", name)
		case name == "testcase":
			var c testcase
			if err := decoder.DecodeElement(&c, &start); err != nil {
				return Merge(tests), fmt.Errorf("not a complete JUnit document: %w", err)
			}
			// pytest writes an element without a name for the test that was running when it was interrupted.
			if t := c.test(); t.Name != "" {
				tests = append(tests, t)
			}
		}
		root = true
	}
}

func (c *testcase) test() Test {
	t := Test{Name: strings.TrimSpace(c.Name), Outcome: Passed, Seconds: seconds(c.Time)}
	// jest-junit gives both the same text by default.
	if class := strings.TrimSpace(c.Class); class != "" && class != t.Name && t.Name != "" {
		t.Name = class + "::" + t.Name
	}
	t.Name = strings.Map(visible, t.Name)
	switch problems := slices.Concat(c.Failure, c.Error); {
	case len(problems) > 0:
		t.Outcome, t.Message = Failed, problems[0].line()
		// The first is how gotestsum writes that there is no time, the second is go-junit-report's.
		t.Running = strings.HasPrefix(strings.TrimSpace(c.Time), "-") || t.Message == "No test result found"
	case c.Skipped != nil:
		t.Outcome, t.Message = Skipped, c.Skipped.line()
	}
	return t
}

// visible keeps names and messages from moving the cursor of whoever reads them.
func visible(r rune) rune {
	if !unicode.IsPrint(r) {
		return ' '
	}
	return r
}

// messageLength is how much of a message is kept, in characters.
const messageLength = 200

// line is the first line of a message that says something. What Go's test runners have to say is in the text, between the lines that
// frame a test.
func (p problem) line() string {
	text := cmp.Or(strings.TrimSpace(p.Message), p.Text)
	if text == "Failed" && strings.TrimSpace(p.Text) != "" {
		text = p.Text
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.Map(visible, line))
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		if runes := []rune(line); len(runes) > messageLength {
			line = string(runes[:messageLength-1]) + "…"
		}
		return line
	}
	return ""
}

// seconds reads a test's time; Surefire writes thousands with a comma.
func seconds(text string) float64 {
	n, err := strconv.ParseFloat(strings.ReplaceAll(strings.TrimSpace(text), ",", ""), 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) || n < 0 {
		return 0
	}
	return n
}
