//go:build cgo

package treesitter

import (
	"strings"

	sitter "github.com/smacker/go-tree-sitter"
)

var goRouting = routing{
	marks: []string{".HandleFunc(", ".Handle(", ".NewServeMux(", "gin-gonic/gin", "labstack/echo", "gorilla/mux"},
	query: `
(call_expression function: (selector_expression)) @call
(call_expression function: (identifier) arguments: (argument_list (_))) @call
(import_spec) @import
(short_var_declaration left: (expression_list . (_) .) right: (expression_list . (call_expression) .)) @assigned
(assignment_statement left: (expression_list . (_) .) right: (expression_list . (call_expression) .)) @assigned
(var_spec name: (identifier) value: (expression_list . (call_expression) .)) @assigned
(const_spec name: (identifier) @const value: (expression_list . (_) @value .))
`,
	find: findGo,
}

func findGo(r *routeFinder, capture string, n *sitter.Node) {
	switch capture {
	case "assigned":
		r.goGroup(n)
		return
	case "import":
		r.goImport(n)
		return
	}
	function := n.ChildByFieldName("function")
	operand, field := function.ChildByFieldName("operand"), function.ChildByFieldName("field")
	arguments := children(n.ChildByFieldName("arguments"))
	if r.framework == "" {
		r.framework = r.goFramework()
	}
	r.goPassed(function, arguments, n)
	if operand == nil || field == nil || len(arguments) < 2 {
		return
	}
	framework := r.framework
	switch method := r.text(field); method {
	case "HandleFunc", "Handle":
		if framework == Gin && method == "Handle" && len(arguments) > 2 {
			r.goVerb(framework, "", operand, arguments, n)
			return
		}
		r.goHandle(operand, arguments, n)
	case "Add":
		if framework == Echo && len(arguments) > 2 {
			r.goVerb(framework, "", operand, arguments, n)
		}
	case "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "Any":
		if framework != NetHTTP {
			r.goVerb(framework, strings.TrimPrefix(method, "Any"), operand, arguments, n)
		}
	}
}

// goFramework returns which of the frameworks with verbs a file imports.
func (r *routeFinder) goFramework() Framework {
	switch {
	case strings.Contains(r.src, `"github.com/gin-gonic/gin`):
		return Gin
	case strings.Contains(r.src, `"github.com/labstack/echo`):
		return Echo
	}
	return NetHTTP
}

// goVerb takes r.GET("/x", …, handler), and without a method r.Handle("GET", "/x", handler).
func (r *routeFinder) goVerb(f Framework, method string, operand *sitter.Node, arguments []*sitter.Node, n *sitter.Node) {
	if r.text(n.ChildByFieldName("function").ChildByFieldName("field")) != "Any" && method == "" {
		if m := arguments[0]; m.Type() == "selector_expression" {
			method = strings.TrimPrefix(r.text(m), "http.Method")
		} else {
			method, _ = r.evaluate(m)
		}
		if method == "" {
			return
		}
		arguments = arguments[1:]
	}
	path, ok := r.evaluate(arguments[0])
	if !ok {
		return
	}
	handler := arguments[len(arguments)-1]
	if f == Echo {
		handler = arguments[1] // what follows is middleware
	}
	r.add(f, method, path, r.handler(handler), r.goRouter(operand), n)
}

// goHandle takes mux.HandleFunc("GET /x/{id}", handler).
func (r *routeFinder) goHandle(operand *sitter.Node, arguments []*sitter.Node, n *sitter.Node) {
	pattern, ok := r.evaluate(arguments[0])
	if !ok {
		return
	}
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		method, path = "", pattern
	}
	slash := strings.IndexByte(path, '/')
	switch {
	case slash >= 0:
		path = strings.TrimSpace(path[slash:]) // without the host
	case pattern != "" || !r.imported("mux"): // gorilla's subrouters have it for their own path
		return
	}
	in := r.goRouter(operand)
	if child, prefix, ok := r.stripPrefix(arguments[1]); ok {
		r.mount(child, in, prefix)
		return
	}
	if r.goStripped(arguments[1], in) {
		return
	}
	handler := r.handler(arguments[1])
	if method != "" || !r.imported("mux") {
		r.add(NetHTTP, method, path, handler, in, n)
		return
	}
	methods := []string{""}
	if outer := n.Parent(); outer != nil && outer.Type() == "selector_expression" {
		if call := outer.Parent(); call != nil && call.Type() == "call_expression" && r.text(outer.ChildByFieldName("field")) == "Methods" {
			methods = nil
			for _, a := range children(call.ChildByFieldName("arguments")) {
				if m, ok := r.evaluate(a); ok {
					methods = append(methods, m)
				} else {
					methods = append(methods, strings.TrimPrefix(r.text(a), "http.Method"))
				}
			}
		}
	}
	for _, m := range methods {
		r.add(NetHTTP, m, path, handler, in, n)
	}
}

// stripPrefix takes http.StripPrefix("/api", api) apart.
func (r *routeFinder) stripPrefix(n *sitter.Node) (child routerKey, prefix string, ok bool) {
	if n.Type() != "call_expression" || r.text(n.ChildByFieldName("function")) != "http.StripPrefix" {
		return child, "", false
	}
	arguments := children(n.ChildByFieldName("arguments"))
	if len(arguments) != 2 || arguments[1].Type() != "identifier" || r.lookup(r.key(arguments[1])) == nil {
		return child, "", false
	}
	prefix, ok = r.evaluate(arguments[0])
	return r.key(arguments[1]), prefix, ok
}

// goGroup takes v1 := r.Group("/v1") and mux := http.NewServeMux().
func (r *routeFinder) goGroup(n *sitter.Node) {
	left, right := n.ChildByFieldName("left"), n.ChildByFieldName("right")
	if left == nil {
		left, right = n.ChildByFieldName("name"), n.ChildByFieldName("value")
	}
	if right == nil {
		return
	}
	call := right.NamedChild(0)
	key := routerKey{r.scopeOf(n), r.text(left)}
	if call == nil || call.Type() != "call_expression" {
		return
	}
	if m := r.group(call); m != nil {
		r.routers[key] = m
	} else if name := r.text(call.ChildByFieldName("function")); name == "http.NewServeMux" || strings.HasSuffix(name, ".NewRouter") {
		r.routers[key] = &router{}
	}
}

// group returns the router that a call of Group makes, also with middleware, or gorilla's PathPrefix("/x").Subrouter().
func (r *routeFinder) group(call *sitter.Node) *router {
	function := call.ChildByFieldName("function")
	if function == nil || function.Type() != "selector_expression" {
		return nil
	}
	operand := function.ChildByFieldName("operand")
	switch r.text(function.ChildByFieldName("field")) {
	case "Subrouter":
		if operand.Type() == "call_expression" {
			return r.group(operand)
		}
	case "Use": // gives back what it is called on
		if operand.Type() == "call_expression" {
			return r.group(operand)
		}
		return &router{parent: r.goRouter(operand)}
	case "Group", "PathPrefix":
		if arguments := children(call.ChildByFieldName("arguments")); len(arguments) > 0 {
			if prefix, ok := r.evaluate(arguments[0]); ok {
				return &router{prefix: prefix, parent: r.goRouter(operand)}
			}
		}
	}
	return nil
}

// goRouter returns the router that an expression means; a group may be made on the spot.
func (r *routeFinder) goRouter(n *sitter.Node) routerKey {
	key := r.key(n)
	if n.Type() == "call_expression" && r.routers[key] == nil {
		if m := r.group(n); m != nil {
			r.routers[key] = m
		}
	}
	return key
}
