package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/fault-project/fault/rag/duckdb"
	"github.com/fault-project/fault/scenarios"
	"github.com/fault-project/fault/tools"
	"github.com/fault-project/fault/treesitter/lint"
)

var update = flag.Bool("update", false, "write the golden files anew")

// everything is all the tools, with runs that find what results says.
func everything(t *testing.T, results *scenarios.Results) Tools {
	t.Helper()
	files, err := tools.NewFileGuard(nil)
	if err != nil {
		t.Fatal(err)
	}
	targets, err := tools.NewTargetGuard(nil)
	if err != nil {
		t.Fatal(err)
	}
	indexes := tools.NewIndexes(tools.Directories(t.TempDir(), duckdb.Open), nil)
	return Tools{
		Index: tools.NewIndex(files, indexes), Search: tools.NewSearch(files, indexes), List: tools.NewList(files),
		Extract: tools.NewExtract(files), Lint: tools.NewLint(files),
		Scores: []*tools.Score{tools.NewScore(lint.Performance), tools.NewScore(lint.Reliability)},
		Impacts: tools.Impacts(targets, func(_ context.Context, list []scenarios.Scenario, o tools.RunOptions) (*scenarios.Results, error) {
			o.Progress(1, 2)
			results.Results[0].Scenario = list[0]
			return results, nil
		}, nil),
	}
}

func connected(t *testing.T, offered Tools) *Client {
	t.Helper()
	c, err := InProcess(t.Context(), New(Options{Version: "test", Tools: offered}), DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func someResults() *scenarios.Results {
	return &scenarios.Results{Results: []scenarios.ScenarioResult{{Results: []scenarios.ItemResult{{
		Target: scenarios.Target{Address: "http://127.0.0.1:1/"},
		Results: []scenarios.CallResult{{Start: 1, Metrics: &scenarios.Metrics{
			Protocol: &scenarios.Protocol{Type: "http", Code: 200}, TTFB: 300, TotalTime: 301,
		}}},
		Load: &scenarios.LoadFacts{Planned: 1, Started: 1, PlannedRPS: 3, AchievedRPS: 3},
	}}}}}
}

// The list of tools is what every editor puts into every conversation: it is looked at when it changes, and it stays small.
func TestToolsListGolden(t *testing.T) {
	s := New(Options{Version: "test", Tools: everything(t, someResults())})
	answer := s.sdk.HandleMessage(t.Context(), json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
	data, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	if tokens := len(data) / bytesPerToken; tokens > 6000 {
		t.Errorf("the list has about %d tokens, at most 6000 are wanted", tokens)
	}
	logTokens(t, data)
	var got bytes.Buffer
	if err := json.Indent(&got, data, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	path := filepath.Join("testdata", "tools_list.json.golden")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the list of tools differs from %s; run the test with -update and read the difference", path)
	}
}

// bytesPerToken is how many bytes of such JSON a token is, about.
const bytesPerToken = 4

// logTokens logs what each tool costs; go test -v shows it.
func logTokens(t *testing.T, list []byte) {
	t.Helper()
	var answer struct {
		Result struct {
			Tools []json.RawMessage
		}
	}
	if err := json.Unmarshal(list, &answer); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, data := range answer.Result.Tools {
		var tool struct {
			Name                      string
			InputSchema, OutputSchema json.RawMessage
		}
		if err := json.Unmarshal(data, &tool); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "\n%-40s %5d  %5d  %5d", tool.Name, len(data)/bytesPerToken, len(tool.InputSchema)/bytesPerToken,
			len(tool.OutputSchema)/bytesPerToken)
	}
	t.Logf("about %d tokens (tool, all, input, output):%s", len(list)/bytesPerToken, b.String())
}

// Clients refuse or misread schemas that are too clever, and take hints that are absent for the worst.
func TestToolsAreWellDescribed(t *testing.T) {
	offered := everything(t, someResults())
	for _, tool := range offered.catalog() {
		t.Run(tool.name, func(t *testing.T) {
			data, err := json.Marshal(tool.definition())
			if err != nil {
				t.Fatal(err)
			}
			var d struct {
				Title, Description string
				InputSchema        map[string]any
				OutputSchema       map[string]any
				Annotations        map[string]any
			}
			if err := json.Unmarshal(data, &d); err != nil {
				t.Fatal(err)
			}
			if d.Title == "" || len(d.Description) < 40 {
				t.Error("no title or description")
			}
			for _, hint := range []string{"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"} {
				if _, set := d.Annotations[hint]; !set {
					t.Errorf("%s is not set", hint)
				}
			}
			if d.InputSchema["additionalProperties"] != false {
				t.Error("unknown arguments are not refused")
			}
			checkSchema(t, "input", d.InputSchema, true)
			checkSchema(t, "output", d.OutputSchema, false)
			compile(t, d.InputSchema)
			compile(t, d.OutputSchema)
		})
	}
}

// checkSchema checks that every schema below has one plain type, and every argument a description unless it needs none.
func checkSchema(t *testing.T, path string, s map[string]any, described bool) {
	t.Helper()
	kind, ok := s["type"].(string)
	if !ok {
		t.Errorf("%s has the type %v", path, s["type"])
	}
	if kind == typeArray && s["items"] == nil {
		t.Errorf("%s has no items", path)
	}
	if items, ok := s["items"].(map[string]any); ok {
		checkSchema(t, path+"[]", items, false)
	}
	properties, _ := s["properties"].(map[string]any)
	for name, p := range properties {
		one := p.(map[string]any)
		if described && one["description"] == nil && !slices.Contains(plainArguments, name) {
			t.Errorf("%s.%s has no description", path, name)
		}
		checkSchema(t, path+"."+name, one, false)
	}
}

// absent returns the properties that a schema mentions and an answer lacks, at the top.
func absent(s map[string]any, answer any) []string {
	properties, _ := s["properties"].(map[string]any)
	object, _ := answer.(map[string]any)
	var names []string
	for name := range properties {
		if _, ok := object[name]; !ok {
			names = append(names, name)
		}
	}
	return names
}

func compile(t *testing.T, s map[string]any) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///s.json", s); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("mem:///s.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// The inputs of package tools decode from exactly the arguments that are declared.
func TestArgumentsMatchInputs(t *testing.T) {
	for name, tc := range map[string]struct {
		input     any
		arguments []tools.Argument
	}{
		"index":   {tools.IndexIn{}, new(tools.Index).Arguments()},
		"search":  {tools.SearchIn{}, new(tools.Search).Arguments()},
		"list":    {tools.ListIn{}, new(tools.List).Arguments()},
		"extract": {tools.ExtractIn{}, new(tools.Extract).Arguments()},
		"lint":    {tools.LintIn{}, new(tools.Lint).Arguments()},
		"score":   {tools.ScoreIn{}, new(tools.Score).Arguments()},
	} {
		var fields, names []string
		for f := range reflect.TypeOf(tc.input).Fields() {
			if tag := f.Tag.Get("json"); tag != "-" {
				fields = append(fields, tag)
			}
		}
		for _, a := range tc.arguments {
			names = append(names, a.Name)
		}
		slices.Sort(fields)
		slices.Sort(names)
		if !slices.Equal(fields, names) {
			t.Errorf("%s: the input has %v, the arguments are %v", name, fields, names)
		}
	}
}

// Every tool, called by a client: the text is what is documented, and the structured content satisfies the output schema.
func TestCallEveryTool(t *testing.T) {
	c := connected(t, everything(t, someResults()))
	list, err := c.Tools(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	schemas := map[string]map[string]any{}
	for _, info := range list {
		var s map[string]any
		if err := json.Unmarshal(info.OutputSchema, &s); err != nil {
			t.Fatal(err)
		}
		schemas[info.Name] = s
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "shop.py")
	const careless = "def price(item):\n    return requests.get(item)\n"
	for name, text := range map[string]string{
		"careless.py":    "import requests\n\n" + careless,
		"pyproject.toml": "[project]\nname = \"shop\"\n",
		"shop.py":        "class Cart:\n    @cached\n    def total(self):\n        return sum(self.items)\n\n@app.post(\"/pay\")\ndef pay(cart):\n    return cart.total()\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	impact := func(more ...any) map[string]any {
		args := map[string]any{"url": "http://127.0.0.1:1/", "method": "GET", "body": "", "duration": "1s", "num_clients": "1", "rps": "3", "timeout": 10}
		for i := 0; i < len(more); i += 2 {
			args[more[i].(string)] = more[i+1]
		}
		return args
	}
	for _, tc := range []struct {
		tool     string
		args     map[string]any
		contains string
	}{
		{"fault_index_source_code", map[string]any{"source_dir": dir, "lang": "python"}, "done"},
		{"fault_search_code", map[string]any{"query": "total of the cart"}, "Cart.total"},
		{"fault_list_function_names", map[string]any{"file": "file://" + file}, `["Cart.total","pay"]`},
		{"fault_extract_code_block", map[string]any{"file": file, "func": "Cart.total"}, `{"full":"@cached\n    def total(self):`},
		{"fault_lint", map[string]any{"paths": []string{dir}, "severity": "Warning", "diff": "true"}, "2 files, 12 lines: 1 error, 0 warning, 0 info"},
		{"fault_score_performance", map[string]any{"snippet": careless, "lang": "py"}, `"score":1}`},
		{"fault_score_reliability", map[string]any{"snippet": careless, "lang": "Python"}, `{"explanation":"1 finding about reliability in 2 lines`},
		{"fault_run_latency_impact_scenario", impact("latency", 300, "deviation", 0, "per_read_write_op", false, "direction", "ingress",
			"side", "server", "proxies", []string{"34000=http://127.0.0.1:2"}), "# Scenarios Report"},
		{"fault_run_jitter_impact_scenario", impact("amplitude", 50.5, "frequency", "3"), "jitter"},
		{"fault_run_bandwidth_impact_scenario", impact("rate", 1024, "unit", "bps", "direction", "egress", "side", "server", "num_clients", 5), "bandwidth"},
		{"fault_run_packet_loss_impact_scenario", impact("direction", "egress", "side", "server", "rate", 0.05, "burst", "4"), "packetloss"},
		{"fault_run_blackhole_impact_scenario", impact("direction", "egress", "sched", "start:45%,duration:10%"), "blackhole"},
		{"fault_run_http_error_impact_scenario", impact("status_code", 503, "error_body", "busy", "probability", 0.5), "httperror"},
	} {
		t.Run(tc.tool, func(t *testing.T) {
			steps := 0
			r, err := c.Call(t.Context(), tc.tool, tc.args, func(float64, float64, string) { steps++ })
			if err != nil || r.IsError || !strings.Contains(r.Text, tc.contains) {
				t.Fatalf("answer %+v, %v", r, err)
			}
			if schemas[tc.tool] == nil {
				t.Fatal("no output schema")
			}
			instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(r.Structured))
			if err != nil {
				t.Fatal(err)
			}
			if err := compile(t, schemas[tc.tool]).Validate(instance); err != nil {
				t.Errorf("structured content %s: %v", r.Structured, err)
			}
			// The schema names what a caller acts on, as the list has to stay small; what it names is there.
			if names := absent(schemas[tc.tool], instance); len(names) > 0 && !slices.Equal(names, []string{"warning"}) {
				t.Errorf("structured content %s lacks %q", r.Structured, names)
			}
			if wants := strings.HasPrefix(tc.tool, "fault_run") || strings.HasPrefix(tc.tool, "fault_index") || tc.tool == "fault_lint"; wants && steps == 0 {
				t.Error("no progress")
			}
			delete(schemas, tc.tool)
		})
	}
	for name := range schemas {
		t.Errorf("%s was not called", name)
	}
}

func TestCallErrors(t *testing.T) {
	c := connected(t, everything(t, someResults()))
	binary := filepath.Join(t.TempDir(), "x.py")
	if err := os.WriteFile(binary, []byte("def a():\n  return '\xff\xfe'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(binary), "setup.py"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		tool  string
		args  map[string]any
		wants []string
	}{
		{"fault_extract_code_block", map[string]any{"file": "/x.py", "function": "f"}, []string{`unknown argument "function"`, `"func"`, "file, func"}},
		{"fault_extract_code_block", map[string]any{"file": "/x.py"}, []string{`missing argument "func"`}},
		{"fault_list_function_names", map[string]any{"file": "/no/such/file.py"}, []string{"file", "/no/such/file.py"}},
		{"fault_list_function_names", map[string]any{"file": binary}, []string{"UTF-8"}},
		{"fault_list_function_names", map[string]any{"file": strings.Repeat("é", 1e6)}, []string{"file: ", "é … é", "give the whole path"}},
		{"fault_search_code", map[string]any{"query": "x"}, []string{"source_dir", "no folder was indexed yet"}},
		{"fault_search_code", map[string]any{"query": "x", "lang": "cobol"}, []string{`"lang"`, "python", "cobol"}},
		{"fault_run_latency_impact_scenario", map[string]any{"url": "http://127.0.0.1:1/"}, []string{`missing argument "latency"`}},
		{"fault_run_latency_impact_scenario", map[string]any{"url": "http://127.0.0.1:1/", "latency": -5}, []string{`"latency"`, "-5"}},
		{
			"fault_run_latency_impact_scenario",
			map[string]any{"url": "http://127.0.0.1:1/", "latency": 5, "side": "sever"},
			[]string{`"side" must be one of client, server`, `did you mean "server"?`},
		},
		{"fault_score_reliability", map[string]any{"snippet": "x"}, []string{`missing argument "lang"`, "one of python, go"}},
		{"fault_score_reliability", map[string]any{"snippet": "x", "lang": "rust"}, []string{`"lang" must be one of python, go`}},
		{"fault_lint", map[string]any{"paths": "/x"}, []string{`"paths" must be a list`}},
		{
			"fault_run_latency_impact_scenario",
			map[string]any{"url": "http://127.0.0.1:1/", "latency": 5, "slos": []any{map[string]any{"typ": "latency"}}},
			[]string{`slos: unknown key "typ"`, "type, title"},
		},
		{"fault_run_jitter_impact_scenario", map[string]any{"url": "http://example.com/"}, []string{"example.com", "allow-target"}},
		{"fault_run_jitter_impact_scenario", map[string]any{"url": "http://127.0.0.1:1/", "rps": 1e9}, []string{`"rps" must be between 1 and 1000`}},
	} {
		r, err := c.Call(t.Context(), tc.tool, tc.args, nil)
		if err != nil || !r.IsError || r.Structured != nil || strings.Contains(r.Text, "\n") {
			t.Errorf("%s %v: answer %+v, %v; want a tool error in one line", tc.tool, tc.args, r, err)
			continue
		}
		if len(r.Text) > maxError+len(" … ") {
			t.Errorf("%s: the error has %d bytes", tc.tool, len(r.Text))
		}
		for _, want := range tc.wants {
			if !strings.Contains(r.Text, want) {
				t.Errorf("%s %v: %q lacks %q", tc.tool, tc.args, r.Text, want)
			}
		}
	}
}
