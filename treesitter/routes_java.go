//go:build cgo

package treesitter

import (
	"strings"

	sitter "github.com/smacker/go-tree-sitter"
)

var javaRouting = routing{
	marks: []string{"Mapping"},
	query: `
(method_declaration (modifiers [(annotation) (marker_annotation)])) @method
(field_declaration declarator: (variable_declarator name: (identifier) @const value: [(string_literal) (binary_expression)] @value))
`,
	find: findSpring,
}

// springVerbs are the annotations that name a method.
var springVerbs = map[string]string{
	"GetMapping": "GET", "PostMapping": "POST", "PutMapping": "PUT", "PatchMapping": "PATCH", "DeleteMapping": "DELETE",
}

func findSpring(r *routeFinder, _ string, n *sitter.Node) {
	name := n.ChildByFieldName("name")
	if name == nil {
		return
	}
	handler := r.text(name)
	if at := r.scopeOf(name); at >= 0 {
		handler = r.definitions[at].Qualified
	}
	for _, a := range annotations(n) {
		annotation := r.annotation(a)
		verb, ok := springVerbs[annotation.name]
		if !ok && annotation.name != "RequestMapping" {
			continue
		}
		methods := annotation.methods
		if ok {
			methods = []string{verb}
		}
		prefixes, ok := r.springClass(n)
		if !ok {
			return
		}
		for _, prefix := range prefixes {
			for _, path := range annotation.paths {
				for _, method := range methods {
					r.add(Spring, method, joinPath(prefix, path), handler, routerKey{}, n)
				}
			}
		}
	}
}

// springClass returns the prefixes of the class around a method. A client's interface handles nothing: it reports false.
func (r *routeFinder) springClass(n *sitter.Node) ([]string, bool) {
	for p := n.Parent(); p != nil; p = p.Parent() {
		if t := p.Type(); t != "class_declaration" && t != "interface_declaration" && t != "record_declaration" {
			continue
		}
		prefixes := []string{""}
		for _, a := range annotations(p) {
			switch annotation := r.annotation(a); annotation.name {
			case "FeignClient", "HttpExchange":
				return nil, false
			case "RequestMapping":
				prefixes = annotation.paths
			}
		}
		return prefixes, true
	}
	return []string{""}, true
}

// annotations returns the annotations of a declaration.
func annotations(n *sitter.Node) []*sitter.Node {
	var out []*sitter.Node
	for _, c := range children(n) {
		if c.Type() != "modifiers" {
			continue
		}
		for _, a := range children(c) {
			if t := a.Type(); t == "annotation" || t == "marker_annotation" {
				out = append(out, a)
			}
		}
	}
	return out
}

// mapping is one of Spring's annotations.
type mapping struct {
	name           string
	paths, methods []string // at least one method; no path if it is not known
}

func (r *routeFinder) annotation(n *sitter.Node) mapping {
	m, given := mapping{}, false
	if name := n.ChildByFieldName("name"); name != nil {
		m.name = r.text(name)
		m.name = m.name[strings.LastIndexByte(m.name, '.')+1:]
	}
	if arguments := n.ChildByFieldName("arguments"); arguments != nil {
		for _, a := range children(arguments) {
			if a.Type() != "element_value_pair" {
				m.paths, given = r.strings(a), true
				continue
			}
			value := a.ChildByFieldName("value")
			switch r.text(a.ChildByFieldName("key")) {
			case "value", "path":
				m.paths, given = r.strings(value), true
			case "method":
				for part := range strings.FieldsFuncSeq(r.text(value), func(c rune) bool { return strings.ContainsRune("{},. \n\t", c) }) {
					if part != "RequestMethod" {
						m.methods = append(m.methods, part)
					}
				}
			}
		}
	}
	if !given {
		m.paths = []string{""}
	}
	if len(m.methods) == 0 {
		m.methods = []string{""}
	}
	return m
}
