//go:build cgo

package treesitter

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wholeFiles are files as people write them, a language each, with what is hard to find in it.
func wholeFiles(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/whole/service.*")
	if err != nil {
		t.Fatal(err)
	}
	paths = slices.DeleteFunc(paths, func(path string) bool { return strings.HasSuffix(path, ".golden") })
	if len(paths) < len(Languages()) {
		t.Fatalf("%d files for %d languages", len(paths), len(Languages()))
	}
	return paths
}

// outline is a line for each definition and route.
func outline(file *File) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; %s\n", file.Language, file.Warning)
	one := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	for i := range file.Definitions {
		d := &file.Definitions[i]
		fmt.Fprintf(&b, "%d-%d %s %s, named in %d: %s", d.Line, d.EndLine, d.Kind, d.Qualified, d.NameLine, one(d.Signature))
		for _, decorator := range d.Decorators {
			fmt.Fprintf(&b, "; with %s", one(decorator))
		}
		if d.Doc != "" {
			fmt.Fprintf(&b, "; below %s", one(d.Doc))
		}
		fmt.Fprintf(&b, "; %d words of body\n", len(strings.Fields(d.Body)))
	}
	for _, r := range file.Routes {
		fmt.Fprintf(&b, "%d-%d route %s %s to %q (%s)\n", r.Line, r.EndLine, r.Method, r.Path, r.Handler, r.Framework)
	}
	return b.String()
}

func TestWholeFiles(t *testing.T) {
	for _, path := range wholeFiles(t) {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		language, _ := LanguageOf(strings.TrimSuffix(path, ".txt"), src)
		read := func(text string) *File {
			t.Helper()
			file, err := Parse(t.Context(), language, []byte(text))
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			checkFile(t, file, text)
			return file
		}
		file := read(string(src))
		want := outline(file)
		golden(t, path+".golden", want)
		for _, name := range file.Names() {
			if found := file.Find(name); len(found) == 0 {
				t.Errorf("%s: %q is not found", path, name)
			}
		}
		// Neither line ends nor a byte order mark change what is found where.
		if diff := cmp.Diff(want, outline(read(strings.ReplaceAll(string(src), "\n", "\r\n")))); diff != "" {
			t.Errorf("%s with CRLF:\n%s", path, diff)
		}
		if diff := cmp.Diff(want, outline(read("\ufeff"+string(src)))); diff != "" {
			t.Errorf("%s with a byte order mark:\n%s", path, diff)
		}
		// A syntax error at the end takes nothing away from what is before it, and is told.
		broken := read(string(src) + "\nfoo(\n")
		for _, name := range file.Names() {
			if !slices.Contains(broken.Names(), name) {
				t.Errorf("%s: %q is lost for a syntax error elsewhere", path, name)
			}
		}
		if broken.Warning == "" && language != PHP { // which may end in HTML, where everything goes
			t.Errorf("%s: no warning", path)
		}
	}
}
