package rag

import (
	"path"
	"slices"
	"strings"

	"github.com/fault-project/fault/treesitter"
)

// routeTable has the routes of an index with what other files say of them: their prefixes, and where their handlers are.
type routeTable struct {
	list []treesitter.Route
	docs []uint32 // the chunk that handles each
}

// maxPrefixes bounds how many prefixes one route may have, maxMountDepth how often one is part of another.
const (
	maxPrefixes   = 16
	maxMountDepth = 8
)

// routesIn builds the table from all chunks.
func routesIn(chunks []Chunk) routeTable {
	b := routeBuilder{chunks: chunks, files: map[string]bool{}}
	type declared struct {
		route treesitter.Route
		doc   uint32
	}
	var all []declared
	for i := range chunks {
		if chunks[i].Routes == "" {
			continue
		}
		r := decodeRoutes(chunks[i].Routes)
		b.files[chunks[i].Path] = true
		for _, route := range r.Routes {
			all = append(all, declared{route, uint32(i)})
		}
		for _, m := range r.Mounts {
			b.mounts = append(b.mounts, placedMount{m, chunks[i].Path, chunks[i].Language})
		}
	}
	b.aim()
	wanted := map[string]bool{}
	for _, d := range all {
		wanted[lastName(d.route.Handler)] = true
	}
	b.definitions(wanted)
	var table routeTable
	for _, d := range all {
		c := &chunks[d.doc]
		doc := b.handler(d.route, d.doc)
		for _, full := range b.paths(c.Path, d.route) {
			route := d.route
			route.Path = full
			for _, v := range b.verbs(route, doc) {
				table.list, table.docs = append(table.list, v.route), append(table.docs, v.doc)
			}
		}
	}
	return table
}

type routeBuilder struct {
	chunks []Chunk
	files  map[string]bool // those that register something
	mounts []placedMount
	// onto has for each file the mounts of what it registers.
	onto map[string][]aimedMount
	// byName has the functions and types by the last part of their name.
	byName map[string][]uint32
}

type placedMount struct {
	treesitter.Mount
	path, language string
}

// aimedMount is a mount whose file is known, and the name in it.
type aimedMount struct {
	placedMount
	name string
}

// aim finds the files that the mounts mean.
func (b *routeBuilder) aim() {
	b.onto = map[string][]aimedMount{}
	for _, m := range b.mounts {
		best, nearest := 0, map[string]string{}
		for file := range b.files {
			name, near := refersTo(m.Target, m.path, m.language, file)
			if near == 0 || near < best || file == m.path {
				continue
			}
			if near > best {
				best = near
				clear(nearest)
			}
			nearest[file] = name
		}
		for file, name := range nearest {
			b.onto[file] = append(b.onto[file], aimedMount{m, name})
		}
	}
}

// paths returns the whole paths of a route.
func (b *routeBuilder) paths(file string, r treesitter.Route) []string {
	prefixes := b.prefixes(file, r.Router, r.Scope, 0)
	if len(prefixes) == 0 {
		return []string{r.Path}
	}
	var out []string
	for _, p := range prefixes {
		rest := r.Path
		if p.replaces {
			rest = strings.TrimPrefix(rest, strings.TrimSuffix(r.Prefix, "/"))
		}
		if full := joinRoute(p.text, rest); !slices.Contains(out, full) {
			out = append(out, full)
		}
	}
	return out
}

type prefix struct {
	text     string
	replaces bool
}

// prefixes returns what other files put in front of what is registered with a router, or in a function, of a file.
func (b *routeBuilder) prefixes(file, router, scope string, depth int) []prefix {
	var out []prefix
	mounts := b.onto[file]
	named := func(m aimedMount) bool {
		last := lastName(m.name)
		return last != "" && (last == router || last == lastName(scope))
	}
	exact := slices.ContainsFunc(mounts, named)
	for _, m := range mounts {
		// A name that the file exports otherwise than it calls it means all of the file.
		if exact && !named(m) || !exact && m.name != "" && !scripts[m.language] || depth >= maxMountDepth {
			continue
		}
		outer := b.prefixes(m.path, m.Router, m.Scope, depth+1)
		if len(outer) == 0 {
			outer = []prefix{{}}
		}
		for _, o := range outer {
			if len(out) < maxPrefixes {
				out = append(out, prefix{joinRoute(o.text, m.Prefix), m.Replaces})
			}
		}
	}
	return out
}

func joinRoute(prefix, rest string) string {
	if prefix = strings.TrimSuffix(prefix, "/"); prefix == "" {
		return rest
	}
	if rest == "/" || rest == "" {
		return prefix
	}
	return prefix + "/" + strings.TrimPrefix(rest, "/")
}

// definitions notes where the definitions with some names are.
func (b *routeBuilder) definitions(wanted map[string]bool) {
	b.byName = map[string][]uint32{}
	if len(wanted) == 0 {
		return
	}
	for i := range b.chunks {
		c := &b.chunks[i]
		if c.Name == "" || c.Kind == KindDocs || c.Header != "" {
			continue // later pieces of a definition have a header
		}
		if name := lastName(c.Name); wanted[name] {
			b.byName[name] = append(b.byName[name], uint32(i))
		}
	}
}

// handler returns the chunk of a route's handler: that which has it, or if the handler is in another file, that of the definition which
// the route most likely means.
func (b *routeBuilder) handler(r treesitter.Route, registered uint32) uint32 {
	at := &b.chunks[registered]
	if r.Handler == "" || at.Name == r.Handler {
		return registered
	}
	best, found, several := 0, registered, false
	for _, doc := range b.byName[lastName(r.Handler)] {
		c := &b.chunks[doc]
		near := b.nearness(r, at, c)
		switch {
		case near == 0 || near < best:
		case near == best:
			several = several || b.chunks[found].Path != c.Path
		default:
			best, found, several = near, doc, false
		}
	}
	if several {
		return registered
	}
	return found
}

// nearness says how likely a definition is the handler that a route in another chunk names; 0 is not at all.
func (b *routeBuilder) nearness(r treesitter.Route, at, c *Chunk) int {
	if c.Language != at.Language && (!scripts[c.Language] || !scripts[at.Language]) {
		return 0
	}
	near := 1
	if r.HandlerFrom.Module != "" {
		if _, n := refersTo(r.HandlerFrom, at.Path, at.Language, c.Path); n > 0 {
			near += 100 * n
		}
	} else if path.Dir(c.Path) == path.Dir(at.Path) {
		near += 50
	}
	if c.Path == at.Path {
		near += 20
	}
	if roleOf(c.Path, c.Language) == roleSource {
		near += 10
	}
	return near
}

type handled struct {
	route treesitter.Route
	doc   uint32
}

// verbs returns a route, or if a class handles every method those of its methods that are named after one.
func (b *routeBuilder) verbs(r treesitter.Route, doc uint32) []handled {
	class := &b.chunks[doc]
	var out []handled
	if r.Method == "" && class.Kind == string(treesitter.KindClass) {
		for i := int(doc) + 1; i < len(b.chunks) && b.chunks[i].Path == class.Path; i++ {
			name, ok := strings.CutPrefix(b.chunks[i].Name, class.Name+".")
			if ok && httpMethods[name] && b.chunks[i].Header == "" {
				r.Method = strings.ToUpper(name)
				out = append(out, handled{r, uint32(i)})
			}
		}
		r.Method = ""
	}
	if len(out) == 0 {
		out = []handled{{r, doc}}
	}
	return out
}

var httpMethods = map[string]bool{
	"get": true, "post": true, "put": true, "patch": true, "delete": true, "head": true, "options": true, "trace": true,
}

// scripts are the languages that import each other.
var scripts = map[string]bool{"javascript": true, "typescript": true}

// refersTo reports how well a reference in one file fits another file, 0 for not at all, and what then is the name in it.
func refersTo(ref treesitter.Reference, from, language, file string) (name string, near int) {
	stem := strings.TrimSuffix(file, path.Ext(file))
	switch {
	case language == "python":
		return pythonRefersTo(ref, from, strings.TrimSuffix(stem, "/__init__"))
	case scripts[language]:
		return ref.Name, scriptRefersTo(ref.Module, from, stem)
	case ref.Module == "":
		if path.Dir(file) == path.Dir(from) && file != from {
			return ref.Name, 1
		}
	default:
		return ref.Name, sharedEnd(strings.Split(ref.Module, "/"), strings.Split(path.Dir(file), "/"))
	}
	return "", 0
}

// pythonRefersTo tries as much of a reference as possible as a module.
func pythonRefersTo(ref treesitter.Reference, from, stem string) (name string, near int) {
	module := strings.TrimLeft(ref.Module, ".")
	dots := len(ref.Module) - len(module)
	parts := strings.FieldsFunc(module+"."+ref.Name, func(r rune) bool { return r == '.' })
	have := strings.Split(stem, "/")
	for n := len(parts); n > 0; n-- {
		rest := strings.Join(parts[n:], ".")
		if dots == 0 {
			if near := sharedEnd(parts[:n], have); near > 0 {
				return rest, near
			}
			continue
		}
		base := path.Dir(from)
		for range dots - 1 {
			base = path.Dir(base)
		}
		if path.Join(base, path.Join(parts[:n]...)) == stem {
			return rest, n
		}
	}
	return "", 0
}

// scriptRefersTo compares the path of a module with a file without its extension.
func scriptRefersTo(module, from, stem string) int {
	for _, extension := range []string{".js", ".ts", ".mjs", ".cjs", ".jsx", ".tsx"} {
		module = strings.TrimSuffix(module, extension)
	}
	stem = strings.TrimSuffix(stem, "/index")
	switch {
	case strings.HasPrefix(module, "."):
		if target := path.Join(path.Dir(from), module); strings.TrimSuffix(target, "/index") == stem {
			return 1
		}
	case strings.Contains(module, "/"): // an alias, such as @/routes/orders
		_, rest, _ := strings.Cut(module, "/")
		return sharedEnd(strings.Split(strings.TrimSuffix(rest, "/index"), "/"), strings.Split(stem, "/"))
	}
	return 0
}

// sharedEnd returns how many parts two lists have in common at their ends, if one of them is all of that; 0 otherwise.
func sharedEnd(a, b []string) int {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	if n == min(len(a), len(b)) {
		return n
	}
	return 0
}
