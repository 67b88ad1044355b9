package tools

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/fault-project/fault/rag"
)

// Search finds code in an indexed folder. It is safe for concurrent use.
type Search struct {
	files   *FileGuard
	indexes *Indexes
}

// NewSearch returns the operation; files decides which folders may be searched.
func NewSearch(files *FileGuard, indexes *Indexes) *Search { return &Search{files, indexes} }

// SearchIn holds the arguments of [Search.Run].
type SearchIn struct {
	Query string `json:"query"`
	// SourceDir is the indexed folder, or one below it, which then restricts the results; "" means the folder that was indexed last by
	// this process.
	SourceDir string `json:"source_dir"`
	Lang      string `json:"lang"`
	Path      string `json:"path"`
	Kind      string `json:"kind"`
	// Limit and MaxTokens are 0 for their defaults.
	Limit     int `json:"limit"`
	MaxTokens int `json:"max_tokens"`
	// Roots are the client's folders, nil when it declares none.
	Roots []string `json:"-"`
}

// SearchOut is what [Search.Run] found, the best first.
type SearchOut struct {
	Results []SearchResult `json:"results"`
	// Omitted counts the results within the limit for which max_tokens left no room.
	Omitted int `json:"omitted"`
	// Warning says why the search was by words only although the index has vectors, or is empty.
	Warning string `json:"warning"`
	// SourceDir is the indexed folder; Files and Chunks are what its index has.
	SourceDir string `json:"source_dir"`
	Files     int    `json:"files"`
	Chunks    int    `json:"chunks"`
}

// SearchResult is one piece of code.
type SearchResult struct {
	// Path is absolute.
	Path    string `json:"path"`
	Line    int    `json:"line"`
	EndLine int    `json:"end_line"`
	// Name is the qualified name of what is defined there, "" for what is between definitions.
	Name     string  `json:"name"`
	Kind     string  `json:"kind"`
	Language string  `json:"language"`
	Score    float64 `json:"score"`
	// Why says what matched.
	Why  string `json:"why"`
	Code string `json:"code"`
	// Truncated says that the code was cut for the sake of max_tokens.
	Truncated bool `json:"truncated"`
}

// Text is a list of the results: place, name, why, and the code in a fence.
func (o *SearchOut) Text() string {
	var b strings.Builder
	if o.Warning != "" {
		b.WriteString(o.Warning + "\n")
	}
	if len(o.Results) == 0 {
		fmt.Fprintf(&b, "nothing found in %s (%d files)", o.SourceDir, o.Files)
		return b.String()
	}
	for i, r := range o.Results {
		fmt.Fprintf(&b, "%d. %s:%d-%d", i+1, r.Path, r.Line, r.EndLine)
		if r.Name != "" {
			fmt.Fprintf(&b, " %s %s", r.Kind, r.Name)
		}
		// A fence that the code does not have itself.
		fence := "```"
		for strings.Contains(r.Code, fence) {
			fence += "`"
		}
		fmt.Fprintf(&b, " (%s)\n%s%s\n%s\n%s\n", r.Why, fence, r.Language, r.Code, fence)
	}
	if o.Omitted > 0 {
		fmt.Fprintf(&b, "%d more left out for max_tokens\n", o.Omitted)
	}
	return b.String()
}

// Arguments lists the arguments.
func (t *Search) Arguments() []Argument {
	return []Argument{
		{
			Name: "query", Type: "string", Required: true,
			Usage: "words, a sentence, the name of a function or type, or an operation: GET /orders/{id}",
		},
		{
			Name: "source_dir", Type: "string",
			Usage: "absolute path of the indexed folder or of one below it; the one indexed last without it",
		},
		languageArgument,
		{
			Name: "path", Type: "string",
			Usage: "only files that match, relative to the indexed folder: a folder, a file, or a pattern such as *_test.go",
		},
		{
			Name: "kind", Type: "string", Enum: rag.Kinds(),
			Usage: "only such pieces of code; function includes methods, type every kind of type",
		},
		{
			Name: "limit", Type: "integer", Default: strconv.Itoa(rag.DefaultLimit), Min: bound(1), Max: bound(rag.MaxLimit),
			Usage: "most results",
		},
		{
			Name: "max_tokens", Type: "integer", Default: strconv.Itoa(rag.DefaultMaxTokens),
			Min: bound(rag.MinMaxTokens), Max: bound(rag.MaxMaxTokens),
			Usage: "most tokens of code in the answer, about",
		},
	}
}

// Run searches. Wrong arguments, and a folder that is not indexed, are a *[UserError].
func (t *Search) Run(ctx context.Context, in SearchIn) (*SearchOut, error) {
	lang, err := language("lang", in.Lang)
	if err != nil {
		return nil, err
	}
	dir := in.SourceDir
	if dir == "" {
		if dir = t.indexes.lastIndexed(); dir == "" {
			return nil, &UserError{
				Argument: "source_dir", Message: "no folder was indexed yet", Hint: "index one, or say which one to search",
			}
		}
	}
	folder, err := t.files.folder("source_dir", dir, in.Roots)
	if err != nil {
		return nil, err
	}
	root, err := t.indexes.around(ctx, folder.path)
	if err != nil {
		return nil, indexError(ctx, "source_dir", err)
	}
	index, err := t.indexes.of(root)
	if err != nil {
		return nil, err
	}
	query := rag.Query{Text: in.Query, Language: lang, Path: in.Path, Kind: in.Kind, Limit: in.Limit, MaxTokens: in.MaxTokens}
	if rel, err := filepath.Rel(root, folder.path); err == nil && rel != "." {
		query.Below = filepath.ToSlash(rel)
	}
	found, err := index.Search(ctx, query)
	if err != nil {
		return nil, searchError(ctx, folder.path, err)
	}
	out := &SearchOut{
		Results: make([]SearchResult, len(found.Results)), Omitted: found.Omitted, Warning: found.Warning,
		SourceDir: root, Files: found.Files, Chunks: found.Chunks,
	}
	for i, r := range found.Results {
		out.Results[i] = SearchResult{
			Path: filepath.Join(root, filepath.FromSlash(r.Path)), Line: r.StartLine, EndLine: r.EndLine, Name: r.Name, Kind: r.Kind,
			Language: r.Language, Score: r.Score, Why: r.Why, Code: r.Text, Truncated: r.Truncated,
		}
	}
	return out, nil
}

func searchError(ctx context.Context, dir string, err error) error {
	var wrong *rag.QueryError
	switch {
	case errors.As(err, &wrong):
		return &UserError{Argument: wrong.Field, Message: wrong.Message}
	case errors.Is(err, rag.ErrNoIndex):
		return &UserError{Argument: "source_dir", Message: dir + " is not indexed yet", Hint: "index it first"}
	}
	return indexError(ctx, "source_dir", err)
}
