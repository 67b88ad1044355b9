//go:build cgo

package duckdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fault-project/fault/rag"
)

// counter counts the texts that it embeds.
type counter struct {
	rag.Hash
	texts int
}

func (c *counter) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	c.texts += len(texts)
	return c.Hash.Embed(ctx, texts)
}

func TestVectorsAreKept(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	writePackage(t, root, 20, "open", 1)
	c := &counter{}
	update(t, openWith(t, dir, root, c), rag.Options{})
	if c.texts != 21 {
		t.Fatalf("%d texts", c.texts)
	}
	// Everything is moved, then changed, and comes back.
	if err := os.Mkdir(filepath.Join(root, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		name := fmt.Sprintf("f%d.go", i)
		if err := os.Rename(filepath.Join(root, name), filepath.Join(root, "sub", name)); err != nil {
			t.Fatal(err)
		}
	}
	if s := update(t, openWith(t, dir, root, c), rag.Options{}); s.Added != 20 || s.Removed != 20 || s.Embedded != 0 || s.Reused != 40 {
		t.Errorf("moved: %+v", s)
	}
	writePackage(t, filepath.Join(root, "sub"), 20, "open", 2)
	if s := update(t, openWith(t, dir, root, c), rag.Options{}); s.Modified != 20 || c.texts != 41 {
		t.Errorf("changed: %+v, %d texts", s, c.texts)
	}
	writePackage(t, filepath.Join(root, "sub"), 20, "open", 1)
	x := openWith(t, dir, root, c)
	if s := update(t, x, rag.Options{}); s.Modified != 20 || s.Embedded != 0 {
		t.Errorf("back: %+v", s)
	}
	// A word that is nowhere, but has the letters of one that is: only the vectors find it.
	found, err := x.Search(t.Context(), rag.Query{Text: "opener7v1"})
	if err != nil || len(found.Results) == 0 || !strings.Contains(found.Results[0].Name, "open7v1") {
		t.Errorf("found %+v, %v", found, err)
	}
	found, err = openWith(t, dir, root, nil).Search(t.Context(), rag.Query{Text: "open7v1"})
	if err != nil || len(found.Results) == 0 || !strings.HasPrefix(found.Warning, "searched by words only: ") {
		t.Errorf("without the embedder: %+v, %v", found, err)
	}
}

func TestVectorsRoundTrip(t *testing.T) {
	s := &Store{dir: t.TempDir()}
	manifest := rag.Manifest{Root: "/r", Chunker: rag.ChunkerVersion, Embedder: "e", Dimension: 2}
	base, w, err := s.Begin(t.Context(), manifest, false)
	if err != nil {
		t.Fatal(err)
	}
	if keys, err := base.Embedded(t.Context()); err != nil || len(keys) != 0 {
		t.Errorf("keys %v, %v", keys, err)
	}
	key := func(n int) rag.VectorKey { return rag.VectorKey{byte(n), byte(n >> 8), 1} }
	batch := rag.Batch{
		Put: []rag.FileRecord{{Path: "a.go", Language: "go", Chunks: 3}},
		Chunks: []rag.Chunk{
			{ID: 0, Kind: "function", Text: "a", Key: key(1)},
			{ID: 1, Kind: "function", Text: "b", Key: key(2)},
			{ID: 2, Kind: "function", Text: "a", Key: key(1)},
		},
	}
	// More than are kept when no chunk has them: the oldest go. The first of all is in use and stays.
	for n := range spareVectors + 102 {
		batch.Vectors = append(batch.Vectors, rag.Vector{Key: key(n + 1), Values: []float32{float32(n), -0.5}})
	}
	if err := w.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Publish(t.Context(), nil), w.Close()); err != nil {
		t.Fatal(err)
	}
	snapshot, err := s.Load(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]float32{{0, -0.5}, {1, -0.5}, {0, -0.5}}
	if !slices.EqualFunc(snapshot.Vectors, want, slices.Equal[[]float32]) || snapshot.Manifest != manifest {
		t.Errorf("loaded %v, %+v", snapshot.Vectors, snapshot.Manifest)
	}
	base, w, err = s.Begin(t.Context(), manifest, false)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := base.Embedded(t.Context())
	if err != nil || len(keys) != spareVectors+2 || !keys[key(1)] || keys[key(3)] || !keys[key(spareVectors+102)] {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	// What has the wrong length is not written.
	batch = rag.Batch{Vectors: []rag.Vector{{Key: key(9), Values: []float32{1}}}}
	if err := w.Commit(t.Context(), batch); err == nil || !strings.Contains(err.Error(), "dimensions") {
		t.Errorf("a short vector: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
