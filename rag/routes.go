package rag

import (
	"context"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/fault-project/fault/treesitter"
)

// registered is what a Chunk says of routes, as JSON.
type registered struct {
	Routes []treesitter.Route `json:",omitempty"`
	Mounts []treesitter.Mount `json:",omitempty"`
}

func decodeRoutes(text string) (r registered) {
	if text != "" {
		_ = json.Unmarshal([]byte(text), &r) // what cannot be read registers nothing
	}
	return r
}

// routes puts the routes of a file on the chunks of their handlers. One whose handler is not in the file stays with the chunk that
// registers it, as mounts do.
func (c *cutter) routes(file *treesitter.File) {
	if len(c.chunks) == 0 {
		return
	}
	on := make(map[int]*registered)
	at := func(i int) *registered {
		if on[i] == nil {
			on[i] = &registered{}
		}
		return on[i]
	}
	for _, r := range file.Routes {
		i := -1
		if r.Handler != "" {
			i = slices.IndexFunc(c.chunks, func(k Chunk) bool { return k.Name == r.Handler })
		}
		if i < 0 {
			i = c.around(r.Line)
		}
		at(i).Routes = append(at(i).Routes, r)
	}
	for _, m := range file.Mounts {
		i := c.around(m.Line)
		at(i).Mounts = append(at(i).Mounts, m)
	}
	for i, r := range on {
		if text, err := json.Marshal(r); err == nil {
			c.chunks[i].Routes = string(text)
		}
	}
}

// around returns the smallest chunk that has a line, or the first one.
func (c *cutter) around(line int) int {
	best, lines := 0, math.MaxInt
	for i := range c.chunks {
		k := &c.chunks[i]
		if n := k.EndLine - k.StartLine; k.StartLine <= line && line <= k.EndLine && n < lines {
			best, lines = i, n
		}
	}
	return best
}

// routeText returns the words of a chunk's routes, to be searched.
func routeText(c *Chunk) string {
	var b strings.Builder
	for _, r := range decodeRoutes(c.Routes).Routes {
		b.WriteString(r.Method + " " + r.Path + "\n")
	}
	return b.String()
}

// Operation is what a client asks a server for.
type Operation struct {
	// Method is that of HTTP, "" for any. Path may be a template or concrete, or a URL.
	Method, Path string
	// ID is the operationId of an OpenAPI file, or "".
	ID string
}

// operationShape is how a question names an operation.
var operationShape = regexp.MustCompile(
	`(?:^|[\s"'` + "`" + `(])(?:(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|TRACE)\s+)?((?:https?://[^\s/]+)?/[^\s"'` + "`" + `),;?]*)`)

var lowerMethod = regexp.MustCompile(`^\s*(?i:get|head|post|put|patch|delete|options|trace)\s+(?:https?://|/)`)

// operationOf returns the operation that a question names: GET /orders/{id}, or a path alone.
func operationOf(question string) (Operation, bool) {
	if m := lowerMethod.FindString(question); m != "" {
		word := strings.Fields(m)[0]
		question = strings.Replace(question, word, strings.ToUpper(word), 1)
	}
	m := operationShape.FindStringSubmatch(question)
	if m == nil || m[1] == "" && strings.Trim(m[2], "/") == "" {
		return Operation{}, false
	}
	return Operation{Method: m[1], Path: m[2]}, true
}

// Handlers returns the functions that handle an operation in the newest published state, the best first, and none where no route
// matches and no function is called like the operation. Where several match equally well all are returned, those called like
// the operation first. Errors are those of Search.
func (x *Index) Handlers(ctx context.Context, o Operation) ([]Result, error) {
	var out []Result
	err := x.read(ctx, func(l *loaded) error {
		candidates := l.handlers(o)
		slices.SortStableFunc(candidates, l.better)
		if err := l.addTexts(ctx, candidates); err != nil {
			return err
		}
		out = make([]Result, len(candidates))
		for i, r := range candidates {
			out[i] = resultOf(r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// handlers returns the chunks that handle an operation.
func (l *loaded) handlers(o Operation) []ranked {
	var out []ranked
	if o.Path != "" {
		routes := l.routes.list
		for _, i := range treesitter.MatchRoutes(routes, o.Method, o.Path) {
			doc := l.routes.docs[i]
			if slices.ContainsFunc(out, func(r ranked) bool { return r.doc == doc }) {
				continue
			}
			out = append(out, ranked{doc: doc, tier: tierExact, why: "handles " + strings.TrimSpace(routes[i].Method+" "+routes[i].Path)})
		}
	}
	if o.ID == "" {
		return out
	}
	if len(out) == 0 {
		for i := range l.snapshot.Chunks {
			if c := &l.snapshot.Chunks[i]; calledLike(c, o) {
				out = append(out, ranked{doc: uint32(i), tier: tierName, why: "is called like " + o.ID})
			}
		}
		return out
	}
	for i := range out {
		if calledLike(&l.snapshot.Chunks[out[i].doc], o) {
			out[i].score = 1
		}
	}
	return out
}

// calledLike reports whether a function has the name of an operation, in any spelling; FastAPI appends path and method to it.
func calledLike(c *Chunk, o Operation) bool {
	if c.Kind != string(treesitter.KindFunction) && c.Kind != string(treesitter.KindMethod) || c.Header != "" {
		return false
	}
	name, id := letters(lastName(c.Name)), letters(o.ID)
	return name != "" && (name == id || o.Path != "" && name+letters(o.Path)+letters(o.Method) == id)
}

// letters returns the letters and digits of a text, in lower case.
func letters(text string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' || 'a' <= r && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(text))
}

func lastName(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }
