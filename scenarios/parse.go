package scenarios

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxNesting is far below what the parser stands, whose cost grows with the square of the depth.
const maxNesting = 64

// parse decodes and validates the content of one file.
func parse(name string, data []byte) (Loaded, Problems) {
	loaded := Loaded{Path: name}
	data, wrong := text(data)
	if wrong != "" {
		return loaded, Problems{{File: name, Message: wrong}}
	}
	var problems Problems
	for _, doc := range documents(string(data)) {
		problems = append(problems, loaded.decodeDocument(doc)...)
	}
	if len(problems) == 0 && len(loaded.Scenarios) == 0 {
		problems = Problems{{File: name, Message: "the file is empty: it holds no scenario"}}
	}
	return loaded, problems
}

// document is one YAML document: its text, and how many lines of the file come before it.
type document struct {
	text string
	line int
}

// documents cuts a file at its document markers, which stand at the start of a line and nowhere else, not even in text (YAML 1.2.2,
// section 9.1.2). The parser could do it, but loses whatever follows an empty document, and stops at the first mistake of all.
func documents(data string) []document {
	var docs []document
	var b strings.Builder
	start, line := 0, 0
	flush := func() {
		if hasContent(b.String()) {
			docs = append(docs, document{b.String(), start})
		}
		b.Reset()
	}
	for l := range strings.Lines(data) {
		marker, rest := cutMarker(l)
		switch marker {
		case "---":
			flush()
			start = line
			b.WriteString("   " + rest)
		case "...":
			flush()
			start = line + 1
		default:
			b.WriteString(l)
		}
		line++
	}
	flush()
	return docs
}

// cutMarker splits a document marker from what follows on its line; marker is "" on any other line.
func cutMarker(line string) (marker, rest string) {
	if len(line) >= 3 && (line[:3] == "---" || line[:3] == "...") && (len(line) == 3 || strings.ContainsRune(" \t\r\n", rune(line[3]))) {
		return line[:3], line[3:]
	}
	return "", line
}

// hasContent reports whether text is more than comments, directives and empty lines.
func hasContent(text string) bool {
	for l := range strings.Lines(text) {
		if t := strings.TrimSpace(l); t != "" && t[0] != '#' && l[0] != '%' {
			return true
		}
	}
	return false
}

// tooDeep finds the first line on which lists and objects are nested deeper than maxNesting. Brackets in text count too: that does
// no harm at such depths.
func tooDeep(text string) (line int, found bool) {
	depth := 0
	for l := range strings.Lines(text) {
		line++
		dashes := 0
		for fields := range strings.FieldsSeq(l) {
			if fields != "-" && fields != "?" {
				break
			}
			dashes++
		}
		for _, c := range []byte(l) {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(0, depth-1)
			}
			if depth+dashes > maxNesting {
				return line, true
			}
		}
	}
	return 0, false
}

// syntax parses a document.
func (doc document) syntax(name string) (ast.Node, *Problem) {
	if line, deep := tooDeep(doc.text); deep {
		return nil, &Problem{File: name, Line: doc.line + line, Column: 1, Message: fmt.Sprintf(
			"lists and objects are nested deeper than %d", maxNesting)}
	}
	file, err := parser.ParseBytes([]byte(doc.text), 0, parser.AllowDuplicateMapKey())
	if err == nil {
		for _, d := range file.Docs {
			if d.Body != nil {
				return d.Body, nil
			}
		}
		return nil, nil
	}
	p := &Problem{File: name, Line: doc.line + 1, Column: 1, Message: "this is not YAML: " + firstLine(err.Error())}
	var at yaml.Error
	if errors.As(err, &at) {
		p.Message = "this is not YAML: " + firstLine(at.GetMessage())
		if tk := at.GetToken(); tk != nil && tk.Position != nil {
			p.Line, p.Column = doc.line+tk.Position.Line, tk.Position.Column
		}
	}
	return nil, p
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

// decodeDocument adds the scenario of a document, or all of a document that is a list of them.
func (l *Loaded) decodeDocument(doc document) Problems {
	body, problem := doc.syntax(l.Path)
	if problem != nil {
		return Problems{*problem}
	}
	nodes := []ast.Node{body}
	if seq, ok := body.(*ast.SequenceNode); ok {
		nodes = seq.Values
	}
	if body == nil || body.Type() == ast.NullType || body.Type() == ast.CommentType {
		return nil
	}
	anchors := collectAnchors{}
	ast.Walk(anchors, body)
	budget := maxNodes
	var problems Problems
	for _, n := range nodes {
		d := &decoder{
			file: l.Path, line: doc.line, anchors: anchors, budget: budget,
			marks: make(map[string]*token.Position), bad: make(map[string]bool),
		}
		d.mark(n, "")
		s := d.scenario(n)
		budget = d.budget
		d.check(s)
		problems = append(problems, d.problems...)
		l.Scenarios = append(l.Scenarios, s)
		for _, note := range s.Notes() {
			l.Notes = append(l.Notes, d.place(note))
		}
		if budget <= 0 {
			break
		}
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return problems
}

// check adds what is wrong with the meaning of s, except for what a mistake in the form already explains.
func (d *decoder) check(s Scenario) {
	var problems Problems
	if err := s.Validate(); !errors.As(err, &problems) {
		return
	}
	for _, p := range problems {
		if !d.explained(p.Path) {
			d.problems = append(d.problems, d.place(p))
		}
	}
}

// explained reports whether path, or anything that it is part of, has a problem already.
func (d *decoder) explained(path string) bool {
	for p, more := path, true; more; p, more = parent(p) {
		if d.bad[p] {
			return true
		}
	}
	return false
}

// place fills in where a problem is: at its path, or at the nearest thing around it that is written down.
func (d *decoder) place(p Problem) Problem {
	p.File = d.file
	for path, more := p.Path, true; more; path, more = parent(path) {
		if pos, ok := d.marks[path]; ok {
			p.Line, p.Column = pos.Line+d.line, pos.Column
			return p
		}
	}
	return p
}

// parent cuts the last step off a path; the empty path is the last one.
func parent(path string) (string, bool) {
	if path == "" {
		return "", false
	}
	return path[:max(strings.LastIndexByte(path, '.'), strings.LastIndexByte(path, '['), 0)], true
}

func (d *decoder) scenario(n ast.Node) (s Scenario) {
	d.object(n, "", "a scenario", []key{
		{"title", nil, d.text(&s.Title)},
		{"description", nil, d.text(&s.Description)},
		{"items", []string{"scenarios"}, func(n ast.Node, path string) {
			d.sequence(n, path, "items", func(n ast.Node, path string) { s.Items = append(s.Items, d.item(n, path)) })
		}},
		{"config", nil, optional(d, &s.Config, d.config)},
	})
	return s
}

func (d *decoder) item(n ast.Node, path string) (it Item) {
	d.object(n, path, "an item", []key{
		{"call", nil, func(n ast.Node, path string) { it.Call = d.call(n, path) }},
		{"context", nil, func(n ast.Node, path string) { it.Context = d.context(n, path) }},
		{"expect", nil, func(n ast.Node, path string) {
			it.Expect = new(Expect)
			d.object(n, path, "expect", []key{
				{"status", nil, optional(d, &it.Expect.Status, d.integer)},
				{"response_time_under", nil, optional(d, &it.Expect.ResponseTimeUnder, d.number)},
				{"all_slo_are_valid", nil, optional(d, &it.Expect.AllSLOAreValid, d.boolean)},
			})
		}},
	})
	return it
}

func (d *decoder) call(n ast.Node, path string) (c Call) {
	d.object(n, path, "a call", []key{
		{"method", nil, d.text(&c.Method)},
		{"url", nil, d.text(&c.URL)},
		{"headers", nil, d.textMap(&c.Headers, "headers")},
		{"body", nil, optional(d, &c.Body, d.text)},
		{"timeout", nil, optional(d, &c.Timeout, d.number)},
		{"meta", nil, func(n ast.Node, path string) {
			c.Meta = new(Meta)
			d.object(n, path, "meta", []key{{"operation_id", nil, d.text(&c.Meta.OperationID)}})
		}},
	})
	c.Method = strings.ToUpper(c.Method)
	return c
}

func (d *decoder) context(n ast.Node, path string) (c Context) {
	d.object(n, path, "a context", []key{
		{"upstreams", nil, d.texts(&c.Upstreams, "upstreams")},
		{"faults", nil, d.faults(&c.Faults)},
		{"strategy", nil, func(n ast.Node, path string) { c.Strategy = d.strategy(n, path) }},
		{"slo", []string{"slos"}, func(n ast.Node, path string) {
			d.sequence(n, path, "slo", func(n ast.Node, path string) { c.SLO = append(c.SLO, d.slo(n, path)) })
		}},
		{"proxy", nil, func(n ast.Node, path string) {
			c.Proxy = new(Proxy)
			d.object(n, path, "proxy", []key{
				{"disable_http_proxies", nil, d.boolean(&c.Proxy.DisableHTTPProxies)},
				{"proxies", nil, d.texts(&c.Proxy.Proxies, "proxies")},
			})
		}},
		{"runs_on", nil, func(_ ast.Node, path string) {
			d.problems = append(d.problems, d.place(Problem{Path: path, Message: "runs_on is not supported: scenarios run where " +
				"fault runs; start fault on the platform itself, and leave runs_on out"}))
		}},
	})
	return c
}

func (d *decoder) slo(n ast.Node, path string) (s SLO) {
	var kind string
	d.object(n, path, "an SLO", []key{
		{"slo_type", []string{"type"}, d.text(&kind)},
		{"title", nil, d.text(&s.Title)},
		{"objective", nil, d.number(&s.Objective)},
		{"threshold", nil, d.number(&s.Threshold)},
	})
	s.Type = SLOType(strings.ToLower(strings.TrimSpace(kind)))
	return s
}

// strategyTypes are the names that the published schema gives to strategies, in small letters.
var strategyTypes = map[string]Mode{
	"scenariorepeatitemcallstrategy": ModeRepeat, "scenarioloaditemcallstrategy": ModeLoad,
	"single": ModeSingle, "repeat": ModeRepeat, "load": ModeLoad,
}

func (d *decoder) strategy(n ast.Node, path string) *Strategy {
	var s Strategy
	var mode, kind string
	d.object(n, path, "a strategy", []key{
		{"mode", nil, d.text(&mode)},
		{"step", nil, d.number(&s.Step)},
		{"count", nil, d.integer(&s.Count)},
		{"wait", nil, optional(d, &s.Wait, d.number)},
		{"failfast", []string{"fail_fast"}, optional(d, &s.FailFast, d.boolean)},
		{"add_baseline_call", nil, optional(d, &s.AddBaselineCall, d.boolean)},
		{"duration", nil, d.duration(&s.Duration)},
		{"clients", nil, d.integer(&s.Clients)},
		{"rps", nil, d.integer(&s.RPS)},
		{"type", nil, d.text(&kind)},
	})
	s.Mode = Mode(strings.ToLower(strings.TrimSpace(mode)))
	if s.Mode == "" && kind != "" {
		var known bool
		if s.Mode, known = strategyTypes[strings.ToLower(kind)]; !known {
			d.add(n, join(path, "mode"), "", "unknown strategy type %q: write mode: single, repeat or load instead", kind)
		}
	}
	return &s
}

// duration takes text as it is, and a number as seconds.
func (d *decoder) duration(to *string) reader {
	return func(n ast.Node, path string) {
		if f, ok := numberOf(n); ok {
			*to = formatNumber(f) + "s"
			return
		}
		d.text(to)(n, path)
	}
}

func (d *decoder) config(to *Config) reader {
	return func(n ast.Node, path string) {
		d.object(n, path, "config", []key{{"http", nil, func(n ast.Node, path string) {
			to.HTTP = new(HTTPConfig)
			d.object(n, path, "config.http", []key{
				{"headers", nil, d.textMap(&to.HTTP.Headers, "headers")},
				{"paths", nil, func(n ast.Node, path string) {
					to.HTTP.Paths = new(PathsConfig)
					d.object(n, path, "config.http.paths", []key{
						{"segments", nil, d.textMap(&to.HTTP.Paths.Segments, "segments")},
					})
				}},
			})
		}}})
	}
}
