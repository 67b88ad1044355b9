package scenarios

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/fault-project/fault/proxyengine/fault"
)

// faults decodes a list of faults. An element is an object with its kind under type, or one with kinds as keys.
func (d *decoder) faults(to *fault.List) reader {
	return func(n ast.Node, path string) {
		d.sequence(n, path, "faults", func(n ast.Node, path string) {
			n = d.plain(n, path)
			list, ok := d.entries(n, path)
			if !ok {
				d.add(n, path, "", "a fault is an object with a type, not %s", kindOf(n))
				return
			}
			if i := slices.IndexFunc(list, func(e entry) bool { return e.name == "type" }); i >= 0 {
				d.fault(to, list[i].value, list, path)
				return
			}
			d.wrapped(to, n, list, path)
		})
	}
}

// wrapped decodes {Latency: {…}}. The published schema has all kinds in one object: each that is not null is a fault.
func (d *decoder) wrapped(to *fault.List, n ast.Node, list []entry, path string) {
	for _, e := range list {
		if _, ok := fault.Lookup(e.name); !ok {
			switch {
			case nearest(e.name, []string{"type"}) != "":
				d.add(e.key, path, "type", "unknown key %q in a fault", e.name)
			case nearest(e.name, kinds()) != "":
				d.unknownKind(e.key, path, e.name)
			default:
				d.add(n, path, "", "the fault has no type: write one of %s", strings.Join(kinds(), ", "))
			}
			return
		}
	}
	for _, e := range list {
		inner := d.plain(e.value, path)
		if inner == nil && len(list) > 1 {
			continue
		}
		settings, ok := d.entries(inner, path)
		if inner != nil && !ok {
			d.add(inner, path, "", "%s is an object with the settings of the fault, not %s", e.name, kindOf(inner))
			continue
		}
		d.fault(to, e.key, settings, path)
	}
}

func (d *decoder) unknownKind(n ast.Node, path, kind string) {
	near := nearest(kind, kinds())
	d.add(n, path, near, "unknown fault type %q; known are %s", kind, strings.Join(kinds(), ", "))
}

func kinds() []string {
	definitions := fault.Definitions()
	out := make([]string, len(definitions))
	for i, def := range definitions {
		out[i] = string(def.Kind)
	}
	return out
}

// fault decodes one fault whose kind is the text of kindNode.
func (d *decoder) fault(to *fault.List, kindNode ast.Node, settings []entry, path string) {
	kindNode = d.plain(kindNode, path)
	kind, ok := scalarText(kindNode)
	if !ok {
		d.add(kindNode, path, "", "the type of a fault is text, not %s", kindOf(kindNode))
		return
	}
	def, ok := fault.Lookup(kind)
	if !ok {
		d.unknownKind(kindNode, path, kind)
		return
	}
	values := make(map[string]any, len(settings))
	what := fmt.Sprintf("%s %s fault", article(string(def.Kind)), def.Kind)
	for _, e := range settings {
		if e.name == "type" {
			continue
		}
		f, known := def.Field(e.name)
		if !known {
			d.unknownKey(e, path, what, settingNames(def))
			continue
		}
		d.mark(e.key, join(path, f.Name))
		values[e.name] = d.value(e.value, join(path, e.name))
	}
	if spec := d.decodeFault(string(def.Kind), values, kindNode, path); spec != nil {
		*to = append(*to, spec)
	}
}

// decodeFault reports every value that is refused: each time without the ones before. That something is missing is only said when
// nothing else is wrong, as it may be what was misspelled.
func (d *decoder) decodeFault(kind string, values map[string]any, n ast.Node, path string) fault.Spec {
	before := len(d.problems)
	for {
		spec, err := fault.Decode(kind, values)
		if err == nil {
			return spec
		}
		var bad *fault.ValueError
		if !errors.As(err, &bad) || bad.Value == "" {
			if len(d.problems) == before && !d.bad[path] && !d.misspelled(path) {
				d.add(n, path, "", "%s", err)
			}
			return nil
		}
		p := d.place(Problem{Path: join(path, bad.Field.Name), Message: err.Error()})
		d.problems = append(d.problems, p)
		d.bad[p.Path] = true
		size := len(values)
		maps.DeleteFunc(values, func(name string, _ any) bool {
			def, _ := fault.Lookup(kind)
			f, _ := def.Field(name)
			return f.Name == bad.Field.Name
		})
		if len(values) == size {
			return nil
		}
	}
}

// misspelled reports whether a key directly under path is known to be wrong.
func (d *decoder) misspelled(path string) bool {
	for p := range d.bad {
		if up, _ := parent(p); up == path && p != path {
			return true
		}
	}
	return false
}

// settingNames lists what may be written in a fault, to offer it: names first, other spellings after.
func settingNames(def fault.Definition) []string {
	names := make([]string, 0, len(def.Fields))
	for _, f := range def.Fields {
		names = append(names, f.Name)
	}
	return names
}

func article(word string) string {
	if strings.ContainsRune("aeiou", rune(word[0])) {
		return "an"
	}
	return "a"
}
