// Package runreport says what a run of the proxy did: what was set up, what the faults did to the traffic and, when a command ran
// behind it, how that ended and which of its tests fail only under faults. It is pure: values in, a document out, as Markdown,
// JSON or JUnit XML.
package runreport

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/fault-project/fault/cmd/internal/suite"
	"github.com/fault-project/fault/cmd/internal/tally"
	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/scenarios"
)

// Report is the document. Its JSON form is the file's.
type Report struct {
	Version string    `json:"version"`
	Start   time.Time `json:"start"`
	End     time.Time `json:"end"`
	// Command is the command line that ran behind the proxy, with its secrets masked; none for a proxy by itself.
	Command []string `json:"command,omitempty"`
	// Proxy is the HTTP proxy's address, "" when there was none.
	Proxy string `json:"proxy,omitempty"`
	// Mappings are the mappings as they were given, Upstreams the traffic of the HTTP proxy that was affected; none is all.
	Mappings  []string `json:"mappings"`
	Upstreams []string `json:"upstreams"`
	// Duration is the length that was asked for, "" when there was none.
	Duration string  `json:"duration,omitempty"`
	Faults   []Fault `json:"faults"`
	// Interrupted says that not everything was done that was asked for.
	Interrupted bool  `json:"interrupted,omitempty"`
	Runs        []Run `json:"runs"`
	// Tests compares the tests of the runs; nil when no results were asked for.
	Tests *suite.Comparison `json:"tests,omitempty"`
}

// Fault is a fault that was set up.
type Fault struct {
	Index       int        `json:"index"`
	Description string     `json:"description"`
	Settings    fault.List `json:"settings"`
}

// Run is one run: with faults, or without for comparison.
type Run struct {
	// Label tells the run from the others.
	Label string `json:"label"`
	// Faults says whether the run was under faults; Seed is what they were drawn from.
	Faults  bool      `json:"faults"`
	Seed    uint64    `json:"seed"`
	Start   time.Time `json:"start"`
	Seconds float64   `json:"seconds"`
	// Exit is how the command ended, nil when there was none.
	Exit *Exit `json:"exit,omitempty"`
	tally.Snapshot
	// Tests counts the test results that the run left, nil when it left none.
	Tests *suite.Counts `json:"tests,omitempty"`
	// Notes are what else there is to know about the run.
	Notes []string `json:"notes,omitempty"`
}

// Exit is how a command ended.
type Exit struct {
	// Code is its exit code: 128 and the signal's number when a signal ended it, 124 when it was ended for taking too long.
	Code int `json:"code"`
	// Signal is the name of the signal that ended it, if one did.
	Signal string `json:"signal,omitempty"`
	// TimedOut says that it took too long, Interrupted that a person stopped it.
	TimedOut    bool `json:"timed_out,omitempty"`
	Interrupted bool `json:"interrupted,omitempty"`
}

// String is the exit code, with what there is to say about it.
func (e *Exit) String() string {
	switch {
	case e.TimedOut:
		return fmt.Sprintf("%d (took too long)", e.Code)
	case e.Interrupted:
		return fmt.Sprintf("%d (interrupted)", e.Code)
	case e.Signal != "":
		return fmt.Sprintf("%d (%s)", e.Code, e.Signal)
	}
	return strconv.Itoa(e.Code)
}

// NewFault makes the report's view of a fault, without its secrets.
func NewFault(index int, spec fault.Spec) Fault {
	description := spec.Describe()
	if s := spec.Common().Schedule; !s.IsZero() {
		description += " [" + s.String() + "]"
	}
	return Fault{Index: index, Description: description, Settings: scenarios.MaskFaults(fault.List{spec})}
}

// MaskCommand masks the secrets of a command line, as far as they can be told: URLs with user information, options whose names
// speak of secrets.
func MaskCommand(args []string) []string {
	masked := make([]string, len(args))
	secret := false
	for i, arg := range args {
		name, _, assigned := strings.Cut(arg, "=")
		names := scenarios.IsSecretHeader(strings.TrimLeft(name, "-"))
		switch {
		case secret && !strings.HasPrefix(arg, "-"):
			masked[i] = scenarios.Mask
		case names && assigned:
			masked[i] = name + "=" + scenarios.Mask
		default:
			masked[i] = scenarios.MaskText(arg)
		}
		secret = names && !assigned && strings.HasPrefix(arg, "-")
	}
	return masked
}

// underFaults returns the runs that were under faults.
func (r *Report) underFaults() []*Run {
	var list []*Run
	for i := range r.Runs {
		if r.Runs[i].Faults {
			list = append(list, &r.Runs[i])
		}
	}
	return list
}

// describe returns the label of a fault that was applied; faults that came and went by the control API have their kind only.
func (r *Report) describe(a *tally.Applied) string {
	for _, f := range r.Faults {
		if f.Index == a.Index && len(f.Settings) == 1 && string(f.Settings[0].Kind()) == a.Fault {
			return f.Description
		}
	}
	return a.Fault
}

type format struct {
	extensions []string
	write      func(*Report, io.Writer) error
}

var formats = []format{
	{[]string{".md", ".markdown"}, (*Report).WriteMarkdown},
	{[]string{".json"}, (*Report).WriteJSON},
	{[]string{".xml"}, (*Report).WriteJUnit},
}

// CheckPath reports whether [Report.Write] knows a form for the file's extension, so that a run need not end in that error.
func CheckPath(path string) error {
	_, err := formatOf(path)
	return err
}

func formatOf(path string) (*format, error) {
	var known []string
	for i := range formats {
		for _, e := range formats[i].extensions {
			if strings.EqualFold(e, filepath.Ext(path)) {
				return &formats[i], nil
			}
		}
		known = append(known, formats[i].extensions[0])
	}
	return nil, fmt.Errorf("%q has no extension of a report: name it with one of %s", path, strings.Join(known, ", "))
}

// Write writes the report to a file, in one step, in the form that its extension names: .md, .json or .xml (JUnit).
func (r *Report) Write(path string) error {
	f, err := formatOf(path)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := f.write(r, &b); err != nil {
		return err
	}
	return scenarios.WriteFile(path, b.Bytes())
}

// WriteJSON writes the report as indented JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	return nil
}
