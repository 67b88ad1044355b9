//go:build cgo

package treesitter

import (
	"slices"
	"strings"

	sitter "github.com/smacker/go-tree-sitter"
)

// handler returns the name of the handler that an expression gives, "" for a function that is written in place.
func (r *routeFinder) handler(n *sitter.Node) string {
	name, _ := r.resolve(n)
	return name
}

// resolve names a handler, and reports whether it is in this file.
func (r *routeFinder) resolve(n *sitter.Node) (string, bool) {
	if n == nil {
		return "", false
	}
	switch n.Type() {
	case "identifier", "attribute", "selector_expression", "member_expression":
		return r.named(r.text(n), r.scopeOf(n))
	case "func_literal", "arrow_function", "function_expression", "lambda":
		return "", true
	case "call_expression", "call":
		return r.called(n)
	case "composite_literal":
		if t := n.ChildByFieldName("type"); t != nil {
			return r.named(r.text(t)+".ServeHTTP", -1)
		}
	case "array", "list":
		if all := children(n); len(all) > 0 {
			return r.resolve(all[len(all)-1])
		}
	case "unary_expression", "parenthesized_expression", "as_expression", "satisfies_expression", "non_null_expression":
		return r.resolve(n.NamedChild(0))
	}
	return "", false
}

// called names the handler in a call: the view of View.as_view(), the function that something is wrapped around, or the function that
// makes the handler.
func (r *routeFinder) called(n *sitter.Node) (string, bool) {
	function := n.ChildByFieldName("function")
	if function == nil {
		return "", false
	}
	text := r.text(function)
	for _, suffix := range []string{".as_view", ".bind"} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			return r.named(rest, r.scopeOf(n))
		}
	}
	arguments := children(n.ChildByFieldName("arguments"))
	slices.Reverse(arguments)
	other := ""
	for _, a := range arguments {
		name, known := r.resolve(a)
		if known {
			return name, true
		}
		if other == "" {
			other = name
		}
	}
	if name, known := r.resolve(function); known || other == "" {
		return name, known
	}
	return other, false
}

// named finds the definition that a name means in a scope. A method that is bound to a variable is found by its name if there is only one,
// or one of the type whose method registers it.
func (r *routeFinder) named(text string, scope int) (string, bool) {
	for _, own := range []string{"this.", "self.", "cls."} {
		text = strings.TrimPrefix(text, own)
	}
	for at := scope; ; at = r.definitions[at].Parent {
		want := text
		if at >= 0 {
			want = r.definitions[at].Qualified + "." + text
		}
		if r.kinds[want] != "" {
			return want, true
		}
		if at < 0 {
			break
		}
	}
	dot := strings.LastIndexByte(text, '.')
	last := text[dot+1:]
	if scope >= 0 {
		owner := r.definitions[scope].Qualified
		for at := strings.LastIndexByte(owner, '.'); at > 0; at = strings.LastIndexByte(owner, '.') {
			owner = owner[:at]
			want := owner + "." + last
			if r.kinds[want] == KindMethod {
				return want, true
			}
		}
	}
	if dot < 0 || r.imported(text[:strings.IndexByte(text, '.')]) {
		return text, false
	}
	if method := r.byName[last]; method != "" {
		return method, true
	}
	return text, false
}

// imported reports whether a name seems to be that of a module.
func (r *routeFinder) imported(name string) bool {
	found, known := r.modules[name]
	if !known {
		found = strings.Contains(r.src, "/"+name+`"`) || strings.Contains(r.src, "\t\""+name+"\"\n") // as Go writes it
		for line := range strings.Lines(r.src) {
			found = found || strings.Contains(line, name) && (strings.Contains(line, "import ") || strings.Contains(line, "require("))
		}
		r.modules[name] = found
	}
	return found
}
