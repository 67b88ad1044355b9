//go:build cgo

package rag

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func shopIndex(t *testing.T) (*Index, *memStore) {
	t.Helper()
	x, store := newIndex(t, writeTree(t, map[string]string{
		"client/retry.go": "package client\n\n// Retry calls do until it succeeds, with exponential backoff between attempts.\nfunc Retry(do func() error) error {\n\treturn do()\n}\n" +
			"\n// Client talks to the price service.\ntype Client struct{ base string }\n\n// Fetch gets the price of an article.\nfunc (c *Client) Fetch(sku string) error { return Retry(nil) }\n",
		"client/retry_test.go": "package client\n\nfunc TestRetry(t *testing.T) { _ = Retry(func() error { return nil }) }\n\nfunc Fetch() {}\n",
		"docs/retry.md":        "# Retry\n\nCalls are tried again with exponential backoff between attempts of calls.\n",
		"app/shop.py":          "class Shop:\n    def fetch_price(self, sku):\n        return self.client.fetch(sku)\n\n    def retry(self):\n        pass\n",
		"app/config.yaml":      "retries: 3\n",
	}))
	mustUpdate(t, x, Options{})
	return x, store
}

func namesOf(t *testing.T, x *Index, q Query) []string {
	t.Helper()
	found, err := x.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range found.Results {
		out = append(out, r.Path+":"+r.Name)
	}
	return out
}

func TestSearchRanking(t *testing.T) {
	x, _ := shopIndex(t)
	tests := []struct {
		query string
		first []string
	}{
		{"exponential backoff between attempts", []string{"client/retry.go:Retry", "docs/retry.md:Retry"}},
		{"get the price of an article", []string{"client/retry.go:Client.Fetch"}},
		{"Retry", []string{"client/retry.go:Retry", "app/shop.py:Shop.retry"}},
		{"retry", []string{"app/shop.py:Shop.retry", "client/retry.go:Retry"}},
		{"Retry()", []string{"client/retry.go:Retry"}},
		{"Fetch", []string{"client/retry.go:Client.Fetch", "client/retry_test.go:Fetch"}},
		{"(*Client).Fetch", []string{"client/retry.go:Client.Fetch"}},
		{"Client.Fetch", []string{"client/retry.go:Client.Fetch"}},
		{"where is fetch_price called", []string{"app/shop.py:Shop.fetch_price"}},
		{"Shop::fetch_price", []string{"app/shop.py:Shop.fetch_price"}},
		{"shop price fetching", []string{"app/shop.py:Shop.fetch_price"}},
	}
	for _, tt := range tests {
		got := namesOf(t, x, Query{Text: tt.query})
		if len(got) < len(tt.first) || !slices.Equal(got[:len(tt.first)], tt.first) {
			t.Errorf("%q: %q, want first %q", tt.query, got, tt.first)
		}
	}
	if got := namesOf(t, x, Query{Text: "zebra quagga"}); got != nil {
		t.Errorf("words that are nowhere: %q", got)
	}
	if got := namesOf(t, x, Query{Text: "the of and"}); got != nil {
		t.Errorf("stop words only: %q", got)
	}
}

// What ranks among functions that have the same words.
func TestSearchPrefers(t *testing.T) {
	x, _ := newIndex(t, writeTree(t, map[string]string{
		"a/parameters.go": "package a\n\nfunc Fill(buf []byte, pos int) { load() }\n\nfunc Feed(src []byte, off int) { load() }\n",
		"b/private.go":    "package b\n\nfunc stow() { crate() }\n\nfunc Pile() { crate() }\n",
		"c/state.go":      "package c\n\nfunc Used(n int) int { sockets() }\n\nfunc Busy(n int) bool { sockets() }\n",
		"d/signature.go":  "package d\n\nfunc Send() { var x Parcel; x.y() }\n\nfunc Pack(x Parcel) { x.y(); y.z() }\n",
	}))
	mustUpdate(t, x, Options{})
	tests := []struct {
		query, first, why string
	}{
		{"load into src at off", "a/parameters.go:Feed", "matches load, src, off; has the parameters src, off"},
		{"load into buf at pos", "a/parameters.go:Fill", "matches load, buf, pos; has the parameters buf, pos"},
		{"put into a crate", "b/private.go:Pile", "matches crate"},
		{"whether sockets are used", "c/state.go:Busy", "matches sockets"},
		{"what is done with parcels", "d/signature.go:Pack", "matches parcels"},
	}
	for _, tt := range tests {
		found, err := x.Search(t.Context(), Query{Text: tt.query, Kind: "function"})
		if err != nil || len(found.Results) < 2 {
			t.Fatalf("%q: %+v, %v", tt.query, found, err)
		}
		r := found.Results[0]
		if got := r.Path + ":" + r.Name; got != tt.first || r.Why != tt.why {
			t.Errorf("%q: %s (%s), want %s (%s)", tt.query, got, r.Why, tt.first, tt.why)
		}
	}
}

// A name goes before all words where it is what is asked for, and not where a long text only mentions it.
func TestNamesMeant(t *testing.T) {
	x, _ := newIndex(t, writeTree(t, map[string]string{
		"a/fetch.go": "package a\n\nfunc fetchPrice() { one() }\n\nfunc orders() { two() }\n",
		"b/app.go":   "package b\n\nfunc Sum() { count(words, articles, basket) }\n\nfunc init() { http.HandleFunc(\"/orders\", orders) }\n\nfunc orders() {}\n",
	}))
	mustUpdate(t, x, Options{})
	long := " counts the words of articles of a basket, as red green blue white black brown yellow orange purple ones of "
	tests := []struct{ query, first string }{
		{"words of articles as fetchPrice", "a/fetch.go:fetchPrice"},
		{long + "fetchPrice", "b/app.go:Sum"},
		{long + "fetchPrice" + strings.Repeat(" a.fetchPrice a.orders", 6), "a/fetch.go:fetchPrice"},
		{"words of articles for GET /orders", "b/app.go:orders"},
		{long + "GET /orders", "b/app.go:Sum"},
	}
	for _, tt := range tests {
		if got := namesOf(t, x, Query{Text: tt.query}); len(got) == 0 || got[0] != tt.first {
			t.Errorf("%q: %q, want first %s", tt.query, got, tt.first)
		}
	}
}

func TestSearchFilters(t *testing.T) {
	x, _ := shopIndex(t)
	tests := []struct {
		q    Query
		want []string // paths, in any order
	}{
		{Query{Text: "retry", Language: "python"}, []string{"app/shop.py"}},
		{Query{Text: "retry", Kind: "docs"}, []string{"docs/retry.md"}},
		{Query{Text: "retry", Kind: "type"}, []string{"client/retry.go", "app/shop.py"}},
		{Query{Text: "client", Kind: "struct"}, []string{"client/retry.go"}},
		{Query{Text: "retry", Path: "client"}, []string{"client/retry.go", "client/retry_test.go"}},
		{Query{Text: "retry", Path: "client/"}, []string{"client/retry.go", "client/retry_test.go"}},
		{Query{Text: "retry", Path: "*_test.go"}, []string{"client/retry_test.go"}},
		{Query{Text: "retry", Path: "**/retry.*"}, []string{"client/retry.go", "docs/retry.md"}},
		{Query{Text: "retry", Below: "app"}, []string{"app/shop.py", "app/config.yaml"}},
		{Query{Text: "retry", Below: "ap"}, nil},
	}
	for _, tt := range tests {
		found, err := x.Search(t.Context(), tt.q)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range found.Results {
			if !slices.Contains(got, r.Path) {
				got = append(got, r.Path)
			}
		}
		slices.Sort(got)
		slices.Sort(tt.want)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.q, got, tt.want)
		}
	}
}

func TestSearchResult(t *testing.T) {
	x, _ := shopIndex(t)
	found, err := x.Search(t.Context(), Query{Text: "retrying attempts", Language: "go", Limit: 1})
	if err != nil || len(found.Results) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	r := found.Results[0]
	if r.StartLine != 3 || r.EndLine != 6 || r.Kind != "function" || r.Why != "matches retrying, attempts" || !strings.HasPrefix(r.Text, "// Retry calls") {
		t.Errorf("result %+v", r)
	}
	if found.Files != 5 || found.Chunks < 9 {
		t.Errorf("totals %+v", found)
	}
}

func TestSearchBudget(t *testing.T) {
	files := map[string]string{}
	for _, name := range []string{"a", "b", "c", "d"} {
		files[name+".py"] = "def retry_" + name + "():\n" + strings.Repeat("    retry(everything)\n", 40)
	}
	x, _ := newIndex(t, writeTree(t, files))
	mustUpdate(t, x, Options{})
	for _, budget := range []int{100, 300, 500, 1000, 4000} {
		found, err := x.Search(t.Context(), Query{Text: "retry", MaxTokens: budget})
		if err != nil {
			t.Fatal(err)
		}
		used := 0
		for i, r := range found.Results {
			used += overheadTokens + tokens(r.Text)
			if r.Truncated != strings.HasSuffix(r.Text, "\n"+elision) {
				t.Errorf("budget %d, result %d: truncated %v, text %q", budget, i, r.Truncated, r.Text)
			}
		}
		if used > budget+2 || len(found.Results) == 0 || len(found.Results)+found.Omitted != 4 {
			t.Errorf("budget %d: %d tokens in %d results, %d left out", budget, used, len(found.Results), found.Omitted)
		}
	}
}

func TestSearchLooksForNewGeneration(t *testing.T) {
	x, store := shopIndex(t)
	for range 3 {
		namesOf(t, x, Query{Text: "retry"})
	}
	if store.loads != 1 {
		t.Errorf("%d loads for one generation", store.loads)
	}
	writeFile(t, filepath.Join(x.Root(), "new.go"), "package a\n\nfunc Zebra() {}\n")
	other, err := New(x.Root(), store)
	if err != nil {
		t.Fatal(err)
	}
	mustUpdate(t, other, Options{})
	if got := namesOf(t, x, Query{Text: "zebra"}); !slices.Equal(got[:1], []string{"new.go:Zebra"}) || store.loads != 2 {
		t.Errorf("after an update elsewhere: %q, %d loads", got, store.loads)
	}
}

func TestSearchErrors(t *testing.T) {
	x, store := newIndex(t, t.TempDir())
	if _, err := x.Search(t.Context(), Query{Text: "a"}); !errors.Is(err, ErrNoIndex) {
		t.Errorf("without an index: %v", err)
	}
	for _, q := range []Query{{}, {Text: "a", Kind: "x"}, {Text: "a", Limit: -1}, {Text: "a", Limit: 1000}, {Text: "a", MaxTokens: 1}} {
		var wrong *QueryError
		if _, err := x.Search(t.Context(), q); !errors.As(err, &wrong) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	writeFile(t, filepath.Join(x.Root(), "a.go"), "package a\n\nfunc A() {}\n")
	mustUpdate(t, x, Options{})
	store.published.lexical = store.published.lexical[:40]
	if _, err := x.Search(t.Context(), Query{Text: "a"}); !errors.Is(err, errDamaged) {
		t.Errorf("damaged terms: %v", err)
	}
}
