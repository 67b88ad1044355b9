package treesitter

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// Samples are named language file; a .txt at the end keeps the Go tools away from them.
var samples = []string{
	"sample.py", "broken.py", "sample.go.txt", "broken.go.txt", "sample.js", "default.js", "broken.js", "sample.ts", "sample.tsx", "arrow.ts",
	"sample.java", "broken.java", "sample.rs", "sample.kt", "sample.cs", "sample.rb", "sample.php", "sample.ex", "sample.c", "sample.cpp",
}

func parseSample(t *testing.T, name string) (*File, string) {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	language, ok := LanguageOf(strings.TrimSuffix(name, ".txt"), src)
	if !ok {
		t.Fatalf("no language for %s", name)
	}
	file, err := Parse(t.Context(), language, src)
	if err != nil {
		t.Fatalf("parse %s: %v", name, err)
	}
	return file, string(src)
}

func TestDefinitionsGolden(t *testing.T) {
	for _, name := range samples {
		t.Run(name, func(t *testing.T) {
			file, src := parseSample(t, name)
			var b strings.Builder
			fmt.Fprintf(&b, "language: %s\nwarning: %s\nnames: %q\n", file.Language, file.Warning, file.Names())
			for _, d := range file.Definitions {
				fmt.Fprintf(&b, "\n=== %s %s (%s) lines %d-%d name %d parent %d\n", d.Kind, d.Qualified, d.Name, d.Line, d.EndLine, d.NameLine, d.Parent)
				if d.Doc != strings.TrimSpace(src[d.DocStart:d.StartByte]) {
					t.Errorf("%s: comment %q is not the source", d.At(), d.Doc)
				}
				for _, decorator := range d.Decorators {
					fmt.Fprintf(&b, "--- decorator\n%s\n", decorator)
				}
				fmt.Fprintf(&b, "--- above\n%s--- signature\n%s\n--- body\n%s\n--- full\n%s\n", src[d.DocStart:d.StartByte], d.Signature, d.Body, d.Full)
			}
			golden(t, filepath.Join("testdata", name+".golden"), b.String())
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (write it with -update)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update writes it):\n%s", path, diff)
	}
}

// Every name that is listed must lead back to exactly one function.
func TestNamesAreFound(t *testing.T) {
	for _, name := range samples {
		file, _ := parseSample(t, name)
		names := file.Names()
		functions := file.Functions()
		for i, n := range names {
			found := file.Find(n)
			if len(found) != 1 || found[0].StartByte != functions[i].StartByte {
				t.Errorf("%s: Find(%q) = %d definitions, want the one in line %d", name, n, len(found), functions[i].Line)
			}
		}
	}
}

func TestFind(t *testing.T) {
	py, _ := parseSample(t, "sample.py")
	golang, _ := parseSample(t, "sample.go.txt")
	js, _ := parseSample(t, "sample.js")
	cpp, _ := parseSample(t, "sample.cpp")
	rust, _ := parseSample(t, "sample.rs")
	tests := []struct {
		file *File
		name string
		want []string // Qualified@NameLine
	}{
		{py, "read_item", []string{"read_item@18"}},
		{py, "read_item@16", []string{"read_item@18"}},
		{py, "read_item()", []string{"read_item@18"}},
		{py, "timer.inner", []string{"timer.inner@8"}},
		{py, "inner", []string{"timer.inner@8"}},
		{py, "Repo.name", []string{"Repo.name@34", "Repo.name@38"}},
		{py, "Repo.name@38", []string{"Repo.name@38"}},
		{py, "name", []string{"Repo.name@34", "Repo.name@38"}},
		{py, "run", []string{"Repo.Inner.run@42", "Repo.run@45"}},
		{py, "Inner.run", []string{"Repo.Inner.run@42"}},
		{py, "Repo", []string{"Repo@28"}},
		{py, "where", []string{"where@52", "where@55"}},
		{py, "square", []string{"square@49"}},
		{py, "nothing", nil},
		{py, "read_item@99", nil},
		{py, "", nil},
		{golang, "Store.Get", []string{"Store.Get@25"}},
		{golang, "(*Store).Get", []string{"Store.Get@25"}},
		{golang, "Count.Add", []string{"Count.Add@32"}},
		{golang, "step", []string{"Count.Add.step@35"}},
		{golang, "init", []string{"init@46", "init@48"}},
		{golang, "handler", []string{"handler@42"}},
		{golang, "Reader", []string{"Reader@14"}},
		{js, "Cart.#hidden", []string{"Cart.#hidden@58"}},
		{js, "#hidden", []string{"Cart.#hidden@58"}},
		{js, "Cart.[Symbol.iterator]", []string{"Cart.[Symbol.iterator]@57"}},
		{js, "api.del-ete", []string{"api.del-ete@71"}},
		{js, "Cart.prototype.clear", nil},
		{cpp, "shop::Cart::operator()", []string{"shop.Cart.operator()@20"}},
		{cpp, "shop.Cart.operator()", []string{"shop.Cart.operator()@20"}},
		{cpp, "operator()", []string{"shop.Cart.operator()@20"}},
		{cpp, "Cart::declared", []string{"shop.Cart.declared@31"}},
		{cpp, "~Cart", []string{"shop.Cart.~Cart@13"}},
		{rust, "Point::get", []string{"Point.get@55"}},
		{rust, "area", []string{"Area.area@42", "Point.area@60", "Unit.area@72"}},
	}
	for _, tt := range tests {
		var got []string
		for _, d := range tt.file.Find(tt.name) {
			got = append(got, d.At())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: Find(%q) = %q, want %q", tt.file.Language, tt.name, got, tt.want)
		}
	}
}

func TestLanguageOf(t *testing.T) {
	tests := []struct {
		path, head string
		want       Language
		ok         bool
	}{
		{"a/b/app.py", "", Python, true},
		{"APP.PY", "", Python, true},
		{"stubs.pyi", "", Python, true},
		{"main.go", "", Go, true},
		{"SConstruct", "", Python, true},
		{"tool", "#!/usr/bin/python3\n", Python, true},
		{"tool", "#!/usr/bin/env -S PYTHONUTF8=1 python3.12 -u\nx", Python, true},
		{"tool", "#!/bin/sh\n", "", false},
		{"tool.sh", "#!/usr/bin/python3\n", "", false},
		{"tool", "python", "", false},
		{"tool", "#!/usr/bin/env node\n", JavaScript, true},
		{"tool", "#!/usr/bin/env ruby\n", Ruby, true},
		{"tool", "#!/usr/bin/php8.2\n", PHP, true},
		{"tool", "#!/usr/bin/env -S deno run\n", TypeScript, true},
		{"a.tsx", "", TypeScript, true},
		{"a.d.ts", "", TypeScript, true},
		{"a.jsx", "", JavaScript, true},
		{"a.mjs", "", JavaScript, true},
		{"A.java", "", Java, true},
		{"a.rs", "", Rust, true},
		{"build.gradle.kts", "", Kotlin, true},
		{"a.cs", "", CSharp, true},
		{"Gemfile", "", Ruby, true},
		{"a.php", "", PHP, true},
		{"mix.exs", "", Elixir, true},
		{"a.h", "", C, true},
		{"a.hpp", "", CPP, true},
		{"go", "", "", false},
		{"", "", "", false},
	}
	for _, tt := range tests {
		if got, ok := LanguageOf(tt.path, []byte(tt.head)); got != tt.want || ok != tt.ok {
			t.Errorf("LanguageOf(%q, %q) = %q, %v, want %q, %v", tt.path, tt.head, got, ok, tt.want, tt.ok)
		}
	}
}

func TestParseLanguage(t *testing.T) {
	for name, want := range map[string]Language{"python": Python, "Py": Python, "GO\n": Go, "golang": Go, "tsx": TypeScript, "JS": JavaScript, "c#": CSharp, "C++": CPP, "c": C, "cobol": "", "": ""} {
		if got, ok := ParseLanguage(name); got != want || ok != (want != "") {
			t.Errorf("ParseLanguage(%q) = %q, %v", name, got, ok)
		}
	}
}

// A language with several parsers takes the one that understands the file.
func TestDialects(t *testing.T) {
	for _, tt := range []struct {
		path, src, names string
	}{
		{"a.h", "namespace n { template <class T> class A { int f() { return 1; } }; }", `["n.A.f"]`},
		{"b.h", "int class(void) { int new = 1; return new; }", `["class"]`},
		{"c.h", "class A { int f() { return 1; } int g() { BROKEN( } };", `["A.f" "A.g"]`},
		{"a.ts", "const f = <T>(x: T) => <any>x;", `["f"]`},
		{"b.ts", "const f = <T>(x: T) => '</b>' + <any>x;", `["f"]`},
		{"a.tsx", "const F = <T,>(x: T) => <b>{x}</b>;", `["F"]`},
		{"b.tsx", "const F = () => <b/>;", `["F"]`},
	} {
		language, _ := LanguageOf(tt.path, nil)
		file, err := Parse(t.Context(), language, []byte(tt.src))
		if err != nil {
			t.Fatal(err)
		}
		if names := fmt.Sprintf("%q", file.Names()); names != tt.names || (file.Warning != "") != strings.Contains(tt.src, "BROKEN") || file.Language != language {
			t.Errorf("%s: %s %s, warning %q", tt.path, file.Language, names, file.Warning)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name     string
		language Language
		src      string
		is       error
		says     string
	}{
		{"latin-1", Python, "x = 1\ny = '\xe9t\xe9'\n", ErrNotUTF8, "byte 0xe9 in line 2"},
		{"truncated rune", Go, "package a // \xe2\x82", ErrNotUTF8, "byte 0xe2 in line 1"},
		{"utf-16", Python, "\xff\xfed\x00e\x00f\x00", ErrNotUTF8, "convert the file to UTF-8"},
		{"too large", Python, strings.Repeat("x", MaxBytes+1), ErrTooLarge, "limit is 8388608"},
		{"unknown language", "cobol", "", nil, `no parser for language "cobol"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(t.Context(), tt.language, []byte(tt.src))
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error = %v, want one that says %q", err, tt.says)
			}
		})
	}
}

// Every language at once, on many goroutines: queries are shared, and compiled by whoever comes first.
func TestParseConcurrently(t *testing.T) {
	type sample struct {
		name     string
		language Language
		src      []byte
	}
	var all []sample
	for _, name := range samples {
		src, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		language, _ := LanguageOf(strings.TrimSuffix(name, ".txt"), src)
		all = append(all, sample{name, language, src})
	}
	var mu sync.Mutex
	first := map[string]*File{}
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 2 * len(all) {
				s := all[(i+worker)%len(all)]
				got, err := Parse(t.Context(), s.language, s.src)
				if err != nil {
					t.Errorf("%s: %v", s.name, err)
					continue
				}
				mu.Lock()
				if first[s.name] == nil {
					first[s.name] = got
				}
				if diff := cmp.Diff(first[s.name], got); diff != "" {
					t.Errorf("%s (-first +now):\n%s", s.name, diff)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
}

func TestEmptyAndCRLF(t *testing.T) {
	file, err := Parse(t.Context(), Python, nil)
	if err != nil || len(file.Definitions) != 0 || file.Warning != "" {
		t.Errorf("empty source: %+v, %v", file, err)
	}
	file, err = Parse(t.Context(), Python, []byte("\ufeffdef f():\r\n    x = 1\r\n    return x\r\n"))
	if err != nil || len(file.Definitions) != 1 {
		t.Fatalf("CRLF source: %+v, %v", file, err)
	}
	if d := file.Definitions[0]; d.Body != "    x = 1\r\n    return x" || d.EndLine != 3 || d.Signature != "def f():" {
		t.Errorf("CRLF source: %+v", d)
	}
}
