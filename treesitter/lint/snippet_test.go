package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fault-project/fault/treesitter"
)

func TestCheckSnippet(t *testing.T) {
	for name, tc := range map[string]struct {
		language treesitter.Language
		snippet  string
		want     string // rule:line:column of the findings
		fixed    string
	}{
		"function without its imports": {
			treesitter.Python, "def price(item):\n    return requests.get(item).json()\n", "remote-call-without-timeout:2:12",
			"def price(item):\n    return requests.get(item, timeout=10).json()\n",
		},
		"function with other imports": {treesitter.Python, "import httpx as requests\ndef price(item):\n    return requests.get(item).json()\n", "", ""},
		"decorated method as it is extracted": {
			treesitter.Python, "@cached\n    def price(self, item):\n        return requests.get(item).json()", "remote-call-without-timeout:3:16",
			"@cached\n    def price(self, item):\n        return requests.get(item, timeout=10).json()",
		},
		"method with its indentation": {
			treesitter.Python, "    async def price(self, item):\n        time.sleep(1)\n        return item\n", "blocking-call-in-async:2:9", "",
		},
		"body": {
			treesitter.Python, "    for item in items:\n        total += requests.get(URL + item).json()\n    return total",
			"http-client-per-call:2:18 remote-call-without-timeout:2:18",
			"    for item in items:\n        total += requests.get(URL + item, timeout=10).json()\n    return total",
		},
		"Go function": {
			treesitter.Go, "func price(item string) (*http.Response, error) {\n\treturn http.Get(item)\n}", "remote-call-without-timeout:2:9", "",
		},
		"Go body": {treesitter.Go, "{\n\treturn http.Get(item)\n}", "remote-call-without-timeout:2:9", ""},
		"Java method": {
			treesitter.Java, "Shop price(String item) {\n  HttpClient client = HttpClient.newHttpClient();\n  return client.send(item);\n}",
			"http-client-per-call:2:23 remote-call-without-timeout:2:23", "",
		},
		"Java body": {treesitter.Java, "{\n  client = HttpClient.newHttpClient();\n}", "remote-call-without-timeout:2:12", ""},
		"TypeScript method": {
			treesitter.TypeScript, "async price(item: string): Promise<Shop> { return axios.get(item); }", "remote-call-without-timeout:1:51", "",
		},
		"JavaScript body":               {treesitter.JavaScript, "{\n  return axios.get(item);\n}", "remote-call-without-timeout:2:10", ""},
		"comment that waves it through": {treesitter.Python, "def price(item):\n    return requests.get(item)  # fault:ignore\n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := CheckSnippet(t.Context(), tc.language, tc.snippet, Options{})
			if err != nil || report.Warning != "" {
				t.Fatalf("%+v, %v", report, err)
			}
			var found []string
			var edits []Edit
			for _, f := range report.Findings {
				found = append(found, fmt.Sprintf("%s:%d:%d", f.Rule, f.Line, f.Column))
				if f.Fix != nil {
					edits = append(edits, *f.Fix)
				}
			}
			if got := strings.Join(found, " "); got != tc.want {
				t.Errorf("found %s, want %s", got, tc.want)
			}
			if fixed, n := Apply(tc.snippet, edits); tc.fixed != "" && fixed != tc.fixed || tc.fixed == "" && n > 0 && tc.language == treesitter.Python {
				t.Errorf("fixed (%d edits):\n%s", n, fixed)
			}
			if want := strings.Count(strings.TrimSuffix(tc.snippet, "\n"), "\n") + 1; report.Lines != want {
				t.Errorf("%d lines, want %d", report.Lines, want)
			}
		})
	}
}

// Whatever is extracted from a file can be judged.
func TestCheckSnippetOfEveryDefinition(t *testing.T) {
	paths, err := filepath.Glob("../testdata/*/*")
	if err != nil {
		t.Fatal(err)
	}
	samples, err := filepath.Glob("../testdata/sample.*")
	if err != nil {
		t.Fatal(err)
	}
	checked := map[treesitter.Language]int{}
	for _, path := range append(paths, samples...) {
		language, ok := treesitter.LanguageOf(strings.TrimSuffix(path, ".txt"), nil)
		if !ok || !slices.Contains(Languages(), language) {
			continue
		}
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := treesitter.Parse(t.Context(), language, src)
		if err != nil {
			t.Fatal(err)
		}
		if file.Warning != "" {
			continue
		}
		for _, d := range file.Definitions {
			snippets := []string{d.Full}
			if d.Kind.Callable() {
				snippets = append(snippets, d.Body)
			}
			for _, snippet := range snippets {
				report, err := CheckSnippet(t.Context(), language, snippet, Options{})
				if err != nil || report.Warning != "" {
					t.Errorf("%s, %s: %v, %s\n%s", path, d.Qualified, err, report.Warning, snippet)
				}
			}
			checked[language]++
		}
	}
	for _, l := range Languages() {
		if checked[l] < 10 {
			t.Errorf("%d definitions in %s", checked[l], l)
		}
	}
}

// What cannot be read as a part of a file either is reported on as far as it goes.
func TestCheckSnippetBroken(t *testing.T) {
	for _, language := range Languages() {
		report, err := CheckSnippet(t.Context(), language, "((( :", Options{})
		if err != nil || report.Warning == "" || len(report.Findings) > 0 || report.Lines != 1 {
			t.Errorf("%s: %+v, %v", language, report, err)
		}
		if report, err = CheckSnippet(t.Context(), language, "", Options{}); err != nil || len(report.Findings) > 0 || report.Lines != 1 {
			t.Errorf("%s, nothing: %+v, %v", language, report, err)
		}
	}
}
