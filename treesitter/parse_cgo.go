//go:build cgo

package treesitter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	sitter "github.com/smacker/go-tree-sitter"
	sitterc "github.com/smacker/go-tree-sitter/c"
	sittercpp "github.com/smacker/go-tree-sitter/cpp"
	sittercsharp "github.com/smacker/go-tree-sitter/csharp"
	sitterelixir "github.com/smacker/go-tree-sitter/elixir"
	sittergo "github.com/smacker/go-tree-sitter/golang"
	sitterjava "github.com/smacker/go-tree-sitter/java"
	sitterjavascript "github.com/smacker/go-tree-sitter/javascript"
	sitterkotlin "github.com/smacker/go-tree-sitter/kotlin"
	sitterphp "github.com/smacker/go-tree-sitter/php"
	sitterpython "github.com/smacker/go-tree-sitter/python"
	sitterruby "github.com/smacker/go-tree-sitter/ruby"
	sitterrust "github.com/smacker/go-tree-sitter/rust"
	sittertsx "github.com/smacker/go-tree-sitter/typescript/tsx"
	sittertypescript "github.com/smacker/go-tree-sitter/typescript/typescript"
)

// parseLimit bounds the time that one parse may take. The slowest real file below MaxBytes takes about a second.
const parseLimit = 20 * time.Second

// parsers gives the parsers of each language of the table and their compiled queries. A query is never changed after it was compiled
// and serves any number of cursors at once. Where a language has several parsers, the first one without syntax errors counts, and
// if there is none the one that finds most.
var parsers = map[Language][]*parser{
	Python: {newParser(&python, sitterpython.GetLanguage).withRoutes(&pythonRouting)},
	Go:     {newParser(&golang, sittergo.GetLanguage).withRoutes(&goRouting)},
	TypeScript: {
		newParser(&typescript, sittertypescript.GetLanguage).withRoutes(&scriptRouting),
		newParser(&typescript, sittertsx.GetLanguage).withRoutes(&scriptRouting),
	},
	JavaScript: {newParser(&javascript, sitterjavascript.GetLanguage).withRoutes(&scriptRouting)},
	Java:       {newParser(&java, sitterjava.GetLanguage).withRoutes(&javaRouting)},
	Rust:       {newParser(&rust, sitterrust.GetLanguage)},
	Kotlin:     {newParser(&kotlin, sitterkotlin.GetLanguage)},
	CSharp:     {newParser(&csharp, sittercsharp.GetLanguage)},
	Ruby:       {newParser(&ruby, sitterruby.GetLanguage)},
	PHP:        {newParser(&php, sitterphp.GetLanguage)},
	Elixir:     {newParser(&elixir, sitterelixir.GetLanguage)},
	C:          {newParser(&c, sitterc.GetLanguage), newParser(&cpp, sittercpp.GetLanguage)},
	CPP:        {newParser(&cpp, sittercpp.GetLanguage)},
}

type parser struct {
	grammar  *grammar
	language func() *sitter.Language
	query    func() (*sitter.Query, error)
	// routing is nil for languages in which no routes are looked for.
	routing    *routing
	routeQuery func() (*sitter.Query, error)
}

// withRoutes makes a parser find routes.
func (p *parser) withRoutes(r *routing) *parser {
	p.routing, p.routeQuery = r, r.compile(p.language)
	return p
}

func newParser(g *grammar, language func() *sitter.Language) *parser {
	return &parser{grammar: g, language: language, query: sync.OnceValues(func() (*sitter.Query, error) {
		q, err := sitter.NewQuery([]byte(g.query), language())
		if err != nil {
			return nil, fmt.Errorf("query of %s: %w", g.language, err)
		}
		return q, nil
	})}
}

// Parse reads a source text. Syntax errors are not an error: what can be read is returned with File.Warning set. Errors are
// those of this package (not UTF-8, too large, too slow), an unknown language, and the context's when it ends while parsing.
// src is not kept, and must not change during the call.
func Parse(ctx context.Context, language Language, src []byte) (*File, error) {
	candidates := parsers[language]
	if len(candidates) == 0 {
		return nil, fmt.Errorf("no parser for language %q: have %v", language, Languages())
	}
	if err := check(src); err != nil {
		return nil, err
	}
	if language == TypeScript && (bytes.Contains(src, []byte("</")) || bytes.Contains(src, []byte("/>"))) {
		candidates = []*parser{candidates[1], candidates[0]} // most likely TSX, and a parse in vain takes twice the time
	}
	used := candidates[0]
	best, err := used.parse(ctx, src)
	if err != nil {
		return nil, err
	}
	for _, p := range candidates[1:] {
		if best.Warning == "" {
			break
		}
		file, err := p.parse(ctx, src)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil && (file.Warning == "" || len(file.Definitions) > len(best.Definitions)) {
			best, used = file, p
		}
	}
	if best.Warning != "" {
		pieces, err := used.pieces(ctx, src)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil && readsMore(pieces, best.Definitions) {
			best.Definitions = pieces
		}
	}
	best.Language = language
	return best, nil
}

func (p *parser) parse(ctx context.Context, src []byte) (*File, error) {
	query, err := p.query()
	if err != nil {
		return nil, err
	}
	sp := sitter.NewParser()
	defer sp.Close()
	sp.SetLanguage(p.language())
	sp.SetOperationLimit(int(parseLimit / time.Microsecond))
	tree, err := sp.ParseCtx(ctx, nil, src)
	if errors.Is(err, sitter.ErrOperationLimit) {
		return nil, fmt.Errorf("%w: more than %v", ErrTooSlow, parseLimit)
	}
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	root := tree.RootNode()
	text := string(src)
	file := &File{Language: p.grammar.language, Definitions: p.definitions(query, root, text)}
	if p.routing != nil && p.routing.marked(src) {
		if file.Routes, file.Mounts, err = p.routes(root, text, file.Definitions); err != nil {
			return nil, err
		}
	}
	if root.HasError() {
		file.Warning = "the file has syntax errors; what could be read is given"
		if line := firstError(root); line > 0 {
			file.Warning = fmt.Sprintf("syntax error in line %d; what could be read is given", line)
		}
	}
	return file, nil
}

// definitions finds the definitions of a file and puts names to them.
func (p *parser) definitions(query *sitter.Query, root *sitter.Node, src string) []Definition {
	f := finder{parser: p, query: query, cursor: sitter.NewQueryCursor(), src: src, receivers: map[int]string{}}
	defer f.cursor.Close()
	if len(p.grammar.flat) == 0 {
		f.search(root)
		return qualify(f.found, f.receivers)
	}
	top := sitter.NewTreeCursor(root)
	defer top.Close()
	for more := top.GoToFirstChild(); more; more = top.GoToNextSibling() {
		if node := top.CurrentNode(); node.IsNamed() && !f.flat(node) {
			f.search(node)
		}
	}
	return qualify(f.found, f.receivers)
}

// finder collects the definitions of one file.
type finder struct {
	parser    *parser
	query     *sitter.Query
	cursor    *sitter.QueryCursor
	src       string
	found     []Definition
	receivers map[int]string // by StartByte
}

// flat takes a function that holds no other definition from its fields, and reports whether node need not be searched: it is such a
// function, or has no definitions at all.
func (f *finder) flat(node *sitter.Node) bool {
	g := f.parser.grammar
	t := node.Type()
	kind, ok := g.flat[t]
	if node.HasError() || !ok {
		return !ok && !node.HasError() && slices.Contains(g.hollow, t) && !g.nested(f.text(node))
	}
	name, body := node.ChildByFieldName("name"), node.ChildByFieldName("body")
	if name == nil || body != nil && g.nested(f.text(body)) {
		return false
	}
	receiver := ""
	if r := node.ChildByFieldName("receiver"); r != nil {
		if receiver, ok = receiverType(f.src[r.StartByte():r.EndByte()]); !ok {
			return false
		}
	}
	f.add(matched{kind: kind, node: node, name: name, body: body, receiver: receiver})
	return true
}

// search runs the query below a node, itself included.
func (f *finder) search(within *sitter.Node) {
	f.cursor.Exec(f.query, within)
	for {
		match, ok := f.cursor.NextMatch()
		if !ok {
			return
		}
		var m matched
		for _, c := range match.Captures {
			switch capture := f.query.CaptureNameForId(c.Index); capture {
			case "name":
				m.name = c.Node
			case "body":
				m.body = c.Node
			case "open":
				m.open = c.Node
			case "receiver":
				m.receiver = f.parser.grammar.receiverName(f.text(c.Node))
			case "keyword":
				m.keyword = f.text(c.Node)
			default:
				m.node, m.kind = c.Node, Kind(capture)
			}
		}
		if m.keyword != "" {
			m.kind = f.parser.grammar.keywords[m.keyword]
		}
		if m.node != nil && m.name != nil && m.kind != "" {
			f.add(m)
		}
	}
}

// matched is what a query says of one definition.
type matched struct {
	kind                   Kind
	node, name, body, open *sitter.Node
	receiver, keyword      string
}

func (f *finder) text(n *sitter.Node) string { return f.src[n.StartByte():n.EndByte()] }

func (f *finder) add(m matched) {
	g := f.parser.grammar
	for slices.Contains(g.declarators, m.name.Type()) {
		inner := m.name.ChildByFieldName("declarator")
		if inner == nil {
			inner = m.name.NamedChild(0)
		}
		if inner == nil {
			return
		}
		m.name = inner
	}
	d := Definition{Kind: m.kind, Name: strings.TrimPrefix(f.text(m.name), g.prefix)}
	if at := m.name.StartByte(); at > 0 && f.src[at-1] == '~' {
		d.Name = "~" + d.Name // a destructor is not another constructor
	}
	scope := m.kind == kindScope || m.kind == kindExtension
	switch {
	case scope:
		d.Name = g.receiverName(d.Name)
	case len(g.separators) > 0:
		d.Name, m.receiver = g.splitName(d.Name, m.receiver)
	}
	if d.Name == "" {
		return // the parser made the name up, or it is no name
	}
	if scope {
		d.StartByte, d.EndByte = int(m.node.StartByte()), int(m.node.EndByte())
	} else {
		f.fill(&d, m)
	}
	if m.receiver != "" {
		f.receivers[d.StartByte] = m.receiver
	}
	f.found = append(f.found, d)
}

// firstError returns the line of the first node that could not be parsed, or 0 where that is everything.
func firstError(root *sitter.Node) int {
	cursor := sitter.NewTreeCursor(root)
	defer cursor.Close()
	for {
		node := cursor.CurrentNode()
		switch {
		case (node.IsError() || node.IsMissing()) && !node.Equal(root):
			return int(node.StartPoint().Row) + 1
		case node.HasError() && cursor.GoToFirstChild():
		default:
			for !cursor.GoToNextSibling() {
				if !cursor.GoToParent() {
					return 0
				}
			}
		}
	}
}
