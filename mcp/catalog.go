package mcp

import (
	"fmt"
	"slices"
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
	Lint    *tools.Lint
	Scores  []*tools.Score
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
	if t.Lint != nil {
		list = append(list, lintTool(t.Lint))
	}
	for _, score := range t.Scores {
		list = append(list, scoreTool(score))
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
		description: "Index a folder of source code for fault_search_code. Reads only what changed since the last time. Stays on this " +
			"machine unless a provider's embedding model is configured. Returns done.",
		hints:      hints{idempotent: true},
		readsFiles: true,
		params:     paramsOf(t.Arguments()),
		output: object([]string{"files", "chunks"},
			property{"files", integer}, property{"chunks", integer}, property{"added", integer}, property{"modified", integer},
			property{"removed", integer}, property{"failures", texts},
			property{"skipped", schema{Type: typeObject}}, property{"index", plainText},
		),
		call: operation(t.Run, func(in *tools.IndexIn, s scope) { in.Roots, in.Progress = s.roots, s.progress }),
	}
}

func searchTool(t *tools.Search) tool {
	return tool{
		name:  "fault_search_code",
		title: "Search code",
		description: "Find the functions and types that matter for a question or a name, in a folder indexed with " +
			"fault_index_source_code. Returns ranked code with path, lines and name.",
		hints:      readOnly,
		readsFiles: true,
		params:     paramsOf(t.Arguments()),
		output: object([]string{"results"},
			property{"results", schema{Type: typeArray, Items: ref(object(nil,
				property{"path", plainText}, property{"line", integer}, property{"end_line", integer}, property{"name", plainText},
				property{"kind", plainText}, property{"why", plainText}, property{"code", plainText},
			))}},
			property{"omitted", integer}, property{"warning", plainText},
		),
		call: operation(t.Run, func(in *tools.SearchIn, s scope) { in.Roots = s.roots }),
	}
}

func listTool(t *tools.List) tool {
	return tool{
		name:  "fault_list_function_names",
		title: "List function names",
		description: "List the functions and methods of a source file. Returns a JSON array of qualified names; structured: the HTTP " +
			"routes that it registers, too.",
		hints:      readOnly,
		readsFiles: true,
		params:     paramsOf(t.Arguments()),
		output: object([]string{"functions"},
			property{"functions", texts},
			property{"routes", schema{Type: typeArray, Items: &schema{
				Type: typeObject, Description: "method, path, handler, line, end_line, framework",
			}}},
			property{"warning", plainText}),
		call: operation(t.Run, func(in *tools.ListIn, s scope) { in.Roots = s.roots }),
	}
}

func extractTool(t *tools.Extract) tool {
	return tool{
		name:  "fault_extract_code_block",
		title: "Extract a function",
		description: "Return the exact source of a function, method or type of a file as JSON {full, body}: with signature and " +
			"decorators, and without.",
		hints:      readOnly,
		readsFiles: true,
		params:     paramsOf(t.Arguments()),
		output: object([]string{"full", "body"},
			property{"full", plainText}, property{"body", plainText}, property{"name", plainText}, property{"kind", plainText},
			property{"line", integer}, property{"end_line", integer}, property{"warning", plainText}),
		call: operation(t.Run, func(in *tools.ExtractIn, s scope) { in.Roots = s.roots }),
	}
}

// lintTool tells where code breaks under faults before any fault is there.
func lintTool(t *tools.Lint) tool {
	return tool{
		name:  "fault_lint",
		title: "Find unreliable code",
		description: "Find code that fails or slows down when the network does: missing timeouts, leaks, swallowed errors, endless " +
			"retries. Reads Python, Go, TypeScript, JavaScript and Java.",
		hints:      readOnly,
		readsFiles: true,
		params:     paramsOf(t.Arguments()),
		output: object([]string{"findings"},
			property{"findings", schema{Type: typeArray, Items: ref(object(nil,
				property{"rule", plainText}, property{"severity", plainText}, property{"path", plainText}, property{"line", integer},
				property{"message", plainText}, property{"why", plainText},
			))}},
			property{"omitted", integer}, property{"diff", plainText},
		),
		call: operation(t.Run, func(in *tools.LintIn, s scope) { in.Roots, in.Progress = s.roots, s.progress }),
	}
}

func scoreTool(t *tools.Score) tool {
	concern := string(t.Concern())
	return tool{
		name:  "fault_score_" + concern,
		title: "Score " + concern,
		description: fmt.Sprintf("Score the %s of code from 0 to 1, by the rules of fault_lint. Returns JSON {explanation, score}; "+
			"structured: findings and a diff of mechanical fixes, too.", concern),
		hints:  readOnly,
		params: paramsOf(t.Arguments()),
		output: object([]string{"score", "explanation"},
			property{"score", number}, property{"explanation", plainText},
			property{"findings", schema{Type: typeArray, Items: &schema{
				Type: typeObject, Description: "rule, severity, line, message, why, reference",
			}}},
			property{"diff", plainText}, property{"source", plainText}, property{"warning", plainText}),
		call: operation(t.Run, (func(*tools.ScoreIn, scope))(nil)),
	}
}

// Parts of output schemas.
var (
	plainText = schema{Type: typeString}
	number    = schema{Type: typeNumber}
	integer   = schema{Type: typeInteger}
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
		description: fmt.Sprintf("Measure %s impact on a running HTTP endpoint, by calls with the fault and without. %s Returns a "+
			"Markdown report.", name, t.Definition().Summary),
		hints:  hints{destructive: true, openWorld: true},
		params: paramsOf(t.Arguments()),
		output: impactOutput,
		call:   operation(t.Run, func(in *tools.ImpactIn, s scope) { in.Progress = s.progress }),
	}
}

// impactOutput names what a caller acts on; an answer has more than that, and the report has all of it.
var impactOutput = object([]string{"report", "verdict"},
	property{"report", plainText}, property{"verdict", plainText},
	property{"calls", integer}, property{"errors", integer}, property{"p50_ms", number}, property{"added_p50_ms", number},
)

func ref(s schema) *schema { return &s }

// plainArguments are those whose name, type and values say everything: their description is left to the reference pages, for the sake of a
// short list.
var plainArguments = []string{"method", "body", "num_clients", "side", "direction", "limit", "status_code", "error_body"}

// paramsOf turns the arguments of an operation, which follow from its input and from the fault's definition, into parameters.
func paramsOf(arguments []tools.Argument) []param {
	params := make([]param, 0, len(arguments))
	for _, a := range arguments {
		usage := a.Usage
		if slices.Contains(plainArguments, a.Name) {
			usage = ""
		}
		p := param{name: a.Name, required: a.Required, schema: schema{
			Type: a.Type, Description: usage, Enum: a.Enum, Minimum: a.Min, Maximum: a.Max, Default: defaultOf(a),
		}}
		if a.Items != "" {
			p.schema.Items = &schema{Type: a.Items}
		}
		p.also = a.Also
		p.asText = a.Type == typeInteger || a.Type == typeNumber || a.Type == typeBoolean
		params = append(params, p)
	}
	return params
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
