package ragtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fault-project/fault/rag"
)

// A second update waits for the first, until its context ends.
func testOneWriter(t *testing.T, p Place) {
	s := p.store(t)
	update(t, s, Manifest(), "one", with(put("a.go", "a", 0, 1), 1, 0))
	_, w := begin(t, s, Manifest(), false)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, _, err := p.store(t).Begin(ctx, Manifest(), false); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second writer: %v", err)
	}
	commit(t, w, put("b.go", "b", 1, 1))
	publish(t, w, "two")
	finish(t, w)
	update(t, p.store(t), Manifest(), "three", put("c.go", "c", 2, 1))
	if got := see(t, s); got.texts() != "a 0, b 0, c 0" {
		t.Errorf("found %+v", got)
	}
}

func testSharedVectors(t *testing.T, p Place) {
	s := p.store(t)
	update(t, s, Manifest(), "one", with(put("a.go", "a", 0, 1, 1), 1, 0))
	// The file moves; its vector is used again.
	update(t, s, Manifest(), "two", rag.Batch{Remove: []string{"a.go"}}, put("b.go", "b", 2, 1, 1))
	if got := see(t, s); got.texts() != "b 0, b 1" || !slices.Equal(got.near[0], []uint32{2, 3}) {
		t.Errorf("found %+v", got)
	}
}

// A vector that no chunk has any more is kept for a while; of very many, the oldest go.
func testSpareVectors(t *testing.T, p Place) {
	s := p.store(t)
	update(t, s, Manifest(), "one", with(put("a.go", "a", 0, 1), 1, 0), with(put("b.go", "b", 1, 2), 2, 1))
	update(t, s, Manifest(), "two", rag.Batch{Remove: []string{"a.go"}})
	base, w := begin(t, s, Manifest(), false)
	if keys := embedded(t, base); !keys[key(1)] {
		t.Error("the vector is gone at once")
	}
	commit(t, w, put("a.go", "back", 2, 1))
	many := rag.Batch{}
	for n := range 2500 {
		many.Vectors = append(many.Vectors, rag.Vector{Key: key(100 + n), Values: axis(2)})
	}
	many.Put = []rag.FileRecord{{Path: "x.go", Language: "go", FirstID: 3}}
	commit(t, w, many)
	publish(t, w, "three")
	finish(t, w)
	if got := see(t, s); got.texts() != "b 0, back 0" || !slices.Equal(got.near[0], []uint32{2}) || got.near[2] != nil {
		t.Errorf("found %+v", got)
	}
	base, w = begin(t, s, Manifest(), false)
	keys := embedded(t, base)
	if !keys[key(1)] || !keys[key(2)] || keys[key(100)] || !keys[key(100+2499)] || len(keys) != 2002 {
		t.Errorf("%d vectors are kept", len(keys))
	}
	finish(t, w)
}

func testWrongVector(t *testing.T, p Place) {
	s := p.store(t)
	_, w := begin(t, s, Manifest(), false)
	b := put("a.go", "a", 0, 1)
	b.Vectors = []rag.Vector{{Key: key(1), Values: []float32{1}}}
	if err := w.Commit(t.Context(), b); err == nil || !strings.Contains(err.Error(), "dimensions") {
		t.Errorf("a short vector: %v", err)
	}
	finish(t, w)
	if _, err := s.Load(t.Context(), 0); !errors.Is(err, rag.ErrNoIndex) {
		t.Errorf("load: %v", err)
	}
	update(t, s, Manifest(), "one", with(put("a.go", "right", 0, 1), 1, 0))
	if got := see(t, s); got.texts() != "right 0" {
		t.Errorf("found %+v", got)
	}
}

func testRemoval(t *testing.T, p Place) {
	s := p.store(t)
	update(t, s, Manifest(), "one", with(put("a.go", "a", 0, 1, 1), 1, 0), with(put("b.go", "b", 2, 2), 2, 1))
	update(t, s, Manifest(), "two", rag.Batch{Remove: []string{"a.go", "not there"}})
	if got := see(t, s); got.texts() != "b 0" || got.files != 1 || got.near[0] != nil {
		t.Errorf("found %+v", got)
	}
	update(t, s, Manifest(), "", rag.Batch{Remove: []string{"b.go"}})
	if got := see(t, s); len(got.chunks) != 0 || got.files != 0 || got.near[1] != nil {
		t.Errorf("found %+v", got)
	}
	base, w := begin(t, s, Manifest(), false)
	if len(base.Files) != 0 {
		t.Errorf("base %+v", base)
	}
	finish(t, w)
}

// A record that covers the same chunks replaces the record alone.
func testKeptChunks(t *testing.T, p Place) {
	s := p.store(t)
	update(t, s, Manifest(), "one", with(put("a.go", "a", 0, 1, 1), 1, 0))
	for i := range 2 {
		b := put("a.go", "a", 0, 1, 1)
		b.Put[0].ModTime, b.Chunks = int64(77+i), nil
		update(t, s, Manifest(), "one", b)
		if got := see(t, s); got.texts() != "a 0, a 1" || len(got.near[0]) != 2 {
			t.Errorf("found %+v", got)
		}
		base, w := begin(t, s, Manifest(), false)
		if len(base.Files) != 1 || base.Files[0].ModTime != int64(77+i) {
			t.Errorf("base %+v", base)
		}
		finish(t, w)
	}
}

func testBigBatches(t *testing.T, p Place) {
	const files, each = 60, 50
	s := p.store(t)
	_, w := begin(t, s, Manifest(), false)
	long := strings.Repeat("so much text that requests have to be cut ", 40)
	var all rag.Batch
	for i := range files {
		b := put(fmt.Sprintf("f%d.go", i), fmt.Sprintf("%s%d", long, i), uint32(i*each), make([]int, each)...)
		for j := range b.Chunks {
			b.Chunks[j].Key = key(1000 + i*each + j)
			b.Vectors = append(b.Vectors, rag.Vector{Key: b.Chunks[j].Key, Values: axis(j % Dimension)})
		}
		all.Put, all.Chunks, all.Vectors = append(all.Put, b.Put...), append(all.Chunks, b.Chunks...), append(all.Vectors, b.Vectors...)
	}
	commit(t, w, all)
	terms := strings.Repeat("0123456789abcdef", 1<<18)
	publish(t, w, terms)
	finish(t, w)
	got := see(t, s)
	if len(got.chunks) != files*each || got.files != files || got.terms != terms {
		t.Fatalf("%d chunks, %d files, %d bytes of terms", len(got.chunks), got.files, len(got.terms))
	}
	total := 0
	for n := range got.near {
		total += len(got.near[n])
	}
	if total != files*each || !strings.HasSuffix(got.chunks[files*each-1], fmt.Sprintf("%s%d %d", long, files-1, each-1)) {
		t.Errorf("%d vectors, last chunk %q", total, got.chunks[files*each-1])
	}
}

// A snapshot that was replaced either still answers as before, or says that it is stale.
func testOldSnapshot(t *testing.T, p Place) {
	s := p.store(t)
	update(t, s, Manifest(), "one", with(put("a.go", "a", 0, 1), 1, 0))
	old := load(t, s)
	before, err := contentOf(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, Manifest(), "two", with(put("a.go", "new", 1, 2), 2, 1))
	after, err := contentOf(t.Context(), old)
	if !errors.Is(err, rag.ErrStale) && (err != nil || !cmp.Equal(before, after, cmp.AllowUnexported(content{}))) {
		t.Errorf("the old snapshot: %+v, %v", after, err)
	}
}

// An update whose context ends leaves what was published.
func testCanceled(t *testing.T, p Place) {
	s := p.store(t)
	update(t, s, Manifest(), "one", with(put("a.go", "a", 0, 1), 1, 0))
	_, w := begin(t, s, Manifest(), false)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Commit(ctx, put("b.go", "b", 1, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v", err)
	}
	if err := w.Publish(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("publish: %v", err)
	}
	finish(t, w)
	if _, _, err := s.Begin(ctx, Manifest(), false); !errors.Is(err, context.Canceled) {
		t.Errorf("begin: %v", err)
	}
	update(t, s, Manifest(), "two", put("c.go", "c", 1, 1))
	if got := see(t, s); got.texts() != "a 0, c 0" {
		t.Errorf("found %+v", got)
	}
}
