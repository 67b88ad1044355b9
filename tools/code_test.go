//go:build cgo

package tools

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fault-project/fault/rag"
	"github.com/fault-project/fault/rag/duckdb"
)

const shopPython = `import httpx


class Cart:
    def total(self):
        return sum(i.price for i in self.items)


class Order:
    def total(self):
        return self.cart.total()


@retry(times=3)
def fetch_price(sku: str) -> float:
    """Ask the price service."""
    return httpx.get(f"{URL}/price/{sku}").json()["price"] < 3 & 1
`

func shop(t *testing.T) (dir string, guard *FileGuard) {
	t.Helper()
	dir = writeTree(t, map[string]string{
		"shop.py":      shopPython,
		"broken.py":    "def ok():\n    return 1\n\n\ndef bad(:\n",
		"latin.py":     "x = '\xe9'\n",
		"notes.md":     "# Prices\n\nThe price of things.\n",
		"empty.py":     "x = 1\n",
		"main.go":      "package main\n\nfunc main() { run() }\n",
		"sub/other.py": "def fetch_stock(sku):\n    return None\n",
	})
	guard, err := NewFileGuard([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	return dir, guard
}

func TestList(t *testing.T) {
	dir, guard := shop(t)
	tests := []struct {
		file, text, says string
	}{
		{"shop.py", `["Cart.total","Order.total","fetch_price"]`, ""},
		{"broken.py", `["ok","bad"]`, ""},
		{"empty.py", `[]`, ""},
		{"main.go", `["main"]`, ""},
		{"latin.py", "", "not UTF-8 text: byte 0xe9 in line 1; convert the file to UTF-8"},
		{"notes.md", "", "is not in a language that can be read; have python, go, typescript, "},
		{"none.py", "", "it does not exist; check the path"},
		{"sub", "", "is not a file; give a source file"},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			out, err := NewList(guard).Run(t.Context(), ListIn{File: filepath.Join(dir, tt.file)})
			if tt.says != "" {
				wantUserError(t, err, "file", tt.says)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if out.Text() != tt.text {
				t.Errorf("text %s, want %s", out.Text(), tt.text)
			}
			if (out.Warning != "") != (tt.file == "broken.py") {
				t.Errorf("warning %q", out.Warning)
			}
		})
	}
}

func TestListRoutes(t *testing.T) {
	dir := writeTree(t, map[string]string{
		"main.go": "package main\n\nimport \"net/http\"\n\nfunc main() {\n\thttp.HandleFunc(\"GET /items/{id}\", item)\n}\n\n" +
			"func item(w http.ResponseWriter, r *http.Request) {}\n",
	})
	guard, err := NewFileGuard([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	out, err := NewList(guard).Run(t.Context(), ListIn{File: filepath.Join(dir, "main.go")})
	if err != nil {
		t.Fatal(err)
	}
	want := ListRoute{Method: "GET", Path: "/items/{id}", Handler: "item", Line: 6, EndLine: 6, Framework: "net/http"}
	if len(out.Routes) != 1 || out.Routes[0] != want {
		t.Errorf("routes %+v, want %+v", out.Routes, want)
	}
	if out.Text() != `["main","item"]` {
		t.Errorf("text %s", out.Text())
	}
}

func TestExtractHandler(t *testing.T) {
	dir := writeTree(t, map[string]string{
		"app.js": "const express = require('express');\nconst app = express();\nfunction item(req, res) {}\n" +
			"app.get('/items/:id', item);\napp.get('/users', users.list);\napp.post('/items', (req, res) => {\n});\n",
	})
	guard, err := NewFileGuard([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "app.js")
	for _, operation := range []string{"GET /items/{itemId}", "get /items/42", "http://127.0.0.1:8080/items/42", "/items/{x}"} {
		out, err := NewExtract(guard).Run(t.Context(), ExtractIn{File: file, Func: operation})
		if err != nil || out.Name != "item" || out.Full != "function item(req, res) {}" {
			t.Errorf("%s: %+v, %v", operation, out, err)
		}
	}
	for operation, says := range map[string]string{
		"GET /users":  `the handler of "GET /users" is not in this file; look for users.list, registered in line 5`,
		"POST /items": "it is written in place, in lines 6 to 7",
		"PUT /items":  "it has those of GET /items/{id}, GET /users and POST /items",
	} {
		_, err := NewExtract(guard).Run(t.Context(), ExtractIn{File: file, Func: operation})
		wantUserError(t, err, "func", says)
	}
}

func wantUserError(t *testing.T, err error, argument, says string) {
	t.Helper()
	var user *UserError
	if !errors.As(err, &user) || user.Argument != argument || !strings.Contains(err.Error(), says) {
		t.Errorf("error %v, want a user error about %q that says %q", err, argument, says)
	}
}

func TestExtract(t *testing.T) {
	dir, guard := shop(t)
	file := filepath.Join(dir, "shop.py")
	out, err := NewExtract(guard).Run(t.Context(), ExtractIn{File: file, Func: "fetch_price"})
	if err != nil {
		t.Fatal(err)
	}
	var text struct{ Full, Body string }
	if err := json.Unmarshal([]byte(out.Text()), &text); err != nil {
		t.Fatal(err)
	}
	wantBody := "    \"\"\"Ask the price service.\"\"\"\n    return httpx.get(f\"{URL}/price/{sku}\").json()[\"price\"] < 3 & 1"
	if text.Body != wantBody || text.Full != "@retry(times=3)\ndef fetch_price(sku: str) -> float:\n"+wantBody {
		t.Errorf("body %q\nfull %q", text.Body, text.Full)
	}
	if strings.Contains(out.Text(), `\u003c`) {
		t.Errorf("text escapes what JSON need not escape: %s", out.Text())
	}
	if out.Line != 14 || out.EndLine != 17 || out.Kind != "function" || out.Language != "python" || out.File != file {
		t.Errorf("out %+v", out)
	}

	for name, says := range map[string]string{
		"fetch_prise":      `no function "fetch_prise" in ` + file + `; did you mean fetch_price?`,
		"totl":             "did you mean Cart.total or Order.total?",
		"total":            `"total" means 2 definitions; choose Cart.total@5 or Order.total@10`,
		"nothing_like_it!": "it has Cart.total, Order.total and fetch_price",
		"":                 "must not be empty",
	} {
		_, err := NewExtract(guard).Run(t.Context(), ExtractIn{File: file, Func: name})
		wantUserError(t, err, "func", says)
	}
	_, err = NewExtract(guard).Run(t.Context(), ExtractIn{File: filepath.Join(dir, "empty.py"), Func: "f"})
	wantUserError(t, err, "func", "it has no functions at all")
	out, err = NewExtract(guard).Run(t.Context(), ExtractIn{File: file, Func: "total@10"})
	if err != nil || out.Name != "Order.total" {
		t.Errorf("total@10: %+v, %v", out, err)
	}
}

func TestIndexAndSearch(t *testing.T) {
	dir, guard := shop(t)
	indexes := NewIndexes(Directories(filepath.Join(t.TempDir(), "index"), duckdb.Open), nil)
	index, search := NewIndex(guard, indexes), NewSearch(guard, indexes)
	ctx := t.Context()

	_, err := search.Run(ctx, SearchIn{Query: "price"})
	wantUserError(t, err, "source_dir", "no folder was indexed yet")
	_, err = search.Run(ctx, SearchIn{Query: "price", SourceDir: dir})
	wantUserError(t, err, "source_dir", "is not indexed yet; index it first")

	calls := 0
	out, err := index.Run(ctx, IndexIn{SourceDir: "file://" + dir, Lang: "py", Progress: func(done, total float64, _ string) {
		calls++
		if done > total {
			t.Errorf("progress %v of %v", done, total)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if out.Text() != "done" || out.Added != 4 || out.Files != 4 || out.Failed != 1 || out.Skipped["other language"] != 2 || calls != 5 {
		t.Errorf("index: %+v, %d calls of progress", out, calls)
	}
	if len(out.Failures) != 1 || !strings.HasPrefix(out.Failures[0], "latin.py: not UTF-8") {
		t.Errorf("failures %q", out.Failures)
	}

	found, err := search.Run(ctx, SearchIn{Query: "ask the service for a price"})
	if err != nil || len(found.Results) == 0 {
		t.Fatalf("search: %+v, %v", found, err)
	}
	first := found.Results[0]
	if first.Name != "fetch_price" || first.Path != filepath.Join(dir, "shop.py") || first.Line != 14 || first.EndLine != 17 {
		t.Errorf("first result %+v", first)
	}
	if text := found.Text(); !strings.Contains(text, filepath.Join(dir, "shop.py")+":14-17 function fetch_price (matches ") || !strings.Contains(text, "```python\n@retry") {
		t.Errorf("text:\n%s", text)
	}
	// All languages now; python files are known.
	if out, err = index.Run(ctx, IndexIn{SourceDir: dir}); err != nil || out.Added != 2 || out.Unchanged != 4 || out.Files != 6 {
		t.Errorf("index of all languages: %+v, %v", out, err)
	}
	found, err = search.Run(ctx, SearchIn{Query: "main", Lang: "golang"})
	if err != nil || len(found.Results) == 0 || found.Results[0].Why != "definition of main" {
		t.Errorf("search for main: %+v, %v", found, err)
	}
}

func TestDryRunSaysWhatAnEmbedderWouldBeGiven(t *testing.T) {
	dir, guard := shop(t)
	indexes := NewIndexes(Directories(filepath.Join(t.TempDir(), "index"), duckdb.Open), rag.Hash{})
	index, search := NewIndex(guard, indexes), NewSearch(guard, indexes)
	planned, err := index.Run(t.Context(), IndexIn{SourceDir: dir, DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if text := planned.Text(); !strings.Contains(text, "6 added") || !strings.Contains(text, "hash-lexical-1 would be given") {
		t.Errorf("text %q", text)
	}
	_, err = search.Run(t.Context(), SearchIn{Query: "price", SourceDir: dir})
	wantUserError(t, err, "source_dir", "is not indexed yet")
	done, err := index.Run(t.Context(), IndexIn{SourceDir: dir})
	if err != nil || done.Text() != "done" || done.Vectors.Embedded == 0 || done.Vectors != planned.Vectors {
		t.Errorf("planned %+v, did %+v, %v", planned, done, err)
	}
	if found, err := search.Run(t.Context(), SearchIn{Query: "fetchprices"}); err != nil || found.Warning != "" || len(found.Results) == 0 {
		t.Errorf("found %+v, %v", found, err)
	}
}

func TestFailingEmbedderIsTheCallersToPutRight(t *testing.T) {
	dir, guard := shop(t)
	indexes := NewIndexes(Directories(filepath.Join(t.TempDir(), "index"), duckdb.Open), brokenEmbedder{})
	_, err := NewIndex(guard, indexes).Run(t.Context(), IndexIn{SourceDir: dir})
	wantUserError(t, err, "", "embed with hash-lexical-1: quota; what was done so far is kept")
}

type brokenEmbedder struct{ rag.Hash }

func (brokenEmbedder) Embed(context.Context, []string) ([][]float32, error) {
	return nil, errors.New("quota")
}

func TestCodeArguments(t *testing.T) {
	dir, guard := shop(t)
	indexes := NewIndexes(Directories(filepath.Join(t.TempDir(), "index"), duckdb.Open), nil)
	index, search := NewIndex(guard, indexes), NewSearch(guard, indexes)
	ctx := t.Context()
	_, err := index.Run(ctx, IndexIn{SourceDir: dir, Lang: "pyton"})
	wantUserError(t, err, "lang", `unknown language "pyton"; did you mean "python"? accepted are python, py, `)
	if err := os.Mkdir(filepath.Join(dir, "nothing"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err = index.Run(ctx, IndexIn{SourceDir: filepath.Join(dir, "nothing")})
	wantUserError(t, err, "source_dir", "nothing to index in")
	_, err = index.Run(ctx, IndexIn{SourceDir: filepath.Join(dir, "sub"), Lang: "go"})
	wantUserError(t, err, "source_dir", "no go files to index in "+filepath.Join(dir, "sub")+" (skipped: 1 other language)")

	if _, err := index.Run(ctx, IndexIn{SourceDir: dir}); err != nil {
		t.Fatal(err)
	}
	_, err = search.Run(ctx, SearchIn{Query: " ", SourceDir: dir})
	wantUserError(t, err, "query", "must not be empty")
	_, err = search.Run(ctx, SearchIn{Query: "x", Kind: "functions"})
	wantUserError(t, err, "kind", "must be one of function, method")
	_, err = search.Run(ctx, SearchIn{Query: "x", Limit: 101})
	wantUserError(t, err, "limit", "between 1 and 100")
	_, err = search.Run(ctx, SearchIn{Query: "x", MaxTokens: 5})
	wantUserError(t, err, "max_tokens", "between 100 and 50000")
	// Another folder does not fit into the same index.
	_, err = index.Run(ctx, IndexIn{SourceDir: filepath.Join(dir, "sub")})
	wantUserError(t, err, "", "choose another index directory (--index)")

	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := index.Run(ctx, IndexIn{SourceDir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// Without --index every folder has its own index; a folder below an indexed one is searched in that one.
func TestSearchBelow(t *testing.T) {
	dir, guard := shop(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	indexes := NewIndexes(Directories("", duckdb.Open), nil)
	out, err := NewIndex(guard, indexes).Run(t.Context(), IndexIn{SourceDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if cache, _ := os.UserCacheDir(); !strings.HasPrefix(out.Index, filepath.Join(cache, "fault", "index")) {
		t.Errorf("index in %s", out.Index)
	}
	found, err := NewSearch(guard, indexes).Run(t.Context(), SearchIn{Query: "fetch sku", SourceDir: filepath.Join(dir, "sub")})
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(found.Results))
	for i, r := range found.Results {
		names[i] = r.Name
	}
	if !slices.Equal(names, []string{"fetch_stock"}) || found.Results[0].Path != filepath.Join(dir, "sub", "other.py") {
		t.Errorf("results %q", names)
	}
}
