//go:build cgo

package rag

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// topics is an embedder with one dimension for each group of words that mean the same.
type topics struct {
	groups    [][]string
	dimension int
	fail      error
	after     int // texts until it fails
	texts     []string
}

func (e *topics) Name() string { return "topics-1" }

func (e *topics) Dimension(context.Context) (int, error) { return e.dimension, nil }

func (e *topics) Embed(_ context.Context, texts []string) ([][]float32, error) {
	if e.fail != nil && len(e.texts)+len(texts) > e.after {
		return nil, e.fail
	}
	e.texts = append(e.texts, texts...)
	out := make([][]float32, len(texts))
	for i, text := range texts {
		out[i] = make([]float32, len(e.groups))
		for j, group := range e.groups {
			for _, word := range group {
				out[i][j] += float32(3 * strings.Count(text, word))
			}
		}
	}
	return out, nil
}

func vectorIndex(t *testing.T, files map[string]string) (*Index, *memStore, *topics) {
	t.Helper()
	e := &topics{groups: [][]string{{"retry", "again", "persist"}, {"price", "money", "cost"}, {"socket", "wire"}}, dimension: 3}
	store := &memStore{}
	x, err := NewWithEmbedder(writeTree(t, files), store, e)
	if err != nil {
		t.Fatal(err)
	}
	return x, store, e
}

var vectorTree = map[string]string{
	"a.go": "package a\n\n// Loop tries again.\nfunc Loop() { again() }\n",
	"b.go": "package a\n\n// Total adds the cost of all.\nfunc Total() { cost() }\n",
	"c.go": "package a\n\nfunc Open() { socket() }\n",
}

func TestSearchByMeaning(t *testing.T) {
	x, store, e := vectorIndex(t, vectorTree)
	mustUpdate(t, x, Options{})
	found, err := x.Search(t.Context(), Query{Text: "how is money counted"})
	if err != nil || found.Warning != "" || len(found.Results) != 1 {
		t.Fatalf("found %+v, %v", found, err)
	}
	if r := found.Results[0]; r.Name != "Total" || r.Why != "similar to the question" {
		t.Errorf("found %+v", r)
	}
	// An exact identifier comes first, whatever the vectors say.
	for _, q := range []string{"Loop", "Loop() price money cost"} {
		if got := namesOf(t, x, Query{Text: q}); got[0] != "a.go:Loop" {
			t.Errorf("%s: %q", q, got)
		}
	}
	if got := namesOf(t, x, Query{Text: "money", Path: "a.go"}); len(got) != 0 {
		t.Errorf("the filter lets pass %q", got)
	}
	for _, v := range store.published.vectors {
		if sum := float64(dot(v, v)); math.Abs(sum-1) > 1e-5 && sum != 0 {
			t.Errorf("length %v", sum)
		}
	}
	e.fail = errors.New("no network")
	found, err = x.Search(t.Context(), Query{Text: "adds"})
	if err != nil || len(found.Results) != 1 || found.Warning != "searched by words only: embed with topics-1: no network" {
		t.Errorf("without the embedder: %+v, %v", found, err)
	}
	// The vectors of another model are not searched.
	other, err := NewWithEmbedder(x.Root(), store, Hash{})
	if err != nil {
		t.Fatal(err)
	}
	found, err = other.Search(t.Context(), Query{Text: "adds"})
	if err != nil || len(found.Results) != 1 ||
		found.Warning != "searched by words only: the index has vectors of topics-1 (3 dimensions), and the embedding model now is hash-lexical-1" {
		t.Errorf("another embedder: %+v, %v", found, err)
	}
}

func TestVectorsAreReused(t *testing.T) {
	x, _, e := vectorIndex(t, vectorTree)
	s := mustUpdate(t, x, Options{})
	// The package clause is the same in all files, and is embedded once.
	if s.Embedded != 4 || s.Reused != 2 || len(e.texts) != 4 || s.Tokens == 0 {
		t.Fatalf("first: %+v, %d texts", s, len(e.texts))
	}
	if err := os.Mkdir(filepath.Join(x.Root(), "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(filepath.Join(x.Root(), from), filepath.Join(x.Root(), to)); err != nil {
			t.Fatal(err)
		}
	}
	move("a.go", "sub/z.go")
	if s := mustUpdate(t, x, Options{}); s.Added != 1 || s.Removed != 1 || s.Embedded != 0 || s.Reused != 2 {
		t.Errorf("moved: %+v", s)
	}
	// Another branch, and back.
	writeFile(t, filepath.Join(x.Root(), "b.go"), "package a\n\nfunc Total() { wire() }\n")
	if s := mustUpdate(t, x, Options{}); s.Embedded != 1 {
		t.Errorf("another branch: %+v", s)
	}
	writeFile(t, filepath.Join(x.Root(), "b.go"), vectorTree["b.go"])
	if s := mustUpdate(t, x, Options{}); s.Embedded != 0 || s.Modified != 1 {
		t.Errorf("and back: %+v", s)
	}
	if got := namesOf(t, x, Query{Text: "money"}); !slices.Equal(got, []string{"b.go:Total"}) {
		t.Errorf("found %q", got)
	}
	if got := namesOf(t, x, Query{Text: "persist"}); !slices.Equal(got, []string{"sub/z.go:Loop"}) {
		t.Errorf("found %q", got)
	}
}

func TestRowsAreCommittedAfterTheirVectors(t *testing.T) {
	files := map[string]string{}
	for i := range 3 * batchVectors {
		files[fmt.Sprintf("f%d.go", i)] = fmt.Sprintf("package a\n\nfunc F%d() {}\n", i)
	}
	x, store, e := vectorIndex(t, files)
	e.fail, e.after = errors.New("quota"), 2*batchVectors
	_, err := x.Update(t.Context(), Options{})
	var failed *EmbedError
	if !errors.As(err, &failed) || failed.Embedder != "topics-1" || store.generation != 0 {
		t.Fatalf("error %v, generation %d", err, store.generation)
	}
	if store.building == nil || len(store.building.files) == 0 {
		t.Fatal("nothing was committed")
	}
	for _, c := range store.building.chunks {
		if store.building.vectors[c.Key] == nil {
			t.Fatalf("%s is committed without a vector", c.Path)
		}
	}
	before := len(e.texts)
	e.fail = nil
	if s := mustUpdate(t, x, Options{}); s.Files != len(files) || len(e.texts) != len(files)+1 || s.Embedded != len(files)+1-before {
		t.Errorf("the next update: %+v, %d texts", s, len(e.texts))
	}
	for i, v := range must(t, store).Vectors {
		if len(v) != 3 {
			t.Fatalf("chunk %d has no vector", i)
		}
	}
}

func must(t *testing.T, store *memStore) *Snapshot {
	t.Helper()
	s, err := store.Load(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDryRun(t *testing.T) {
	x, store, e := vectorIndex(t, vectorTree)
	age(t, x.Root(), time.Hour)
	s := mustUpdate(t, x, Options{DryRun: true})
	if s.Added != 3 || s.Chunks != 6 || s.Bytes == 0 || s.Embedded != 4 || s.Tokens == 0 || len(e.texts) != 0 || store.generation != 0 {
		t.Errorf("first: %+v, %d texts", s, len(e.texts))
	}
	real := mustUpdate(t, x, Options{})
	if real.Tokens != s.Tokens || real.Embedded != s.Embedded || real.Bytes != s.Bytes {
		t.Errorf("said %+v, did %+v", s, real)
	}
	writeFile(t, filepath.Join(x.Root(), "b.go"), "package a\n\nfunc Total() { wire() }\n")
	texts, generation := len(e.texts), store.generation
	for range 2 {
		if s := mustUpdate(t, x, Options{DryRun: true}); s.Modified != 1 || s.Embedded != 1 {
			t.Errorf("change: %+v", s)
		}
	}
	if s := mustUpdate(t, x, Options{DryRun: true, Rebuild: true}); s.Added != 3 || s.Embedded != 4 {
		t.Errorf("rebuild: %+v", s)
	}
	if len(e.texts) != texts || store.generation != generation || store.building != nil {
		t.Error("a dry run changed something")
	}
}

func TestWrongVectorsAreRefused(t *testing.T) {
	for says, e := range map[string]*topics{
		"--llm-embed-model-dim": {groups: [][]string{{"a"}}, dimension: 2},
		"not numbers":           {groups: [][]string{{"a"}, {""}}, dimension: 2},
	} {
		x, err := NewWithEmbedder(writeTree(t, vectorTree), &memStore{}, e)
		if err != nil {
			t.Fatal(err)
		}
		var embedder Embedder = e
		if says == "not numbers" {
			embedder = badNumbers{e}
		}
		x.embedder = embedder
		if _, err := x.Update(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

type badNumbers struct{ *topics }

func (b badNumbers) Embed(_ context.Context, texts []string) ([][]float32, error) {
	return slices.Repeat([][]float32{{float32(math.NaN()), 1}}, len(texts)), nil
}

func TestHash(t *testing.T) {
	texts := []string{"parse the URL query", "func parseURLQuery(s string)", "release the database connection", ""}
	first, err := Hash{}.Embed(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := Hash{}.Embed(t.Context(), texts)
	for i := range first {
		if !slices.Equal(first[i], again[i]) {
			t.Errorf("text %d has two vectors", i)
		}
		if err := normalize(first[i], hashDimension); err != nil {
			t.Error(err)
		}
	}
	if near, far := dot(first[0], first[1]), dot(first[0], first[2]); near < 0.5 || far > 0.2 {
		t.Errorf("alike %v, different %v", near, far)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Hash{}).Embed(ctx, texts); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestSimilarities(t *testing.T) {
	vectors := make([][]float32, 5000)
	for i := range vectors {
		vectors[i] = make([]float32, 1027) // not a multiple of four
		vectors[i][i%1027] = 2
	}
	vectors[7] = nil
	question := make([]float32, 1027)
	for i := range question {
		question[i] = float32(i)
	}
	for i, s := range similarities(vectors, question) {
		want := float32(2 * (i % 1027))
		if i == 7 {
			want = 0
		}
		if s != want {
			t.Fatalf("%d: %v, want %v", i, s, want)
		}
	}
}

func TestFuse(t *testing.T) {
	scores := []float64{10, 5, 0, 0}
	near := fuse(scores, measured([]float32{0.2, 0.2, 0.8, 0.2}), 0.5)
	if !slices.Equal(near, []bool{false, false, true, false}) || scores[0] != 0.5 || scores[1] != 0.25 || math.Abs(scores[2]-0.5) > 1e-6 {
		t.Errorf("scores %v, near %v", scores, near)
	}
	scores = []float64{4, 2}
	if near := fuse(scores, measured([]float32{0, 0}), 0.5); near[0] || near[1] || scores[0] != 0.5 || scores[1] != 0.25 {
		t.Errorf("without similarity: %v, %v", scores, near)
	}
}
