//go:build cgo && unix

package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/fault-project/fault/treesitter"
)

func TestStrip(t *testing.T) {
	for _, tt := range []struct {
		language  treesitter.Language
		src, doc  string
		leftovers string
	}{
		{treesitter.Go, "package a\n\n// F does\n// it.\nfunc F() { g() }\n", "F does it.", "package a func F() { g() }"},
		{treesitter.Python, "def f(x):\n    \"\"\"Does\n    it.\"\"\"\n    return x\n", "Does it.", "def f(x): ... return x"},
		{treesitter.Python, "def f(x):\n    return 'text'\n", "", "def f(x): return 'text'"},
	} {
		file, err := treesitter.Parse(t.Context(), tt.language, []byte(tt.src))
		if err != nil {
			t.Fatal(err)
		}
		src := []byte(tt.src)
		doc := strip(src, &file.Functions()[0], tt.language)
		if got := strings.Join(strings.Fields(doc), " "); got != tt.doc {
			t.Errorf("docstring %q, want %q", got, tt.doc)
		}
		if got := strings.Join(strings.Fields(string(src)), " "); got != tt.leftovers {
			t.Errorf("left %q, want %q", got, tt.leftovers)
		}
		if strings.Count(string(src), "\n") != strings.Count(tt.src, "\n") {
			t.Errorf("lines are lost: %q", src)
		}
	}
}

func TestQuestion(t *testing.T) {
	const doc = "ParseURL parses the given address into host, port and path.\n\nIt fails when the URL has spaces."
	got := asking{hard: true}.question(doc, "ParseURL")
	if want := "the given address into host, port and path."; got != want {
		t.Errorf("hard: %q, want %q", got, want)
	}
	if got := (asking{}).question(doc, "ParseURL"); got != "" {
		t.Errorf("a docstring of few words gives %q", got)
	}
	long := doc + " Otherwise everything that follows the question mark becomes one more value of the query string."
	got = asking{}.question(long, "ParseURL")
	if !strings.Contains(got, "parses") || strings.Contains(got, "URL") {
		t.Errorf("the very words of the name are taken out: %q", got)
	}
}

func TestEstimates(t *testing.T) {
	answers := slices.Repeat([]answer{{rank: 1, within: [3]bool{true, true, true}}, {rank: 4}}, 50)
	e := estimates(answers)
	if e[mrr10].mean != 0.625 || e[recall1].mean != 0.5 || e[recall5].mean != 1 || e[recall4k].mean != 0.5 {
		t.Errorf("%+v", e)
	}
	if e[recall1].low >= 0.5 || e[recall1].high <= 0.5 || e[recall5].low != 1 {
		t.Errorf("intervals %+v", e)
	}
}
