//go:build cgo

package treesitter

import (
	"os"
	"path/filepath"
	"testing"

	sitter "github.com/smacker/go-tree-sitter"

	"github.com/google/go-cmp/cmp"
)

// Taking functions from their fields must give what the query gives.
func TestFlatAgreesWithQuery(t *testing.T) {
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(paths, "testdata/sample.go.txt", "testdata/broken.go.txt") {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := sitter.ParseCtx(t.Context(), src, parsers[Go][0].language())
		if err != nil {
			t.Fatal(err)
		}
		query, err := parsers[Go][0].query()
		if err != nil {
			t.Fatal(err)
		}
		plain := *parsers[Go][0].grammar
		plain.flat = nil
		want := (&parser{grammar: &plain}).definitions(query, tree, string(src))
		if diff := cmp.Diff(want, parsers[Go][0].definitions(query, tree, string(src))); diff != "" {
			t.Errorf("%s (-query +fields):\n%s", path, diff)
		}
	}
}

func TestReceiverType(t *testing.T) {
	for text, want := range map[string]string{
		"(s *Store)": "Store", "(Count)": "Count", "(*Count)": "Count", "(l *List[K, V])": "List", "(List[K])": "List", "( a  A , )": "A",
		"(_ A)": "A", "()": "", "(/* c */ A)": "", "(a b c)": "", "A": "",
	} {
		if got, ok := receiverType(text); got != want || ok != (want != "") {
			t.Errorf("receiverType(%q) = %q, %v, want %q", text, got, ok, want)
		}
	}
}
