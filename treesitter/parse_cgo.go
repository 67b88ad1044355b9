//go:build cgo

package treesitter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	sitter "github.com/smacker/go-tree-sitter"
	sittergo "github.com/smacker/go-tree-sitter/golang"
	sitterpython "github.com/smacker/go-tree-sitter/python"
)

// parseLimit bounds the time that one parse may take. The slowest real file below MaxBytes takes about a second.
const parseLimit = 20 * time.Second

// parsers gives the parser of each language of the table and its compiled query. A query is never changed after it was compiled and
// serves any number of cursors at once.
var parsers = map[Language]*parser{
	Python: newParser(&python, sitterpython.GetLanguage),
	Go:     newParser(&golang, sittergo.GetLanguage),
}

type parser struct {
	grammar  *grammar
	language func() *sitter.Language
	query    func() (*sitter.Query, error)
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
	p := parsers[language]
	if p == nil {
		return nil, fmt.Errorf("no parser for language %q: have %v", language, Languages())
	}
	if err := check(src); err != nil {
		return nil, err
	}
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
	file := &File{Language: language, Definitions: p.definitions(query, root, string(src))}
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

// flat takes a function that holds no other definition from its fields, and reports whether node is one.
func (f *finder) flat(node *sitter.Node) bool {
	g := f.parser.grammar
	kind, ok := g.flat[node.Type()]
	if !ok || node.HasError() {
		return false
	}
	name, body := node.ChildByFieldName("name"), node.ChildByFieldName("body")
	if name == nil || body != nil && strings.Contains(f.src[body.StartByte():body.EndByte()], g.nested) {
		return false
	}
	receiver := ""
	if r := node.ChildByFieldName("receiver"); r != nil {
		if receiver, ok = receiverType(f.src[r.StartByte():r.EndByte()]); !ok {
			return false
		}
	}
	f.add(kind, node, name, body, receiver)
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
		var kind Kind
		var node, name, body *sitter.Node
		receiver := ""
		for _, c := range match.Captures {
			switch capture := f.query.CaptureNameForId(c.Index); capture {
			case "name":
				name = c.Node
			case "body":
				body = c.Node
			case "receiver":
				receiver = baseType(f.src[c.Node.StartByte():c.Node.EndByte()])
			default:
				node, kind = c.Node, Kind(capture)
			}
		}
		if node != nil && name != nil {
			f.add(kind, node, name, body, receiver)
		}
	}
}

func (f *finder) add(kind Kind, node, name, body *sitter.Node, receiver string) {
	d := Definition{Kind: kind}
	f.parser.fill(&d, node, name, body, f.src)
	if receiver != "" {
		f.receivers[d.StartByte] = receiver
	}
	f.found = append(f.found, d)
}

// fill sets everything of a definition that its own nodes say.
func (p *parser) fill(d *Definition, node, name, body *sitter.Node, src string) {
	outer := node
	for {
		parent := outer.Parent()
		// A wrapper around several definitions, such as a group of types, is nobody's own.
		if parent == nil || !slices.Contains(p.grammar.wrappers, parent.Type()) || !onlyDefinition(parent) {
			break
		}
		outer = parent
	}
	d.Name = src[name.StartByte():name.EndByte()]
	d.StartByte, d.EndByte = int(outer.StartByte()), int(outer.EndByte())
	d.Line = int(outer.StartPoint().Row) + 1
	d.NameLine = int(name.StartPoint().Row) + 1
	d.EndLine = d.Line + strings.Count(src[d.StartByte:d.EndByte], "\n")
	d.Full = src[d.StartByte:d.EndByte]
	d.BodyStart, d.BodyEnd = d.EndByte, d.EndByte
	if body != nil {
		d.BodyStart, d.BodyEnd = int(body.StartByte()), int(body.EndByte())
		if p.grammar.indented {
			d.BodyStart = indentedStart(body, src, int(name.EndByte()))
		}
	}
	d.Body = src[d.BodyStart:d.BodyEnd]
	head := d.StartByte
	if p.grammar.indented {
		head = int(node.StartByte()) // after the decorators
	}
	d.Signature = strings.TrimSpace(src[head:d.BodyStart])
	d.DocStart = p.grammar.commentAbove(src, d.StartByte)
}

// onlyDefinition reports whether a wrapper holds one definition, next to its decorators and comments.
func onlyDefinition(wrapper *sitter.Node) bool {
	n := int(wrapper.NamedChildCount())
	if n > 64 { // a child costs a walk over those before it
		return false
	}
	definitions := 0
	for i := range n {
		if t := wrapper.NamedChild(i).Type(); t != "comment" && t != "decorator" {
			definitions++
		}
	}
	return definitions == 1
}

// indentedStart returns where the body of an indented language begins: comments before the first statement belong to it, and so does
// the indentation of the first line, unless the body stands on the line of the signature.
func indentedStart(body *sitter.Node, src string, floor int) int {
	first := body
	for s := body.PrevSibling(); s != nil && s.IsExtra() && int(s.StartByte()) > floor; s = s.PrevSibling() {
		first = s
	}
	start := int(first.StartByte())
	for i := start; i > floor; i-- {
		switch src[i-1] {
		case ' ', '\t', '\f':
		case '\n':
			return i
		default:
			return start
		}
	}
	return start
}

// firstError returns the line of the first node that could not be parsed, or 0.
func firstError(root *sitter.Node) int {
	cursor := sitter.NewTreeCursor(root)
	defer cursor.Close()
	for {
		node := cursor.CurrentNode()
		switch {
		case node.IsError() || node.IsMissing():
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
