package mcp

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fault-project/fault/tools"
)

// Tools are the operations that a server offers; those that are nil are left out.
type Tools struct {
	Index   *tools.Index
	Search  *tools.Search
	List    *tools.List
	Extract *tools.Extract
	Impacts []*tools.Impact
}

// catalog lists the tools that are offered, in the order in which they are of use.
func (t Tools) catalog() []tool {
	var list []tool
	if t.Index != nil {
		list = append(list, indexTool(t.Index))
	}
	if t.Search != nil {
		list = append(list, searchTool(t.Search))
	}
	if t.List != nil {
		list = append(list, listTool(t.List))
	}
	if t.Extract != nil {
		list = append(list, extractTool(t.Extract))
	}
	for _, impact := range t.Impacts {
		list = append(list, impactTool(impact))
	}
	return list
}

// indexTool writes, though nothing that anyone else needs: the index, which it can always make again.
func indexTool(t *tools.Index) tool {
	return tool{
		name:  "fault_index_source_code",
		title: "Index source code",
		description: "Index the source code of a folder, so that fault_search_code can search it. Only what has changed since the last " +
			"time is read. Stays on this machine unless a provider's embedding model is configured. Returns done.",
		hints:      hints{idempotent: true},
		readsFiles: true,
		params:     paramsOf(t.Arguments()),
		output: object([]string{"files", "chunks"},
			property{"added", integer}, property{"modified", integer}, property{"removed", integer}, property{"unchanged", integer},
			property{"failed", integer}, property{"failures", texts},
			property{"skipped", schema{Type: typeObject, Description: "what was left out, by reason"}},
			property{"files", integer}, property{"chunks", integer}, property{"bytes", integer},
			property{"vectors", schema{Type: typeObject}}, property{"source_dir", plainText}, property{"index", plainText},
		),
		call: operation(t.Run, func(in *tools.IndexIn, s scope) { in.Roots, in.Progress = s.roots, s.progress }),
	}
}

func searchTool(t *tools.Search) tool {
	return tool{
		name:  "fault_search_code",
		title: "Search code",
		description: "Find the functions and types that matter for a question or name, in a folder that fault_index_source_code indexed. " +
			"Returns ranked code with path, lines and name, within a token budget.",
		hints:      readOnly,
		readsFiles: true,
		params:     paramsOf(t.Arguments()),
		output: object([]string{"results"},
			property{"results", schema{Type: typeArray, Items: ref(object(nil,
				property{"path", plainText}, property{"line", integer}, property{"end_line", integer}, property{"name", plainText},
				property{"kind", plainText}, property{"language", plainText}, property{"score", number}, property{"why", plainText},
				property{"code", plainText}, property{"truncated", boolean},
			))}},
			property{"omitted", integer}, property{"warning", plainText}, property{"source_dir", plainText},
			property{"files", integer}, property{"chunks", integer},
		),
		call: operation(t.Run, func(in *tools.SearchIn, s scope) { in.Roots = s.roots }),
	}
}

func listTool(t *tools.List) tool {
	return tool{
		name:  "fault_list_function_names",
		title: "List function names",
		description: "List the functions and methods of a source file, with qualified names. Returns a JSON array of names; " +
			"structured: HTTP routes and their handlers, too.",
		hints:      readOnly,
		readsFiles: true,
		params:     paramsOf(t.Arguments()),
		output: object([]string{"functions"},
			property{"functions", texts},
			property{"routes", schema{Type: typeArray, Items: &schema{
				Type: typeObject, Description: "method, path, handler, line, end_line, framework",
			}}},
			property{"file", plainText}, property{"language", plainText}, property{"warning", plainText}),
		call: operation(t.Run, func(in *tools.ListIn, s scope) { in.Roots = s.roots }),
	}
}

func extractTool(t *tools.Extract) tool {
	return tool{
		name:  "fault_extract_code_block",
		title: "Extract a function",
		description: "Return the exact source of a function, method or type of a file: full with signature and decorators, body without. " +
			"Returns JSON {full, body}.",
		hints:      readOnly,
		readsFiles: true,
		params:     paramsOf(t.Arguments()),
		output: object([]string{"full", "body"},
			property{"full", plainText}, property{"body", plainText}, property{"name", plainText}, property{"kind", plainText},
			property{"file", plainText}, property{"language", plainText}, property{"line", integer}, property{"end_line", integer},
			property{"warning", plainText}),
		call: operation(t.Run, func(in *tools.ExtractIn, s scope) { in.Roots = s.roots }),
	}
}

// Parts of output schemas.
var (
	plainText = schema{Type: typeString}
	number    = schema{Type: typeNumber}
	integer   = schema{Type: typeInteger}
	boolean   = schema{Type: typeBoolean}
	texts     = schema{Type: typeArray, Items: &schema{Type: typeString}}

	// readOnly are the hints of a tool that looks at files of this machine.
	readOnly = hints{readOnly: true, idempotent: true}
)

// impactTool sends traffic of the caller's choice to a service: a load of DELETE requests destroys, and none is undone by another.
func impactTool(t *tools.Impact) tool {
	name := strings.ReplaceAll(t.Name(), "_", " ")
	return tool{
		name:  "fault_run_" + t.Name() + "_impact_scenario",
		title: "Measure " + name + " impact",
		description: fmt.Sprintf("Measure what %s does to a running HTTP endpoint: load on url, after a few calls without the fault. %s "+
			"Returns a Markdown report with response times, errors and objectives. Only loopback targets unless others were allowed.",
			name, t.Definition().Summary),
		hints:  hints{destructive: true, openWorld: true},
		params: paramsOf(t.Arguments()),
		output: impactOutput,
		call:   operation(t.Run, func(in *tools.ImpactIn, s scope) { in.Progress = s.progress }),
	}
}

// impactOutput names what a caller acts on; an answer has more than that, and the report has all of it.
var impactOutput = object([]string{"report", "verdict"},
	property{"report", schema{Type: typeString, Description: "the whole report, in Markdown"}},
	property{"verdict", schema{Type: typeString, Enum: []string{"passed", "failed"}}},
	property{"calls", integer}, property{"errors", integer}, property{"p50_ms", number}, property{"p95_ms", number},
	property{"added_p50_ms", schema{Type: typeNumber, Description: "what the fault added to the median"}},
	property{"faults_applied", integer},
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
