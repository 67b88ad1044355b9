package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"instant": instant,
	"plain":   func(f *float64) string { return plain(*f) },
	"counted": counted,
	"ms":      hundredths,
	"signed":  signed,

	"stepName":    Step.name,
	"stepFaults":  Step.faults,
	"stepStatus":  Step.status,
	"stepOutcome": Step.outcome,

	"elapsed": func(ms float64) string { return elapsed(time.Duration(ms * float64(time.Millisecond))) },
	"verdict": func(passed bool) string {
		if passed {
			return "passed"
		}
		return "failed"
	},
	"cells": func(timeline string) []bool {
		out := make([]bool, len(timeline))
		for i := range out {
			out[i] = timeline[i] == 'x'
		}
		return out
	},
}).Parse(pageSource))

// WriteHTML writes the report as one page that needs nothing else: no script, no font, no image from anywhere. It follows the
// reader's choice of a light or a dark appearance.
func (r *Report) WriteHTML(w io.Writer) error {
	if err := page.Execute(w, r); err != nil {
		return fmt.Errorf("write report page: %w", err)
	}
	return nil
}
