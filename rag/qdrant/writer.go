package qdrant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/qdrant/go-client/qdrant"

	"github.com/fault-project/fault/rag"
)

// spareVectors is how many vectors that no chunk has are always kept, for branches that come back. More are kept while they are fewer
// than those in use.
const spareVectors = 2000

// writer is one update. It has the lease until Close.
type writer struct {
	store    *Store
	lease    *lease
	manifest rag.Manifest
	session  uint64
	// base is the published state that the update changes, nil to start from nothing.
	base *published
	// files is what the index has now; chunks are those committed since base, in the order of the batches, and added their vectors.
	files  map[string]*file
	chunks []committed
	added  []vector
	// batches and vectors and parts count what this update wrote.
	batches, vectors, parts uint32
	// useless are the points that nothing will refer to after the publication.
	useless []uint64
	// failed says that something may have been written that nothing refers to.
	failed bool
}

// begin finds out where to start: from an interrupted update of what is published, from that, or from nothing. It asks for another begin
// after it removed a collection with vectors of another length.
func (w *writer) begin(ctx context.Context, rebuild bool) (base *rag.Base, again bool, err error) {
	now := w.lease.control()
	resume := !rebuild && now.Building != nil && now.Building.Manifest == w.manifest &&
		(now.Building.Base == 0 || now.Published != nil && now.Published.Generation == now.Building.Base)
	if now.Published != nil && !rebuild && !resume {
		if err := w.store.served(w.manifest).Check(w.store.served(now.Published.Manifest), w.store.Location()); err != nil {
			return nil, false, err
		}
	}
	if dimension, err := w.store.dimension(ctx); err != nil {
		return nil, false, err
	} else if dimension != w.manifest.Dimension {
		return nil, true, w.store.explain(ctx, w.store.server.client.DeleteCollection(ctx, w.store.collection))
	}
	fresh := rebuild || now.Published == nil || resume && now.Building.Base == 0
	if !fresh {
		w.base = now.Published
		var files []file
		if err := w.store.read(ctx, w.base.Files, &files); err != nil {
			return nil, false, fmt.Errorf("read the index in %s: %w", w.store.Location(), err)
		}
		for i := range files {
			w.files[files[i].Record.Path] = &files[i]
		}
	}
	base = &rag.Base{Lexical: w.lexical, Embedded: w.embedded}
	if resume {
		base.Unpublished = true
		if err := w.store.readBatches(ctx, now.Building, w.replay); err != nil {
			return nil, false, err
		}
		if base.Pending, err = w.pending(ctx); err != nil {
			return nil, false, err
		}
	}
	for _, f := range w.files {
		base.Files = append(base.Files, f.Record)
	}
	if !resume && (now.Building != nil || fresh && now.Published != nil) {
		// What is begun anew leaves behind what it does not know.
		err = w.lease.change(ctx, func(c *control) { c.Building, c.Unclean = nil, true })
	}
	return base, false, err
}

// replay does what a batch did.
func (w *writer) replay(session uint64, b *batch) {
	for _, path := range b.Remove {
		w.forget(path, nil)
	}
	for _, r := range b.Put {
		f := &file{Record: r, Session: session}
		if old := w.files[r.Path]; old != nil && old.Record.FirstID == r.FirstID && old.Record.Chunks == r.Chunks {
			f.Session = old.Session
		}
		w.forget(r.Path, f)
		w.files[r.Path] = f
	}
	w.chunks = append(w.chunks, b.Chunks...)
	w.added = append(w.added, b.Vectors...)
}

// forget removes a file, and remembers that its texts are of no use unless they are also those of next.
func (w *writer) forget(path string, next *file) {
	old := w.files[path]
	if old == nil {
		return
	}
	delete(w.files, path)
	if next == nil || next.Session != old.Session || next.Record.FirstID != old.Record.FirstID {
		w.useless = append(w.useless, old.texts()...)
	}
}

// pending returns the chunks that were committed and not published, with their texts.
func (w *writer) pending(ctx context.Context) ([]rag.Chunk, error) {
	var out []rag.Chunk
	var points []uint64
	eachChunk(ordered(w.files), w.table(nil), func(f *file, c *chunk) {
		out = append(out, f.chunk(c))
		points = append(points, pointID(f.Session, kindText, c.ID))
	})
	keys := make(map[uint32]rag.VectorKey, len(w.chunks))
	for i := range w.chunks {
		keys[w.chunks[i].Chunk.ID] = w.chunks[i].Key
	}
	chunks := make([]*rag.Chunk, len(out))
	for i := range out {
		chunks[i], out[i].Key = &out[i], keys[out[i].ID]
	}
	if err := w.store.addTexts(ctx, chunks, points); err != nil {
		return nil, fmt.Errorf("read the unfinished update in %s: %w; index the directory again with rebuild", w.store.Location(), err)
	}
	return out, nil
}

// table returns chunks with those committed since, ordered by ID.
func (w *writer) table(chunks []chunk) []chunk {
	out := slices.Clone(chunks)
	for i := range w.chunks {
		out = append(out, w.chunks[i].Chunk)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	// The number of a chunk that was committed and removed again before the publication may be given once more: the last one counts.
	last := out[:0]
	for i := range out {
		if i+1 == len(out) || out[i+1].ID != out[i].ID {
			last = append(last, out[i])
		}
	}
	return last
}

func (w *writer) lexical(ctx context.Context) (terms []byte, err error) {
	if w.base == nil {
		return nil, nil
	}
	return terms, w.store.read(ctx, w.base.Terms, &terms)
}

// known returns the published chunks, and the vectors that there are, the oldest first.
func (w *writer) known(ctx context.Context) ([]chunk, []vector, error) {
	if w.base == nil {
		return nil, w.added, nil
	}
	var t chunkTable
	var keys []rag.VectorKey
	if err := errors.Join(w.store.read(ctx, w.base.Chunks, &t), w.store.read(ctx, w.base.Keys, &keys)); err != nil {
		return nil, nil, err
	}
	if len(keys) != len(t.Vectors) {
		return nil, nil, w.store.damaged("the table of vectors", errors.New("keys are missing"))
	}
	vectors := make([]vector, len(keys), len(keys)+len(w.added))
	for i := range keys {
		vectors[i] = vector{Key: keys[i], Point: t.Vectors[i]}
	}
	return t.Chunks, append(vectors, w.added...), nil
}

func (w *writer) embedded(ctx context.Context) (map[rag.VectorKey]bool, error) {
	_, vectors, err := w.known(ctx)
	keys := make(map[rag.VectorKey]bool, len(vectors))
	for i := range vectors {
		keys[vectors[i].Key] = true
	}
	return keys, err
}

// Commit writes texts, vectors and the batch, and then refers to them in the control document.
func (w *writer) Commit(ctx context.Context, b rag.Batch) error {
	if err := w.commit(ctx, b); err != nil {
		w.failed = true
		return fmt.Errorf("write the index in %s: %w", w.store.Location(), err)
	}
	return nil
}

func (w *writer) commit(ctx context.Context, b rag.Batch) error {
	done := batch{Remove: b.Remove, Put: b.Put}
	upload := uploader{store: w.store}
	for i := range b.Chunks {
		c := &b.Chunks[i]
		done.Chunks = append(done.Chunks, committed{
			Chunk: chunk{
				ID: c.ID, Kind: c.Kind, Name: c.Name, StartLine: c.StartLine, EndLine: c.EndLine, Header: c.Header, Routes: c.Routes,
			},
			Key: c.Key,
		})
		payload := map[string]*qdrant.Value{fieldText: qdrant.NewValueString(c.Text)}
		if err := upload.add(ctx, pointID(w.session, kindText, c.ID), payload, nil); err != nil {
			return err
		}
	}
	for _, v := range b.Vectors {
		if len(v.Values) != w.manifest.Dimension {
			return fmt.Errorf("a vector has %d dimensions, the index %d", len(v.Values), w.manifest.Dimension)
		}
		id := pointID(w.session, kindVector, w.vectors)
		w.vectors++
		done.Vectors = append(done.Vectors, vector{Key: v.Key, Point: id})
		payload := map[string]*qdrant.Value{fieldSession: qdrant.NewValueInt(int64(w.session))}
		if err := upload.add(ctx, id, payload, v.Values); err != nil {
			return err
		}
	}
	data, err := pack(done)
	if err != nil {
		return err
	}
	if err := upload.add(ctx, pointID(w.session, kindBatch, w.batches), dataPayload(data), nil); err != nil {
		return err
	}
	if err := upload.flush(ctx); err != nil {
		return err
	}
	if err := w.lease.change(ctx, w.append); err != nil {
		return err
	}
	w.batches++
	w.replay(w.session, &done)
	return nil
}

// append adds the batch that was written to the document.
func (w *writer) append(c *control) {
	next := building{Manifest: w.manifest}
	if w.base != nil {
		next.Base = w.base.Generation
	}
	if c.Building != nil {
		next.Segments = slices.Clone(c.Building.Segments)
	}
	if n := len(next.Segments); n == 0 || next.Segments[n-1].Session != w.session {
		next.Segments = append(next.Segments, segment{Session: w.session, First: w.batches})
	}
	next.Segments[len(next.Segments)-1].Batches++
	c.Building = &next
}

// Close ends the update and lets the next one begin.
func (w *writer) Close() error { return w.lease.give(w.failed) }
