package treesitter

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse feeds arbitrary bytes to every language: whatever comes back must be consistent with the source.
func FuzzParse(f *testing.F) {
	languages := Languages()
	for _, name := range samples {
		src, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		language, _ := LanguageOf(strings.TrimSuffix(name, ".txt"), nil)
		f.Add(uint8(slices.Index(languages, language)), src)
	}
	for i := range languages {
		for _, src := range []string{
			"class A:\n  def", "func (", "def f(): pass; f = lambda: 0", "x = (lambda: 0)\r\n\x00@d\ndef\u2028g(): 1", "\xff\xfe\x00",
			"a::b::", "/* x */ f = function() {", "@a\n*/\ndef f, do: 1",
		} {
			f.Add(uint8(i), []byte(src))
		}
	}
	f.Fuzz(func(t *testing.T, index uint8, data []byte) {
		language := languages[int(index)%len(languages)]
		file, err := Parse(t.Context(), language, data)
		switch {
		case err == nil:
			checkFile(t, file, string(data))
		case utf8.Valid(data):
			t.Fatalf("%s: %v", language, err)
		}
	})
}

func checkFile(t *testing.T, file *File, src string) {
	t.Helper()
	for i, d := range file.Definitions {
		switch {
		case d.Name == "" || d.Qualified == "":
			t.Fatalf("%s: definition without a name: %+v", file.Language, d)
		case d.DocStart < 0 || d.DocStart > d.StartByte || d.StartByte > d.BodyStart || d.BodyStart > d.BodyEnd ||
			d.BodyEnd > d.EndByte || d.EndByte > len(src):
			t.Fatalf("%s: offsets out of order: %+v", file.Language, d)
		case d.Full != src[d.StartByte:d.EndByte] || d.Body != src[d.BodyStart:d.BodyEnd]:
			t.Fatalf("%s: text is not the source: %+v", file.Language, d)
		case d.Parent >= i || d.Line < 1 || d.NameLine < d.Line || d.EndLine < d.NameLine:
			t.Fatalf("%s: parent or lines: %+v", file.Language, d)
		}
		if !slices.ContainsFunc(file.Find(d.At()), func(o Definition) bool { return o.StartByte == d.StartByte }) && d.Kind.Callable() {
			t.Fatalf("%s: %q is not found", file.Language, d.At())
		}
	}
}
