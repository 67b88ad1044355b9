//go:build cgo

package treesitter

import (
	"path"
	"strings"

	sitter "github.com/smacker/go-tree-sitter"
)

// root returns the name of the outermost router that a router is part of in this file.
func (r *routeFinder) root(key routerKey, depth int) string {
	if m := r.lookup(key); m != nil && m.parent.name != "" && depth < maxMounts {
		return r.root(m.parent, depth+1)
	}
	return key.name
}

// around returns the qualified name of the function in which something is registered, "" for none. What is decorated stands in its own
// definition, and is not it.
func (r *routeFinder) around(key routerKey, handler string) string {
	for at := key.scope; at >= 0 && at < len(r.definitions); at = r.definitions[at].Parent {
		if d := &r.definitions[at]; d.Kind.Callable() && d.Qualified != handler {
			return d.Qualified
		}
	}
	return ""
}

// reference returns where a name comes from. It is zero for one that the file does not import.
func (r *routeFinder) reference(name string) Reference {
	first, rest, _ := strings.Cut(name, ".")
	ref, ok := r.imports[first]
	switch {
	case !ok || first == "":
		return Reference{}
	case ref.Name == "":
		ref.Name = rest
	case rest != "":
		ref.Name += "." + rest
	}
	return ref
}

// pythonMount mounts a router of this file or of another one.
func (r *routeFinder) pythonMount(f Framework, router, object *sitter.Node, prefix string, at *sitter.Node) *Mount {
	child := r.key(router)
	if target := r.reference(child.name); target.Module != "" && r.lookup(child) == nil {
		r.addMount(f, target, r.key(object), prefix, at)
		return &r.mounted[len(r.mounted)-1].Mount
	}
	r.mount(child, r.key(object), prefix)
	return nil
}

// addMount notes that what another file registers comes below a prefix of a router.
func (r *routeFinder) addMount(f Framework, target Reference, in routerKey, prefix string, at *sitter.Node) {
	r.mounted = append(r.mounted, pendingMount{
		Mount: Mount{Prefix: prefix, Target: target, Line: int(at.StartPoint().Row) + 1}, router: in, framework: f,
	})
}

// finishMounts gives the mounts their prefixes.
func (r *routeFinder) finishMounts() []Mount {
	if len(r.mounted) == 0 {
		return nil
	}
	out := make([]Mount, 0, len(r.mounted))
	for _, m := range r.mounted {
		if prefix := joinPath(r.prefix(m.router, 0), m.Prefix); prefix != "" {
			m.Prefix = m.framework.template(prefix)
		}
		if m.framework == NetHTTP || m.framework == Spring {
			m.Prefix = strings.TrimSuffix(m.Prefix, "{path...}")
		}
		m.Router, m.Scope = r.root(m.router, 0), r.around(m.router, "")
		out = append(out, m.Mount)
	}
	return out
}

// pythonImport takes import a.b as c and from a.b import c as d, e.
func (r *routeFinder) pythonImport(n *sitter.Node) {
	module := ""
	if from := n.ChildByFieldName("module_name"); from != nil {
		module = r.text(from)
	}
	for _, c := range children(n) {
		name, alias := r.text(c), ""
		switch c.Type() {
		case "aliased_import":
			name, alias = r.text(c.ChildByFieldName("name")), r.text(c.ChildByFieldName("alias"))
		case "dotted_name":
			if module != "" && c.Equal(n.ChildByFieldName("module_name")) {
				continue
			}
		default:
			continue
		}
		switch {
		case module != "" && alias != "":
			r.imports[alias] = Reference{module, name}
		case module != "":
			r.imports[name] = Reference{module, name}
		case alias != "":
			r.imports[alias] = Reference{Module: name}
		default:
			first, _, _ := strings.Cut(name, ".")
			r.imports[first] = Reference{Module: first}
		}
	}
}

// djangoInclude takes path("shop/", include("shop.urls")).
func (r *routeFinder) djangoInclude(at, include *sitter.Node, prefix string) {
	arguments := children(include.ChildByFieldName("arguments"))
	if len(arguments) == 0 {
		return
	}
	first := arguments[0]
	if first.Type() == "tuple" && first.NamedChildCount() > 0 {
		first = first.NamedChild(0)
	}
	target := Reference{}
	if module, ok := r.evaluate(first); ok {
		target.Module = module
	} else if t := first.Type(); t == "identifier" || t == "attribute" {
		target = r.reference(r.text(first))
	}
	if target.Module != "" {
		r.addMount(Django, target, routerKey{scope: -1}, joinPath(r.includedBelow(at), prefix), at)
	}
}

// scriptImport takes import a, {b as c} from "m", import * as d from "m", const e = require("m") and const {f: g} = require("m").
func (r *routeFinder) scriptImport(n *sitter.Node) {
	if n.Type() == "variable_declarator" {
		target := r.scriptReference(n.ChildByFieldName("value"))
		if target.Module == "" {
			return
		}
		name := n.ChildByFieldName("name")
		if name.Type() != "object_pattern" {
			r.imports[r.text(name)] = target
			return
		}
		for _, c := range children(name) {
			original, local := r.text(c), r.text(c)
			if c.Type() == "pair_pattern" {
				original, local = r.text(c.ChildByFieldName("key")), r.text(c.ChildByFieldName("value"))
			}
			r.imports[local] = Reference{target.Module, joinName(target.Name, original)}
		}
		return
	}
	module, ok := r.evaluate(n.ChildByFieldName("source"))
	if !ok {
		return
	}
	for _, clause := range children(n) {
		if clause.Type() != "import_clause" {
			continue
		}
		for _, c := range children(clause) {
			switch c.Type() {
			case "identifier":
				r.imports[r.text(c)] = Reference{Module: module}
			case "namespace_import":
				r.imports[r.text(c.NamedChild(0))] = Reference{Module: module}
			case "named_imports":
				for _, s := range children(c) {
					name := r.text(s.ChildByFieldName("name"))
					local := name
					if alias := s.ChildByFieldName("alias"); alias != nil {
						local = r.text(alias)
					}
					r.imports[local] = Reference{module, name}
				}
			}
		}
	}
}

func joinName(a, b string) string { return strings.Trim(a+"."+b, ".") }

// scriptReference returns what an expression takes from another file: an imported name, require("m") or require("m").name.
func (r *routeFinder) scriptReference(n *sitter.Node) Reference {
	if n == nil {
		return Reference{}
	}
	switch n.Type() {
	case "identifier":
		return r.reference(r.text(n))
	case "member_expression":
		object := n.ChildByFieldName("object")
		if object.Type() != "call_expression" {
			return r.reference(r.text(n))
		}
		if ref := r.scriptReference(object); ref.Module != "" {
			return Reference{ref.Module, joinName(ref.Name, r.text(n.ChildByFieldName("property")))}
		}
	case "call_expression":
		arguments := children(n.ChildByFieldName("arguments"))
		if r.text(n.ChildByFieldName("function")) == "require" && len(arguments) == 1 {
			module, _ := r.evaluate(arguments[0])
			return Reference{Module: module}
		}
	}
	return Reference{}
}

// goImport takes a line of an import.
func (r *routeFinder) goImport(n *sitter.Node) {
	module, ok := r.evaluate(n.ChildByFieldName("path"))
	if !ok {
		return
	}
	name := path.Base(module)
	if given := n.ChildByFieldName("name"); given != nil {
		name = r.text(given)
	}
	r.imports[name] = Reference{Module: module}
}

// goPassed takes orders.Register(v1) and register(r.Group("/x")): a function elsewhere registers routes with a router of this one.
func (r *routeFinder) goPassed(function *sitter.Node, arguments []*sitter.Node, n *sitter.Node) {
	if operand := function.ChildByFieldName("operand"); operand != nil && r.lookup(r.key(operand)) != nil {
		return
	}
	for _, a := range arguments {
		router := a.Type() == "identifier" && r.lookup(r.key(a)) != nil || a.Type() == "call_expression" && r.group(a) != nil
		if target := r.goReference(function); router && target.Name != "" {
			r.addMount(r.framework, target, r.goRouter(a), "", n)
		}
	}
}

// goReference returns the function that a call means. A method of a variable is looked for where the file is.
func (r *routeFinder) goReference(function *sitter.Node) Reference {
	name := r.text(function)
	if ref := r.reference(name); ref.Module != "" {
		return ref
	}
	if t := function.Type(); t == "identifier" || t == "selector_expression" {
		return Reference{Name: name[strings.LastIndexByte(name, '.')+1:]}
	}
	return Reference{}
}

// goStripped takes http.StripPrefix("/api", orders.Handler()) as a handler, and reports whether it is that.
func (r *routeFinder) goStripped(n *sitter.Node, in routerKey) bool {
	if n.Type() != "call_expression" || r.text(n.ChildByFieldName("function")) != "http.StripPrefix" {
		return false
	}
	arguments := children(n.ChildByFieldName("arguments"))
	if len(arguments) != 2 || arguments[1].Type() != "call_expression" {
		return false
	}
	prefix, ok := r.evaluate(arguments[0])
	target := r.goReference(arguments[1].ChildByFieldName("function"))
	if !ok || target.Name == "" {
		return false
	}
	r.addMount(NetHTTP, target, in, prefix, n)
	return true
}
