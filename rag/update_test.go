//go:build cgo

package rag

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newIndex(t *testing.T, root string) (*Index, *memStore) {
	t.Helper()
	store := &memStore{}
	x, err := New(root, store)
	if err != nil {
		t.Fatal(err)
	}
	return x, store
}

func mustUpdate(t *testing.T, x *Index, o Options) *Summary {
	t.Helper()
	s, err := x.Update(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// age sets the times of all files back, out of the window in which a file's time is not trusted.
func age(t *testing.T, root string, by time.Duration) {
	t.Helper()
	when := time.Now().Add(-by)
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		return os.Chtimes(path, when, when)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestUpdateCounts(t *testing.T) {
	root := writeTree(t, map[string]string{
		"a.go": "package a\n\nfunc A() {}\n", "b.py": "def b():\n    pass\n", "c.md": "# C\n", "bad.py": "x = '\xe9'\n", "bin.json": "\x00\x01",
	})
	age(t, root, time.Hour)
	x, store := newIndex(t, root)
	want := &Summary{
		Added: 3, Failed: 1, Skipped: map[string]int{SkipBinary: 1}, Files: 3, Chunks: 4, Bytes: 23 + 18 + 4,
		Failures: []string{"bad.py: not UTF-8 text: byte 0xe9 in line 1; convert the file to UTF-8"},
	}
	if diff := cmp.Diff(want, mustUpdate(t, x, Options{})); diff != "" {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	generation := store.generation
	want.Added, want.Unchanged = 0, 3
	if diff := cmp.Diff(want, mustUpdate(t, x, Options{})); diff != "" || store.generation != generation {
		t.Errorf("no change, generation %d (-want +got):\n%s", store.generation, diff)
	}
	// Touched only: unchanged, and the new time is remembered.
	age(t, root, 30*time.Minute)
	if diff := cmp.Diff(want, mustUpdate(t, x, Options{})); diff != "" || store.published.files["a.go"].ModTime == 0 {
		t.Errorf("touched (-want +got):\n%s", diff)
	}
	if m, now := store.published.files["a.go"].ModTime, time.Now().Add(-45*time.Minute).UnixNano(); m < now {
		t.Error("the new time of a touched file is not remembered")
	}
	writeFile(t, filepath.Join(root, "a.go"), "package a\n\nfunc A() {}\n\nfunc A2() {}\n")
	writeFile(t, filepath.Join(root, "d.go"), "package a\n\nfunc D() {}\n")
	writeFile(t, filepath.Join(root, "c.md"), "\x00")
	if err := os.Remove(filepath.Join(root, "b.py")); err != nil {
		t.Fatal(err)
	}
	want = &Summary{
		Added: 1, Modified: 1, Removed: 2, Failed: 1, Failures: want.Failures, Skipped: map[string]int{SkipBinary: 2}, Files: 2, Chunks: 5, Bytes: 37 + 23,
	}
	if diff := cmp.Diff(want, mustUpdate(t, x, Options{})); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// A change that leaves size and time as they were is found as long as the time is young.
func TestUpdateRacyTime(t *testing.T) {
	root := writeTree(t, map[string]string{"a.go": "package a\n\nfunc Old() {}\n"})
	path := filepath.Join(root, "a.go")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	x, _ := newIndex(t, root)
	mustUpdate(t, x, Options{})
	writeFile(t, path, "package a\n\nfunc New() {}\n")
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if s := mustUpdate(t, x, Options{}); s.Modified != 1 {
		t.Errorf("a change within the clock's step is lost: %+v", s)
	}
}

func TestUpdateOneLanguage(t *testing.T) {
	root := writeTree(t, map[string]string{
		"a.go": "package a\n\nfunc A() {}\n", "b.py": "def b():\n    pass\n", "tool": "#!/usr/bin/python3\ndef t():\n    pass\n", "sh": "#!/bin/sh\n",
	})
	age(t, root, time.Hour)
	x, store := newIndex(t, root)
	for _, step := range []struct {
		language string
		want     Summary
	}{
		{"python", Summary{Added: 2, Files: 2, Skipped: map[string]int{SkipOtherLanguage: 1, SkipUnsupported: 1}}},
		{"go", Summary{Added: 1, Files: 3, Skipped: map[string]int{SkipOtherLanguage: 2, SkipUnsupported: 1}}},
		{"", Summary{Unchanged: 3, Files: 3, Skipped: map[string]int{SkipUnsupported: 1}}},
		{"python", Summary{Unchanged: 2, Files: 3, Skipped: map[string]int{SkipOtherLanguage: 1, SkipUnsupported: 1}}},
	} {
		got := mustUpdate(t, x, Options{Language: step.language})
		got.Chunks, got.Bytes = 0, 0
		if diff := cmp.Diff(&step.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", step.language, diff)
		}
	}
	if err := os.Remove(filepath.Join(root, "a.go")); err != nil {
		t.Fatal(err)
	}
	if s := mustUpdate(t, x, Options{Language: "python"}); s.Removed != 0 || store.published.files["a.go"].Path == "" {
		t.Errorf("an update of python removed a go file: %+v", s)
	}
}

func TestUpdateEmpty(t *testing.T) {
	root := writeTree(t, map[string]string{".hidden.go": "package a\n", "x.png": "", "y.png": ""})
	x, store := newIndex(t, root)
	_, err := x.Update(t.Context(), Options{})
	var empty *EmptyError
	if !errors.As(err, &empty) || err.Error() != "nothing to index in "+root+" (skipped: 2 unsupported, 1 hidden)" {
		t.Errorf("error %v", err)
	}
	if store.generation != 0 {
		t.Error("an index of nothing was published")
	}
	writeFile(t, filepath.Join(root, "a.go"), "package a\n\nfunc Alone() {}\n")
	mustUpdate(t, x, Options{})
	if err := os.Remove(filepath.Join(root, "a.go")); err != nil {
		t.Fatal(err)
	}
	if _, err = x.Update(t.Context(), Options{}); !errors.As(err, &empty) {
		t.Errorf("error %v", err)
	}
	if found, err := x.Search(t.Context(), Query{Text: "Alone"}); err != nil || len(found.Results) != 0 {
		t.Errorf("what is gone is still found: %+v, %v", found, err)
	}
	if _, err := New(filepath.Join(root, "none"), store); err == nil {
		t.Error("a directory that does not exist has an index")
	}
}

func TestUpdateRefusesMismatch(t *testing.T) {
	root := writeTree(t, map[string]string{"a.go": "package a\n\nfunc A() {}\n"})
	x, store := newIndex(t, root)
	mustUpdate(t, x, Options{})
	for name, tt := range map[string]struct {
		change func(m *Manifest)
		says   string
	}{
		"chunker":  {func(m *Manifest) { m.Chunker++ }, "index the directory again with rebuild"},
		"root":     {func(m *Manifest) { m.Root = "/else" }, "choose another index directory (--index)"},
		"embedder": {func(m *Manifest) { m.Embedder, m.Dimension = "openai:x", 768 }, "has vectors of openai:x (768 dimensions), not no vectors (none): use that"},
	} {
		good := store.manifest
		tt.change(&store.manifest)
		store.generation++ // a reader must look again
		found, err := x.Search(t.Context(), Query{Text: "A"})
		if name == "embedder" { // words are words, whatever the vectors are of
			if err != nil || len(found.Results) != 1 || !strings.HasPrefix(found.Warning, "searched by words only: ") {
				t.Errorf("%s: search: %+v, %v", name, found, err)
			}
		} else if !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: search: %v", name, err)
		}
		if _, err := x.Update(t.Context(), Options{}); !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: update: %v", name, err)
		}
		if s := mustUpdate(t, x, Options{Rebuild: true}); s.Added != 1 || store.manifest != good {
			t.Errorf("%s: rebuild: %+v, manifest %+v", name, s, store.manifest)
		}
	}
}

// contents is what an index knows, without what may differ between two ways to the same state.
func contents(t *testing.T, store *memStore) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, c := range store.published.chunks {
		out[c.Path] = append(out[c.Path], fmt.Sprint(c.Kind, " ", c.Name, " ", c.StartLine, "-", c.EndLine, "\n", c.Text))
	}
	return out
}

// After any series of changes an updated index must be the same as one made from nothing, and answer the same.
func TestUpdateAgreesWithRebuild(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	root := writeTree(t, map[string]string{"keep.go": "package a\n\nfunc Keep() {}\n"})
	x, store := newIndex(t, root)
	words := []string{"open", "close", "retry", "send", "order", "price", "user"}
	for round := range 40 {
		for range 1 + r.IntN(4) {
			path := filepath.Join(root, fmt.Sprintf("d%d", r.IntN(2)), fmt.Sprintf("f%d.%s", r.IntN(6), []string{"go", "py"}[r.IntN(2)]))
			switch r.IntN(4) {
			case 0:
				_ = os.Remove(path)
			case 1:
				if _, err := os.Stat(path); err == nil {
					now := time.Now()
					if err := os.Chtimes(path, now, now); err != nil {
						t.Fatal(err)
					}
				}
			default:
				name := words[r.IntN(len(words))]
				text := fmt.Sprintf("package a\n\nfunc %s%d() { %s() }\n", name, r.IntN(9), words[r.IntN(len(words))])
				if strings.HasSuffix(path, ".py") {
					text = fmt.Sprintf("def %s_%d():\n    %s()\n", name, r.IntN(9), words[r.IntN(len(words))])
				}
				writeFile(t, path, text)
			}
		}
		switch r.IntN(5) {
		case 0: // an update that dies before it publishes
			store.death = errors.New("killed")
			if _, err := x.Update(t.Context(), Options{}); err != nil && !errors.Is(err, store.death) {
				t.Fatal(err)
			}
			store.death = nil
			continue
		case 1:
			if _, err := x.Update(t.Context(), Options{Language: "python"}); err != nil {
				var empty *EmptyError
				if !errors.As(err, &empty) {
					t.Fatal(err)
				}
			}
		}
		mustUpdate(t, x, Options{})
		fresh, freshStore := newIndex(t, root)
		mustUpdate(t, fresh, Options{})
		if diff := cmp.Diff(contents(t, freshStore), contents(t, store)); diff != "" {
			t.Fatalf("round %d: chunks (-rebuilt +updated):\n%s", round, diff)
		}
		for _, w := range words {
			if diff := cmp.Diff(placesOf(t, fresh, w), placesOf(t, x, w)); diff != "" {
				t.Fatalf("round %d: %q (-rebuilt +updated):\n%s", round, w, diff)
			}
		}
	}
}

// placesOf returns places and scores, ordered: chunks of equal score may come in another order.
func placesOf(t *testing.T, x *Index, text string) []string {
	t.Helper()
	found, err := x.Search(t.Context(), Query{Text: text, Limit: MaxLimit, MaxTokens: MaxMaxTokens})
	if err != nil {
		t.Fatal(err)
	}
	out := make([]string, len(found.Results))
	for i, r := range found.Results {
		out[i] = fmt.Sprintf("%.3f %s:%d %s", r.Score, r.Path, r.StartLine, r.Why)
	}
	slices.Sort(out)
	return out
}

func TestUpdateCanceled(t *testing.T) {
	files := map[string]string{}
	for i := range 200 {
		files[fmt.Sprintf("f%d.go", i)] = "package a\n\nfunc F() {}\n"
	}
	x, store := newIndex(t, writeTree(t, files))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := x.Update(ctx, Options{Progress: func(done, _ int, _ string) {
		if done == 3 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || store.generation != 0 {
		t.Errorf("error %v, generation %d", err, store.generation)
	}
	if s := mustUpdate(t, x, Options{}); s.Added+s.Unchanged != 200 {
		t.Errorf("after that: %+v", s)
	}
}

func TestUpdateFailsWithTheStore(t *testing.T) {
	x, store := newIndex(t, writeTree(t, map[string]string{"a.go": "package a\n"}))
	store.failCommit = errors.New("disk full")
	if _, err := x.Update(t.Context(), Options{}); !errors.Is(err, store.failCommit) {
		t.Errorf("error %v", err)
	}
	store.failCommit = nil
	if s := mustUpdate(t, x, Options{}); s.Added != 1 {
		t.Errorf("after that: %+v", s)
	}
}

func TestUpdateProgress(t *testing.T) {
	files := map[string]string{}
	for i := range 20 {
		files[fmt.Sprintf("f%d.go", i)] = "package a\n"
	}
	x, _ := newIndex(t, writeTree(t, files))
	seen := map[string]bool{}
	last := 0
	mustUpdate(t, x, Options{Progress: func(done, total int, path string) {
		if done != last+1 || total != 20 {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		last, seen[path] = done, true
	}})
	if len(seen) != 20 {
		t.Errorf("progress of %q", slices.Sorted(maps.Keys(seen)))
	}
}
