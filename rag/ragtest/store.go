package ragtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fault-project/fault/rag"
)

func testEmpty(t *testing.T, p Place) {
	s := p.store(t)
	for range 2 {
		if _, err := s.Load(t.Context(), 0); !errors.Is(err, rag.ErrNoIndex) {
			t.Errorf("load: %v", err)
		}
		base, w := begin(t, s, Manifest(), false)
		if len(base.Files) != 0 || base.Unpublished || len(base.Pending) != 0 || lexical(t, base) != "" || len(embedded(t, base)) != 0 {
			t.Errorf("base %+v", base)
		}
		finish(t, w)
	}
	if s.Location() == "" {
		t.Error("no location")
	}
}

func testRoundTrip(t *testing.T, p Place) {
	batch := with(with(put("a/b.go", "text ünd more", 0, 1, 2, 1), 1, 0), 2, 3)
	batch.Put = append(batch.Put, rag.FileRecord{Path: "empty.go", Skipped: "empty", FirstID: 3, Seen: 9})
	update(t, p.store(t), Manifest(), "terms \x00\xff", batch)
	s := p.store(t)
	want := content{
		manifest: Manifest(), files: 1, terms: "terms \x00\xff",
		chunks: []string{
			"0 a/b.go:0-9 go function F0||text ünd more 0", "1 a/b.go:10-19 go function F1|func F1()GET /f1|text ünd more 1",
			"2 a/b.go:20-29 go function F2||text ünd more 2",
		},
		near: [Dimension][]uint32{{0, 2}, nil, nil, {1}},
	}
	if diff := cmp.Diff(want, see(t, s), cmp.AllowUnexported(content{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	snapshot := load(t, s)
	if snapshot.Generation == 0 {
		t.Error("generation 0")
	}
	if again, err := s.Load(t.Context(), snapshot.Generation); again != nil || err != nil {
		t.Errorf("load again: %v, %v", again, err)
	}
	base, w := begin(t, s, Manifest(), false)
	slices.SortFunc(base.Files, func(a, b rag.FileRecord) int { return strings.Compare(a.Path, b.Path) })
	if diff := cmp.Diff(batch.Put, base.Files); diff != "" || base.Unpublished || len(base.Pending) != 0 || lexical(t, base) != want.terms {
		t.Errorf("base %+v\n%s", base, diff)
	}
	if keys := embedded(t, base); len(keys) != 2 || !keys[key(1)] || !keys[key(2)] {
		t.Errorf("vectors %v", keys)
	}
	finish(t, w)
}

func testWithoutVectors(t *testing.T, p Place) {
	m := rag.Manifest{Root: "/repository", Chunker: rag.ChunkerVersion, Embedder: rag.NoEmbedder}
	s := p.Open(t, m.Root, m.Embedder)
	update(t, s, m, "terms", put("a.go", "text", 0, 0, 0))
	if c := see(t, s); c.texts() != "text 0, text 1" || c.manifest != m {
		t.Errorf("found %+v", c)
	}
}

// What is committed is not seen until it is published, and then whole.
func testAtomic(t *testing.T, p Place) {
	s, reader := p.store(t), p.store(t)
	update(t, s, Manifest(), "one", with(put("a.go", "old a", 0, 1), 1, 0), with(put("b.go", "old b", 1, 2), 2, 1))
	before := see(t, reader)
	snapshot := load(t, reader)
	_, w := begin(t, s, Manifest(), false)
	for _, b := range []rag.Batch{
		with(put("a.go", "new a", 2, 3), 3, 2), {Remove: []string{"b.go"}}, with(put("c.go", "new c", 3, 1, 4), 4, 0),
	} {
		commit(t, w, b)
		if diff := cmp.Diff(before, see(t, reader), cmp.AllowUnexported(content{})); diff != "" {
			t.Errorf("after a commit (-want +got):\n%s", diff)
		}
		if again, err := reader.Load(t.Context(), snapshot.Generation); again != nil || err != nil {
			t.Errorf("a new state after a commit: %v", err)
		}
	}
	publish(t, w, "two")
	want := content{
		manifest: Manifest(), files: 2, terms: "two",
		chunks: []string{
			"2 a.go:0-9 go function F0||new a 0", "3 c.go:0-9 go function F0||new c 0",
			"4 c.go:10-19 go function F1|func F1()GET /f1|new c 1",
		},
		near: [Dimension][]uint32{{3, 4}, nil, {2}, nil},
	}
	if diff := cmp.Diff(want, see(t, reader), cmp.AllowUnexported(content{})); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	finish(t, w)
}

// An update that was not finished is gone on with.
func testResume(t *testing.T, p Place) {
	s := p.store(t)
	update(t, s, Manifest(), "one", with(put("a.go", "old a", 0, 1), 1, 0), put("b.go", "old b", 1, 1))
	_, w := begin(t, s, Manifest(), false)
	commit(t, w, with(put("c.go", "new c", 2, 2, 1), 2, 1))
	commit(t, w, rag.Batch{Remove: []string{"b.go"}})
	commit(t, w, put("a.go", "new a", 4, 2))
	finish(t, w)
	if got := see(t, s); got.texts() != "old a 0, old b 0" || got.terms != "one" {
		t.Errorf("unpublished: %+v", got)
	}
	base, w := begin(t, p.store(t), Manifest(), false)
	if !base.Unpublished || !slices.Equal(paths(base), []string{"a.go", "c.go"}) || lexical(t, base) != "one" {
		t.Errorf("base %+v", base)
	}
	pending := make([]string, 0, len(base.Pending))
	for _, c := range base.Pending {
		pending = append(pending, fmt.Sprintf("%d %s %s %x", c.ID, c.Path, c.Text, c.Key[0]))
	}
	if !slices.Equal(pending, []string{"2 c.go new c 0 2", "3 c.go new c 1 1", "4 a.go new a 0 2"}) {
		t.Errorf("pending %q", pending)
	}
	if keys := embedded(t, base); !keys[key(1)] || !keys[key(2)] {
		t.Errorf("vectors %v", keys)
	}
	commit(t, w, put("d.go", "new d", 5, 1))
	publish(t, w, "two")
	finish(t, w)
	got := see(t, s)
	if got.texts() != "new c 0, new c 1, new a 0, new d 0" || !cmp.Equal(got.near, [Dimension][]uint32{{3, 5}, {2, 4}, nil, nil}) {
		t.Errorf("published: %+v", got)
	}
	base, w = begin(t, s, Manifest(), false)
	if base.Unpublished || len(base.Pending) != 0 || lexical(t, base) != "two" {
		t.Errorf("base after all %+v", base)
	}
	finish(t, w)
}

// A file that comes and goes before a publication may leave its numbers to others.
func testReusedNumbers(t *testing.T, p Place) {
	s := p.store(t)
	update(t, s, Manifest(), "one", with(put("a.go", "a", 0, 1), 1, 0))
	_, w := begin(t, s, Manifest(), false)
	commit(t, w, with(put("gone.go", "gone", 1, 2, 2), 2, 1))
	finish(t, w)
	_, w = begin(t, s, Manifest(), false)
	commit(t, w, rag.Batch{Remove: []string{"gone.go"}})
	commit(t, w, with(put("new.go", "new", 1, 3), 3, 2))
	finish(t, w)
	base, w := begin(t, s, Manifest(), false)
	if len(base.Pending) != 1 || base.Pending[0].Text != "new 0" || base.Pending[0].Key != key(3) {
		t.Errorf("pending %+v", base.Pending)
	}
	publish(t, w, "two")
	finish(t, w)
	if got := see(t, s); got.texts() != "a 0, new 0" || !cmp.Equal(got.near, [Dimension][]uint32{{0}, nil, {1}, nil}) {
		t.Errorf("published %+v", got)
	}
}

func testSeveralResumes(t *testing.T, p Place) {
	want := make([]string, 0, 8)
	for i := range 4 {
		base, w := begin(t, p.store(t), Manifest(), false)
		if len(base.Files) != 2*i || base.Unpublished != (i > 0) {
			t.Errorf("update %d: base %+v", i, base)
		}
		for j := range 2 {
			n := 2*i + j
			commit(t, w, with(put(fmt.Sprintf("f%d.go", n), fmt.Sprintf("text%d", n), uint32(n), 1+n), 1+n, 0))
			want = append(want, fmt.Sprintf("text%d 0", n))
		}
		if i == 3 {
			publish(t, w, "all")
		}
		finish(t, w)
	}
	if got := see(t, p.store(t)); got.texts() != strings.Join(want, ", ") {
		t.Errorf("found %q", got.texts())
	}
}

func testMismatch(t *testing.T, p Place) {
	s := p.store(t)
	update(t, s, Manifest(), "one", with(put("a.go", "a", 0, 1), 1, 0))
	for says, change := range map[string]func(m *rag.Manifest){
		"/repository": func(m *rag.Manifest) { m.Root = "/other" }, "with rebuild": func(m *rag.Manifest) { m.Chunker++ },
		"vectors of model (4 dimensions), not vectors of other (4 dimensions)": func(m *rag.Manifest) { m.Embedder = "other" },
		"(4 dimensions), not vectors of model (5 dimensions)":                  func(m *rag.Manifest) { m.Dimension++ },
	} {
		m := Manifest()
		change(&m)
		_, _, err := s.Begin(t.Context(), m, false)
		wantMismatch(t, err, says)
	}
	// Nobody is kept out by those who were refused.
	update(t, s, Manifest(), "two", put("b.go", "b", 1, 1))
	if got := see(t, s); got.texts() != "a 0, b 0" {
		t.Errorf("found %+v", got)
	}
}

// A rebuild starts from nothing, also from what does not fit, and replaces the old state when it publishes.
func testRebuild(t *testing.T, p Place) {
	s := p.store(t)
	update(t, s, Manifest(), "one", with(put("a.go", "a", 0, 1), 1, 0), put("b.go", "b", 1, 1))
	other := Manifest()
	other.Chunker++
	base, w := begin(t, s, other, true)
	if len(base.Files) != 0 || base.Unpublished || len(base.Pending) != 0 || lexical(t, base) != "" || len(embedded(t, base)) != 0 {
		t.Errorf("base %+v", base)
	}
	commit(t, w, with(put("a.go", "again", 0, 1), 1, 2))
	if got := see(t, s); got.texts() != "a 0, b 0" || got.manifest != Manifest() {
		t.Errorf("during the rebuild: %+v", got)
	}
	publish(t, w, "two")
	finish(t, w)
	got := see(t, s)
	if got.texts() != "again 0" || got.manifest != other || got.terms != "two" || !slices.Equal(got.near[2], []uint32{0}) {
		t.Errorf("after the rebuild: %+v", got)
	}
}

func testUnfinishedRebuild(t *testing.T, p Place) {
	s := p.store(t)
	update(t, s, Manifest(), "one", with(put("a.go", "a", 0, 1), 1, 0))
	other := Manifest()
	other.Chunker++
	_, w := begin(t, s, other, true)
	commit(t, w, with(put("b.go", "b", 0, 1), 1, 1))
	finish(t, w)
	// The next update goes on with it, without being told to rebuild once more.
	base, w := begin(t, s, other, false)
	if !base.Unpublished || !slices.Equal(paths(base), []string{"b.go"}) || lexical(t, base) != "" {
		t.Errorf("base %+v", base)
	}
	finish(t, w)
	// Another rebuild does not.
	base, w = begin(t, s, other, true)
	if base.Unpublished || len(base.Files) != 0 {
		t.Errorf("base of another rebuild %+v", base)
	}
	commit(t, w, with(put("c.go", "c", 0, 2), 2, 3))
	publish(t, w, "two")
	finish(t, w)
	if got := see(t, s); got.texts() != "c 0" || !slices.Equal(got.near[3], []uint32{0}) || got.near[1] != nil {
		t.Errorf("found %+v", got)
	}
}

func testOtherDimension(t *testing.T, p Place) {
	s := p.store(t)
	update(t, s, Manifest(), "one", with(put("a.go", "a", 0, 1), 1, 0))
	other := Manifest()
	other.Dimension = 2
	_, w := begin(t, s, other, true)
	b := put("a.go", "again", 0, 1)
	b.Vectors = []rag.Vector{{Key: key(1), Values: []float32{0, 1}}}
	commit(t, w, b)
	publish(t, w, "two")
	finish(t, w)
	if got := see(t, s); got.texts() != "again 0" || got.manifest != other {
		t.Errorf("found %+v", got)
	}
}
