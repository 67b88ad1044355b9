package main

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fault-project/fault/treesitter/lint"
)

// fixed are the mechanical fixes of one file, applied.
type fixed struct {
	path, before, after string
	fixes               int
}

// applyFixes applies the fixes of the findings in a folder, in memory.
func applyFixes(dir string, findings []lint.Finding) ([]fixed, error) {
	edits := map[string][]lint.Edit{}
	for i := range findings {
		if f := &findings[i]; f.Fix != nil {
			edits[f.Path] = append(edits[f.Path], *f.Fix)
		}
	}
	var out []fixed
	for path, list := range edits {
		full := filepath.Join(dir, filepath.FromSlash(path))
		text, err := os.ReadFile(full)
		if err != nil {
			return nil, err
		}
		after, n := lint.Apply(string(text), list)
		out = append(out, fixed{full, string(text), after, n})
	}
	return out, nil
}

// checkFixes reports the fixes that break the file that they are in: a Go file has errors of the compiler that it had not before, and
// Python does not compile its file. Fixes of other languages were parsed again when they were made.
func checkFixes(ctx context.Context, all []fixed) error {
	var errs []error
	count, python := 0, map[string]string{}
	for _, f := range all {
		count += f.fixes
		switch filepath.Ext(f.path) {
		case ".go":
			before, after := compile(f.path, f.before), compile(f.path, f.after)
			after = slices.DeleteFunc(after, func(message string) bool { return slices.Contains(before, message) })
			if len(after) > 0 {
				errs = append(errs, fmt.Errorf("%s: fixing breaks it: %s", f.path, strings.Join(after, "; ")))
			}
		case ".py":
			python[f.path] = f.after
		}
	}
	broken, err := checkPython(ctx, python)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "%d fixes in %d files; %d files do not compile after them\n", count, len(all), len(errs)+len(broken))
	return errors.Join(append(errs, broken...)...)
}

// compile returns the errors of a Go file taken for itself, without its imports: syntax, names that are not declared, and what is
// declared and not used.
func compile(path, text string) []string {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, text, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	config := types.Config{
		Importer: noImports{}, FakeImportC: true,
		Error: func(err error) {
			var e types.Error
			if errors.As(err, &e) {
				out = append(out, e.Msg)
			}
		},
	}
	_, _ = config.Check(file.Name.Name, set, []*ast.File{file}, nil) // the errors are gathered above
	return out
}

// noImports knows no package.
type noImports struct{}

func (noImports) Import(path string) (*types.Package, error) {
	return nil, fmt.Errorf("%s is not looked at", path)
}

// checkPython compiles files with Python, and returns what it says of those that it cannot compile but could before.
func checkPython(ctx context.Context, files map[string]string) ([]error, error) {
	dir, err := os.MkdirTemp("", "lintsample")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var errs []error
	for path, text := range files {
		copied := filepath.Join(dir, "fixed.py")
		if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
			return nil, err
		}
		if said, err := exec.CommandContext(ctx, "python3", "-m", "py_compile", copied).CombinedOutput(); err != nil {
			errs = append(errs, fmt.Errorf("%s: fixing breaks it: %s", path, said))
		}
	}
	return errs, nil
}
