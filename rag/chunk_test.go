//go:build cgo

package rag

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fault-project/fault/treesitter"
)

var updateGolden = flag.Bool("update", false, "write the golden files")

func TestCutGolden(t *testing.T) {
	for name, language := range map[string]string{"sample.py": "python", "sample.go.txt": "go", "sample.md": "markdown"} {
		t.Run(name, func(t *testing.T) {
			src, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			chunks, err := cutFile(t.Context(), name, language, src)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for _, c := range chunks {
				fmt.Fprintf(&b, "=== %s %s lines %d-%d header %q\n%s\n", c.Kind, c.Name, c.StartLine, c.EndLine, c.Header, c.Text)
			}
			path := filepath.Join("testdata", name+".golden")
			if *updateGolden {
				if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v (write it with -update)", err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("%s (-want +got; -update writes it):\n%s", path, diff)
			}
		})
	}
}

// Every language: a definition that does not stand in a function has chunks of its own, with all of its lines.
func TestCutEveryLanguage(t *testing.T) {
	dir := filepath.Join("..", "treesitter", "testdata")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, entry := range entries {
		name := strings.TrimSuffix(entry.Name(), ".txt")
		language, ok := treesitter.LanguageOf(name, nil)
		if !ok || entry.IsDir() {
			continue
		}
		seen[string(language)] = true
		src, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		file, err := treesitter.Parse(t.Context(), language, src)
		if err != nil {
			t.Fatal(err)
		}
		chunks, err := cutFile(t.Context(), name, string(language), src)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Definitions {
			inFunction := false
			for p := d.Parent; p >= 0; p = file.Definitions[p].Parent {
				inFunction = inFunction || file.Definitions[p].Kind.Callable()
			}
			found := slices.ContainsFunc(chunks, func(c Chunk) bool {
				return c.Name == d.Qualified && c.Kind == string(d.Kind) && c.StartLine <= d.Line && c.EndLine >= d.EndLine
			})
			if found == inFunction {
				t.Errorf("%s: %s %s in lines %d-%d: has a chunk: %v", name, d.Kind, d.At(), d.Line, d.EndLine, found)
			}
		}
	}
	for _, language := range treesitter.Languages() {
		if !seen[string(language)] {
			t.Errorf("no sample of %s", language)
		}
	}
}

func TestCutLongFunction(t *testing.T) {
	var src strings.Builder
	src.WriteString("package a\n\nfunc long(ctx context.Context,\n\tn int) error {\n")
	for i := range 300 {
		fmt.Fprintf(&src, "\tstep%d(ctx, n)\n", i)
		if i%10 == 9 {
			src.WriteString("\n")
		}
	}
	src.WriteString("\treturn nil\n}\n")
	chunks, err := cutFile(t.Context(), "a.go", "go", []byte(src.String()))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(src.String(), "\n")
	next := 3
	for i, c := range chunks[:len(chunks)-1] { // the last one is the package clause
		if solid(c.Text) > maxChunk {
			t.Errorf("chunk %d has %d solid bytes", i, solid(c.Text))
		}
		if c.Name != "long" || c.Kind != "function" || (i > 0) != (c.Header == "func long(ctx context.Context,\n\tn int) error") {
			t.Errorf("chunk %d: %s %s, header %q", i, c.Kind, c.Name, c.Header)
		}
		if got := strings.Join(lines[c.StartLine-1:c.EndLine], "\n"); got != c.Text {
			t.Errorf("chunk %d says lines %d-%d, which are\n%s\nand has\n%s", i, c.StartLine, c.EndLine, got, c.Text)
		}
		for _, blank := range lines[next-1 : c.StartLine-1] {
			if blank != "" {
				t.Errorf("chunk %d: line %q before it is lost", i, blank)
			}
		}
		next = c.EndLine + 1
	}
	if len(chunks) < 3 || next != len(lines) {
		t.Errorf("%d chunks, up to line %d of %d", len(chunks), next, len(lines))
	}
}

func TestSplit(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("x", 5*maxChunk), strings.Repeat("é", 3*maxChunk), strings.Repeat("a b\n", maxChunk), strings.Repeat("\n", 3*maxChunk), "",
	} {
		parts := split(text)
		if strings.Join(parts, "") != text {
			t.Errorf("the parts of %d bytes are not the text", len(text))
		}
		for _, p := range parts {
			if solid(p) > maxChunk || strings.Contains(p, "\ufffd") || !strings.HasPrefix(strings.ToValidUTF8(p, "\ufffd"), p[:min(1, len(p))]) {
				t.Errorf("a part of %d solid bytes: %.20q", solid(p), p)
			}
		}
	}
}

func TestCutRefusesWhatIsNotText(t *testing.T) {
	for _, language := range []string{"python", "yaml"} {
		if _, err := cutFile(t.Context(), "x", language, []byte("x: \xe9\n")); !errors.Is(err, treesitter.ErrNotUTF8) {
			t.Errorf("%s: %v", language, err)
		}
	}
}

// FuzzCut checks that chunks stay inside of their file, whatever it is.
func FuzzCut(f *testing.F) {
	for _, name := range []string{"sample.py", "sample.go.txt", "sample.md"} {
		src, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Add([]byte("class A:\n def a(self): pass\n def b(self): pass"))
	languages := []string{"markdown", "yaml"}
	for _, l := range treesitter.Languages() {
		languages = append(languages, string(l))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, language := range languages {
			chunks, err := cutFile(t.Context(), "x", language, src)
			if err != nil {
				continue
			}
			lines := strings.Count(string(src), "\n") + 1
			for _, c := range chunks {
				if c.StartLine < 1 || c.EndLine < c.StartLine || c.EndLine > lines || c.Text == "" || solid(c.Text) > 2*maxChunk {
					t.Fatalf("%s: chunk %+v of %d lines", language, c, lines)
				}
			}
		}
	})
}
