//go:build cgo

package treesitter

import (
	"regexp"
	"slices"
	"strings"

	sitter "github.com/smacker/go-tree-sitter"
)

var scriptRouting = routing{
	marks: append(pathCalls("get", "post", "put", "patch", "delete", "all", "route"), "express"),
	query: `
(call_expression function: (member_expression)) @call
(import_statement) @import
(variable_declarator name: (object_pattern) value: (call_expression)) @import
(variable_declarator name: (_) value: (member_expression object: (call_expression))) @import
(variable_declarator name: (identifier) value: (call_expression)) @assigned
(variable_declarator name: (identifier) value: (new_expression)) @assigned
(variable_declarator name: (identifier) @const value: [(string) (template_string) (binary_expression)] @value)
`,
	find: findScript,
}

// routerName is what a router is called that comes from elsewhere.
var routerName = regexp.MustCompile(`^(?:this\.)?(?:app|router|routes?|api|server)$|(?:App|Router|Routes|Api)$`)

func findScript(r *routeFinder, capture string, n *sitter.Node) {
	if capture == "import" {
		r.scriptImport(n)
		return
	}
	if capture == "assigned" {
		value := n.ChildByFieldName("value")
		made := value.ChildByFieldName("function")
		if made == nil {
			made = value.ChildByFieldName("constructor")
		}
		switch r.text(made) {
		case "express", "Router", "express.Router":
			r.routers[r.key(n.ChildByFieldName("name"))] = &router{}
		case "require":
			r.scriptImport(n)
		}
		return
	}
	function := n.ChildByFieldName("function")
	object, property := function.ChildByFieldName("object"), function.ChildByFieldName("property")
	if object == nil || property == nil {
		return
	}
	arguments := children(n.ChildByFieldName("arguments"))
	method := r.text(property)
	switch {
	case method == "use" && r.isRouter(object):
		r.scriptUse(object, arguments)
	case method != "all" && !slices.Contains(verbs, method) || len(arguments) == 0:
	case r.isRouter(object):
		if len(arguments) < 2 || !isHandler(arguments[len(arguments)-1]) {
			return // app.get("setting")
		}
		handler, method := r.handler(r.scriptHandler(arguments[1:])), strings.TrimPrefix(method, "all")
		for _, path := range r.strings(arguments[0]) {
			if path == "" || path[0] == '/' || path[0] == '*' {
				r.add(Express, method, path, handler, r.key(object), n)
			}
		}
		if path, ok := r.scriptRegex(arguments[0]); ok {
			r.add(Express, method, path, handler, r.key(object), n)
		}
	case object.Type() == "call_expression" && isHandler(arguments[len(arguments)-1]):
		r.scriptChain(method, object, arguments, n)
	}
}

// scriptChain takes router.route("/x").get(list).post(create).
func (r *routeFinder) scriptChain(method string, object *sitter.Node, arguments []*sitter.Node, n *sitter.Node) {
	for call := object; call != nil && call.Type() == "call_expression"; {
		function := call.ChildByFieldName("function")
		if function == nil || function.Type() != "member_expression" {
			return
		}
		owner := function.ChildByFieldName("object")
		if owner == nil {
			return
		}
		if r.text(function.ChildByFieldName("property")) == "route" && r.isRouter(owner) {
			at := children(call.ChildByFieldName("arguments"))
			if len(at) != 1 {
				return
			}
			if path, ok := r.evaluate(at[0]); ok {
				r.add(Express, strings.TrimPrefix(method, "all"), path, r.handler(r.scriptHandler(arguments)), r.key(owner), n)
				property := n.ChildByFieldName("function").ChildByFieldName("property")
				r.found[len(r.found)-1].Line = int(property.StartPoint().Row) + 1
			}
			return
		}
		call = owner
	}
}

// scriptHandler returns which of the functions that a route has does the work: the last one that is not for errors.
func (r *routeFinder) scriptHandler(functions []*sitter.Node) *sitter.Node {
	last := len(functions) - 1
	for i := last; i > 0; i-- {
		if !r.handlesErrors(functions[i]) {
			return functions[i]
		}
	}
	if last > 0 && isHandler(functions[0]) {
		return functions[0]
	}
	return functions[last]
}

// errorName is what a function is called that is for errors only.
var errorName = regexp.MustCompile(`(?i)err(or)?s?(_?(handler|middleware))?$`)

func (r *routeFinder) handlesErrors(n *sitter.Node) bool {
	switch n.Type() {
	case "identifier", "member_expression":
		name := r.text(n)
		return errorName.MatchString(name[strings.LastIndexByte(name, '.')+1:])
	case "arrow_function", "function_expression":
		return len(children(n.ChildByFieldName("parameters"))) == 4 // (error, request, response, next)
	}
	return false
}

// scriptRegex returns the template of a regular expression for a whole path, if it can be told.
func (r *routeFinder) scriptRegex(n *sitter.Node) (string, bool) {
	if n.Type() != "regex" {
		return "", false
	}
	pattern, ok := strings.CutPrefix(r.text(n.ChildByFieldName("pattern")), `^\/`)
	path := regexTemplate(pattern)
	return "/" + path, ok && !strings.ContainsAny(path, "[]*+|")
}

// scriptUse takes app.use("/x", router) and app.use(router).
func (r *routeFinder) scriptUse(object *sitter.Node, arguments []*sitter.Node) {
	if len(arguments) == 0 {
		return
	}
	prefix, _ := r.evaluate(arguments[0])
	for _, a := range arguments {
		if a.Type() == "identifier" && r.lookup(r.key(a)) != nil {
			r.mount(r.key(a), r.key(object), prefix)
		} else if target := r.scriptReference(a); target.Module != "" {
			r.addMount(Express, target, r.key(object), prefix, a)
		}
	}
}

// isRouter reports whether an expression is one of Express's routers: made in this file, or called like one.
func (r *routeFinder) isRouter(n *sitter.Node) bool {
	if t := n.Type(); t != "identifier" && t != "member_expression" {
		return false
	}
	return r.lookup(r.key(n)) != nil || routerName.MatchString(r.text(n))
}

// isHandler reports whether an argument can be a function.
func isHandler(n *sitter.Node) bool {
	switch n.Type() {
	case "arrow_function", "function_expression", "identifier", "member_expression", "call_expression", "array", "as_expression":
		return true
	}
	return false
}
