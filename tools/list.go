package tools

import (
	"context"
	"encoding/json"
	"strings"
)

// List lists the functions and methods of a source file, and the operations of a service that it registers handlers for. It is safe
// for concurrent use.
type List struct{ files *FileGuard }

// NewList returns the operation; files decides what may be read.
func NewList(files *FileGuard) *List { return &List{files} }

// ListIn holds the arguments of [List.Run].
type ListIn struct {
	File string `json:"file"`
	// Roots are the client's folders, nil when it declares none.
	Roots []string `json:"-"`
}

// ListOut is what [List.Run] found.
type ListOut struct {
	// Functions are the qualified names, in the order of the file; of several functions with one name each carries its line, as
	// name@line. [Extract] takes every one of them.
	Functions []string `json:"functions"`
	// Routes are the operations that the file registers handlers for.
	Routes []ListRoute `json:"routes,omitempty"`
	// File is the path without symbolic links.
	File     string `json:"file"`
	Language string `json:"language"`
	// Warning is empty, or says that the file has syntax errors.
	Warning string `json:"warning,omitempty"`
}

// ListRoute is an operation of a service and what handles it; see [treesitter.Route].
type ListRoute struct {
	// Method is "" for any.
	Method string `json:"method"`
	Path   string `json:"path"`
	// Handler is a name that [Extract] takes if it is defined in the same file, and "" for a function that is written in place.
	Handler   string `json:"handler"`
	Line      int    `json:"line"`
	EndLine   int    `json:"end_line"`
	Framework string `json:"framework"`
}

// Text is a JSON array of the names.
func (o *ListOut) Text() string { return jsonText(o.Functions) }

// Arguments lists the arguments.
func (t *List) Arguments() []Argument { return []Argument{fileArgument} }

// Run reads the file. Wrong arguments and files that cannot be read are a *[UserError].
func (t *List) Run(ctx context.Context, in ListIn) (*ListOut, error) {
	file, f, err := t.files.parsed(ctx, "file", in.File, in.Roots)
	if err != nil {
		return nil, err
	}
	out := &ListOut{Functions: file.Names(), File: f.path, Language: string(file.Language), Warning: file.Warning}
	for _, r := range file.Routes {
		out.Routes = append(out.Routes, ListRoute{
			Method: r.Method, Path: r.Path, Handler: r.Handler, Line: r.Line, EndLine: r.EndLine, Framework: string(r.Framework),
		})
	}
	return out, nil
}

// jsonText encodes what is known to be encodable. Source code keeps its <, > and &.
func jsonText(v any) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic("tools: encode: " + err.Error()) // only strings, numbers and their lists come here
	}
	return strings.TrimSuffix(b.String(), "\n")
}
