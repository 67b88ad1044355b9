package qdrant

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fault-project/fault/rag"
)

// Publish writes the tables, and then refers to them in the control document.
func (w *writer) Publish(ctx context.Context, lexical []byte) error {
	if err := w.publish(ctx, lexical); err != nil {
		w.failed = true
		return fmt.Errorf("publish the index in %s: %w", w.store.Location(), err)
	}
	return nil
}

func (w *writer) publish(ctx context.Context, lexical []byte) error {
	chunks, vectors, err := w.known(ctx)
	if err != nil {
		return err
	}
	files := ordered(w.files)
	merged, keys, dropped := w.merge(files, chunks, vectors)
	upload := uploader{store: w.store}
	next := &published{Manifest: w.manifest, Session: w.session}
	before := w.lease.control()
	// The time makes the number one that no reader has, even if the collection was deleted in between.
	next.Generation = uint64(time.Now().UnixNano())
	if before.Published != nil {
		next.Generation = max(next.Generation, before.Published.Generation+1)
	}
	for _, t := range []struct {
		at    *table
		value any
	}{{&next.Files, files}, {&next.Chunks, merged}, {&next.Keys, keys}, {&next.Terms, lexical}} {
		if *t.at, err = w.write(ctx, &upload, t.value); err != nil {
			return err
		}
	}
	if err := upload.flush(ctx); err != nil {
		return err
	}
	if err := w.lease.change(ctx, func(c *control) { c.Published, c.Building = next, nil }); err != nil {
		return err
	}
	w.clean(ctx, before, next, dropped)
	// The files are now those of the base of what follows.
	w.base, w.chunks, w.added, w.useless = next, nil, nil, nil
	return nil
}

// merge returns the tables to publish, and the points of vectors that are not kept.
func (w *writer) merge(files []file, chunks []chunk, vectors []vector) (out chunkTable, keys []rag.VectorKey, dropped []uint64) {
	byKey := make(map[rag.VectorKey]uint32, len(vectors))
	for i := range vectors {
		byKey[vectors[i].Key] = uint32(i + 1)
	}
	numbers := make(map[uint32]uint32, len(w.chunks))
	for i := range w.chunks {
		numbers[w.chunks[i].Chunk.ID] = byKey[w.chunks[i].Key]
	}
	used := make([]bool, len(vectors)+1)
	count := 0
	eachChunk(files, w.table(chunks), func(_ *file, c *chunk) {
		if n, ok := numbers[c.ID]; ok {
			c.Vector = n
		}
		if c.Vector > 0 && !used[c.Vector] {
			used[c.Vector] = true
			count++
		}
		out.Chunks = append(out.Chunks, *c)
	})
	surplus := len(vectors) - count - max(spareVectors, count)
	moved := make([]uint32, len(vectors)+1)
	for i := range vectors {
		if !used[i+1] && surplus > 0 { // the oldest come first
			surplus--
			dropped = append(dropped, vectors[i].Point)
			continue
		}
		out.Vectors, keys = append(out.Vectors, vectors[i].Point), append(keys, vectors[i].Key)
		moved[i+1] = uint32(len(keys))
	}
	for i := range out.Chunks {
		out.Chunks[i].Vector = moved[out.Chunks[i].Vector]
	}
	return out, keys, dropped
}

// write writes a table in parts.
func (w *writer) write(ctx context.Context, upload *uploader, value any) (table, error) {
	data, err := pack(value)
	if err != nil {
		return table{}, err
	}
	t := table{Session: w.session, First: w.parts}
	for part := range slices.Chunk(data, partBytes) {
		if err := upload.add(ctx, pointID(w.session, kindPart, w.parts), dataPayload(part), nil); err != nil {
			return table{}, err
		}
		t.Parts++
		w.parts++
	}
	return t, nil
}

// clean deletes what the publication made useless. What it cannot delete stays marked for a later update.
func (w *writer) clean(ctx context.Context, before control, now *published, dropped []uint64) {
	if before.Unclean {
		if w.sweep(ctx, now) == nil {
			_ = w.lease.change(ctx, func(c *control) { c.Unclean = false })
		}
		return
	}
	useless := slices.Concat(w.useless, dropped)
	if before.Published != nil {
		useless = append(useless, before.Published.parts()...)
	}
	if before.Building != nil {
		for _, s := range before.Building.Segments {
			for n := range s.Batches {
				useless = append(useless, pointID(s.Session, kindBatch, s.First+n))
			}
		}
	}
	if w.store.delete(ctx, useless) != nil {
		_ = w.lease.change(ctx, func(c *control) { c.Unclean = true })
	}
}

// sweep deletes every point of earlier updates, and of this one, that the published state does not refer to. Later updates have greater
// numbers, so that nothing of theirs is touched even if this process was suspended.
func (w *writer) sweep(ctx context.Context, now *published) error {
	var t chunkTable
	if err := w.store.read(ctx, now.Chunks, &t); err != nil {
		return err
	}
	needed := map[uint64]bool{controlID: true}
	for _, list := range [][]uint64{now.parts(), t.Vectors} {
		for _, id := range list {
			needed[id] = true
		}
	}
	for _, f := range w.files {
		for _, id := range f.texts() {
			needed[id] = true
		}
	}
	var useless []uint64
	err := w.store.each(ctx, func(id uint64) {
		if !needed[id] && sessionOf(id) <= w.session {
			useless = append(useless, id)
		}
	})
	if err != nil {
		return err
	}
	return w.store.delete(ctx, useless)
}
