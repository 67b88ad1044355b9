//go:build cgo

package treesitter

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// A brace that is missing hides nothing of what comes after it.
func TestMissingBrace(t *testing.T) {
	for _, tt := range []struct {
		path     string
		language Language
		line     string // taken away, the first of it
		kept     []string
	}{
		{"testdata/whole/service.go.txt", Go, "\t}", []string{"New", "Server.ServeHTTP", "Größe.String", "Pair.Swap", "Map", "WithHandler", "hook"}},
		{"testdata/whole/service.ts", TypeScript, "}", []string{"parse", "double", "curry", "main", "Shop.find", "Shop.#load", "Base.done", "api.get", "useCart"}},
		{"testdata/whole/service.tsx", TypeScript, "}", []string{"List", "Button", "Panel", "App.render", "withAuth"}},
	} {
		src, err := os.ReadFile(tt.path)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := Parse(t.Context(), tt.language, src)
		if err != nil || whole.Warning != "" {
			t.Fatal(whole.Warning, err)
		}
		text := strings.Replace(string(src), "\n"+tt.line+"\n", "\n\n", 1) // the lines stay what they were
		file, err := Parse(t.Context(), tt.language, []byte(text))
		if err != nil || file.Warning == "" {
			t.Fatalf("%s: %+v, %v", tt.path, file, err)
		}
		checkFile(t, file, text)
		at := func(file *File, name string) (line int, doc string, decorators int) {
			i := slices.IndexFunc(file.Definitions, func(d Definition) bool { return d.Qualified == name })
			if i < 0 {
				t.Errorf("%s: %s is lost, there are %q", tt.path, name, file.Names())
				return 0, "", 0
			}
			d := file.Definitions[i]
			return d.Line, d.Doc, len(d.Decorators)
		}
		for _, name := range tt.kept {
			line, doc, decorators := at(file, name)
			wantLine, wantDoc, wantDecorators := at(whole, name)
			if line != wantLine || doc != wantDoc || decorators != wantDecorators {
				t.Errorf("%s: %s in line %d below %q with %d decorators, want line %d, %q, %d", tt.path, name, line, doc, decorators,
					wantLine, wantDoc, wantDecorators)
			}
		}
	}
}
