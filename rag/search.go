package rag

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
)

// The limits and defaults of a search.
const (
	DefaultLimit     = 10
	MaxLimit         = 100
	DefaultMaxTokens = 4000
	MinMaxTokens     = 100
	MaxMaxTokens     = 50_000
)

// bytesPerToken is what the usual models make of source code, rounded down.
const bytesPerToken = 4

// overheadTokens is what the place and the name of a result take in an answer.
const overheadTokens = 30

// kindGroups says which kinds of chunks the accepted kinds of a Query mean.
var kindGroups = []struct {
	name  string
	kinds []string
}{
	{"function", []string{"function", "method"}},
	{"method", []string{"method"}},
	{"type", []string{"type", "class", "struct", "interface", "enum", "module"}},
	{"class", []string{"class"}},
	{"struct", []string{"struct"}},
	{"interface", []string{"interface"}},
	{KindCode, []string{KindCode}},
	{KindDocs, []string{KindDocs}},
}

// Kinds returns the kinds that a Query accepts.
func Kinds() []string {
	out := make([]string, len(kindGroups))
	for i, g := range kindGroups {
		out[i] = g.name
	}
	return out
}

// Query is a question to an index.
type Query struct {
	// Text holds words, identifiers or a sentence.
	Text string
	// Language, Path and Kind restrict the results; empty means all. Path is a pattern as in an ignore file, relative to the indexed
	// directory: a directory, a file, *.go, src/**/x_*.py. Kind is one of Kinds.
	Language, Path, Kind string
	// Below restricts the results to a directory, relative to the indexed one, with slashes; empty means all.
	Below string
	// Limit is the largest number of results (0: DefaultLimit), MaxTokens about the largest number of tokens of all results
	// together (0: DefaultMaxTokens).
	Limit, MaxTokens int
}

// Result is one piece of code that was found.
type Result struct {
	Path      string
	StartLine int
	EndLine   int
	// Name is the qualified name of the definition, or empty. Kind is that of the Chunk.
	Name, Kind, Language string
	// Score only orders the results of one search.
	Score float64
	// Why says in a few words what matched.
	Why string
	// Text is the source; where a later piece of a long definition was found, its signature and a line of elision come first.
	Text string
	// Truncated says that Text was cut for the sake of the token budget.
	Truncated bool
}

// Found is the answer to a Query.
type Found struct {
	Results []Result
	// Omitted counts the results within the limit that the token budget left out.
	Omitted int
	// Files and Chunks say how large the index is.
	Files, Chunks int
	// Warning says why the vectors were not used although the index has some, or is empty.
	Warning string
}

// QueryError says what is wrong with a Query.
type QueryError struct {
	// Field is query, kind, limit or max_tokens.
	Field, Message string
}

func (e *QueryError) Error() string { return e.Field + ": " + e.Message }

// Search answers a question from the newest published state of the index. Errors: *QueryError for a wrong question, ErrNoIndex, and
// what wraps ErrMismatch.
func (x *Index) Search(ctx context.Context, q Query) (*Found, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	var found *Found
	err := x.read(ctx, func(l *loaded) (err error) {
		found, err = x.search(ctx, l, q)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// search answers a question from one state.
func (x *Index) search(ctx context.Context, l *loaded, q Query) (*Found, error) {
	found := &Found{Files: l.snapshot.Files, Chunks: len(l.snapshot.Chunks), Results: []Result{}}
	var question []float32
	switch indexed := l.snapshot.Manifest; {
	case indexed.Embedder != x.Embedder():
		found.Warning = fmt.Sprintf("searched by words only: the index has %s, and the embedding model now is %s",
			indexed.vectors(), x.Embedder())
	case x.embedder != nil && len(l.snapshot.Chunks) > 0:
		vector, err := embedQuery(ctx, x.embedder, l.snapshot.Manifest.Dimension, cutQuestion(q.Text))
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			found.Warning = "searched by words only: " + err.Error()
		default:
			question = vector
		}
	}
	ranked, err := l.rank(ctx, q, question, x.vectorWeight())
	if err != nil {
		return nil, err
	}
	budget := q.MaxTokens
	for i, r := range ranked {
		result := resultOf(r)
		if !fit(&result, budget, i == 0) {
			found.Omitted = len(ranked) - i
			break
		}
		budget -= overheadTokens + tokens(result.Text)
		found.Results = append(found.Results, result)
	}
	return found, nil
}

func (x *Index) vectorWeight() float64 {
	if w, ok := x.embedder.(weigher); ok {
		return w.VectorWeight()
	}
	return defaultVectorWeight
}

func cutQuestion(text string) string {
	return embedText(&Chunk{Text: strings.ToValidUTF8(text, "")})
}

func (q *Query) check() error {
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	if q.MaxTokens == 0 {
		q.MaxTokens = DefaultMaxTokens
	}
	switch {
	case strings.TrimSpace(q.Text) == "":
		return &QueryError{"query", "must not be empty"}
	case q.Limit < 0 || q.Limit > MaxLimit:
		return &QueryError{"limit", fmt.Sprintf("must be between 1 and %d", MaxLimit)}
	case q.MaxTokens < MinMaxTokens || q.MaxTokens > MaxMaxTokens:
		return &QueryError{"max_tokens", fmt.Sprintf("must be between %d and %d", MinMaxTokens, MaxMaxTokens)}
	case q.Kind != "" && !slices.Contains(Kinds(), q.Kind):
		return &QueryError{"kind", "must be one of " + strings.Join(Kinds(), ", ")}
	}
	return nil
}

// filter returns which chunks a query may return.
func (l *loaded) filter(q Query) func(doc uint32) bool {
	var kinds []string
	for _, g := range kindGroups {
		if g.name == q.Kind {
			kinds = g.kinds
		}
	}
	var pattern gitignore.Pattern
	if p := strings.TrimPrefix(q.Path, "./"); p != "" && p != "." {
		pattern = gitignore.ParsePattern(p, nil)
	}
	return func(doc uint32) bool {
		c := &l.snapshot.Chunks[doc]
		switch {
		case q.Language != "" && c.Language != q.Language:
			return false
		case q.Below != "" && !strings.HasPrefix(c.Path, strings.TrimSuffix(q.Below, "/")+"/"):
			return false
		case kinds != nil && !slices.Contains(kinds, c.Kind):
			return false
		}
		return pattern == nil || pattern.Match(strings.Split(c.Path, "/"), false) == gitignore.Exclude
	}
}

// resultOf turns a candidate into what is returned.
func resultOf(r ranked) Result {
	c := r.chunk
	text := c.Text
	if c.Header != "" {
		text = c.Header + "\n" + elision + "\n" + text
	}
	return Result{
		Path: c.Path, StartLine: c.StartLine, EndLine: c.EndLine, Name: c.Name, Kind: c.Kind, Language: c.Language,
		Score: math.Round(r.score*1000) / 1000, Why: r.why, Text: text,
	}
}

func tokens(text string) int { return (len(text) + bytesPerToken - 1) / bytesPerToken }

// fit cuts a result at a line end so that it fits the budget, and reports whether anything worth reading is left of it. The first
// result always is.
func fit(r *Result, budget int, first bool) bool {
	room := budget - overheadTokens
	if tokens(r.Text) <= room {
		return true
	}
	if room < 64 && !first {
		return false
	}
	cut := r.Text[:max(room, 1)*bytesPerToken]
	if i := strings.LastIndexByte(cut, '\n'); i > 0 {
		cut = cut[:i]
	}
	r.Text, r.Truncated = strings.ToValidUTF8(cut, "")+"\n"+elision, true
	return true
}
