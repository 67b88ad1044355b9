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
	"time"

	"go.uber.org/goleak"

	"github.com/fault-project/fault/rag"
)

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writePackage writes files f0.go… with one function each, which is named after word, the number of the file and its version.
func writePackage(t *testing.T, dir string, files int, word string, version int) {
	t.Helper()
	for i := range files {
		text := fmt.Sprintf("package p\n\n// Doc of %d.\nfunc %s%dv%d() { common() }\n", i, word, i, version)
		writeFile(t, filepath.Join(dir, fmt.Sprintf("f%d.go", i)), text)
	}
}

func open(t *testing.T, dir, root string) *rag.Index { return openWith(t, dir, root, rag.Hash{}) }

func openWith(t *testing.T, dir, root string, embedder rag.Embedder) *rag.Index {
	t.Helper()
	store, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	x, err := rag.NewWithEmbedder(root, store, embedder)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func update(t *testing.T, x *rag.Index, o rag.Options) *rag.Summary {
	t.Helper()
	s, err := x.Update(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// versions returns the versions of the functions that a search for "common" finds, each once.
func versions(t *testing.T, x *rag.Index) []string {
	t.Helper()
	found, err := x.Search(t.Context(), rag.Query{Text: "common", Kind: "function", Limit: rag.MaxLimit, MaxTokens: rag.MaxMaxTokens})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range found.Results {
		if v := r.Name[strings.LastIndexByte(r.Name, 'v'):]; !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.Name()
	}
	return out
}

func TestUpdateAndSearch(t *testing.T) {
	defer goleak.VerifyNone(t)
	root, dir := t.TempDir(), filepath.Join(t.TempDir(), "a", "b")
	x := open(t, dir, root)
	if _, err := x.Search(t.Context(), rag.Query{Text: "x"}); !errors.Is(err, rag.ErrNoIndex) {
		t.Errorf("before: %v", err)
	}
	writePackage(t, root, 30, "open", 1)
	if s := update(t, x, rag.Options{}); s.Added != 30 || s.Files != 30 || s.Chunks != 60 {
		t.Errorf("first: %+v", s)
	}
	if got := versions(t, x); !slices.Equal(got, []string{"v1"}) {
		t.Errorf("found %q", got)
	}
	if got := names(t, dir); len(got) != 3 || got[0] != currentName || !strings.HasPrefix(got[1], "index-") || got[2] != lockName {
		t.Errorf("left in the directory: %q", got)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others may look into the index: %v, %v", info.Mode(), err)
	}
	generation := names(t, dir)[1]
	if s := update(t, x, rag.Options{}); s.Unchanged != 30 || names(t, dir)[1] != generation {
		t.Errorf("no change: %+v, %q", s, names(t, dir))
	}
	writePackage(t, root, 10, "open", 2)
	if err := os.Remove(filepath.Join(root, "f29.go")); err != nil {
		t.Fatal(err)
	}
	if s := update(t, x, rag.Options{}); s.Modified != 10 || s.Removed != 1 || s.Unchanged != 19 || s.Chunks != 58 {
		t.Errorf("changes: %+v", s)
	}
	// Another process sees the same.
	other := open(t, dir, root)
	for _, i := range []*rag.Index{x, other} {
		found, err := i.Search(t.Context(), rag.Query{Text: "open3v2"})
		if err != nil || found.Chunks != 58 || found.Files != 29 || found.Results[0].Path != "f3.go" || found.Results[0].StartLine != 3 {
			t.Errorf("found %+v, %v", found, err)
		}
	}
}

func TestOpenRefusesNames(t *testing.T) {
	for _, dir := range []string{"", "/tmp/a?b", "x#y", "100%"} {
		if _, err := Open(dir); err == nil {
			t.Errorf("Open(%q) works", dir)
		}
	}
}

func TestWaitsForTheOtherWriter(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	writePackage(t, root, 3, "open", 1)
	store, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest := rag.Manifest{Root: root, Chunker: rag.ChunkerVersion, Embedder: "none"}
	_, w, err := store.Begin(t.Context(), manifest, false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := store.Begin(ctx, manifest, false); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second writer: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	update(t, open(t, dir, root), rag.Options{})
}

func TestMismatch(t *testing.T) {
	root, other, dir := t.TempDir(), t.TempDir(), t.TempDir()
	writePackage(t, root, 3, "open", 1)
	writePackage(t, other, 3, "close", 7)
	update(t, open(t, dir, root), rag.Options{})
	x := open(t, dir, other)
	if _, err := x.Update(t.Context(), rag.Options{}); !errors.Is(err, rag.ErrMismatch) || !strings.Contains(err.Error(), root) {
		t.Errorf("update: %v", err)
	}
	if _, err := x.Search(t.Context(), rag.Query{Text: "x"}); !errors.Is(err, rag.ErrMismatch) {
		t.Errorf("search: %v", err)
	}
	if s := update(t, x, rag.Options{Rebuild: true}); s.Added != 3 {
		t.Errorf("rebuild: %+v", s)
	}
	if got := versions(t, x); !slices.Equal(got, []string{"v7"}) {
		t.Errorf("after the rebuild: %q", got)
	}
}

// Whatever a killed process leaves, the next update completes, and what was published is read until then.
func TestLeftovers(t *testing.T) {
	manifest := func(root string) rag.Manifest {
		return rag.Manifest{Root: root, Chunker: rag.ChunkerVersion, Embedder: "none"}
	}
	record := func(path string, id uint32) rag.FileRecord {
		return rag.FileRecord{Path: path, Language: "go", FirstID: id, Chunks: 1}
	}
	tests := map[string]func(t *testing.T, s *Store, root string){
		"garbage for a building file": func(t *testing.T, s *Store, _ string) {
			writeFile(t, s.path(buildingName), "no database")
			writeFile(t, s.path(buildingName+walSuffix), "no log")
		},
		"half a copy": func(t *testing.T, s *Store, _ string) { writeFile(t, s.path(copyName), "half") },
		"a committed batch": func(t *testing.T, s *Store, root string) {
			_, w, err := s.Begin(t.Context(), manifest(root), false)
			if err != nil {
				t.Fatal(err)
			}
			batch := rag.Batch{
				Remove: []string{"f1.go"}, Put: []rag.FileRecord{record("ghost.go", 900)},
				Chunks: []rag.Chunk{{ID: 900, Kind: "function", Name: "ghostv9", StartLine: 1, EndLine: 1, Text: "common ghost"}},
			}
			if err := errors.Join(w.Commit(t.Context(), batch), w.Close()); err != nil {
				t.Fatal(err)
			}
		},
		"a rebuild that was begun": func(t *testing.T, s *Store, root string) {
			_, w, err := s.Begin(t.Context(), manifest(root), true)
			if err != nil {
				t.Fatal(err)
			}
			batch := rag.Batch{Put: []rag.FileRecord{record("ghost.go", 0)}, Chunks: []rag.Chunk{{ID: 0, Kind: "function", Name: "ghostv9", Text: "common"}}}
			if err := errors.Join(w.Commit(t.Context(), batch), w.Close()); err != nil {
				t.Fatal(err)
			}
		},
		"a building file of another root": func(t *testing.T, s *Store, _ string) {
			_, w, err := s.Begin(t.Context(), manifest("/elsewhere"), true)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(w.Commit(t.Context(), rag.Batch{Put: []rag.FileRecord{record("x.go", 0)}}), w.Close()); err != nil {
				t.Fatal(err)
			}
		},
		"complete and not renamed": func(t *testing.T, s *Store, root string) {
			_, w, err := s.Begin(t.Context(), manifest(root), false)
			if err != nil {
				t.Fatal(err)
			}
			own := w.(*writer)
			if err := w.Commit(t.Context(), rag.Batch{Remove: []string{"f2.go"}}); err != nil {
				t.Fatal(err)
			}
			m := meta{manifest: own.manifest, state: stateComplete, generation: own.published + 5, base: own.published}
			if err := errors.Join(own.db.setMeta(t.Context(), m), w.Close()); err != nil {
				t.Fatal(err)
			}
		},
		"a generation that is no database": func(t *testing.T, s *Store, _ string) {
			writeFile(t, s.path(generationName(1<<63)), "no database")
		},
	}
	for name, leave := range tests {
		t.Run(name, func(t *testing.T) {
			root, dir := t.TempDir(), t.TempDir()
			writePackage(t, root, 5, "open", 1)
			x := openWith(t, dir, root, nil)
			update(t, x, rag.Options{})
			leave(t, &Store{dir: dir}, x.Root())
			if got := versions(t, openWith(t, dir, root, nil)); !slices.Equal(got, []string{"v1"}) {
				t.Errorf("before the next update: %q", got)
			}
			writePackage(t, root, 5, "open", 2)
			if s := update(t, x, rag.Options{}); s.Files != 5 || s.Chunks != 10 {
				t.Errorf("next update: %+v", s)
			}
			if got := versions(t, x); !slices.Equal(got, []string{"v2"}) {
				t.Errorf("after the next update: %q", got)
			}
			if got := names(t, dir); len(got) != 3 {
				t.Errorf("left in the directory: %q", got)
			}
		})
	}
}

// An update that was killed between its two last steps is finished by the next one, without doing it again.
func TestFinishesPublication(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	writePackage(t, root, 5, "open", 1)
	x := openWith(t, dir, root, nil)
	update(t, x, rag.Options{})
	before, err := os.ReadFile(filepath.Join(dir, currentName))
	if err != nil {
		t.Fatal(err)
	}
	saved, err := os.ReadFile(filepath.Join(dir, strings.TrimSpace(string(before))))
	if err != nil {
		t.Fatal(err)
	}
	writePackage(t, root, 5, "open", 2)
	when := time.Now().Add(-time.Hour)
	for i := range 5 {
		if err := os.Chtimes(filepath.Join(root, fmt.Sprintf("f%d.go", i)), when, when); err != nil {
			t.Fatal(err)
		}
	}
	update(t, x, rag.Options{})
	writeFile(t, filepath.Join(dir, strings.TrimSpace(string(before))), string(saved))
	writeFile(t, filepath.Join(dir, currentName), string(before))
	if got := versions(t, openWith(t, dir, root, nil)); !slices.Equal(got, []string{"v1"}) {
		t.Fatalf("the state before the last step: %q", got)
	}
	if s := update(t, x, rag.Options{}); s.Unchanged != 5 {
		t.Errorf("done again: %+v", s)
	}
	if got := versions(t, openWith(t, dir, root, nil)); !slices.Equal(got, []string{"v2"}) {
		t.Errorf("found %q", got)
	}
}

func TestDamagedCurrent(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	writePackage(t, root, 5, "open", 1)
	x := openWith(t, dir, root, nil)
	update(t, x, rag.Options{})
	writeFile(t, filepath.Join(dir, currentName), "nonsense")
	if _, err := x.Update(t.Context(), rag.Options{}); err == nil || !strings.Contains(err.Error(), "with rebuild") {
		t.Errorf("update: %v", err)
	}
	if _, err := openWith(t, dir, root, nil).Search(t.Context(), rag.Query{Text: "common"}); err == nil || !strings.Contains(err.Error(), "with rebuild") {
		t.Errorf("search: %v", err)
	}
	update(t, x, rag.Options{Rebuild: true})
	if got := versions(t, x); !slices.Equal(got, []string{"v1"}) {
		t.Errorf("after the rebuild: %q", got)
	}
}

func TestDamagedDatabase(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	writePackage(t, root, 5, "open", 1)
	x := openWith(t, dir, root, nil)
	update(t, x, rag.Options{})
	text, err := os.ReadFile(filepath.Join(dir, currentName))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, strings.TrimSpace(string(text))), strings.Repeat("nonsense", 1000))
	x = openWith(t, dir, root, nil)
	if _, err := x.Search(t.Context(), rag.Query{Text: "common"}); !errors.Is(err, rag.ErrDamaged) || !strings.Contains(err.Error(), "with rebuild") {
		t.Errorf("search: %v", err)
	}
	if _, err := x.Update(t.Context(), rag.Options{}); !errors.Is(err, rag.ErrDamaged) {
		t.Errorf("update: %v", err)
	}
	update(t, x, rag.Options{Rebuild: true})
	if got := versions(t, x); !slices.Equal(got, []string{"v1"}) {
		t.Errorf("after the rebuild: %q", got)
	}
}

// Reading while generations come and go gives one of them, whole.
func TestReadersDuringUpdates(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	writePackage(t, root, 20, "open", 0)
	update(t, openWith(t, dir, root, nil), rag.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	failures := make(chan error, 2)
	for range cap(failures) {
		x := openWith(t, dir, root, nil)
		go func() {
			for ctx.Err() == nil {
				found, err := x.Search(context.WithoutCancel(ctx), rag.Query{Text: "common", Kind: "function", Limit: 100, MaxTokens: 50_000})
				if err == nil && len(found.Results) != 20 {
					err = fmt.Errorf("%d results", len(found.Results))
				}
				if err != nil {
					failures <- err
					return
				}
			}
			failures <- nil
		}()
	}
	writer := openWith(t, dir, root, nil)
	for v := range 6 {
		writePackage(t, root, 20, "open", v)
		update(t, writer, rag.Options{})
	}
	cancel()
	for range cap(failures) {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
}

// Routes are stored with their chunks: a new process finds the handler of an operation.
func TestRoutesAreKept(t *testing.T) {
	root, dir := filepath.Join("..", "testdata", "routes", "express"), t.TempDir()
	update(t, open(t, dir, root), rag.Options{})
	x := open(t, dir, root)
	for _, question := range []string{"POST /api/orders", "which function answers POST /api/orders?"} {
		found, err := x.Search(t.Context(), rag.Query{Text: question})
		if err != nil || len(found.Results) == 0 || found.Results[0].Name != "place" || found.Results[0].Why != "handles POST /api/orders" {
			t.Errorf("%s: %+v, %v", question, found, err)
		}
	}
}
