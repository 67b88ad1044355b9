// Package ragtest is the test suite that every rag.Store must pass.
package ragtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fault-project/fault/rag"
)

// Dimension is the length of the vectors of Manifest.
const Dimension = 4

// Manifest returns that of an index with vectors.
func Manifest() rag.Manifest {
	return rag.Manifest{Root: "/repository", Chunker: rag.ChunkerVersion, Embedder: "model", Dimension: Dimension}
}

// Place is where one index may be kept. Open opens the store for an indexed directory and the name of an embedder; every call is as
// from another process.
type Place struct {
	Open func(t *testing.T, root, embedder string) rag.Store
}

func (p Place) store(t *testing.T) rag.Store {
	t.Helper()
	m := Manifest()
	return p.Open(t, m.Root, m.Embedder)
}

// Run runs the suite. place returns a new, empty place for each test.
func Run(t *testing.T, place func(t *testing.T) Place) {
	for name, test := range map[string]func(t *testing.T, p Place){
		"Empty": testEmpty, "RoundTrip": testRoundTrip, "WithoutVectors": testWithoutVectors, "Atomic": testAtomic, "Resume": testResume,
		"ReusedNumbers": testReusedNumbers, "SeveralResumes": testSeveralResumes, "Mismatch": testMismatch, "Rebuild": testRebuild,
		"UnfinishedRebuild": testUnfinishedRebuild, "OtherDimension": testOtherDimension, "OneWriter": testOneWriter,
		"SharedVectors": testSharedVectors, "SpareVectors": testSpareVectors, "WrongVector": testWrongVector, "Removal": testRemoval,
		"KeptChunks": testKeptChunks, "BigBatches": testBigBatches, "OldSnapshot": testOldSnapshot, "Canceled": testCanceled,
		"Index": testIndex, "Readers": testReaders, "Writers": testWriters,
	} {
		t.Run(name, func(t *testing.T) { test(t, place(t)) })
	}
}

func begin(t *testing.T, s rag.Store, m rag.Manifest, rebuild bool) (*rag.Base, rag.Writer) {
	t.Helper()
	base, w, err := s.Begin(t.Context(), m, rebuild)
	if err != nil {
		t.Fatal(err)
	}
	return base, w
}

func commit(t *testing.T, w rag.Writer, b rag.Batch) {
	t.Helper()
	if err := w.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func publish(t *testing.T, w rag.Writer, terms string) {
	t.Helper()
	if err := w.Publish(t.Context(), []byte(terms)); err != nil {
		t.Fatal(err)
	}
}

func finish(t *testing.T, w rag.Writer) {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// update does batches and publishes them.
func update(t *testing.T, s rag.Store, m rag.Manifest, terms string, batches ...rag.Batch) {
	t.Helper()
	_, w := begin(t, s, m, false)
	for _, b := range batches {
		commit(t, w, b)
	}
	publish(t, w, terms)
	finish(t, w)
}

func key(n int) rag.VectorKey { return rag.VectorKey{byte(n), byte(n >> 8), 1} }

// axis returns a vector along one of the axes.
func axis(n int) []float32 {
	v := make([]float32, Dimension)
	v[n] = 1
	return v
}

// put returns a batch of one file with chunks whose vectors have the given keys, 0 in an index without. Their texts begin with text.
func put(path, text string, first uint32, keys ...int) rag.Batch {
	b := rag.Batch{Put: []rag.FileRecord{{
		Path: path, Size: int64(len(text)), ModTime: 5, Seen: 6, Hash: [32]byte{1, 2, 3}, Language: "go", FirstID: first, Chunks: len(keys),
	}}}
	for i, k := range keys {
		c := rag.Chunk{
			ID: first + uint32(i), Path: path, Language: "go", Kind: "function", Name: fmt.Sprintf("F%d", i),
			StartLine: 10 * i, EndLine: 10*i + 9, Text: fmt.Sprintf("%s %d", text, i),
		}
		if i == 1 {
			c.Header, c.Routes = "func F1()", "GET /f1"
		}
		if k > 0 {
			c.Key = key(k)
		}
		b.Chunks = append(b.Chunks, c)
	}
	return b
}

// with adds the vector of an axis for a key.
func with(b rag.Batch, k, n int) rag.Batch {
	b.Vectors = append(b.Vectors, rag.Vector{Key: key(k), Values: axis(n)})
	return b
}

// content is what can be seen of a published state.
type content struct {
	manifest rag.Manifest
	files    int
	terms    string
	// chunks are lines of ID, path, place, name and text; near has for each axis the IDs of the chunks whose vector is its.
	chunks []string
	near   [Dimension][]uint32
}

func load(t *testing.T, s rag.Store) *rag.Snapshot {
	t.Helper()
	snapshot, err := s.Load(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

func see(t *testing.T, s rag.Store) content {
	t.Helper()
	c, err := contentOf(t.Context(), load(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func contentOf(ctx context.Context, s *rag.Snapshot) (content, error) {
	out := content{manifest: s.Manifest, files: s.Files, terms: string(s.Lexical)}
	chunks := make([]*rag.Chunk, len(s.Chunks))
	for i := range s.Chunks {
		c := s.Chunks[i]
		chunks[i] = &c
	}
	if s.Remote != nil {
		if err := s.Remote.Texts(ctx, chunks); err != nil {
			return out, err
		}
	}
	for _, c := range chunks {
		out.chunks = append(out.chunks, fmt.Sprintf("%d %s:%d-%d %s %s %s|%s|%s",
			c.ID, c.Path, c.StartLine, c.EndLine, c.Language, c.Kind, c.Name, c.Header+c.Routes, c.Text))
	}
	if s.Manifest.Dimension != Dimension {
		return out, nil
	}
	for n := range out.near {
		if s.Remote == nil {
			for i, v := range s.Vectors {
				if v != nil && v[n] == 1 {
					out.near[n] = append(out.near[n], s.Chunks[i].ID)
				}
			}
			continue
		}
		found, err := s.Remote.Similar(ctx, axis(n), nil, 10_000)
		if err != nil {
			return out, err
		}
		for _, f := range found {
			if f.Value == 1 {
				out.near[n] = append(out.near[n], s.Chunks[f.Chunk].ID)
			}
		}
		slices.Sort(out.near[n])
	}
	return out, nil
}

// texts returns the texts of the chunks.
func (c content) texts() string {
	out := make([]string, 0, len(c.chunks))
	for _, line := range c.chunks {
		out = append(out, line[strings.LastIndexByte(line, '|')+1:])
	}
	return strings.Join(out, ", ")
}

// paths returns the paths in a base, in order.
func paths(base *rag.Base) []string {
	out := make([]string, 0, len(base.Files))
	for _, r := range base.Files {
		out = append(out, r.Path)
	}
	slices.Sort(out)
	return out
}

func embedded(t *testing.T, base *rag.Base) map[rag.VectorKey]bool {
	t.Helper()
	keys, err := base.Embedded(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func lexical(t *testing.T, base *rag.Base) string {
	t.Helper()
	terms, err := base.Lexical(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(terms)
}

func wantMismatch(t *testing.T, err error, says ...string) {
	t.Helper()
	if !errors.Is(err, rag.ErrMismatch) {
		t.Errorf("error %v, want a mismatch", err)
		return
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q does not say %q", err, text)
		}
	}
}
