//go:build cgo

package treesitter

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"sync"

	sitter "github.com/smacker/go-tree-sitter"
)

// routing finds the routes of one language.
type routing struct {
	// A text without any of the marks has no routes, and is not looked through.
	marks []string
	// query captures what find is called with, in the order of the text. @const and @value, which define a string by name, come to
	// evaluate instead.
	query string
	find  func(r *routeFinder, capture string, node *sitter.Node)
}

// compile returns the query of a language.
func (r *routing) compile(language func() *sitter.Language) func() (*sitter.Query, error) {
	return sync.OnceValues(func() (*sitter.Query, error) { return sitter.NewQuery([]byte(r.query), language()) })
}

func (r *routing) marked(src []byte) bool {
	return slices.ContainsFunc(r.marks, func(mark string) bool { return bytes.Contains(src, []byte(mark)) })
}

// routeFinder collects the routes of one file.
type routeFinder struct {
	src         string
	definitions []Definition
	kinds       map[string]Kind   // by qualified name
	byName      map[string]string // of methods: the qualified name by the bare one, "" where there are several
	modules     map[string]bool   // whether a name seems to be that of a module
	constants   map[string]string
	routers     map[routerKey]*router
	found       []pending
	mounted     []pendingMount
	imports     map[string]Reference // by the name that the file gives to them
	framework   Framework            // that of the whole file, where find has found it out
}

// routerKey is a variable in a definition (its index, or -1).
type routerKey struct {
	scope int
	name  string
}

// router is something that routes are registered with, below a prefix.
type router struct {
	prefix string
	parent routerKey // the router that it is part of, with a name if there is one
}

// pendingMount is a mount whose prefix is known only at the end of the file.
type pendingMount struct {
	Mount
	router    routerKey
	framework Framework
}

// pending is a route whose prefix is known only at the end of the file.
type pending struct {
	Route
	router routerKey
	regex  bool
}

// routes finds the routes of a file.
func (p *parser) routes(root *sitter.Node, src string, definitions []Definition) ([]Route, []Mount, error) {
	query, err := p.routeQuery()
	if err != nil {
		return nil, nil, err
	}
	r := newRouteFinder(src, definitions)
	cursor := sitter.NewQueryCursor()
	defer cursor.Close()
	cursor.Exec(query, root)
	type captured struct {
		name string
		node *sitter.Node
	}
	var all []captured
	for {
		match, ok := cursor.NextMatch()
		if !ok {
			break
		}
		constant := ""
		for _, c := range match.Captures {
			switch name := query.CaptureNameForId(c.Index); name {
			case "const":
				constant = r.text(c.Node)
			case "value":
				if value, ok := r.evaluate(c.Node); ok {
					r.constants[constant] = value
				}
			default:
				all = append(all, captured{name, c.Node})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b captured) int {
		return cmp.Or(cmp.Compare(a.node.StartByte(), b.node.StartByte()), cmp.Compare(b.node.EndByte(), a.node.EndByte()))
	})
	for _, c := range all {
		p.routing.find(r, c.name, c.node)
	}
	return r.finish(), r.finishMounts(), nil
}

func newRouteFinder(src string, definitions []Definition) *routeFinder {
	r := &routeFinder{
		src: src, definitions: definitions, kinds: make(map[string]Kind, len(definitions)), byName: map[string]string{},
		modules: map[string]bool{}, constants: map[string]string{}, routers: map[routerKey]*router{}, imports: map[string]Reference{},
	}
	for i := range definitions {
		d := &definitions[i]
		r.kinds[d.Qualified] = d.Kind
		if d.Kind != KindMethod {
			continue
		}
		if _, several := r.byName[d.Name]; several {
			r.byName[d.Name] = ""
		} else {
			r.byName[d.Name] = d.Qualified
		}
	}
	return r
}

// finish gives the routes their prefixes.
func (r *routeFinder) finish() []Route {
	out := make([]Route, 0, len(r.found))
	for _, f := range r.found {
		path := f.Path
		if f.regex {
			path = regexTemplate(path)
		}
		prefix := r.prefix(f.router, 0)
		f.Path = f.Framework.template(joinPath(prefix, path))
		if prefix != "" {
			f.Prefix = f.Framework.template(prefix)
		}
		f.Router, f.Scope = r.root(f.router, 0), r.around(f.router, f.Handler)
		out = append(out, f.Route)
	}
	slices.SortStableFunc(out, func(a, b Route) int { return cmp.Compare(a.Line, b.Line) })
	return slices.Compact(out)
}

// maxMounts bounds how many routers stand in each other.
const maxMounts = 16

// prefix returns the prefixes of a router and of those that it is part of.
func (r *routeFinder) prefix(key routerKey, depth int) string {
	m := r.lookup(key)
	if m == nil || depth > maxMounts {
		return ""
	}
	return joinPath(r.prefix(m.parent, depth+1), m.prefix)
}

// lookup finds the variable that a name means in a scope.
func (r *routeFinder) lookup(key routerKey) *router {
	for key.name != "" {
		if m := r.routers[key]; m != nil {
			return m
		}
		if key.scope < 0 {
			break
		}
		key.scope = r.definitions[key.scope].Parent
	}
	return nil
}

// mount makes a router part of another one, below a prefix in addition to its own.
func (r *routeFinder) mount(child, parent routerKey, prefix string) {
	if child.name == "" || child == parent {
		return
	}
	m := r.lookup(child)
	if m == nil {
		m = &router{}
		r.routers[child] = m
	}
	m.parent = parent
	m.prefix = joinPath(prefix, m.prefix)
}

// scopeOf returns the innermost definition around a node, or -1.
func (r *routeFinder) scopeOf(node *sitter.Node) int {
	start, end := int(node.StartByte()), int(node.EndByte())
	after, _ := slices.BinarySearchFunc(r.definitions, start, func(d Definition, at int) int {
		if d.StartByte <= at {
			return -1
		}
		return 1
	})
	at := after - 1
	for at >= 0 && r.definitions[at].EndByte < end {
		at = r.definitions[at].Parent
	}
	return at
}

func (r *routeFinder) key(node *sitter.Node) routerKey {
	if node == nil {
		return routerKey{}
	}
	return routerKey{r.scopeOf(node), r.text(node)}
}

// add adds a route that is registered at a node.
func (r *routeFinder) add(f Framework, method, path, handler string, in routerKey, at *sitter.Node) {
	r.found = append(r.found, pending{router: in, Route: Route{
		Method: strings.ToUpper(method), Path: path, Handler: handler, HandlerFrom: r.reference(handler), Framework: f,
		Line: int(at.StartPoint().Row) + 1, EndLine: int(at.EndPoint().Row) + 1,
	}})
}

// text returns the source of a node, "" for one that is missing.
func (r *routeFinder) text(n *sitter.Node) string {
	if n == nil {
		return ""
	}
	return r.src[n.StartByte():n.EndByte()]
}

// evaluate returns the value of an expression of string constants.
func (r *routeFinder) evaluate(n *sitter.Node) (string, bool) {
	if n == nil {
		return "", false
	}
	switch n.Type() {
	case "string", "interpreted_string_literal", "raw_string_literal", "string_literal", "template_string":
		return r.literal(n)
	case "concatenated_string":
		return r.concatenate(children(n))
	case "binary_expression", "binary_operator":
		left, right := n.ChildByFieldName("left"), n.ChildByFieldName("right")
		if left == nil || right == nil || strings.TrimSpace(r.src[left.EndByte():right.StartByte()]) != "+" {
			return "", false
		}
		return r.concatenate([]*sitter.Node{left, right})
	case "identifier":
		value, ok := r.constants[r.text(n)]
		return value, ok
	case "attribute", "selector_expression", "member_expression", "field_access":
		name := r.text(n)
		value, ok := r.constants[name[strings.LastIndexByte(name, '.')+1:]]
		return value, ok
	case "parenthesized_expression":
		return r.evaluate(n.NamedChild(0))
	}
	return "", false
}

func (r *routeFinder) concatenate(nodes []*sitter.Node) (string, bool) {
	var b strings.Builder
	for _, n := range nodes {
		part, ok := r.evaluate(n)
		if !ok {
			return "", false
		}
		b.WriteString(part)
	}
	return b.String(), true
}

// literal returns the text of a string literal with the constants that are in it. Escapes stay: paths have none, and those of regular
// expressions are wanted.
func (r *routeFinder) literal(n *sitter.Node) (string, bool) {
	text := r.text(n)
	begin := strings.IndexAny(text, "\"'`")
	if begin < 0 {
		return "", false
	}
	quote := text[begin : begin+1]
	if strings.HasPrefix(text[begin:], strings.Repeat(quote, 3)) && len(text) >= begin+6 {
		quote = strings.Repeat(quote, 3)
	}
	start, end := begin+len(quote), len(text)-len(quote)
	if end < start {
		return "", false
	}
	var b strings.Builder
	at := int(n.StartByte()) + start
	for _, c := range children(n) {
		if t := c.Type(); t == "interpolation" || t == "template_substitution" {
			value, ok := r.evaluate(c.NamedChild(0))
			if !ok {
				return "", false
			}
			b.WriteString(r.src[at:c.StartByte()] + value)
			at = int(c.EndByte())
		}
	}
	b.WriteString(r.src[at : int(n.StartByte())+end])
	return b.String(), true
}

// children returns the named children without comments.
func children(n *sitter.Node) []*sitter.Node {
	if n == nil {
		return nil
	}
	count := int(n.NamedChildCount())
	out := make([]*sitter.Node, 0, count)
	cursor := sitter.NewTreeCursor(n)
	defer cursor.Close()
	for more := cursor.GoToFirstChild(); more; more = cursor.GoToNextSibling() {
		if c := cursor.CurrentNode(); c.IsNamed() && !c.IsExtra() {
			out = append(out, c)
		}
	}
	return out
}

// strings returns the values of a list, or of one string.
func (r *routeFinder) strings(n *sitter.Node) []string {
	if n == nil {
		return nil
	}
	switch n.Type() {
	case "list", "array", "tuple", "set", "element_value_array_initializer":
		var out []string
		for _, c := range children(n) {
			out = append(out, r.strings(c)...)
		}
		return out
	}
	if value, ok := r.evaluate(n); ok {
		return []string{value}
	}
	return nil
}
