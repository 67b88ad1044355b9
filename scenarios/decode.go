package scenarios

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// maxNodes bounds what the aliases of a small file can expand to.
const maxNodes = 500_000

// maxDepth is far below what the format needs, and bounds recursion through an alias of itself.
const maxDepth = 64

// decoder turns the syntax tree of one document into values, remembering where each stood. It goes on after a mistake, so that
// all of them are found.
type decoder struct {
	file     string
	line     int // lines of the file before the document
	problems Problems
	marks    map[string]*token.Position
	bad      map[string]bool // paths that have a problem already: what follows from it is not reported
	anchors  map[string]ast.Node
	budget   int
	depth    int
}

// reader decodes the value at path.
type reader func(n ast.Node, path string)

// key is one key of an object.
type key struct {
	name    string
	aliases []string
	read    reader
}

func (k key) is(name string) bool { return k.name == name || slices.Contains(k.aliases, name) }

// add reports a problem at n, whose path is path.
func (d *decoder) add(n ast.Node, path, near, format string, args ...any) {
	p := Problem{File: d.file, Path: path, Message: fmt.Sprintf(format, args...), Nearest: near}
	if pos := position(n); pos != nil {
		p.Line, p.Column = pos.Line+d.line, pos.Column
	}
	d.problems = append(d.problems, p)
	d.bad[path] = true
}

// position returns where a node starts. A block mapping's own token is its first colon, which no reader would call its place.
func position(n ast.Node) *token.Position {
	switch v := n.(type) {
	case nil:
		return nil
	case *ast.MappingNode:
		if len(v.Values) > 0 && !v.IsFlowStyle {
			return position(v.Values[0])
		}
	case *ast.MappingValueNode:
		return position(v.Key)
	}
	if tk := n.GetToken(); tk != nil {
		return tk.Position
	}
	return nil
}

// plain unwraps anchors, aliases and tags. The result is nil when nothing is there, or when the budget is spent.
func (d *decoder) plain(n ast.Node, path string) ast.Node {
	for range maxDepth {
		if d.budget--; d.budget == 0 {
			d.add(n, path, "", "the file expands to more than %d values", maxNodes)
		}
		if d.budget <= 0 {
			return nil
		}
		switch v := n.(type) {
		case *ast.AnchorNode:
			n = v.Value
		case *ast.TagNode:
			n = v.Value
		case *ast.AliasNode:
			name := v.Value.GetToken().Value
			target, ok := d.anchors[name]
			if !ok {
				d.add(n, path, "", "the alias *%s stands for nothing: no anchor of that name before it", shorten(name))
				return nil
			}
			n = target
		case *ast.NullNode, *ast.CommentGroupNode:
			return nil
		default:
			return n
		}
		if n == nil {
			return nil
		}
	}
	return nil
}

// collectAnchors is an [ast.Visitor] that notes every anchor of a document.
type collectAnchors map[string]ast.Node

func (c collectAnchors) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil && a.Value != nil {
		c[a.Name.GetToken().Value] = a.Value
	}
	return c
}

// entry is one key of an object with its value.
type entry struct {
	name  string
	key   ast.Node
	value ast.Node
}

// entries lists an object's keys, those merged in with << last and only where the object has none of that name.
func (d *decoder) entries(n ast.Node, path string) (list []entry, ok bool) {
	var values []*ast.MappingValueNode
	switch v := n.(type) {
	case *ast.MappingNode:
		values = v.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{v}
	default:
		return nil, false
	}
	seen := make(map[string]*token.Position, len(values))
	var merged []entry
	for _, v := range values {
		var at ast.Node = v.Key
		if explicit, ok := at.(*ast.MappingKeyNode); ok && explicit.Value != nil {
			at = explicit.Value
		}
		if v.Key.IsMergeKey() {
			merged = append(merged, d.merged(v.Value, path)...)
			continue
		}
		name, ok := scalarText(at)
		if !ok {
			d.add(at, path, "", "a key is text, not %s", kindOf(at))
			continue
		}
		if first, twice := seen[name]; twice {
			d.add(at, join(path, name), "", "%q is here twice; the first is on line %d", name, first.Line+d.line)
			continue
		}
		seen[name] = at.GetToken().Position
		list = append(list, entry{name, at, v.Value})
	}
	for _, e := range merged {
		if _, own := seen[e.name]; !own {
			seen[e.name] = e.key.GetToken().Position
			list = append(list, e)
		}
	}
	return list, true
}

func (d *decoder) merged(n ast.Node, path string) []entry {
	if d.depth++; d.depth > maxDepth {
		d.depth--
		return nil
	}
	defer func() { d.depth-- }()
	n = d.plain(n, path)
	if seq, ok := n.(*ast.SequenceNode); ok {
		var list []entry
		for _, v := range seq.Values {
			list = append(list, d.merged(v, path)...)
		}
		return list
	}
	list, ok := d.entries(n, path)
	if !ok && n != nil {
		d.add(n, path, "", "<< takes an object, or a list of them")
	}
	return list
}

// object decodes an object with the given keys; what names it in messages ("a call"). A key whose value is null is not there.
func (d *decoder) object(n ast.Node, path, what string, keys []key) {
	if n = d.plain(n, path); n == nil {
		return
	}
	list, ok := d.entries(n, path)
	if !ok {
		d.add(n, path, "", "%s is an object with keys, not %s", what, kindOf(n))
		return
	}
	given := make(map[string]string, len(list))
	for _, e := range list {
		i := slices.IndexFunc(keys, func(k key) bool { return k.is(e.name) })
		if i < 0 {
			d.unknownKey(e, path, what, names(keys))
			continue
		}
		at := join(path, keys[i].name)
		d.mark(e.key, at)
		if other, twice := given[keys[i].name]; twice {
			d.add(e.key, at, "", "%q and %q are two names of one key: keep one", other, e.name)
			continue
		}
		given[keys[i].name] = e.name
		if v := d.plain(e.value, at); v != nil {
			keys[i].read(v, at)
		}
	}
}

// unknownKey reports it and, where it looks like a slip for another key, keeps that key's absence from being reported, too.
func (d *decoder) unknownKey(e entry, path, what string, known []string) {
	near := nearest(e.name, known)
	if near != "" {
		d.bad[join(path, near)] = true
	}
	message := fmt.Sprintf("unknown key %q in %s", e.name, what)
	if near == "" && len(known) <= 16 {
		message += "; known are " + strings.Join(known, ", ")
	}
	d.add(e.key, join(path, e.name), near, "%s", message)
}

// names lists the names that a message offers: the first spelling of each key.
func names(keys []key) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.name
	}
	return out
}

func (d *decoder) mark(n ast.Node, path string) {
	if pos := position(n); pos != nil {
		d.marks[path] = pos
	}
}

// sequence decodes each element of a list.
func (d *decoder) sequence(n ast.Node, path, what string, each func(n ast.Node, path string)) {
	seq, ok := d.plain(n, path).(*ast.SequenceNode)
	if !ok {
		d.add(n, path, "", "%s is a list, not %s", what, kindOf(n))
		return
	}
	for i, v := range seq.Values {
		at := fmt.Sprintf("%s[%d]", path, i)
		if d.budget <= 0 {
			return
		}
		d.mark(v, at)
		each(v, at)
	}
}

func (d *decoder) text(to *string) reader {
	return func(n ast.Node, path string) {
		if s, ok := scalarText(n); ok {
			*to = s
			return
		}
		d.add(n, path, "", "%s is text, not %s", last(path), kindOf(n))
	}
}

func (d *decoder) number(to *float64) reader {
	return func(n ast.Node, path string) {
		f, ok := numberOf(n)
		if !ok {
			d.add(n, path, "", "%s is a number, not %s", last(path), kindOf(n))
			return
		}
		*to = f
	}
}

func (d *decoder) integer(to *int) reader {
	return func(n ast.Node, path string) {
		f, ok := numberOf(n)
		if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			d.add(n, path, "", "%s is a whole number, not %s", last(path), kindOf(n))
			return
		}
		*to = int(f)
	}
}

func (d *decoder) boolean(to *bool) reader {
	return func(n ast.Node, path string) {
		b, ok := n.(*ast.BoolNode)
		if !ok {
			d.add(n, path, "", "%s is true or false, not %s", last(path), kindOf(n))
			return
		}
		*to = b.Value
	}
}

// optional makes a reader for a pointer out of one for the value; the pointer stays nil when the value is refused.
func optional[T any](d *decoder, to **T, read func(*T) reader) reader {
	return func(n ast.Node, path string) {
		value := new(T)
		read(value)(n, path)
		if !d.bad[path] {
			*to = value
		}
	}
}

func (d *decoder) texts(to *[]string, what string) reader {
	return func(n ast.Node, path string) {
		d.sequence(n, path, what, func(n ast.Node, path string) {
			var s string
			if n = d.plain(n, path); n == nil {
				return
			}
			d.text(&s)(n, path)
			*to = append(*to, s)
		})
	}
}

func (d *decoder) textMap(to *map[string]string, what string) reader {
	return func(n ast.Node, path string) {
		list, ok := d.entries(n, path)
		if !ok {
			d.add(n, path, "", "%s is an object with names and values, not %s", what, kindOf(n))
			return
		}
		values := make(map[string]string, len(list))
		for _, e := range list {
			at := join(path, e.name)
			d.mark(e.key, at)
			v := d.plain(e.value, at)
			if v == nil {
				continue
			}
			var s string
			d.text(&s)(v, at)
			values[e.name] = s
		}
		if len(values) > 0 {
			*to = values
		}
	}
}

// value decodes anything: map[string]any, []any, string, float64, bool or nil.
func (d *decoder) value(n ast.Node, path string) any {
	if d.depth++; d.depth > maxDepth {
		d.depth--
		return nil
	}
	defer func() { d.depth-- }()
	switch v := d.plain(n, path).(type) {
	case nil:
		return nil
	case *ast.BoolNode:
		return v.Value
	case *ast.SequenceNode:
		out := make([]any, 0, len(v.Values))
		for _, e := range v.Values {
			out = append(out, d.value(e, path))
		}
		return out
	case *ast.MappingNode, *ast.MappingValueNode:
		list, _ := d.entries(v, path)
		out := make(map[string]any, len(list))
		for _, e := range list {
			out[e.name] = d.value(e.value, join(path, e.name))
		}
		return out
	default:
		if f, ok := numberOf(v); ok {
			return f
		}
		s, _ := scalarText(v)
		return s
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// last is the name at the end of a path, without an index.
func last(path string) string {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		path = path[i+1:]
	}
	return path
}
