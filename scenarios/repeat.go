package scenarios

import (
	"fmt"
	"math"

	"github.com/fault-project/fault/proxyengine/fault"
)

// steps says which setting of a fault changes from one call of a repetition to the next.
var steps = map[fault.Kind]struct {
	key  string
	down bool // less of it is more of a fault
}{
	"latency":    {key: "mean"},
	"jitter":     {key: "amplitude"},
	"bandwidth":  {key: "rate", down: true},
	"packetloss": {key: "rate"},
	"httperror":  {key: "probability"},
	"dns":        {key: "rate"},
}

// Step returns the fault for the i-th call of a repetition, counted from 0 and without the baseline: the configured value first,
// then step more each time (of a bandwidth: less), up to the end of the setting's range. The argument is not changed. stepped is
// false when the fault has nothing to step: its kind has no such setting, or its distribution does not use it.
func Step(spec fault.Spec, step float64, i int) (out fault.Spec, stepped bool) {
	s, ok := steps[spec.Kind()]
	if !ok {
		return spec, false
	}
	def, _ := fault.Lookup(string(spec.Kind()))
	field, _ := def.Field(s.key)
	text, set := field.Get(spec)
	value, ok := parseNumber(text)
	if !set || !ok {
		return spec, false
	}
	if s.down {
		step = -step
	}
	value += step * float64(i)
	if field.Type == "integer" {
		value = math.Round(value)
	}
	if field.Min != nil {
		value = max(value, *field.Min)
	}
	if field.Max != nil {
		value = min(value, *field.Max)
	}
	out, err := fault.Decode(string(spec.Kind()), fault.Encode(spec))
	if err == nil {
		err = field.Set(out, formatNumber(value))
	}
	if err != nil { // spec itself is not valid: it does not become so here
		return spec, false
	}
	return out, true
}

// stepNotes names the faults that are the same for every call of a repetition that asks for steps.
func (it Item) stepNotes() []Problem {
	st := it.Context.Strategy
	if st.Step == 0 || st.Count < 2 {
		return nil
	}
	var notes []Problem
	for i, spec := range it.Context.Faults {
		if _, stepped := Step(spec, st.Step, 1); !stepped {
			notes = append(notes, Problem{
				Path: fmt.Sprintf("context.faults[%d]", i),
				Message: fmt.Sprintf("The %s fault has nothing that a step of %s could change: it is the same for every call.",
					spec.Kind(), formatNumber(st.Step)),
			})
		}
	}
	return notes
}
