package scenarios

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	return files
}

func TestLoadGood(t *testing.T) {
	for _, file := range append(glob(t, "testdata/good/*.yaml"), "testdata/good/schema.json") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			loaded, err := Load(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(loaded) != 1 || loaded[0].Path != file {
				t.Fatalf("loaded %d files, want this one", len(loaded))
			}
			out := encode(t, loaded[0].Scenarios)
			for _, note := range loaded[0].Notes {
				out = fmt.Appendln(out, "note:", note.Error())
			}
			golden(t, "good/"+filepath.Base(file)+".golden", out)
		})
	}
}

func TestLoadBad(t *testing.T) {
	for _, file := range glob(t, "testdata/bad/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			loaded, err := Load(file)
			if err == nil || loaded != nil {
				t.Fatalf("loaded %v without an error", loaded)
			}
			// The list of faults grows without a change here.
			text := strings.ReplaceAll(err.Error(), strings.Join(kinds(), ", "), "KINDS")
			golden(t, "bad/"+filepath.Base(file)+".golden", []byte(text+"\n"))
		})
	}
}

func TestFormatRoundTrip(t *testing.T) {
	for _, file := range append(glob(t, "testdata/good/*.yaml"), "testdata/good/schema.json") {
		loaded, err := Load(file)
		if err != nil {
			t.Fatal(err)
		}
		text, err := Format(loaded[0].Scenarios...)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("again.yaml", text)
		if err != nil {
			t.Fatalf("%s: %v in:\n%s", file, err, text)
		}
		if diff := cmp.Diff(string(encode(t, loaded[0].Scenarios)), string(encode(t, again))); diff != "" {
			t.Errorf("%s is not the same after formatting and parsing (-want +got):\n%s", file, diff)
		}
	}
}

func TestLoadPaths(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const good = "title: A\nitems: [{call: {method: GET, url: http://h/}}]\n"
	write("suite/b.yml", strings.Replace(good, "A", "B", 1))
	write("suite/a.yaml", "\xef\xbb\xbf"+good)
	write("suite/results.json", "{}")
	write("suite/deeper/c.yaml", "nonsense")
	for name, want := range map[string]struct{ path, problem string }{
		"none":       {"", "no scenario file given"},
		"missing":    {filepath.Join(dir, "nope.yaml"), "nope.yaml: no such file or directory"},
		"no files":   {write("other/results.json", "{}")[:len(dir)+6], "other: the directory holds no scenario file"},
		"empty":      {write("e/empty.yaml", " \n\n"), "empty.yaml: the file is empty"},
		"comments":   {write("e/comments.yaml", "---\n# nothing\n---\n...\n"), "comments.yaml: the file is empty"},
		"null":       {write("e/null.yaml", "null\n"), "null.yaml: the file is empty"},
		"not UTF-8":  {write("e/latin.yaml", "title: caf\xe9\n"), "latin.yaml: is not UTF-8 text"},
		"UTF-16":     {write("e/utf16.yaml", "\xff\xfet\x00"), "utf16.yaml: is UTF-16 text: save it as UTF-8"},
		"zero bytes": {write("e/zero.yaml", "title: a\x00b\n"), "zero.yaml: is not text"},
		"too large":  {write("e/large.yaml", strings.Repeat("# \n", maxFileSize/3+1)), "large.yaml: is larger than 8 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(want.path)
			var problems Problems
			if !errors.As(err, &problems) || len(problems) != 1 {
				t.Fatalf("error %v, want one problem", err)
			}
			if text := err.Error(); !strings.Contains(text, want.problem) || strings.Contains(text, "\n") {
				t.Errorf("error %q, want one line with %q", text, want.problem)
			}
		})
	}
	loaded, err := Load(filepath.Join(dir, "suite"))
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded) != 2 || loaded[0].Scenarios[0].Title != "A" || loaded[1].Scenarios[0].Title != "B" {
		t.Errorf("a directory gave %+v, want a.yaml and b.yml in this order", loaded)
	}
	all, problems := Validate(filepath.Join(dir, "suite"), filepath.Join(dir, "nope.yaml"), filepath.Join(dir, "e", "empty.yaml"))
	if len(all) != 2 || len(problems) != 2 {
		t.Errorf("Validate gave %d files and %d problems, want 2 and 2", len(all), len(problems))
	}
}

func TestValidateInCode(t *testing.T) {
	s := Scenario{Title: "A", Items: []Item{{Call: Call{Method: "GET", URL: "localhost"}}}}
	err := s.Validate()
	if want := `items[0].call.url: url "localhost" does not begin with http:// or https://`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	s.Items[0].Call.URL = "http://localhost"
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
}

func TestParseHostile(t *testing.T) {
	const head = "title: A\nitems:\n  - call: {method: GET, url: http://h/}\n    context:\n      faults:\n"
	var aliases strings.Builder
	aliases.WriteString(head + "        - &a0 {type: latency, mean: 1, x: 1}\n")
	for i := range 20 {
		fmt.Fprintf(&aliases, "        - &a%d {type: [%s]}\n", i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 20))
	}
	for name, text := range map[string]string{
		"brackets":      strings.Repeat("[", 100_000),
		"dashes":        strings.Repeat("- ", 50_000) + "x",
		"spread":        strings.Repeat("{a:\n", 50_000),
		"alias of self": "&a [*a]",
		"merge of self": "&a {<<: *a}",
		"many values":   "title: A\nitems:\n" + strings.Repeat("- *x\n", 50_000),
		"laughs":        aliases.String(),
		"deep setting":  head + "        - {type: latency, mean: " + strings.Repeat("[", 50) + strings.Repeat("]", 50) + "}\n",
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			if _, err := Parse("f.yaml", []byte(text)); err == nil {
				t.Error("accepted")
			}
			// Not a measure of speed: the parser would need minutes and all memory.
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	known := []string{"mean", "stddev", "direction", "period"}
	for word, want := range map[string]string{
		"meen": "mean", "maen": "mean", "Mean": "mean", "std_dev": "stddev", "directon": "direction", "x": "", "rate": "",
		"periods": "period", strings.Repeat("m", 100): "",
	} {
		if got := nearest(word, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestItemDefaults(t *testing.T) {
	var it Item
	if it.Mode() != ModeSingle || it.LoadDuration() != 0 || it.Call.Deadline() != 30*time.Second {
		t.Errorf("an item without settings: %s, %v, %v", it.Mode(), it.LoadDuration(), it.Call.Deadline())
	}
	timeout := 1.5
	it.Call.Timeout = &timeout
	it.Context.Strategy = &Strategy{Mode: ModeLoad, Duration: "1m30s", Clients: 5, RPS: 20}
	if it.LoadDuration() != 90*time.Second || it.Call.Deadline() != 1500*time.Microsecond {
		t.Errorf("duration %v, deadline %v", it.LoadDuration(), it.Call.Deadline())
	}
	for want, s := range map[string]*Strategy{
		"single shot":                            nil,
		"load for 1m30s with 5 clients @ 20 RPS": it.Context.Strategy,
		"repeat 3 times with a step of 0.5":      {Mode: ModeRepeat, Count: 3, Step: 0.5},
	} {
		if got := s.String(); got != want {
			t.Errorf("strategy %q, want %q", got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/good/*.json", "testdata/bad/*.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	for _, text := range []string{"? a\n: b", "a: |\n  x", "--- {title: 1}", "!!x y", "a: *b", "<<: 1", "- - -", "\t", "{", "'", "%TAG ! x"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		scenarios, err := Parse("f.yaml", data)
		if err != nil {
			var problems Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("error %#v is no list of problems", err)
			}
			for _, p := range problems {
				if strings.ContainsAny(p.Error(), "\n\r") {
					t.Errorf("problem %q is not one line", p.Error())
				}
			}
			return
		}
		text, err := Format(scenarios...)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("again.yaml", text)
		if err != nil {
			t.Fatalf("%v in:\n%s", err, text)
		}
		want, _ := json.Marshal(scenarios)
		got, _ := json.Marshal(again)
		if !bytes.Equal(want, got) {
			t.Errorf("formatted and parsed: %s, want %s", got, want)
		}
	})
}
