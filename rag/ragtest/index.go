package ragtest

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

// WritePackage writes files f0.go… with one function each, which calls common and is named after word, the number of the file and its
// version. Each file is replaced at once.
func WritePackage(t testing.TB, dir string, files int, word string, version int) {
	t.Helper()
	for i := range files {
		text := fmt.Sprintf("package p\n\n// Doc of %d.\nfunc %s%dv%d() { common() }\n", i, word, i, version)
		path := filepath.Join(dir, fmt.Sprintf("f%d.go", i))
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
}

// All asks for every function of a package that WritePackage wrote.
func All() rag.Query {
	return rag.Query{Text: "common", Kind: "function", Limit: rag.MaxLimit, MaxTokens: rag.MaxMaxTokens}
}

// Versions returns the versions of the functions that a search for All finds, each once, and how many functions.
func Versions(ctx context.Context, x *rag.Index) (versions []string, count int, err error) {
	found, err := x.Search(ctx, All())
	if err != nil {
		return nil, 0, err
	}
	for _, r := range found.Results {
		if !strings.Contains(r.Text, r.Name+"() { common() }") {
			return nil, 0, fmt.Errorf("%s has the text %q", r.Name, r.Text)
		}
		if v := r.Name[strings.LastIndexByte(r.Name, 'v'):]; !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
	}
	return versions, len(found.Results), nil
}

// index opens the index of a directory, with vectors.
func (p Place) index(t *testing.T, root string) *rag.Index {
	t.Helper()
	root, err := rag.Resolve(root)
	if err != nil {
		t.Fatal(err)
	}
	x, err := rag.NewWithEmbedder(root, p.Open(t, root, rag.Hash{}.Name()), rag.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func mustUpdate(t *testing.T, x *rag.Index, o rag.Options) *rag.Summary {
	t.Helper()
	s, err := x.Update(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// testIndex is what a user does: index, search, change, index, search.
func testIndex(t *testing.T, p Place) {
	root := t.TempDir()
	x := p.index(t, root)
	if _, err := x.Search(t.Context(), rag.Query{Text: "x"}); !errors.Is(err, rag.ErrNoIndex) {
		t.Errorf("before: %v", err)
	}
	WritePackage(t, root, 30, "open", 1)
	if s := mustUpdate(t, x, rag.Options{DryRun: true}); s.Added != 30 {
		t.Errorf("dry run: %+v", s)
	}
	if _, err := x.Search(t.Context(), rag.Query{Text: "x"}); !errors.Is(err, rag.ErrNoIndex) {
		t.Errorf("after a dry run: %v", err)
	}
	if s := mustUpdate(t, x, rag.Options{}); s.Added != 30 || s.Files != 30 || s.Chunks != 60 || s.Embedded != 31 {
		t.Errorf("first: %+v", s)
	}
	if got, n, err := Versions(t.Context(), x); err != nil || !slices.Equal(got, []string{"v1"}) || n != 30 {
		t.Errorf("found %q, %d, %v", got, n, err)
	}
	if s := mustUpdate(t, x, rag.Options{}); s.Unchanged != 30 {
		t.Errorf("no change: %+v", s)
	}
	WritePackage(t, root, 10, "open", 2)
	if err := os.Remove(filepath.Join(root, "f29.go")); err != nil {
		t.Fatal(err)
	}
	if s := mustUpdate(t, x, rag.Options{}); s.Modified != 10 || s.Removed != 1 || s.Unchanged != 19 || s.Chunks != 58 || s.Embedded != 10 {
		t.Errorf("changes: %+v", s)
	}
	for _, i := range []*rag.Index{x, p.index(t, root)} { // another process sees the same
		found, err := i.Search(t.Context(), rag.Query{Text: "open3v2"})
		if err != nil || found.Chunks != 58 || found.Files != 29 || found.Warning != "" {
			t.Fatalf("found %+v, %v", found, err)
		}
		if r := found.Results[0]; r.Path != "f3.go" || r.StartLine != 3 || !strings.Contains(r.Text, "open3v2") {
			t.Errorf("found %+v", r)
		}
		// A word that is nowhere, but has the letters of one that is: only the vectors find it.
		found, err = i.Search(t.Context(), rag.Query{Text: "opener7v2", Path: "f7.go"})
		if err != nil || len(found.Results) == 0 || !strings.Contains(found.Results[0].Name, "open7v2") {
			t.Errorf("by likeness: %+v, %v", found, err)
		}
	}
	// A branch that comes back needs no new vectors.
	WritePackage(t, root, 10, "open", 1)
	if s := mustUpdate(t, x, rag.Options{}); s.Modified != 10 || s.Embedded != 0 {
		t.Errorf("back: %+v", s)
	}
	if s := mustUpdate(t, x, rag.Options{Rebuild: true}); s.Added != 29 || s.Chunks != 58 {
		t.Errorf("rebuild: %+v", s)
	}
	if got, n, err := Versions(t.Context(), x); err != nil || !slices.Equal(got, []string{"v1"}) || n != 29 {
		t.Errorf("in the end: %q, %d, %v", got, n, err)
	}
}

// testReaders searches while states come and go: every answer is of one of them, whole.
func testReaders(t *testing.T, p Place) {
	const files, versions = 20, 6
	root := t.TempDir()
	WritePackage(t, root, files, "open", 0)
	writer := p.index(t, root)
	mustUpdate(t, writer, rag.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan error, 3)
	for range cap(results) {
		x := p.index(t, root)
		go func() {
			for {
				got, n, err := Versions(context.WithoutCancel(ctx), x)
				if err == nil && (n != files || len(got) != 1) {
					err = fmt.Errorf("%d functions of %q", n, got)
				}
				if err != nil || ctx.Err() != nil {
					results <- err
					return
				}
			}
		}()
	}
	for v := range versions {
		WritePackage(t, root, files, "open", v+1)
		mustUpdate(t, writer, rag.Options{})
	}
	cancel()
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	got, _, err := Versions(t.Context(), p.index(t, root))
	if err != nil || !slices.Equal(got, []string{fmt.Sprint("v", versions)}) {
		t.Errorf("in the end: %q, %v", got, err)
	}
}

// testWriters updates one index from several sides at once.
func testWriters(t *testing.T, p Place) {
	const files, rounds = 10, 4
	root := t.TempDir()
	WritePackage(t, root, files, "open", 0)
	results := make(chan error, 2)
	for range cap(results) {
		x := p.index(t, root)
		go func() {
			for range rounds {
				if _, err := x.Update(t.Context(), rag.Options{}); err != nil {
					results <- fmt.Errorf("update: %w", err)
					return
				}
				if _, n, err := Versions(t.Context(), x); err != nil || n != files {
					results <- fmt.Errorf("%d functions: %w", n, err)
					return
				}
			}
			results <- nil
		}()
	}
	for v := range rounds {
		WritePackage(t, root, files, "open", v+1)
	}
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	x := p.index(t, root)
	if s := mustUpdate(t, x, rag.Options{}); s.Files != files || s.Chunks != 2*files {
		t.Errorf("in the end: %+v", s)
	}
	if got, n, err := Versions(t.Context(), x); err != nil || n != files || !slices.Equal(got, []string{fmt.Sprint("v", rounds)}) {
		t.Errorf("in the end: %q, %d, %v", got, n, err)
	}
}
