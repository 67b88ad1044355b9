//go:build cgo

package treesitter

import (
	"slices"
	"strings"

	sitter "github.com/smacker/go-tree-sitter"
)

var pythonRouting = routing{
	marks: append(pathCalls("get", "post", "put", "patch", "delete", "head", "options", "route", "api_route"),
		"fastapi", "flask", "APIRouter", "Blueprint", "urlpatterns", "django"),
	query: `
(decorated_definition (decorator (call function: (attribute)))) @decorated
(assignment left: (_) right: (call)) @assigned
(call) @call
(import_statement) @import
(import_from_statement) @import
(assignment left: (identifier) @const right: [(string) (concatenated_string) (binary_operator)] @value)
`,
	find: findPython,
}

// pathCalls returns what the calls of methods with a path look like.
func pathCalls(names ...string) []string {
	marks := make([]string, 0, 2*len(names))
	for _, name := range names {
		marks = append(marks, "."+name+`("/`, "."+name+"('/")
	}
	return marks
}

var verbs = []string{"get", "post", "put", "patch", "delete", "head", "options", "trace"}

func findPython(r *routeFinder, capture string, n *sitter.Node) {
	switch capture {
	case "decorated":
		r.pythonDecorated(n)
	case "assigned":
		r.pythonRouter(n)
	case "import":
		r.pythonImport(n)
	case "call":
		function := n.ChildByFieldName("function")
		if function == nil {
			return
		}
		switch function.Type() {
		case "attribute":
			r.pythonCall(n, r.text(function.ChildByFieldName("attribute")), function.ChildByFieldName("object"))
		case "identifier":
			r.djangoPath(n, r.text(function))
		}
	}
}

// pythonArguments are the arguments of a call.
type pythonArguments struct {
	positional []*sitter.Node
	named      map[string]*sitter.Node
}

func (r *routeFinder) pythonArguments(call *sitter.Node) pythonArguments {
	a := pythonArguments{named: map[string]*sitter.Node{}}
	for _, c := range children(call.ChildByFieldName("arguments")) {
		if c.Type() != "keyword_argument" {
			a.positional = append(a.positional, c)
		} else if name := c.ChildByFieldName("name"); name != nil {
			a.named[r.text(name)] = c.ChildByFieldName("value")
		}
	}
	return a
}

// get returns an argument by its name, or by its place.
func (a pythonArguments) get(name string, place int) *sitter.Node {
	if n := a.named[name]; n != nil {
		return n
	}
	if place >= 0 && place < len(a.positional) {
		return a.positional[place]
	}
	return nil
}

// pythonDecorated takes @app.get("/x") and @app.route("/x", methods=["POST"]).
func (r *routeFinder) pythonDecorated(n *sitter.Node) {
	definition := n.ChildByFieldName("definition")
	if definition == nil || definition.ChildByFieldName("name") == nil {
		return
	}
	name := definition.ChildByFieldName("name")
	handler := r.text(name)
	if at := r.scopeOf(name); at >= 0 {
		handler = r.definitions[at].Qualified
	}
	for _, decorator := range children(n) {
		call := decorator.NamedChild(0)
		if decorator.Type() != "decorator" || call == nil || call.Type() != "call" {
			continue
		}
		function := call.ChildByFieldName("function")
		if function == nil || function.Type() != "attribute" {
			continue
		}
		method, object := r.text(function.ChildByFieldName("attribute")), function.ChildByFieldName("object")
		arguments := r.pythonArguments(call)
		if r.framework == "" {
			r.framework = FastAPI
			if !strings.Contains(r.src, "fastapi") && strings.Contains(r.src, "flask") {
				r.framework = Flask
			}
		}
		framework := r.framework
		if method == "route" {
			framework = Flask
		}
		first := arguments.get("path", 0)
		if framework == Flask {
			first = arguments.get("rule", 0)
		}
		path, ok := r.evaluate(first)
		if !ok || path != "" && path[0] != '/' {
			continue
		}
		switch {
		case slices.Contains(verbs, method):
			r.add(framework, method, path, handler, r.key(object), n)
		case method == "route" || method == "api_route":
			for _, m := range r.methods(arguments.named["methods"]) {
				r.add(framework, m, path, handler, r.key(object), n)
			}
		}
	}
}

// methods returns the methods of a route of which GET is the default.
func (r *routeFinder) methods(list *sitter.Node) []string {
	if list == nil {
		return []string{"GET"}
	}
	if methods := r.strings(list); len(methods) > 0 {
		return methods
	}
	return []string{""} // not known
}

// pythonRouter takes router = APIRouter(prefix="/x") and bp = Blueprint("name", __name__, url_prefix="/x").
func (r *routeFinder) pythonRouter(n *sitter.Node) {
	left, call := n.ChildByFieldName("left"), n.ChildByFieldName("right")
	function := call.ChildByFieldName("function")
	if function == nil {
		return
	}
	name := r.text(function)
	name = name[strings.LastIndexByte(name, '.')+1:]
	arguments := r.pythonArguments(call)
	switch name {
	case "APIRouter", "Blueprint", "FastAPI", "Flask":
		prefix, _ := r.evaluate(arguments.get("prefix", -1))
		if name == "Blueprint" {
			prefix, _ = r.evaluate(arguments.get("url_prefix", -1))
		}
		r.routers[r.key(left)] = &router{prefix: prefix}
	}
}

// pythonCall takes what is registered or mounted by a call.
func (r *routeFinder) pythonCall(n *sitter.Node, method string, object *sitter.Node) {
	arguments := r.pythonArguments(n)
	switch method {
	case "include_router":
		prefix, _ := r.evaluate(arguments.named["prefix"])
		r.pythonMount(FastAPI, arguments.get("router", 0), object, prefix, n)
	case "mount":
		if path, ok := r.evaluate(arguments.get("path", 0)); ok {
			r.pythonMount(FastAPI, arguments.get("app", 1), object, path, n)
		}
	case "register_blueprint":
		child := arguments.get("blueprint", 0)
		prefix, ok := r.evaluate(arguments.named["url_prefix"])
		if m := r.lookup(r.key(child)); m != nil && ok {
			m.prefix = "" // Flask takes it in the place of the blueprint's own
		}
		if other := r.pythonMount(Flask, child, object, prefix, n); other != nil {
			other.Replaces = ok
		}
	case "add_api_route":
		path, ok := r.evaluate(arguments.get("path", 0))
		if endpoint := arguments.get("endpoint", 1); ok && endpoint != nil {
			for _, m := range r.methods(arguments.named["methods"]) {
				r.add(FastAPI, m, path, r.handler(endpoint), r.key(object), n)
			}
		}
	case "add_url_rule":
		path, ok := r.evaluate(arguments.get("rule", 0))
		view := arguments.get("view_func", 2)
		if !ok || view == nil {
			return
		}
		r.pythonView(Flask, path, view, r.strings(arguments.named["methods"]), "GET", r.key(object), n, false)
	}
}

// pythonView adds the routes of a view: of a class those of its methods that are named after HTTP's.
func (r *routeFinder) pythonView(
	f Framework, path string, view *sitter.Node, methods []string, otherwise string, in routerKey, at *sitter.Node, regex bool,
) {
	handler := r.handler(view)
	before := len(r.found)
	if len(methods) == 0 && view.Type() == "call" {
		for _, verb := range verbs {
			if method := handler + "." + verb; r.kinds[method] == KindMethod {
				r.add(f, verb, path, method, in, at)
			}
		}
	}
	if len(methods) == 0 {
		methods = []string{otherwise}
	}
	if len(r.found) == before {
		for _, m := range methods {
			r.add(f, m, path, handler, in, at)
		}
	}
	for i := before; i < len(r.found); i++ {
		r.found[i].regex = regex
	}
}

// djangoPath takes path("items/<int:pk>/", views.item) and re_path(r"^items/(?P<pk>\d+)/$", views.item).
func (r *routeFinder) djangoPath(n *sitter.Node, function string) {
	if function != "path" && function != "re_path" && function != "url" {
		return
	}
	arguments := r.pythonArguments(n)
	path, ok := r.evaluate(arguments.get("route", 0))
	view := arguments.get("view", 1)
	if !ok || view == nil {
		return
	}
	if view.Type() == "call" && r.text(view.ChildByFieldName("function")) == "include" {
		if function != "path" {
			path = regexTemplate(path)
		}
		r.djangoInclude(n, view, path)
		return // what a list in it has comes on its own
	}
	key := routerKey{}
	if prefix := r.includedBelow(n); prefix != "" {
		key = routerKey{-1, "include " + prefix}
		r.routers[key] = &router{prefix: prefix}
	}
	r.pythonView(Django, path, view, nil, "", key, n, function != "path")
}

// includedBelow returns the paths of the path("x/", include([…])) calls around a call.
func (r *routeFinder) includedBelow(n *sitter.Node) string {
	prefix := ""
	for p := n.Parent(); p != nil; p = p.Parent() {
		if p.Type() != "call" || p.ChildByFieldName("function") == nil {
			continue
		}
		switch r.text(p.ChildByFieldName("function")) {
		case "path":
			if outer, ok := r.evaluate(r.pythonArguments(p).get("route", 0)); ok {
				prefix = joinPath(outer, prefix)
			}
		case "re_path", "url":
			if outer, ok := r.evaluate(r.pythonArguments(p).get("route", 0)); ok {
				prefix = joinPath(regexTemplate(outer), prefix)
			}
		}
	}
	return prefix
}
