package tools

import (
	"context"
	"fmt"
	"strings"

	"github.com/fault-project/fault/treesitter"
)

// maxChoices bounds how many names an error offers.
const maxChoices = 8

// Extract returns the source of one function. It is safe for concurrent use.
type Extract struct{ files *FileGuard }

// NewExtract returns the operation; files decides what may be read.
func NewExtract(files *FileGuard) *Extract { return &Extract{files} }

// ExtractIn holds the arguments of [Extract.Run].
type ExtractIn struct {
	File string `json:"file"`
	// Func is a name: bare, qualified (Type.method, outer.inner), or with the line of its head (name@line); or an operation of a service
	// (GET /items/{id}, or a path with values) that the file registers a handler for.
	Func string `json:"func"`
	// Roots are the client's folders, nil when it declares none.
	Roots []string `json:"-"`
}

// ExtractOut is what [Extract.Run] found.
type ExtractOut struct {
	// Full is the exact source with signature and decorators, Body the block without the signature; see
	// [treesitter.Definition] for where a body begins.
	Full string `json:"full"`
	Body string `json:"body"`
	// Name is qualified. Kind is function, method, class, struct, interface, enum, type or module.
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	File     string `json:"file"`
	Language string `json:"language"`
	// Line and EndLine are those of Full, from 1.
	Line    int `json:"line"`
	EndLine int `json:"end_line"`
	// Warning is empty, or says that the file has syntax errors.
	Warning string `json:"warning,omitempty"`
}

// Text is a JSON object with full and body.
func (o *ExtractOut) Text() string {
	return jsonText(struct {
		Full string `json:"full"`
		Body string `json:"body"`
	}{o.Full, o.Body})
}

// Arguments lists the arguments.
func (t *Extract) Arguments() []Argument {
	return []Argument{fileArgument, {
		Name: "func", Type: "string", Required: true,
		Usage: "name of a function, method or type: name, Type.name, name@line where several share it; or what it handles: GET /items/{id}",
	}}
}

// Run reads the file and finds the function. Wrong arguments and files that cannot be read are a *[UserError]; for a name that is not
// there it offers the nearest ones, for one that means several definitions those.
func (t *Extract) Run(ctx context.Context, in ExtractIn) (*ExtractOut, error) {
	if strings.TrimSpace(in.Func) == "" {
		return nil, &UserError{Argument: "func", Message: "must not be empty", Hint: "give the name of a function in the file"}
	}
	file, f, err := t.files.parsed(ctx, "file", in.File, in.Roots)
	if err != nil {
		return nil, err
	}
	found := file.Find(in.Func)
	if len(found) == 0 {
		if found, err = handlerOf(in, file); err != nil {
			return nil, err
		}
	}
	switch {
	case len(found) == 0:
		return nil, unknownFunction(in, file)
	case len(found) > 1:
		names := make([]string, len(found))
		for i := range found {
			names[i] = found[i].At()
		}
		return nil, &UserError{
			Argument: "func", Message: fmt.Sprintf("%q means %d definitions", in.Func, len(found)), Hint: "choose " + choices(names, "or"),
		}
	}
	d := &found[0]
	return &ExtractOut{
		Full: d.Full, Body: d.Body, Name: d.Qualified, Kind: string(d.Kind), File: f.path, Language: string(file.Language),
		Line: d.Line, EndLine: d.EndLine, Warning: file.Warning,
	}, nil
}

// handlerOf finds the handler of an operation, nothing for what is none.
func handlerOf(in ExtractIn, file *treesitter.File) ([]treesitter.Definition, error) {
	method, path, ok := strings.Cut(strings.TrimSpace(in.Func), " ")
	if !ok {
		method, path = "", method
	}
	path = strings.TrimSpace(path)
	if !strings.HasPrefix(path, "/") && !strings.Contains(path, "://") {
		return nil, nil
	}
	route, ok := treesitter.MatchRoute(file.Routes, method, path)
	if !ok {
		operations := make([]string, len(file.Routes))
		for i, r := range file.Routes {
			operations[i] = strings.TrimSpace(r.Method + " " + r.Path)
		}
		err := &UserError{Argument: "func", Message: fmt.Sprintf("no handler of %q in %s", in.Func, in.File), Hint: "it has no routes"}
		if len(operations) > 0 {
			err.Hint = "it has those of " + choices(operations, "and")
		}
		return nil, err
	}
	if route.Handler == "" {
		return nil, &UserError{
			Argument: "func", Message: fmt.Sprintf("the handler of %q has no name", in.Func),
			Hint: fmt.Sprintf("it is written in place, in lines %d to %d", route.Line, route.EndLine),
		}
	}
	found := file.Find(route.Handler)
	if len(found) == 0 {
		return nil, &UserError{
			Argument: "func", Message: fmt.Sprintf("the handler of %q is not in this file", in.Func),
			Hint: fmt.Sprintf("look for %s, registered in line %d", route.Handler, route.Line),
		}
	}
	return found[:1], nil
}

func unknownFunction(in ExtractIn, file *treesitter.File) error {
	names := file.Names()
	err := &UserError{Argument: "func", Message: fmt.Sprintf("no function %q in %s", in.Func, in.File)}
	switch near := nearFunctions(in.Func, names); {
	case len(near) > 0:
		err.Hint = "did you mean " + choices(near, "or") + "?"
	case len(names) > 0:
		err.Hint = "it has " + choices(names, "and")
	default:
		err.Hint = "it has no functions at all"
	}
	if file.Warning != "" {
		err.Hint += " (" + file.Warning + ")"
	}
	return err
}

// choices joins names for a sentence, not too many of them.
func choices(names []string, word string) string {
	if n := len(names); n > maxChoices {
		return strings.Join(names[:maxChoices], ", ") + fmt.Sprintf(" and %d more", n-maxChoices)
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " " + word + " " + names[n-1]
	}
	return strings.Join(names, "")
}
