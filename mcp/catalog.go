package mcp

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fault-project/fault/tools"
)

// Tools are the operations that a server offers; those that are nil are left out.
type Tools struct {
	Impacts []*tools.Impact
}

// catalog lists the tools that are offered, in the order in which they are of use.
func (t Tools) catalog() []tool {
	var list []tool
	for _, impact := range t.Impacts {
		list = append(list, impactTool(impact))
	}
	return list
}

// impactTool sends traffic, which is neither read-only nor repeatable without effect; it destroys nothing by itself. The traffic
// goes to the endpoint of the caller's choice, so the world is open.
func impactTool(t *tools.Impact) tool {
	name := strings.ReplaceAll(t.Name(), "_", " ")
	return tool{
		name:  "fault_run_" + t.Name() + "_impact_scenario",
		title: "Measure " + name + " impact",
		description: fmt.Sprintf("Measure what %s does to a running HTTP endpoint. %s Sends load to url while the fault is active, after "+
			"a few calls without it, and returns a Markdown report with response times, errors and objectives. Only loopback targets "+
			"unless others were allowed.", name, t.Definition().Summary),
		hints:  hints{openWorld: true},
		params: paramsOf(t.Arguments()),
		output: impactOutput,
		call:   operation(t.Run, func(in *tools.ImpactIn, s scope) { in.Progress = s.progress }),
	}
}

var impactOutput = object(nil,
	property{"report", schema{Type: typeString, Description: "the whole report, in Markdown"}},
	property{"fault", schema{Type: typeString}},
	property{"url", schema{Type: typeString}},
	property{"verdict", schema{Type: typeString, Enum: []string{"passed", "failed"}}},
	property{"slos", schema{Type: typeArray, Items: ref(object(nil,
		property{"type", schema{Type: typeString}},
		property{"title", schema{Type: typeString}},
		property{"objective", schema{Type: typeNumber}},
		property{"threshold", schema{Type: typeNumber}},
		property{"passed", schema{Type: typeBoolean}},
		property{"actual", schema{Type: typeNumber}},
	))}},
	property{"calls", schema{Type: typeInteger}},
	property{"errors", schema{Type: typeInteger}},
	property{"timeouts", schema{Type: typeInteger}},
	property{"p50_ms", schema{Type: typeNumber}},
	property{"p95_ms", schema{Type: typeNumber}},
	property{"p99_ms", schema{Type: typeNumber}},
	property{"baseline_calls", schema{Type: typeInteger}},
	property{"baseline_errors", schema{Type: typeInteger}},
	property{"baseline_p50_ms", schema{Type: typeNumber}},
	property{"added_p50_ms", schema{Type: typeNumber, Description: "what the fault added to the median"}},
	property{"planned_rps", schema{Type: typeNumber}},
	property{"achieved_rps", schema{Type: typeNumber}},
	property{"faults_applied", schema{Type: typeInteger}},
	property{"notes", schema{Type: typeArray, Items: &schema{Type: typeString}}},
	property{"seed", schema{Type: typeInteger}},
	property{"source", schema{Type: typeString}},
)

func ref(s schema) *schema { return &s }

// paramsOf turns the arguments of an operation, which follow from its input and from the fault's definition, into parameters.
func paramsOf(arguments []tools.Argument) []param {
	params := make([]param, 0, len(arguments))
	for _, a := range arguments {
		p := param{name: a.Name, required: a.Required, schema: schema{
			Type: a.Type, Description: a.Usage, Enum: a.Enum, Minimum: a.Min, Maximum: a.Max, Default: defaultOf(a),
		}}
		switch {
		case a.Name == "slos":
			p.schema.Items = &sloItem
		case a.Items != "":
			p.schema.Items = &schema{Type: a.Items}
		}
		p.asText = a.Type == typeInteger || a.Type == typeNumber || a.Type == typeBoolean
		params = append(params, p)
	}
	return params
}

// sloItem is an objective. Other keys are let through: an objective that was suggested carries an explanation, too.
var sloItem = schema{
	Type: typeObject,
	Properties: &properties{
		{"type", schema{Type: typeString, Enum: []string{"latency", "error", "availability"}}},
		{"title", schema{Type: typeString}},
		{"objective", schema{Type: typeNumber}},
		{"threshold", schema{Type: typeNumber}},
	},
}

func defaultOf(a tools.Argument) any {
	if a.Default == "" {
		return nil
	}
	switch a.Type {
	case typeInteger, typeNumber:
		if n, err := strconv.ParseFloat(a.Default, 64); err == nil {
			return n
		}
	case typeBoolean:
		if b, err := strconv.ParseBool(a.Default); err == nil {
			return b
		}
	case typeString:
		return a.Default
	}
	panic(fmt.Sprintf("argument %s has the default %q, which is no %s", a.Name, a.Default, a.Type))
}
