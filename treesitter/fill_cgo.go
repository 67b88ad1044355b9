//go:build cgo

package treesitter

import (
	"slices"
	"strings"

	sitter "github.com/smacker/go-tree-sitter"
)

// fill sets everything of a definition that its own nodes say.
func (f *finder) fill(d *Definition, m matched) {
	g, src := f.parser.grammar, f.src
	outer := m.node
	for len(g.wrappers) > 0 {
		parent := outer.Parent()
		// A wrapper around several definitions, such as a group of types, is nobody's own.
		if parent == nil || !slices.Contains(g.wrappers, parent.Type()) || !g.onlyDefinition(parent) {
			break
		}
		outer = parent
	}
	d.StartByte, d.EndByte = int(outer.StartByte()), int(outer.EndByte())
	d.Line = int(outer.StartPoint().Row) + 1
	head := d.StartByte
	if len(g.attributes) > 0 {
		head = f.inside(d, outer)
	}
	if len(g.leading) > 0 {
		f.before(d, outer)
	}
	d.NameLine = int(m.name.StartPoint().Row) + 1
	for d.EndByte > int(m.name.EndByte()) && src[d.EndByte-1] == '\n' {
		d.EndByte-- // some nodes end with their line
	}
	d.EndLine = d.Line + strings.Count(src[d.StartByte:d.EndByte], "\n")
	d.Full = src[d.StartByte:d.EndByte]
	d.BodyStart, d.BodyEnd = d.EndByte, d.EndByte
	switch {
	case m.open != nil:
		d.BodyStart = int(m.open.StartByte())
	case m.body != nil:
		d.BodyStart, d.BodyEnd = int(m.body.StartByte()), min(int(m.body.EndByte()), d.EndByte)
		if g.indented {
			d.BodyStart = indentedStart(m.body, src, int(m.name.EndByte()))
		}
		d.BodyStart = min(d.BodyStart, d.BodyEnd)
	}
	d.Body = src[d.BodyStart:d.BodyEnd]
	d.Signature = strings.TrimSpace(src[head:max(head, d.BodyStart)])
	d.DocStart = g.commentAbove(src, d.StartByte)
	d.Doc = strings.TrimSpace(src[d.DocStart:d.StartByte])
}

// inside takes the decorators at the beginning of a node, and returns where they end.
func (f *finder) inside(d *Definition, node *sitter.Node) int {
	g, head := f.parser.grammar, int(node.StartByte())
	for child := node.Child(0); child != nil; child = child.NextSibling() {
		switch t := child.Type(); {
		case slices.Contains(g.attributes, t):
			d.Decorators = append(d.Decorators, f.text(child))
			head = int(child.EndByte())
		case t == "modifiers":
			return max(head, f.inside(d, child))
		case !child.IsExtra():
			return head
		}
	}
	return head
}

// before moves the start of a definition to the decorators that stand before it, with comments in between.
func (f *finder) before(d *Definition, node *sitter.Node) {
	g := f.parser.grammar
	for s := node.PrevSibling(); s != nil; s = s.PrevSibling() {
		switch {
		case slices.Contains(g.leading, s.Type()):
			if g.leads != nil && !g.leads(f.text(s)) {
				return
			}
			d.Decorators = slices.Insert(d.Decorators, 0, f.text(s))
			d.StartByte, d.Line = int(s.StartByte()), int(s.StartPoint().Row)+1
		case !s.IsExtra():
			return
		}
	}
}

// onlyDefinition reports whether a wrapper holds one definition, next to its decorators and comments.
func (g *grammar) onlyDefinition(wrapper *sitter.Node) bool {
	n := int(wrapper.NamedChildCount())
	if n > 64 { // a child costs a walk over those before it
		return false
	}
	definitions := 0
	for i := range n {
		if child := wrapper.NamedChild(i); !child.IsExtra() && !slices.Contains(g.beside, child.Type()) {
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
