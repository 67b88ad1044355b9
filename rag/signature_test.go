package rag

import (
	"slices"
	"strings"
	"testing"
)

func TestParameters(t *testing.T) {
	tests := []struct {
		language, name, text, want string
	}{
		{"go", "F", "func F() {", ""},
		{"go", "R.Read", "// Read(x) reads.\nfunc (r *R) Read(p []byte, off, n int) (m int, err error) {\n\treturn f(q)\n}", "p off n"},
		{"go", "Walk", "func Walk(root string, fn func(path string, d fs.DirEntry) error) error {", "root fn"},
		{"go", "Map", "func Map[K comparable, V any](m map[K]V, c <-chan V, opts ...Option) []V {", "m c opts"},
		{"go", "Split", "func Split(\n\ts string,\n\tsep string,\n) []string {", "s sep"},
		{
			"python", "Shop.fetch", "@cached(key=1)\nasync def fetch(self, sku: str, *, tries: int = 3, **options) -> dict[str, int]:\n    return g(sku)",
			"sku tries options",
		},
		{"python", "f", "def f(a=g(1, 2), b=(3, 4)):", "a b"},
		{"typescript", "load", "export const load = async (url: string, headers: Map<string, string>, done?: (e: Error) => void) => {", "url headers done"},
		{"java", "Cart.add", "@Override\npublic void add(final Item item, Map<String, List<Integer>> sizes, int... counts) {", "item sizes counts"},
		{"rust", "open", "pub fn open(&mut self, path: &Path, mode: u32) -> Result<File> {", "path mode"},
		{"c", "copy", "static int copy(char *dst, const char src[], size_t n) {", "dst src n"},
		{"go", "T", "func other(a int) {", ""},
		{"go", "F", "func F(a int, b (", "a"},
		{"go", "", "func (a int)", ""},
	}
	for _, tt := range tests {
		c := &Chunk{Kind: "function", Language: tt.language, Name: tt.name, Text: tt.text}
		if got := strings.Join(parameters(c), " "); got != tt.want {
			t.Errorf("%s %s: %q, want %q", tt.language, tt.name, got, tt.want)
		}
	}
	later := &Chunk{Kind: "method", Language: "go", Name: "F", Header: "func F(a, b int)", Text: "\tF(x, y)\n"}
	if got := parameters(later); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("a later piece of a long function: %q", got)
	}
	if got := parameters(&Chunk{Kind: "struct", Language: "go", Name: "F", Text: "func F(a int)"}); got != nil {
		t.Errorf("not a function: %q", got)
	}
}

func TestSignature(t *testing.T) {
	c := &Chunk{
		Kind: "method", Language: "go", Name: "Conn.Close",
		Text: "// Close closes (twice).\n/*\n * Close\n */\nfunc (c *Conn) Close(ctx context.Context) (err error) {\n\treturn c.Close(nil)\n}",
	}
	whole, after := signature(c)
	if whole != "func (c *Conn) Close(ctx context.Context) (err error) " || after != "(ctx context.Context) (err error) " {
		t.Errorf("%q, %q", whole, after)
	}
}

func TestPrivate(t *testing.T) {
	tests := []struct {
		language, kind, name string
		want                 bool
	}{
		{"go", "method", "Conn.Close", false},
		{"go", "method", "Conn.close", true},
		{"go", "method", "conn.Close", false},
		{"go", "struct", "conn", true},
		{"go", KindCode, "", false},
		{"python", "method", "Shop._fetch", true},
		{"python", "method", "_Shop.fetch", false},
		{"python", "function", "fetch", false},
		{"java", "method", "Cart.add", false},
		{"markdown", KindDocs, "usage", false},
	}
	for _, tt := range tests {
		if got := private(&Chunk{Language: tt.language, Kind: tt.kind, Name: tt.name}); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

func FuzzParameters(f *testing.F) {
	f.Add("go", "F", "func (r *R) F(p []byte, off int) error {")
	f.Add("python", "f", "def f(a=(1, 2), *, b):")
	f.Add("java", "f", "void f(Map<K, V> m, int... n) {")
	f.Add("cpp", "f", "f)>((<,")
	f.Fuzz(func(t *testing.T, language, name, text string) {
		c := &Chunk{Kind: "function", Language: language, Name: name, Text: text}
		for _, p := range parameters(c) {
			if p == "" || !strings.Contains(text, p) {
				t.Fatalf("the parameter %q is not in %q", p, text)
			}
		}
	})
}
